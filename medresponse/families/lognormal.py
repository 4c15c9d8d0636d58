"""Lognormal time to event (accelerated failure time)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.core.links import Link
from medresponse.core.registry import register
from medresponse.families import log_time
from medresponse.families.augmented import truncated_normal
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.censoring import event_companions, event_information_sd, event_times
from medresponse.priors import LogNormal, ScalePrior


@register(Family, "lognormal")
@dataclass(frozen=True, kw_only=True)
class Lognormal:
    """Lognormal event times; `eta` shifts the log median, so higher means later.

    ``S(t) = 1 - Phi((log t - m) / sigma)``, ``m = centre + alpha + eta``, with the centre at the log of the mean
    observed time per event. Rows may be exact, right-, left- or interval-censored and left-truncated.

    Parameters
    ----------
    sigma : ScalePrior
        Standard deviation of log time given the predictor. It has no unit, so its prior needs no data: the middle
        95% of times span a factor of 50 at 1, of 2,500 at 2.
    """

    sigma: ScalePrior = LogNormal(sigma=0.5)

    outcome_kind: ClassVar[str] = "time_to_event"
    estimands: ClassVar[tuple[str, ...]] = ("survival", "rmst")
    parameters: ClassVar[tuple[str, ...]] = ("log_median", "sigma")

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one predictor, of the log median."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``end``, the longest follow-up."""
        return log_time.learn(outcome)

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events), at sigma 1."""
        return event_information_sd(outcome)

    def latent_sd(self, outcome: Arrays) -> float:
        """Return the sd of log observed times, 1 where they are all the same; censored times count as they stand."""
        times = event_times(outcome).middle
        return float(np.log(times[times > 0]).std()) or 1.0

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return event and Nelson-Aalen estimate, standardised."""
        return event_companions(outcome)

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return what `log_time.observe` does."""
        return log_time.observe(outcome)

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add sigma, the median and the likelihood; see `Family.likelihood`."""
        import pymc as pm

        sigma = self.sigma.sample("sigma")
        eta = predictor.eta
        log_median = pm.Deterministic("log_median", data["crude_log_scale"] + add_intercept("", eta, 2.0))
        log_time.add_likelihood(log_time.LOGNORMAL, data, log_median + eta, 1 / sigma)

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return survival probability or restricted mean time; see `Family.response`."""
        location = parameters["log_median"] + eta
        return log_time.respond(log_time.LOGNORMAL, estimand, constants, location, 1 / parameters["sigma"])

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the link of survival probability, None for the restricted mean; see `Linked`."""
        return log_time.link(
            log_time.LOGNORMAL, estimand, constants, parameters["log_median"], 1 / parameters["sigma"]
        )

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return event times by inversion."""
        location = parameters["log_median"] + eta
        return log_time.simulate(log_time.LOGNORMAL, location, 1 / parameters["sigma"], uniform)

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        location = parameters["log_median"] + eta
        return log_time.log_likelihood(log_time.LOGNORMAL, outcome, location, 1 / parameters["sigma"])

    @property
    def intercept_name(self) -> str:
        """Name of the intercept."""
        return "log_median"

    @property
    def free(self) -> Mapping[str, ScalePrior]:
        """Standard deviation of log time; see `Augmented`."""
        return {"sigma": self.sigma}

    def intercept_prior(self, data: Arrays, constants: Arrays) -> tuple[float, float]:
        """Return the log of the mean time observed per event, and 2."""
        return float(data["crude_log_scale"]), 2.0

    def from_free(self, free: Mapping[str, float], constants: Arrays) -> dict[str, float]:
        """Return sigma."""
        return dict(free)

    def augment(
        self,
        mean: np.ndarray,
        outcome: Arrays,
        parameters: Mapping[str, float],
        constants: Arrays,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return log times, those not known exactly drawn within their bounds, and 1 / sigma^2."""
        times, sigma = event_times(outcome), parameters["sigma"]
        if times.entry.any():
            raise SpecError(
                "the outcome has patients who came under observation late (entry), for whom log times cannot be drawn; "
                "use a spec without trees"
            )
        with np.errstate(divide="ignore"):  # a lower bound of 0
            lower, upper = np.log(times.lower), np.log(times.upper)
        latent = np.where(times.exact, upper, 0.0)
        rows = ~times.exact
        latent[rows] = truncated_normal(mean[rows], sigma, lower[rows], upper[rows], rng)
        return latent, np.full(len(mean), sigma**-2)
