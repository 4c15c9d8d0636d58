"""Simulation-based calibration of a spec on the design of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError
from medresponse.core.rng import derive_seed, stream
from medresponse.features import group_indices
from medresponse.inference import ChainEngine, ChainRun, Fit, Nuts, compiled, only_outcome, sample_chains
from medresponse.inference.prior import prior_fit
from medresponse.model import ModelSpec, Prepared, prepare, with_outcome
from medresponse.response import Responses, benefit_of, respond
from medresponse.sbc.figure import ecdf_figure
from medresponse.sbc.outcomes import observe_as
from medresponse.sbc.uniformity import uniformity

_RHAT = 1.05  # a chain of a replicate is short; worse is no posterior
_REFUSED = "calibration by simulation"


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
    """

    ranks: pl.DataFrame
    draws: int
    unmixed: tuple[int, ...]
    divergences: int
    alpha: float = 0.01

    @property
    def table(self) -> pl.DataFrame:
        """Return ``quantity, p, holm, mean_rank, spread, verdict``, the least uniform first.

        `p` is that of `uniformity`; `holm` is corrected for the number of quantities. `mean_rank` is 0.5 and `spread` 1 if
        calibrated: a mean above says that posteriors are too low, a spread (the ranks' standard deviation over that of
        uniform ones) above 1 that they are too narrow.
        """
        names = [name for name in self.ranks.columns if name != "replicate"]
        uniform_sd = np.sqrt(((self.draws + 1) ** 2 - 1) / 12)
        rows = []
        for name in names:
            ranks = self.ranks[name].to_numpy()
            rows.append(
                (
                    name,
                    uniformity(ranks, self.draws),
                    float(ranks.mean() / self.draws),
                    float(ranks.std() / uniform_sd),
                )
            )
        table = pl.DataFrame(rows, schema=["quantity", "p", "mean_rank", "spread"], orient="row").sort(
            "p", "quantity"
        )
        remaining = len(names) - np.arange(len(names))
        holm = np.minimum(np.maximum.accumulate(table["p"].to_numpy() * remaining), 1.0)
        verdict = np.where(holm < self.alpha, "off", "uniform")
        return table.with_columns(holm=holm, verdict=verdict).select(
            "quantity", "p", "holm", "mean_rank", "spread", "verdict"
        )

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


def sbc(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    outcome: str | None = None,
    replicates: int = 400,
    draws: int = 99,
    seed: int,
    engine: ChainEngine | None = None,
    fitted_spec: ModelSpec | None = None,
    checkpoint: str | Path | None = None,
    alpha: float = 0.01,
    **ask: Any,
) -> Calibration:
    """Simulate data from the prior on a cohort's design, fit each, and rank the true values among posterior draws.

    Coefficients and the family's parameters are ranked, and what is reported of them: mean and standard deviation over
    patients of each benefit, the value of the best treatment for each patient, and the log-likelihood, which depends on
    data and parameters at once and so sees errors that no parameter shows.

    Parameters
    ----------
    spec : ModelSpec
    cohort : Cohort
        Gives patients, treatments, sites, follow-up and exposure, and what priors take from outcomes; no feature may be
        missing.
    outcome : str, optional
    replicates : int
        400 see a bias of 0.3 posterior standard deviations of one quantity among a dozen in nine runs of ten.
    draws : int
        Thinned posterior draws that the truth is ranked among.
    seed : int
    engine : ChainEngine, optional
        For each replicate; 2 chains of 500 + 500 by default.
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
        For a spec or an outcome that data cannot be simulated for yet.

    References
    ----------
    Talts et al. (2018), arXiv:1804.06788; Modrák et al. (2025), Bayesian Anal 20:461, for data-dependent quantities.
    """
    if spec.searches:
        raise SpecError(f"{_REFUSED} is for specs without trees and hinges", code="calibration")
    name, engine = outcome or only_outcome(cohort), engine or Nuts(draws=500, tune=500, chains=2)
    if draws > engine.draws * engine.chains:
        raise SpecError(
            f"draws: {draws} are more than the {engine.draws * engine.chains} of a replicate's chains"
        )
    prepared = prepare(spec, cohort, outcome=name, seed=seed)
    if len(prepared.codes) > 1:
        raise SpecError(f"{_REFUSED} needs complete features; this cohort's are imputed", code="calibration")
    prior = prior_fit(spec, cohort, outcome=name, draws=replicates, seed=seed)
    outcomes = simulated_outcomes(prior, cohort, seed=seed)
    used = fitted_spec or spec
    runs = refits(used, prepared, cohort, outcomes, engine=engine, seed=seed, checkpoint=checkpoint)
    responses = respond(prior, cohort, draws=None, **ask)
    rows, unmixed = [], []
    for i, observed in enumerate(outcomes):
        chains = runs[i]
        if _largest_rhat(chains) > _RHAT:
            unmixed.append(i)
        values = quantities(with_truth(responses, i, chains, draws), cohort, observed)
        rng = stream(seed, "calibration", "ties", i)
        rows.append({"replicate": i} | {q: rank(v[:-1], v[-1], rng) for q, v in values.items()})
    divergences = sum(int(run.stats["diverging"].sum()) for chains in runs for run in chains)
    return Calibration(
        ranks=pl.DataFrame(rows), draws=draws, unmixed=tuple(unmixed), divergences=divergences, alpha=alpha
    )


def simulated_outcomes(prior: Fit, cohort: Cohort, *, seed: int) -> list[dict[str, np.ndarray]]:
    """Return outcomes of the cohort's patients under each draw of the prior."""
    assert prior.codes is not None
    layout, columns = prior.layout, prior.encoding.columns(prior.codes[0])
    groups, template = group_indices(layout, cohort), cohort.outcome(prior.outcome)
    every = np.stack(
        [
            np.stack(
                [
                    layout.linear_predictor(columns, np.full(cohort.n, k), groups, own)
                    for k in range(len(prior.treatments))
                ]
            )
            for own in prior.coefficient_draws()
        ]
    ).transpose(3, 0, 2, 1)  # (draw, predictor, patient, treatment)
    parameters, outcomes = prior.family_draws(), []
    for i, eta in enumerate(every):
        own = {name: values[i : i + 1] for name, values in parameters.items()}
        rng = stream(seed, "calibration", "outcome", i)
        eta = eta[0] if len(eta) == 1 else eta
        outcomes.append(
            observe_as(template, prior.spec.family, eta, cohort.treatment_idx, own, prior.constants, rng)
        )
    return outcomes


def refits(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, outcomes: list[dict[str, np.ndarray]], *, engine: ChainEngine, seed: int,
    checkpoint: str | Path | None = None,
) -> list[list[ChainRun]]:  # fmt: skip
    """Return the chains of each replicate, compiled once."""
    data = [with_outcome(spec, prepared, cohort, observed) for observed in outcomes]
    design = replace(prepared.design, data=tuple(data))
    folder = None if checkpoint is None else Path(checkpoint)
    sampled = sample_chains(
        compiled(spec, design, engine),
        data,
        engine=engine,
        seed=derive_seed(seed, "calibration"),
        checkpoint=folder,
    )
    if sampled.interrupted:
        raise SpecError("calibration was interrupted; with a checkpoint folder it goes on where it stopped")
    return [[run for run in sampled.chains if run.data_idx == i] for i in range(len(data))]


def with_truth(responses: Responses, replicate: int, chains: list[ChainRun], draws: int) -> Responses:
    """Return responses under `draws` thinned posterior draws, and last under the prior draw that made the data."""
    prior = responses.fit
    found = {}
    for name, array in prior.posterior.data_vars.items():
        if str(name) not in chains[0].posterior:
            continue
        joined = np.concatenate([run.posterior[str(name)] for run in chains])
        step = np.linspace(0, len(joined) - 1, draws).round().astype(int)
        truth = array.values[0, replicate : replicate + 1]
        found[name] = (array.dims, np.concatenate([joined[step], truth])[None])
    posterior = xr.Dataset(found, {"imputation": ("chain", [0])})
    return replace(responses, fit=replace(prior, posterior=posterior))


def quantities(
    responses: Responses, cohort: Cohort, observed: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return every quantity to rank, shape (draw,) each."""
    fit, layout = responses.fit, responses.fit.layout
    assert fit.codes is not None
    found: dict[str, np.ndarray] = {}
    for predictor, own in zip(fit.predictors, fit.coefficient_draws(), strict=True):
        stem = f"{predictor}: " if predictor else ""
        found |= {f"{stem}{label}": own[:, j] for j, label in enumerate(layout.coefficient_labels)}
    for name, values in fit.family_draws().items():
        flat = values.reshape(len(values), -1)
        found |= {name if flat.shape[1] == 1 else f"{name}[{j}]": flat[:, j] for j in range(flat.shape[1])}
    values = np.concatenate([chunk for _, chunk in responses.chunks()])
    reference = responses.treatments.index(responses.basis.reference)
    others = [k for k in range(len(responses.treatments)) if k != reference]
    sign = responses.direction or 1
    for k in others:
        benefit = benefit_of(values, reference, [k], sign)[:, 0]
        found[f"mean benefit, {responses.treatments[k]}"] = benefit.mean(axis=0)
        found[f"sd of benefit, {responses.treatments[k]}"] = benefit.std(axis=0)
    if others:
        found["value of the best treatment"] = (sign * values).max(axis=1).mean(axis=0)
    columns, groups = fit.encoding.columns(fit.codes[0]), group_indices(layout, cohort)
    eta = [
        layout.linear_predictor(columns, cohort.treatment_idx, groups, own) for own in fit.coefficient_draws()
    ]
    together = eta[0] if len(eta) == 1 else np.stack(eta)
    pointwise = fit.spec.family.log_likelihood(
        together, observed, cohort.treatment_idx, fit.family_draws(), fit.constants
    )
    found["log likelihood"] = pointwise.sum(axis=0)
    return found


def rank(posterior: np.ndarray, truth: float, rng: np.random.Generator) -> int:
    """Return how many draws lie below the truth; where some equal it, at random among them."""
    below, equal = int((posterior < truth).sum()), int((posterior == truth).sum())
    return below + int(rng.integers(equal + 1))


def _largest_rhat(chains: list[ChainRun]) -> float:
    from arviz_stats.base import array_stats

    draws = np.stack(
        [run.posterior["coefficients"].reshape(len(run.posterior["coefficients"]), -1) for run in chains]
    )
    moving = np.ptp(draws, axis=(0, 1)) > 0
    return float(np.max(array_stats.rhat(draws[..., moving], chain_axis=0, draw_axis=1), initial=1.0))
