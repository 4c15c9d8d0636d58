"""Simulation-based calibration of a spec on the design of a cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.codec import to_plain
from medresponse.core.errors import SpecError
from medresponse.core.machine import one_blas_thread
from medresponse.core.rng import stream
from medresponse.inference import ChainRun, Engine, Fit, Gibbs, Nuts, fit, only_outcome
from medresponse.inference.fitting import fit_identity
from medresponse.inference.prior import prior_fit
from medresponse.model import ModelSpec, Prepared, drawn_features, prepare
from medresponse.response import Responses, respond
from medresponse.sbc.figure import ecdf_figure
from medresponse.sbc.quantities import between_imputations, imputed_means, one_each, quantities
from medresponse.sbc.replicates import (
    INTERRUPTED,
    Replicate,
    no_stats,
    refitted,
    simulated_outcomes,
    with_truth,
)
from medresponse.sbc.uniformity import ONE_EACH, judged, uniformity

_RHAT = 1.05  # a chain of a replicate is short; worse is no posterior
_AROUND = "calibration around the posterior"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Ranks of true values among posterior draws, over data simulated from the prior.

    Parameters
    ----------
    ranks : polars.DataFrame
        ``replicate`` and one column a quantity: how many of `draws` posterior draws lie below the true value.
    draws : int
        Posterior draws a replicate, thinned.
    unmixed : tuple of int
        Replicates whose chains disagree (R-hat above 1.05 for some coefficient). Their ranks are counted with the others:
        leaving them out would hide just the data that are hard.
    divergences : int
        In all replicates.
    alpha : float
        Chance that a calibrated model fails.
    between : mapping
        Quantity -> share of its posterior variance that lies between imputations, in the mean over replicates; empty where
        nothing is imputed, or `draws` are not two an imputation.
    """

    ranks: pl.DataFrame
    draws: int
    unmixed: tuple[int, ...]
    divergences: int
    alpha: float = 0.01
    between: Mapping[str, float] = field(default_factory=dict)

    @property
    def table(self) -> pl.DataFrame:
        """Return ``quantity, p, holm, mean_rank, spread, verdict``, the least uniform first.

        `p` is that of `uniformity`, `holm` and `verdict` are those of `judged`. `mean_rank` is 0.5 and `spread` 1 if
        calibrated: a mean above says that posteriors are too low, a spread (the ranks' standard deviation over that of
        uniform ones) above 1 that they are too narrow.
        """
        names = [name for name in self.ranks.columns if name != "replicate"]
        ranks = {name: self.ranks[name].to_numpy() for name in names}
        p = {name: uniformity(values, self.draws) for name, values in ranks.items()}
        uniform_sd = np.sqrt(((self.draws + 1) ** 2 - 1) / 12)
        rows = [
            (name, p[name], holm, float(ranks[name].mean() / self.draws), float(ranks[name].std() / uniform_sd), verdict)
            for name, holm, verdict in judged(p, alpha=self.alpha, between=self.between)
        ]  # fmt: skip
        schema = {
            "quantity": pl.String, "p": pl.Float64, "holm": pl.Float64, "mean_rank": pl.Float64, "spread": pl.Float64,
            "verdict": pl.String,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    @property
    def failures(self) -> tuple[str, ...]:
        """Quantities whose ranks are not uniform."""
        return tuple(self.table.filter(pl.col("verdict") == "off")["quantity"].to_list())

    @property
    def passed(self) -> bool:
        """Whether every quantity's ranks could be uniform."""
        return not self.failures

    def _repr_html_(self) -> str:
        verdict = "ranks are uniform" if self.passed else f"NOT CALIBRATED: {len(self.failures)} quantities"
        head = f"<p><b>{verdict}</b>; {self.ranks.height} replicates, {self.divergences} divergences, {len(self.unmixed)} unmixed</p>"
        return (
            head
            + self.table.with_columns(pl.selectors.float().round(4))._repr_html_()
            + ecdf_figure(self.ranks, self.draws)
        )


@one_blas_thread()
def sbc(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    outcome: str | None = None,
    truth: Literal["prior", "posterior"] = "prior",
    replicates: int = 400,
    draws: int = 99,
    seed: int,
    engine: Engine | None = None,
    fitted_spec: ModelSpec | None = None,
    checkpoint: str | Path | None = None,
    alpha: float = 0.01,
    **ask: Any,
) -> Calibration:
    """Simulate data from the prior on a cohort's design, fit each, and rank the true values among posterior draws.

    Coefficients and the family's parameters are ranked, and what is reported of them: mean and standard deviation over
    patients of each benefit, the value of the best treatment for each patient, and the log-likelihood, which depends on
    data and parameters at once and so sees errors that no parameter shows. Coefficients of sums of trees or hinges have no
    meaning of their own; benefits and log-likelihood are of the whole.

    *Missing and noisy features.* What the cohort knows of its features stays as it is. In each replicate the missing values,
    and the true ones behind noisy readings, are drawn from the joint model of the features given what is known (without any
    outcome, a stated shift added); outcomes are drawn from the completed features, and the replicate is fitted through the
    same imputations as any data would be. Benefits are those of the patients as completed once; the log-likelihood takes each
    imputation's own features; and for each feature that is imputed, the mean of what is imputed is ranked among the imputations.

    *Ranks with few imputations.* The log-likelihood is ranked among one draw an imputation as well: these ranks are uniform if each
    draw is one of the posterior, and are judged in the place of those among all draws where much of its variance lies between
    imputations (`uniformity.judged` says why). All else is judged by ranks among all draws, which is what a fit reports.

    *Around the data* (``truth="posterior"``). The parameters are draws of the posterior given the cohort's outcomes; new
    outcomes are drawn for the same patients and fitted together with the first ones. Ranks are uniform if inference is right
    where the data are, whatever it does elsewhere under a vague prior.

    Parameters
    ----------
    spec : ModelSpec
    cohort : Cohort
        Gives patients, treatments, sites, entry, follow-up, visits and exposure (see `observe_as`), which features are
        missing, and what priors take from outcomes.
    outcome : str, optional
    truth : str
        Where parameters come from: ``prior``, or ``posterior`` given the cohort's outcomes.
    replicates : int
        `docs/calibration.md` says what each number sees.
    draws : int
        Thinned posterior draws that the truth is ranked among.
    seed : int
    engine : Engine, optional
        For each replicate (and each imputation of it); by default 2 chains of 500 + 500 by `Nuts`, or of 100 after 300
        sweeps by `Gibbs` for trees and hinges.
    fitted_spec : ModelSpec, optional
        Spec to fit with, with the same columns as `spec`: what a wrong prior would look like.
    checkpoint : path, optional
        Folder for finished chains: a run that was stopped goes on from there.
    alpha : float
        Chance that a calibrated model fails.
    **ask
        Estimand of the responses, as for `respond`.

    Returns
    -------
    Calibration

    Raises
    ------
    SpecError
        If `truth` is not known, a number is out of range, more draws are asked for than there are, it was interrupted, or data
        around the posterior are asked for of a spec with trees or hinges (whose prior depends on the number of patients) or of
        features that are imputed.

    References
    ----------
    Talts et al. (2018), arXiv:1804.06788; Modrák et al. (2025), Bayesian Anal 20:461, for data-dependent quantities;
    Säilynoja et al. (2025), arXiv:2502.03279, around the data.
    """
    if truth not in ("prior", "posterior"):
        raise SpecError(f"truth: {truth!r} is not known; valid are prior, posterior")
    for option, number in (("replicates", replicates), ("draws", draws)):
        if number < 1:
            raise SpecError(f"{option}: {number} found; at least one is needed")
    if not 0 < alpha < 1:
        raise SpecError(f"alpha: {alpha} found; a chance between 0 and 1 is needed")
    name, engine = outcome or only_outcome(cohort), engine or _engine(spec)
    prepared = prepare(spec, cohort, outcome=name, seed=seed)
    available = engine.draws * engine.chains * len(prepared.codes)
    if draws > available:
        raise SpecError(f"draws: {draws} are more than the {available} of a replicate's chains")
    around = truth == "posterior"
    if around and (spec.searches or len(prepared.codes) > 1):
        raise SpecError(
            f"{_AROUND} is for specs without trees and hinges, and for complete features", code="calibration"
        )
    true = (
        _truth(spec, cohort, name, replicates, seed, checkpoint)
        if around
        else prior_fit(spec, cohort, outcome=name, draws=replicates, seed=seed)
    )
    codes = drawn_features(spec, prepared, cohort, draws=replicates, seed=seed)
    outcomes = simulated_outcomes(true, cohort, codes, seed=seed)
    used = fitted_spec or spec
    folder = None
    if checkpoint is not None:
        what = {
            "truth": truth,
            "replicates": replicates,
            "fitted": to_plain(used),
            "engine": to_plain(engine),
        }
        folder = Path(checkpoint) / fit_identity(spec, cohort, name, what, seed)[:16]
    runs = refitted(
        used, prepared, cohort, outcomes, codes, engine=engine, seed=seed, checkpoint=folder,
        beside=cohort.outcome(name) if around else None,
    )  # fmt: skip
    responses = respond(true, cohort, draws=None, **ask)
    responses = replace(
        responses, patients=replace(responses.patients, codes=codes[0], errors=None, completions={})
    )
    return ranked(responses, prepared, cohort, runs, draws=draws, seed=seed, alpha=alpha)


def ranked(
    responses: Responses, prepared: Prepared, cohort: Cohort, runs: Iterable[Replicate], *, draws: int, seed: int,
    alpha: float,
) -> Calibration:  # fmt: skip
    """Rank the true values of replicates, whose parameters are the draws of the responses' fit, among posterior draws."""
    rows, shares, unmixed, divergences = [], [], [], 0
    for run in runs:
        divergences += sum(int(chain.stats["diverging"].sum()) for chain in run.chains)
        if _largest_rhat(run.chains) > _RHAT:
            unmixed.append(run.number)
        both = replace(responses, fit=with_truth(responses.fit, run, prepared, draws))
        rng = stream(seed, "calibration", "ties", run.number)
        found = quantities(both, cohort, run)
        ranks = {q: rank(v[:-1], v[-1], rng) for q, v in found.items()}
        few = imputed_means(cohort, responses, run)
        if len(run.completed) > 1:
            imputation = both.fit.draw_imputation
            few[f"log likelihood{ONE_EACH}"] = one_each(found["log likelihood"], imputation, rng)
            if draws >= 2 * len(run.completed):
                shares.append({q: between_imputations(v[:-1], imputation[:-1]) for q, v in found.items()})
        for quantity, values in few.items():
            share = (rank(values[:-1], values[-1], rng) + rng.random()) / len(values)
            ranks[quantity] = int(share * (draws + 1))  # among few: a uniform rank stays uniform
        rows.append({"replicate": run.number} | ranks)
    return Calibration(
        ranks=pl.DataFrame(rows), draws=draws, unmixed=tuple(unmixed), divergences=divergences, alpha=alpha,
        between={q: float(np.mean([one[q] for one in shares])) for q in (shares[0] if shares else ())},
    )  # fmt: skip


def rank(posterior: np.ndarray, truth: float, rng: np.random.Generator) -> int:
    """Return how many draws lie below the truth; where some equal it, at random among them."""
    below, equal = int((posterior < truth).sum()), int((posterior == truth).sum())
    return below + int(rng.integers(equal + 1))


def _engine(spec: ModelSpec) -> Engine:
    return Gibbs(draws=100, tune=300, chains=2) if spec.searches else Nuts(draws=500, tune=500, chains=2)


def _truth(
    spec: ModelSpec, cohort: Cohort, outcome: str, replicates: int, seed: int, checkpoint: str | Path | None
) -> Fit:
    """Return as many draws of the posterior given the cohort's outcomes as there are replicates.

    Its chains are kept as the replicates' are: drawn anew they need not be the same to the last bit, and then replicates that
    had finished would be ranked beside other true values than their data came from.
    """
    fitted = fit(spec, cohort, outcome=outcome, seed=seed, checkpoint=checkpoint)
    if fitted.diagnostics.chains < fitted.diagnostics.chains_asked:
        raise SpecError(INTERRUPTED)
    if fitted.n_draws < replicates:
        raise SpecError(
            f"replicates: {replicates} are more than the {fitted.n_draws} draws around which to simulate"
        )
    chosen = np.linspace(0, fitted.n_draws - 1, replicates).round().astype(int)
    posterior = {
        str(name): (("chain", "draw", *array.dims[2:]), fitted.draws(str(name))[chosen][None])
        for name, array in fitted.posterior.data_vars.items()
    }
    return replace(
        fitted,
        posterior=xr.Dataset(posterior, {"imputation": ("chain", [0])}),
        sample_stats=no_stats(1, replicates),
    )


def _largest_rhat(chains: tuple[ChainRun, ...]) -> float:
    """Return the largest R-hat of a coefficient, or of what a chain probes of trees.

    Where there are several imputations, of the deviations from each one's mean, joined: chains must agree within each.
    """
    from arviz_stats.base import array_stats

    names = ["coefficients", *(name for name in chains[0].posterior if name.startswith("probe_"))]
    parts = []
    for imputation in sorted({run.data_idx for run in chains}):
        own = [run.posterior for run in chains if run.data_idx == imputation]
        draws = np.concatenate(
            [np.stack([one[name].reshape(len(one[name]), -1) for one in own]) for name in names], axis=2
        )
        parts.append(draws - draws.mean(axis=(0, 1)))
    joined = np.concatenate(parts, axis=1)
    moving = np.ptp(joined, axis=(0, 1)) > 0
    found = array_stats.rhat(joined[..., moving], chain_axis=0, draw_axis=1)
    return float(np.max(found, initial=1.0))
