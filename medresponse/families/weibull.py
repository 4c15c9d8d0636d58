"""Weibull time to event with right censoring (accelerated failure time)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import gamma, gammainc

from medresponse.core.estimand import Estimand
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, checked_horizon, event_companions
from medresponse.priors import LogNormal, ScalePrior


@register(Family, "weibull")
@dataclass(frozen=True, kw_only=True)
class Weibull:
    """Weibull event times; `eta` shifts the log scale, so higher means later.

    ``S(t) = exp(-(t / s)^shape)``, ``log s = centre + alpha + eta``, with the centre at the log of the mean
    observed time per event.

    Parameters
    ----------
    shape : ScalePrior
        Below 1 the hazard falls over time, above 1 it rises. Published trials lie at 0.5 to 1.5.
    """

    shape: ScalePrior = LogNormal(sigma=0.5)

    outcome_kind: ClassVar[str] = "time_to_event"
    estimands: ClassVar[tuple[str, ...]] = ("survival", "rmst")
    parameters: ClassVar[tuple[str, ...]] = ("log_scale", "shape")

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``end``, the longest follow-up."""
        return {"end": np.asarray(outcome["time"].max())}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events), at shape 1."""
        return float(1.0 / np.sqrt(max(outcome["event"].sum(), 1)))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return event and Nelson-Aalen estimate, standardised."""
        return event_companions(outcome)

    def observe(
        self, design: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays
    ) -> Arrays:
        """Return design, log time, event indicator and the centre of the log scale."""
        event = outcome["event"].astype(float)
        return {
            "design": design,
            "log_time": np.log(outcome["time"]),
            "event": event,
            "crude_log_scale": np.asarray(np.log(outcome["time"].sum() / max(event.sum(), 0.5))),
        }

    def likelihood(self, coefficients: Any, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add shape, scale and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        shape = self.shape.sample("shape")
        log_scale = pm.Deterministic("log_scale", data["crude_log_scale"] + pm.Normal("alpha", 0.0, 2.0))
        standard = data["log_time"] - log_scale - pt.dot(data["design"], coefficients)
        # log h(t) = log(shape) + shape * (log t - log s) - log t; H(t) = (t / s)^shape.
        log_hazard = pt.log(shape) + shape * standard - data["log_time"]
        pm.Potential("likelihood", (data["event"] * log_hazard - pt.exp(shape * standard)).sum())

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return survival probability or restricted mean time; see `Family.response`.

        The restricted mean is the incomplete-gamma form of the area under the Weibull survival curve.
        """
        horizon = checked_horizon(estimand, constants["end"])
        shape = parameters["shape"]
        scale = np.exp(parameters["log_scale"] + eta)
        cumulative = (horizon / scale) ** shape
        if estimand.kind == "survival":
            return np.exp(-cumulative)
        return scale * gamma(1 + 1 / shape) * gammainc(1 / shape, cumulative)

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return event times by inversion."""
        return np.exp(parameters["log_scale"] + eta) * (-np.log(uniform)) ** (1 / parameters["shape"])

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        log_time, event = np.log(outcome["time"])[:, None], outcome["event"].astype(float)[:, None]
        shape = parameters["shape"]
        standard = log_time - parameters["log_scale"] - eta
        return event * (np.log(shape) + shape * standard - log_time) - np.exp(shape * standard)
