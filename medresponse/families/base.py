"""What an outcome family owns: its likelihood, its response scale and its scoring in numpy.

PyMC is imported inside `likelihood` only; everything that scores is numpy, so that saved fits are scored
without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Predictor:
    """The linear predictor as a likelihood reads it.

    Parameters
    ----------
    coefficients : tensor
        In the order of the layout, shape (coefficient,), or (coefficient, predictor) for several predictors.
    compute : callable
        Builds `eta`; not called where a compressed likelihood reads the coefficients alone.
    """

    coefficients: Any
    compute: Callable[[], Any]

    @property
    def eta(self) -> Any:
        """Predictor of every training patient, shape (patient,), or (patient, predictor) for several."""
        return self.compute()


@runtime_checkable
class Family(Protocol):
    """An outcome family; one file each, registered by name."""

    outcome_kind: ClassVar[str]
    estimands: ClassVar[tuple[str, ...]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Posterior variables that scoring needs."""
        ...

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the names of the linear predictors; ``("",)`` where there is one."""
        ...

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return the constants taken from training outcomes (cut points, centres); saved with the fit."""
        ...

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return the standard error of one coefficient if all data spoke of it (for sparse priors)."""
        ...

    def latent_sd(self, outcome: Arrays) -> float:
        """Return the sd of the outcome given the predictor, on the predictor's scale (for priors of R^2)."""
        ...

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return what missing features are imputed from besides features, shape (patient, companion)."""
        ...

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return the arrays that `likelihood` reads besides the predictor."""
        ...

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercepts, family parameters and the likelihood to the current PyMC model.

        Parameters
        ----------
        predictor : Predictor
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
            Linear predictor without the family's intercept, shape (patient, treatment, draw), or
            (predictor, patient, treatment, draw) for several predictors.
        parameters : mapping
            The family's `parameters`, draws first.
        constants : mapping
            What `learn` returned.
        """
        ...

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return one outcome a draw from the predictive distribution, shape of `uniform`, which is in (0, 1).

        `eta` is as in `response`; `uniform` has shape (patient, treatment, draw).
        """
        ...

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw).

        `eta` has shape (patient, draw), or (predictor, patient, draw) for several predictors.
        """
        ...


@runtime_checkable
class Compressing(Protocol):
    """A family whose likelihood needs only sufficient statistics of the design, whatever the number of patients.

    Where there are more patients than coefficients, `compress` takes the place of `observe`, and `likelihood` reads
    `Predictor.coefficients`.
    """

    def compress(
        self, design: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays
    ) -> Arrays:
        """Return the arrays that `likelihood` reads, from a design of shape (patient, coefficient)."""
        ...

    @property
    def residual_sigma(self) -> float | None:
        """Scale of a half-normal prior of the residual standard deviation, in the outcome's; None under another prior."""
        ...

    def estimates(self, compressed: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Return a rough estimate of each coefficient and its standard error were the others known, from `compress`."""
        ...


class RowLikelihood(Protocol):
    """A log-likelihood of patients' rows in one of the forms that are written out by hand."""

    def estimates(self, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a rough estimate of each coefficient, and its standard error were the others known.

        Parameters
        ----------
        design : numpy.ndarray
            Shape (patient, coefficient).
        """
        ...


@runtime_checkable
class Rowwise(Protocol):
    """A family of one predictor whose log-likelihood is written out row by row."""

    def rows(self, data: Arrays) -> RowLikelihood | None:
        """Return the likelihood of what `observe` gave; None for data, or priors of the family's, that are not written out."""
        ...


def add_intercept(stem: str, eta: Any, sd: float, *, unit: Any = 1.0) -> Any:
    """Add an intercept of prior N(0, sd^2), named ``alpha`` behind `stem`, to the current model and return it.

    Data know the intercept only together with what the predictor is on average, above all with the mean over sites. So
    sampled, as ``mean``, is their sum, a shear of determinant one: the posterior is the same, without the correlation.

    Parameters
    ----------
    stem : str
    eta : tensor
        One linear predictor without intercept, shape (patient,).
    sd : float
        In `unit`, as the intercept is.
    unit : tensor, optional
        How much of the predictor's scale one unit of the intercept is.
    """
    import pymc as pm

    average = eta.mean() / unit
    # Chains start where no data are read: a start is kept with the machine code, which serves other data too.
    mean = pm.Normal(f"{stem}mean", average, sd, initval=0.0)
    return pm.Deterministic(f"{stem}alpha", mean - average)


def centred_walk(steps: int) -> np.ndarray:
    """Return the matrix (steps + 1, steps) that turns unit steps into a random walk of mean zero."""
    walk = np.vstack([np.zeros(steps), np.tril(np.ones((steps, steps)))])
    return walk - walk.mean(axis=0)


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
