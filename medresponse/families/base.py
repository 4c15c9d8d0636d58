"""What an outcome family owns: its likelihood, its response scale and its scoring in numpy.

PyMC is imported inside `likelihood` only; everything that scores is numpy, so that saved fits are scored
without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand

Arrays = Mapping[str, np.ndarray]


@runtime_checkable
class Family(Protocol):
    """An outcome family; one file each, registered by name."""

    outcome_kind: ClassVar[str]
    estimands: ClassVar[tuple[str, ...]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Posterior variables that scoring needs."""
        ...

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return the constants taken from training outcomes (cut points, centres); saved with the fit."""
        ...

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return the standard error of one coefficient if all data spoke of it (for sparse priors)."""
        ...

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return what missing features are imputed from besides features, shape (patient, companion)."""
        ...

    def observe(
        self, design: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays
    ) -> Arrays:
        """Return the arrays that `likelihood` reads: data or their sufficient statistics."""
        ...

    def likelihood(self, coefficients: Any, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercepts, family parameters and the likelihood to the current PyMC model.

        Parameters
        ----------
        coefficients : tensor
            Shape (coefficient,), in the order of the design's columns.
        data : mapping
            The arrays of `observe` as shared variables.
        contrasts : numpy.ndarray
            Shape (treatment, contrast).
        """
        ...

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return mean responses m_i(k), shape (patient, treatment, draw), in the estimand's unit.

        Parameters
        ----------
        estimand : Estimand
        eta : numpy.ndarray
            Linear predictor without the family's intercept, shape (patient, treatment, draw).
        parameters : mapping
            The family's `parameters`, draws first.
        constants : mapping
            What `learn` returned.
        """
        ...

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return one outcome a draw from the predictive distribution, shape of `eta`; `uniform` in (0, 1)."""
        ...

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw), from `eta` of shape (patient, draw)."""
        ...


def centred_walk(steps: int) -> np.ndarray:
    """Return the matrix (steps + 1, steps) that turns unit steps into a random walk of mean zero."""
    walk = np.vstack([np.zeros(steps), np.tril(np.ones((steps, steps)))])
    return walk - walk.mean(axis=0)


def nelson_aalen(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Return the Nelson-Aalen cumulative hazard at each patient's own time, shape (patient,)."""
    order = np.argsort(time, kind="stable")
    at_risk = len(time) - np.searchsorted(time[order], time[order], side="left")
    increments = event[order] / at_risk
    cumulative = np.cumsum(increments)
    # Tied times share the value at the end of the tie.
    last = np.searchsorted(time[order], time[order], side="right") - 1
    result = np.empty(len(time))
    result[order] = cumulative[last]
    return result


def event_companions(outcome: Arrays) -> np.ndarray:
    """Return (event, Nelson-Aalen estimate), standardised, as White & Royston (2009) advise for imputation."""
    columns = np.column_stack(
        [outcome["event"].astype(float), nelson_aalen(outcome["time"], outcome["event"])]
    )
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def checked_horizon(estimand: Estimand, end: float | np.ndarray) -> float:
    """Return the horizon if it lies within the training follow-up, else raise `SpecError`.

    The message does not give the follow-up's end, which is one patient's time.
    """
    if estimand.horizon is None or not 0 < estimand.horizon <= end:
        raise SpecError(
            f"horizon {estimand.horizon} is outside the follow-up of the training data; choose an earlier one",
            code="horizon",
        )
    return float(estimand.horizon)
