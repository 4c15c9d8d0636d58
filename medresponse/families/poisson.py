"""Event counts with a log link and exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import gammaln, ndtri, pdtr

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.canonical import CanonicalRows
from medresponse.families.counts import count_companions, count_quantile, crude_log_rate, expected_count


@register(Family, "poisson")
@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Poisson counts; `eta` is a log rate ratio, higher means more events.

    ``log E[count] = intercept + eta + log exposure``. The intercept, the log rate of the average patient, is normal
    with sd 2 around the training data's crude log rate. The variance equals the mean: where patients differ in ways
    that the features do not hold, `NegativeBinomial` is the honest choice.
    """

    outcome_kind: ClassVar[str] = "count"
    estimands: ClassVar[tuple[str, ...]] = ("rate", "count")
    parameters: ClassVar[tuple[str, ...]] = ("intercept",)

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one nameless predictor."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``crude``, the log of all events over all exposure."""
        return {"crude": crude_log_rate(outcome)}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events)."""
        return float(1 / np.sqrt(max(outcome["value"].sum(), 0.5)))

    def latent_sd(self, outcome: Arrays) -> float:
        """Return sqrt(log(1 + 1 / mean count)) (Nakagawa, Johnson & Schielzeth 2017, J R Soc Interface 14:20170213)."""
        return float(np.sqrt(np.log1p(len(outcome["value"]) / max(outcome["value"].sum(), 0.5))))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return log rate and log exposure, standardised."""
        return count_companions(outcome)

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return counts, exposures, the crude log rate and the part of the likelihood without parameters."""
        return {
            "events": outcome["value"].astype(float),
            "exposure": outcome["exposure"].astype(float),
            "crude": np.asarray(constants["crude"]),
            "constant": _constant(outcome).sum(),
        }

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add the intercept and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        eta = predictor.eta
        log_rate = pm.Deterministic("intercept", data["crude"] + add_intercept("", eta, 2.0)) + eta
        expected = pt.dot(data["exposure"], pt.exp(log_rate))
        pm.Potential("likelihood", pt.dot(data["events"], log_rate) - expected + data["constant"])

    def rows(self, data: Arrays) -> CanonicalRows:
        """Return the likelihood of what `observe` gave; see `Rowwise`."""
        return CanonicalRows(
            "log", data["events"], data["exposure"], float(data["crude"]), float(data["constant"])
        )

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return the rate per unit of exposure, or the expected count over the horizon; see `Family.response`."""
        return expected_count(estimand, parameters["intercept"] + eta)

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the log; see `Linked`."""
        return linked("log", np.log(expected_count(estimand, parameters["intercept"])))

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return counts over one unit of exposure."""
        mean = np.broadcast_to(np.exp(parameters["intercept"] + eta), uniform.shape)
        return count_quantile(uniform, mean, np.zeros(1), _quantile)

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        log_rate = parameters["intercept"] + eta
        expected = outcome["exposure"][:, None] * np.exp(log_rate)
        return outcome["value"][:, None] * log_rate - expected + _constant(outcome)[:, None]


def _constant(outcome: Arrays) -> np.ndarray:
    """Return log(exposure^count / count!), shape (patient,)."""
    return outcome["value"] * np.log(outcome["exposure"]) - gammaln(outcome["value"] + 1)


def _quantile(uniform: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return Poisson quantiles: a Cornish-Fisher guess, put right count by count (scipy's `ppf` takes 10 times as long)."""
    z = ndtri(uniform)
    count = np.maximum(np.floor(mean + np.sqrt(mean) * z + (z**2 - 1) / 6), 0.0)
    low = np.flatnonzero(pdtr(count, mean) < uniform)
    while len(low):
        count.flat[low] += 1
        low = low[pdtr(count.flat[low], mean.flat[low]) < uniform.flat[low]]
    high = np.flatnonzero((count > 0) & (pdtr(count - 1, mean) >= uniform))
    while len(high):
        count.flat[high] -= 1
        at = count.flat[high]
        high = high[(at > 0) & (pdtr(at - 1, mean.flat[high]) >= uniform.flat[high])]
    return count
