"""Overdispersed event counts with a log link and exposure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import gammaln

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.counts import count_companions, count_quantile, crude_log_rate, expected_count
from medresponse.priors import HalfNormal, ScalePrior

_MANY = 1e3  # phi from which Stirling's series replaces a difference of log gammas


@register(Family, "negative_binomial")
@dataclass(frozen=True, kw_only=True)
class NegativeBinomial:
    """Poisson counts whose rates vary between patients alike; `eta` is a log rate ratio, higher means more events.

    ``log E[count] = intercept + eta + log exposure``, variance ``mean + overdispersion^2 mean^2``: patients with the
    same features have gamma-distributed rates, with `overdispersion` their standard deviation over their mean
    (1 / sqrt(phi) in the usual notation; 0 is Poisson).

    Parameters
    ----------
    overdispersion : ScalePrior
        Prior of 1 / sqrt(phi). A prior on phi itself would hold almost no mass near Poisson (Simpson et al. 2017, Stat
        Sci 32:1; Stan's prior choice recommendations).
    """

    overdispersion: ScalePrior = HalfNormal(sigma=1.0)

    outcome_kind: ClassVar[str] = "count"
    estimands: ClassVar[tuple[str, ...]] = ("rate", "count")
    parameters: ClassVar[tuple[str, ...]] = ("intercept", "overdispersion")

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one nameless predictor."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``crude``, the log of all events over all exposure."""
        return {"crude": crude_log_rate(outcome)}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return the root of 1 / sum of mean / (1 + mean / phi), with the data's crude rate and phi."""
        mean, excess = _crude_moments(outcome)
        return float(1 / np.sqrt((mean / (1 + excess * mean)).sum()))

    def latent_sd(self, outcome: Arrays) -> float:
        """Return sqrt(log(1 + 1 / mean count + 1 / phi)) (Nakagawa, Johnson & Schielzeth 2017, J R Soc Interface 14:20170213)."""
        mean, excess = _crude_moments(outcome)
        return float(np.sqrt(np.log1p(1 / mean.mean() + excess)))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return log rate and log exposure, standardised."""
        return count_companions(outcome)

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return counts, log exposures, the crude log rate, and the distinct counts with their numbers of patients."""
        distinct, patients = np.unique(outcome["value"].astype(float), return_counts=True)
        return {
            "events": outcome["value"].astype(float),
            "log_exposure": np.log(outcome["exposure"]),
            "crude": np.asarray(constants["crude"]),
            "distinct": distinct,
            "patients": patients.astype(float),
        }

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercept, overdispersion and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        eta = predictor.eta
        intercept = pm.Deterministic("intercept", data["crude"] + add_intercept("", eta, 2.0))
        phi = self.overdispersion.sample("overdispersion") ** -2.0
        log_mean = intercept + eta + data["log_exposure"]
        count = data["distinct"]
        direct = pt.gammaln(count + phi) - pt.gammaln(phi) - count * pt.log(phi)
        rising = pt.switch(phi > _MANY, _stirling(count, phi, pt.log1p), direct)
        pm.Potential(
            "likelihood",
            pt.dot(data["patients"], rising - pt.gammaln(count + 1))
            + pt.dot(data["events"], log_mean)
            - pt.dot(data["events"] + phi, pt.softplus(log_mean - pt.log(phi))),
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
        from scipy.stats import nbinom

        mean = np.broadcast_to(np.exp(parameters["intercept"] + eta), uniform.shape)
        extra = parameters["overdispersion"] ** 2
        return count_quantile(
            uniform, mean, extra, lambda u, m: nbinom.ppf(u, 1 / extra, 1 / (1 + m * extra))
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
        phi, events = parameters["overdispersion"] ** -2.0, outcome["value"][:, None]
        log_mean = parameters["intercept"] + eta + np.log(outcome["exposure"])[:, None]
        direct = gammaln(events + phi) - gammaln(phi) - events * np.log(phi)
        rising = np.where(phi > _MANY, _stirling(events, phi, np.log1p), direct)
        softplus = np.logaddexp(0.0, log_mean - np.log(phi))
        return rising - gammaln(events + 1) + events * log_mean - (events + phi) * softplus


def _stirling(count: Any, phi: Any, log1p: Callable[[Any], Any]) -> Any:
    """Return log(Gamma(count + phi) / Gamma(phi) / phi^count) for large phi, of numpy arrays or tensors.

    There the log gammas agree in all but their last digits; Stirling's series takes their difference term by term.
    """
    total = count + phi
    series = (total - 0.5) * log1p(count / phi) - count
    return series + (1 / total - 1 / phi) / 12 - (total**-3.0 - phi**-3.0) / 360


def _crude_moments(outcome: Arrays) -> tuple[np.ndarray, float]:
    """Return each patient's mean count at the crude rate, and the moment estimate of 1 / phi."""
    mean = np.exp(crude_log_rate(outcome)) * outcome["exposure"]
    excess = ((outcome["value"] - mean) ** 2 - outcome["value"]).sum() / (mean**2).sum()
    return mean, float(max(excess, 0.0))
