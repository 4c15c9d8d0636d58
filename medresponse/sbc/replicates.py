"""Replicates of a calibration: features and outcomes drawn under known parameters, and their refits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError
from medresponse.core.rng import derive_seed, stream
from medresponse.families import Arrays
from medresponse.features import group_indices
from medresponse.inference import ChainRun, Engine, Fit
from medresponse.inference.fitting import complete_and_sample, to_datasets
from medresponse.model import ModelSpec, Prepared, with_outcome
from medresponse.sbc.outcomes import observe_as

INTERRUPTED = "calibration was interrupted; with a checkpoint folder it goes on where it stopped"


@dataclass(frozen=True, kw_only=True)
class Replicate:
    """Data whose parameters are known, and what was found of them.

    Parameters
    ----------
    number : int
    codes : numpy.ndarray
        True feature codes, shape (patient, feature).
    observed : mapping
        Outcomes, as `Cohort.outcome` gives them.
    completed : numpy.ndarray
        Codes that were fitted with, shape (imputation, patient, feature).
    chains : tuple of ChainRun
        `data_idx` is the imputation.
    """

    number: int
    codes: np.ndarray
    observed: Arrays
    completed: np.ndarray
    chains: tuple[ChainRun, ...]


def simulated_outcomes(
    truth: Fit, cohort: Cohort, codes: np.ndarray, *, seed: int
) -> list[dict[str, np.ndarray]]:
    """Return outcomes of the cohort's patients under each draw of `truth`.

    Parameters
    ----------
    truth : Fit
        Its draws are the parameters, replicate by replicate.
    cohort : Cohort
        Treatments and groups, and a template of how outcomes were observed.
    codes : numpy.ndarray
        True feature codes, shape (replicate, patient, feature), or (1, patient, feature) where all are known.
    seed : int
    """
    template, parameters, outcomes = cohort.outcome(truth.outcome), truth.family_draws(), []
    everyone = [np.full(cohort.n, k) for k in range(len(truth.treatments))]
    for i in range(truth.n_draws):
        one, columns = draw_of(truth, i), truth.encoding.columns(codes[i % len(codes)])
        eta = np.stack([predictors(one, cohort, columns, k)[..., 0] for k in everyone], axis=-1)
        own = {name: values[i : i + 1] for name, values in parameters.items()}
        rng = stream(seed, "calibration", "outcome", i)
        outcomes.append(
            observe_as(template, truth.spec.family, eta, cohort.treatment_idx, own, truth.constants, rng)
        )
    return outcomes


def draw_of(fit: Fit, number: int) -> Fit:
    """Return a fit that holds one draw, of all chains joined."""
    chain, draw = divmod(number, fit.posterior.sizes["draw"])
    return fit.kept(chain=[chain], draw=[draw])


def predictors(fit: Fit, cohort: Cohort, columns: np.ndarray, treatment_idx: np.ndarray) -> np.ndarray:
    """Return linear predictors under the treatments given, shape (patient, draw), several predictors first."""
    layout, groups = fit.layout, group_indices(fit.layout, cohort)
    every = [layout.linear_predictor(columns, treatment_idx, groups, own) for own in fit.coefficient_draws()]
    if fit.forests is not None:
        prognosis, effects = fit.forest_values(columns)
        every[0] += prognosis + np.einsum("ir,irs->is", layout.contrast_matrix[treatment_idx], effects)
    return every[0] if len(every) == 1 else np.stack(every)


def refitted(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, outcomes: list[dict[str, np.ndarray]], codes: np.ndarray, *,
    engine: Engine, seed: int, checkpoint: Path | None = None, beside: Arrays | None = None,
) -> Iterator[Replicate]:  # fmt: skip
    """Fit each replicate as a user's data would be, imputations and all, compiled once.

    Parameters
    ----------
    spec : ModelSpec
    prepared : Prepared
    cohort : Cohort
    outcomes : list of mappings
    codes : numpy.ndarray
        True feature codes, as for `simulated_outcomes`.
    engine : Engine
    seed : int
    checkpoint : Path, optional
        Folder for finished chains, one below it a replicate.
    beside : mapping, optional
        Outcomes of the cohort that each replicate is fitted together with.

    Raises
    ------
    SpecError
        If it was interrupted.
    """
    with_cohort = None if beside is None else (cohort, beside)
    for i, observed in enumerate(outcomes):
        own = derive_seed(seed, "calibration", i)
        data = with_outcome(spec, prepared, cohort, observed, seed=own, beside=with_cohort)
        folder = None if checkpoint is None else checkpoint / f"replicate-{i:04d}"
        data, found = complete_and_sample(
            spec, data, cohort, observed, engine=engine, seed=own, checkpoint=folder
        )
        if found.interrupted:
            raise SpecError(INTERRUPTED)
        yield Replicate(
            number=i, codes=codes[i % len(codes)], observed=observed, completed=data.codes, chains=found.chains
        )  # fmt: skip


def with_truth(truth: Fit, replicate: Replicate, prepared: Prepared, draws: int) -> Fit:
    """Return a fit of `draws` thinned posterior draws, and last the true parameters; its coordinate ``imputation`` is -1 there."""
    posterior, _, forests = to_datasets(replicate.chains, prepared)
    chains, length = posterior.sizes["chain"], posterior.sizes["draw"]
    step = np.linspace(0, chains * length - 1, draws).round().astype(int)
    last = draw_of(truth, replicate.number)
    names = [name for name in truth.posterior.data_vars if name in posterior]
    found = _joined(posterior[names], last.posterior[names], step)
    imputation = np.append(np.repeat(posterior["imputation"].values, length)[step], -1)
    found = found.assign_coords(imputation=("chain", imputation))
    if forests is not None:
        assert last.forests is not None
        forests = _joined(forests, last.forests, step)
    return replace(truth, posterior=found, sample_stats=no_stats(draws + 1, 1), forests=forests)


def no_stats(chains: int, draws: int) -> xr.Dataset:
    """Return statistics of a sampler that had nothing to tell."""
    return xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, draws), dtype=bool))})


def _joined(found: xr.Dataset, true: xr.Dataset, step: np.ndarray) -> xr.Dataset:
    """Return the draws at `step`, of all chains joined, and the true one, each as a chain of one draw."""
    joined = {}
    for name, array in found.data_vars.items():
        values = array.transpose("chain", "draw", ...).values
        parts = [
            values.reshape(-1, *values.shape[2:])[step],
            true[name].transpose("chain", "draw", ...).values[0],
        ]
        # Nodes of trees are padded to the longest of each set.
        width = max(part.shape[-1] for part in parts) if values.ndim == 3 else 0
        blank = -1 if str(name).endswith("_column") else 0
        if width:
            parts = [np.pad(p, [(0, 0), (0, width - p.shape[1])], constant_values=blank) for p in parts]
        joined[name] = (array.dims, np.concatenate(parts)[:, None])
    return xr.Dataset(joined)
