"""Log-logistic time to event (accelerated failure time)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link
from medresponse.core.registry import register
from medresponse.families import log_time
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.censoring import event_companions, event_information_sd
from medresponse.priors import LogNormal, ScalePrior


@register(Family, "loglogistic")
@dataclass(frozen=True, kw_only=True)
class Loglogistic:
    """Log-logistic event times; `eta` shifts the log median, so higher means later.

    ``S(t) = 1 / (1 + (t / s)^shape)``, ``log s = centre + alpha + eta``, with the centre at the log of the mean
    observed time per event; `s` is the median. ``exp(-shape * eta)`` is the ratio of the odds of the event by any time
    (Bennett 1983, Appl Statist 32:165). Rows may be exact, right-, left- or interval-censored and left-truncated.

    Parameters
    ----------
    shape : ScalePrior
        At 1 or below the hazard falls from the start, above 1 it rises to a peak and falls after it.
    """

    shape: ScalePrior = LogNormal(sigma=0.5)

    outcome_kind: ClassVar[str] = "time_to_event"
    estimands: ClassVar[tuple[str, ...]] = ("survival", "rmst")
    parameters: ClassVar[tuple[str, ...]] = ("log_scale", "shape")

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one predictor, of the log median."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``end``, the longest follow-up."""
        return log_time.learn(outcome)

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events), at shape 1."""
        return event_information_sd(outcome)

    def latent_sd(self, outcome: Arrays) -> float:
        """Return the sd of log time given the predictor at shape 1, pi / sqrt(3)."""
        return log_time.LOGLOGISTIC.sd

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return event and Nelson-Aalen estimate, standardised."""
        return event_companions(outcome)

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return what `log_time.observe` does."""
        return log_time.observe(outcome)

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add shape, scale and the likelihood; see `Family.likelihood`."""
        import pymc as pm

        shape = self.shape.sample("shape")
        eta = predictor.eta
        log_scale = pm.Deterministic("log_scale", data["crude_log_scale"] + add_intercept("", eta, 2.0))
        log_time.add_likelihood(log_time.LOGLOGISTIC, data, log_scale + eta, shape)

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return survival probability or restricted mean time; see `Family.response`."""
        location = parameters["log_scale"] + eta
        return log_time.respond(log_time.LOGLOGISTIC, estimand, constants, location, parameters["shape"])

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the link of survival probability, None for the restricted mean; see `Linked`."""
        return log_time.link(
            log_time.LOGLOGISTIC, estimand, constants, parameters["log_scale"], parameters["shape"]
        )

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return event times by inversion."""
        return log_time.simulate(
            log_time.LOGLOGISTIC, parameters["log_scale"] + eta, parameters["shape"], uniform
        )

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        location = parameters["log_scale"] + eta
        return log_time.log_likelihood(log_time.LOGLOGISTIC, outcome, location, parameters["shape"])
