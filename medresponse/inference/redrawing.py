"""Imputed values made to fit the outcome's own model: a short fit of each imputation, then its values are redrawn.

Imputations start from a joint model of features and outcome that is not the model which is fitted. One cycle draws the outcome's
parameters given each imputation's values (one short chain, its last draw) and the values given these parameters
(`features.latent_redraw`): a step of the Gibbs sampler of all unknowns together. In the first cycle the parameters are drawn given
the patients whose features are all known, where these are many enough (`model.complete_patients`): what the joint model's
values say of a small residual would otherwise take many cycles to forget. Where features are read with error and the residual is
normal, the parameters of the first cycle and of every second are drawn without true values, which follow (`collapsing`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import FitError
from medresponse.core.rng import derive_seed
from medresponse.families import Arrays
from medresponse.features import DENSE_LATENTS, Encoding, group_indices
from medresponse.inference.collapsing import CANDIDATES, at_means, collapses
from medresponse.inference.engines import Engine, Sampled
from medresponse.inference.fitted import forest_values
from medresponse.inference.gibbs import FOREST
from medresponse.model import ModelSpec, Prepared, complete_patients, redrawn, with_codes

log = logging.getLogger("medresponse.inference")

TUNE, APART = 300, 20  # of the short chains: discarded at most, and from one draw that is used to the next

Sample = Callable[[Prepared, Cohort, Arrays, Engine, int, Path | None], Sampled]


@dataclass(frozen=True)
class Redrawn:
    """Data to be fitted.

    Parameters
    ----------
    prepared : Prepared
    seconds : float
        That the short fits took.
    note : str
        In words what was done or why not; empty where nothing is imputed.
    """

    prepared: Prepared
    seconds: float = 0.0
    note: str = ""


def redraw(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, observed: Arrays, sample: Sample, *, engine: Engine, seed: int,
    checkpoint: Path | None,
) -> Redrawn:  # fmt: skip
    """Redraw imputed values, `spec.missing.cycles` times.

    Parameters
    ----------
    spec : ModelSpec
    prepared : Prepared
        Imputations of the joint model.
    cohort : Cohort
    observed : mapping
        Outcomes, as `Cohort.outcome` gives them.
    sample : callable
        Runs one chain of every data set, of a cohort and outcomes, by an engine under a seed, kept in a folder.
    engine : Engine
        Of the fit proper.
    seed : int
    checkpoint : Path, optional
        Folder for finished chains; those of each cycle have one below it.

    Raises
    ------
    FitError
        If sampling fails or is interrupted.
    """
    cycles = spec.missing.cycles
    if len(prepared.codes) == 1:
        return Redrawn(prepared)
    if not cycles:
        return Redrawn(prepared, note="imputations by the joint model of features and outcome alone")
    if not can_redraw(prepared.encoding):
        return Redrawn(
            prepared, note=f"imputations by the joint model alone: redrawn are at most {DENSE_LATENTS} latent features"
        )  # fmt: skip
    groups, seconds = group_indices(prepared.layout, cohort), 0.0
    collapsing, parameters = collapses(spec, prepared.encoding, prepared.encoding.errors(cohort)), None
    for cycle in range(1, cycles + 1):
        own = derive_seed(seed, "cycle", cycle)
        few = complete_patients(spec, prepared, cohort, observed) if cycle == 1 else None
        collapsed = None
        if collapsing and few is None and cycle % 2:
            collapsed = at_means(spec, prepared, cohort, observed, seed=own)
        found = sample(
            *(few or (collapsed.prepared if collapsed else prepared, cohort, observed)),
            _shorter(
                engine, CANDIDATES if collapsed else APART * (1 if few is None else len(prepared.codes))
            ),
            own,
            None if checkpoint is None else checkpoint / f"cycle-{cycle}",
        )
        if found.interrupted:
            raise FitError(
                "interrupted while imputed values were being redrawn, before the fit proper; a checkpoint folder keeps "
                "the chains that had finished",
                code="interrupted",
            )
        seconds += found.sample_seconds
        if collapsed:
            parameters, codes = collapsed.draw([run.posterior for run in found.chains], parameters, seed=own)
            prepared = with_codes(spec, collapsed.prepared, cohort, observed, codes)
        else:
            parameters = _parameters(found, len(prepared.codes))
        likelihood = _OutcomeLikelihood(spec, prepared, observed, cohort.treatment_idx, groups, parameters)
        prepared = redrawn(spec, prepared, cohort, observed, likelihood, seed=own)
        log.info("imputed values redrawn given the outcome's own model, %d of %d", cycle, cycles)
    times = "once" if cycles == 1 else f"{cycles} times"
    first = ", parameters first drawn without the true values of noisy features" if collapsing else ""
    return Redrawn(prepared, seconds, f"imputations redrawn {times} given the outcome's own model{first}")


def can_redraw(encoding: Encoding) -> bool:
    """Say whether features are few enough for the model without an outcome that values are redrawn from."""
    return len(encoding.main_labels) <= DENSE_LATENTS


def _shorter(engine: Any, draws: int) -> Engine:
    """Return the engine for a short chain of so many draws."""
    shorter: Engine = replace(engine, tune=min(engine.tune, TUNE), draws=draws)
    return shorter


def _parameters(found: Sampled, imputations: int) -> list[dict[str, np.ndarray]]:
    """Return one draw of the parameters an imputation, with its dimension: of its own chain, or of the one chain of all."""
    last = [
        {name: values[end - 1 : end] for name, values in run.posterior.items()}
        for run in found.chains
        for end in range(APART, len(run.posterior["coefficients"]) + 1, APART)
    ]
    assert len(last) == imputations
    return last


@dataclass(frozen=True)
class _OutcomeLikelihood:
    """Log-likelihoods of patients' outcomes, at one draw of the parameters an imputation, for codes that may be theirs."""

    spec: ModelSpec
    prepared: Prepared
    observed: Arrays
    treatment_idx: np.ndarray
    groups: Mapping[str, np.ndarray]
    parameters: Sequence[Mapping[str, np.ndarray]]

    def __call__(self, which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return log-likelihoods (imputation, row, candidate) for codes (imputation, row, candidate, feature)."""
        imputations, n, candidates, _ = codes.shape
        family, drawn = self.spec.family, [self.parameters[m] for m in which]
        each = np.repeat(rows, candidates)
        columns = self.prepared.encoding.columns(codes.reshape(imputations * n * candidates, -1))
        etas = np.stack(
            [
                self._predictors(each, own, parameters)
                for own, parameters in zip(np.split(columns, imputations), drawn, strict=True)
            ]
        )
        # As so many draws of a patient: candidates of the first imputation, of the second, ...
        eta = np.moveaxis(etas.reshape(imputations, -1, n, candidates), 0, 2).reshape(
            -1, n, imputations * candidates
        )
        every = {
            name: np.repeat(np.concatenate([one[name] for one in drawn]), candidates, axis=0)
            for name in family.parameters
        }
        observed = {name: value[rows] if np.ndim(value) else value for name, value in self.observed.items()}
        found = family.log_likelihood(
            eta[0] if len(eta) == 1 else eta,
            observed,
            self.treatment_idx[rows],
            every,
            self.prepared.constants,
        )
        return np.moveaxis(found.reshape(n, imputations, candidates), 1, 0)

    def _predictors(
        self, patients: np.ndarray, columns: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return every predictor of patients, who may be there several times, with these columns, shape (predictor, patient)."""
        layout = self.prepared.layout
        groups = {name: index[patients] for name, index in self.groups.items()}
        coefficients, treatment_idx = parameters["coefficients"], self.treatment_idx[patients]
        every = [
            layout.linear_predictor(columns, treatment_idx, groups, own)[:, 0]
            for own in ([coefficients] if coefficients.ndim == 2 else np.moveaxis(coefficients, 2, 0))
        ]
        if self.spec.searches:
            prognosis, effects = forest_values(
                self.spec, layout, lambda name: parameters[FOREST + name], columns
            )
            contrast = layout.contrast_matrix[treatment_idx]
            every[0] = every[0] + prognosis[:, 0] + (contrast * effects[..., 0]).sum(axis=1)
        return np.stack(every)
