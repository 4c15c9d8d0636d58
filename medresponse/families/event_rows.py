"""Rows of times to an event whose log-likelihood is written out by hand, and rough estimates of coefficients from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from medresponse.families.canonical import CanonicalRows, canonical_estimates
from medresponse.families.hazards import WalkCoordinates
from medresponse.priors import LogNormal

_ROUNDS = 4  # of coefficients given the shape or the baseline, and these given coefficients
_SHAPES = (-3.0, 3.0)  # log shapes that are looked at


@dataclass(frozen=True)
class WeibullRows:
    """A log-likelihood ``sum over rows of events * (log k + w) - weight * exp(w) + constant``, w = k (time - alpha - eta).

    A patient observed from an entry on has a second row, without event and of weight -1, for the hazard up to the entry.
    Alpha, the model's variable ``alpha``, is normal with sd 2, and ``centre + alpha`` its quantity ``log_scale``; k is its
    variable ``shape``.

    Parameters
    ----------
    events, weight, time : numpy.ndarray
        `time` is the logarithm of a time, less `centre`; shape (row,).
    patient : numpy.ndarray
        Whose row it is, shape (row,).
    centre, constant : float
    shape : LogNormal
        Prior of k.
    """

    events: np.ndarray
    weight: np.ndarray
    time: np.ndarray
    patient: np.ndarray
    centre: float
    constant: float
    shape: LogNormal

    def estimates(self, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return penalised maximum-likelihood estimates; see `RowLikelihood`.

        Given the shape k, the likelihood is that of counts with weights t^k and predictor ``-k eta``.
        """
        estimate = np.zeros(design.shape[1])
        for _ in range(_ROUNDS):
            k = self._likely_shape((design @ estimate)[self.patient])
            weight = np.bincount(self.patient, self.weight * np.exp(k * self.time))
            rows = CanonicalRows("log", np.bincount(self.patient, self.events), weight, 0.0)
            estimate, error = canonical_estimates(design, rows, -k * estimate)
            estimate, error = -estimate / k, error / k
        return estimate, error

    def _likely_shape(self, eta: np.ndarray) -> float:
        """Return the k of highest posterior density given the predictor of each row, at the likeliest alpha for each k."""
        late, n_events = self.time - eta, self.events.sum()
        latest, summed = late.max(), self.events @ late

        def loss(log_k: float) -> float:
            k = np.exp(log_k)
            spent = k * latest + np.log(self.weight @ np.exp(k * (late - latest)))
            fit = n_events * (log_k - spent) + k * summed
            return float(((log_k - self.shape.mu) / self.shape.sigma) ** 2 / 2 - fit)

        return float(np.exp(minimize_scalar(loss, bounds=_SHAPES, method="bounded").x))


@dataclass(frozen=True)
class PiecewiseRows:
    """A log-likelihood ``sum over rows of events * eta - exp(eta) * (exposure . hazard)``, and log hazards summed over events.

    The hazards of a row are those of its treatment, exp(`centre` + alpha + walks) as `PiecewiseExponential` describes them.

    Parameters
    ----------
    exposure : numpy.ndarray
        Time in each interval, shape (patient, interval).
    happened, within : numpy.ndarray
        Patients with an event, and its interval, shape (event,).
    centre : float
    walk : WalkCoordinates, optional
        Of a baseline that is a walk; None where its intervals are exchangeable.
    baseline_sigma, treatment_sigma : float
        Scales of the half-normal priors of steps, the latter 0 at proportional hazards.
    """

    exposure: np.ndarray
    happened: np.ndarray
    within: np.ndarray
    centre: float
    walk: WalkCoordinates | None
    baseline_sigma: float
    treatment_sigma: float

    @property
    def events(self) -> np.ndarray:
        """Number of events, shape (patient,)."""
        return np.bincount(self.happened, minlength=len(self.exposure)).astype(float)

    def estimates(self, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return penalised maximum-likelihood estimates; see `RowLikelihood`.

        Given one baseline for all, the likelihood is that of counts with cumulative hazards as weights. The baseline has each
        interval's events over its exposures, weighted by hazard ratios.
        """
        estimate, counts = (
            np.zeros(design.shape[1]),
            np.bincount(self.within, minlength=self.exposure.shape[1]),
        )
        for _ in range(_ROUNDS):
            at_risk = np.exp(design @ estimate) @ self.exposure
            weight = self.exposure @ (counts / np.where(at_risk > 0, at_risk, 1.0))
            rows = CanonicalRows("log", self.events, weight, 0.0)
            estimate, error = canonical_estimates(design, rows, estimate)
        return estimate, error
