"""Did the sampler work? R-hat, effective sample sizes, divergences, energy; and the gate they set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
import xarray as xr

from medresponse.inference.convergence import energy_bfmi, mixing
from medresponse.inference.psis import smoothed_weights, tail_shapes


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a fit must reach (Vehtari et al. 2021, Bayesian Anal 16:667; Betancourt 2017 for E-BFMI)."""

    max_rhat: float = 1.01
    min_ess: float = 400.0
    max_divergences: int = 0
    min_bfmi: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Worst diagnostics over every parameter, and over imputations where there are several.

    R-hat and effective sample sizes are taken within an imputation (posteriors under different imputations
    differ rightly) and the worst is kept.

    Parameters
    ----------
    rhat : float
        Largest rank-normalised split R-hat; `rhat_parameter` names where.
    ess_bulk, ess_tail : float
        Smallest effective sample sizes; the tail is that of the 5% and 95% quantiles.
    ess_p5 : float
        5th percentile of the bulk effective sample sizes over parameters.
    divergences : int
    bfmi : float or None
        Smallest energy Bayesian fraction of missing information over chains; None for a sampler without energy.
    chains, chains_asked : int
        Chains that finished and that were asked for.
    pareto_k : float, optional
        Largest Pareto k of leave-one-out importance weights over patients; None where it was not
        computed (folds).
    influential : int
        Patients whose k exceeds 0.7: the posterior leans on each of them, so look at their data. No limit is set
        on it: it questions the model, not the sampler.
    prior_k : float, optional
        Pareto k of the weights that stand for weaker and stronger priors (`power_scaling`); above 0.7 what they say of the
        priors' part is not to be relied on. No limit is set on it either. None where no prior density was kept.
    limits : Limits
    """

    rhat: float
    rhat_parameter: str
    ess_bulk: float
    ess_bulk_parameter: str
    ess_tail: float
    ess_tail_parameter: str
    ess_p5: float
    divergences: int
    bfmi: float | None
    chains: int
    chains_asked: int
    pareto_k: float | None = None
    influential: int = 0
    prior_k: float | None = None
    limits: Limits = Limits()

    @property
    def failures(self) -> tuple[str, ...]:
        """What fails the limits, in words; empty if the fit passes. NaN fails."""
        limits, found = self.limits, []
        measured = (
            ("R-hat", self.rhat, self.rhat_parameter, self.rhat <= limits.max_rhat, f"exceeds {limits.max_rhat}", ".3f"),
            ("bulk ESS", self.ess_bulk, self.ess_bulk_parameter, self.ess_bulk >= limits.min_ess, f"is under {limits.min_ess:.0f}", ".0f"),
            ("tail ESS", self.ess_tail, self.ess_tail_parameter, self.ess_tail >= limits.min_ess, f"is under {limits.min_ess:.0f}", ".0f"),
        )  # fmt: skip
        for name, value, parameter, holds, verdict, form in measured:
            if math.isnan(value):
                found.append(f"{name} of {parameter} cannot be computed")
            elif not holds:
                found.append(f"{name} {value:{form}} of {parameter} {verdict}")
        if not self.divergences <= limits.max_divergences:
            found.append(f"{self.divergences} divergent transition(s)")
        if self.bfmi is not None and not self.bfmi >= limits.min_bfmi:
            found.append(f"E-BFMI {self.bfmi:.2f} is under {limits.min_bfmi}")
        if self.chains != self.chains_asked:
            found.append(f"only {self.chains} of {self.chains_asked} chains finished")
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether a clinician report may be made from the fit."""
        return not self.failures


def diagnose(
    posterior: xr.Dataset, stats: xr.Dataset, *, chains_asked: int, limits: Limits | None = None
) -> tuple[Diagnostics, pl.DataFrame]:
    """Return the worst diagnostics and a table of all.

    Parameters
    ----------
    posterior, stats : xarray.Dataset
        Dims (chain, draw, ...), with a coordinate ``imputation`` along chain.
    chains_asked : int
    limits : Limits, optional

    Returns
    -------
    diagnostics : Diagnostics
    table : polars.DataFrame
        ``parameter, rhat, ess_bulk, ess_tail``, each the worst over imputations.
    """
    names, columns = _flatten(posterior)
    # A deterministic that never moves (a centred one-level effect) has no R-hat: leave exact constants out.
    moving = np.ptp(columns, axis=(0, 1)) != 0
    kept, columns = [name for name, moves in zip(names, moving, strict=True) if moves], columns[..., moving]
    imputation = posterior["imputation"].values
    rhat, bulk, tail = (np.full((len(np.unique(imputation)), len(kept)), np.nan) for _ in range(3))
    for m, label in enumerate(np.unique(imputation)):
        draws = columns[imputation == label]
        if len(draws) < 2:
            continue  # stays NaN, and NaN fails
        rhat[m], bulk[m], tail[m] = mixing(draws)
    rhat, bulk, tail = rhat.max(axis=0), bulk.min(axis=0), tail.min(axis=0)
    bfmi = float(energy_bfmi(stats["energy"].values).min()) if "energy" in stats else None
    worst_rhat, worst_bulk, worst_tail = (_arg(rhat, np.argmax), _arg(bulk, np.argmin), _arg(tail, np.argmin))
    diagnostics = Diagnostics(
        rhat=float(rhat[worst_rhat]), rhat_parameter=kept[worst_rhat],
        ess_bulk=float(bulk[worst_bulk]), ess_bulk_parameter=kept[worst_bulk],
        ess_tail=float(tail[worst_tail]), ess_tail_parameter=kept[worst_tail],
        ess_p5=float(np.quantile(bulk, 0.05)), divergences=int(stats["diverging"].values.sum()),
        bfmi=bfmi, chains=posterior.sizes["chain"], chains_asked=chains_asked,
        limits=limits or Limits(),
    )  # fmt: skip
    table = pl.DataFrame({"parameter": kept, "rhat": rhat, "ess_bulk": bulk, "ess_tail": tail})
    return diagnostics, table


def pareto_k(log_likelihood: np.ndarray) -> np.ndarray:
    """Return the Pareto k of each patient's leave-one-out importance weights, shape (patient,).

    Parameters
    ----------
    log_likelihood : numpy.ndarray
        Pointwise, shape (patient, draw).

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Stat Comput 27:1413.
    """
    return tail_shapes(-log_likelihood)


def psis_loo(log_likelihood: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return leave-one-out log predictive densities and Pareto k, both of shape (patient,).

    Parameters
    ----------
    log_likelihood : numpy.ndarray
        Pointwise, shape (patient, draw).

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Stat Comput 27:1413, eq. 10.
    """
    from scipy.special import logsumexp

    log_weights, shapes = smoothed_weights(-log_likelihood)
    return logsumexp(log_weights + log_likelihood, axis=-1), shapes


def _arg(values: np.ndarray, pick: object) -> int:
    """Return the position of the worst value; NaN counts as worst."""
    missing = np.flatnonzero(np.isnan(values))
    return int(missing[0]) if len(missing) else int(pick(values))  # type: ignore[operator]


def _flatten(posterior: xr.Dataset) -> tuple[list[str], np.ndarray]:
    """Return element names and draws of shape (chain, draw, element)."""
    names, columns = [], []
    for name, array in posterior.data_vars.items():
        values = array.transpose("chain", "draw", ...).values
        flat = values.reshape(*values.shape[:2], -1)
        index = np.ndindex(*values.shape[2:])
        names += [f"{name}[{', '.join(map(str, i))}]" if i else str(name) for i in index]
        columns.append(flat)
    return names, np.concatenate(columns, axis=2)
