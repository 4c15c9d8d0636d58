"""Mixture cure model: some patients never have the event, the others' times follow a law of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import expit

from medresponse.core.estimand import Estimand
from medresponse.core.registry import register
from medresponse.families import log_time
from medresponse.families.base import Arrays, Family, Predictor, add_intercept, checked_horizon
from medresponse.families.censoring import event_companions, event_information_sd, event_times, nelson_aalen
from medresponse.priors import LogNormal, ScalePrior

_SURELY_OPEN = (0.05, 0.95)


@register(Family, "cure")
@dataclass(frozen=True, kw_only=True)
class Cure:
    """Two predictors: who ever has the event (incidence), and when, if ever (latency).

    ``S(t) = (1 - p) + p * S_u(t)`` (Boag 1949, J R Stat Soc B 11:15; covariates by Farewell 1982, Biometrics 38:1041;
    Sy & Taylor 2000, Biometrics 56:227) with

    - ``logit p = incidence_intercept + eta["incidence"]``: higher means more likely ever to have the event, as in the
      literature; ``1 - p`` is the cured fraction;
    - ``log T = log_scale + eta["latency"] + W / shape`` for the uncured: higher means later.

    Rows may be exact, right-, left- or interval-censored and left-truncated.

    **When it can be told apart.** A low plateau of many cured patients and a long tail of late events look alike unless
    follow-up goes well beyond the last events, so that the survival curve is seen to level off: look at the
    Kaplan-Meier curve first. Where it still falls at the end, the cured fraction rests on the law of the latency and on
    the priors, and the estimand ``cured`` should not be reported. Effects on incidence and latency are confounded in the
    same way. The priors therefore keep to what the curve shows: the cured fraction of the average patient lies around
    the height of the curve at the last follow-up (logit sd 1: a plateau of 40% gives 8% to 83%), the time scale around
    the mean time of the events (log sd 1).

    Parameters
    ----------
    latency : str
        Law of the uncured patients' times: ``weibull``, ``lognormal`` or ``loglogistic``. The last two have long tails,
        which are the harder to tell from cure.
    shape : ScalePrior
        As in the family of that name; 1 / sigma for ``lognormal``.
    """

    latency: Literal["weibull", "lognormal", "loglogistic"] = "weibull"
    shape: ScalePrior = LogNormal(sigma=0.5)

    outcome_kind: ClassVar[str] = "time_to_event"
    estimands: ClassVar[tuple[str, ...]] = ("survival", "rmst", "cured")
    parameters: ClassVar[tuple[str, ...]] = ("incidence_intercept", "log_scale", "shape")

    @property
    def _law(self) -> log_time.Law:
        return log_time.LAWS[self.latency]

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return ``incidence`` and ``latency``."""
        return ("incidence", "latency")

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``end``, the longest follow-up."""
        return log_time.learn(outcome)

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events), that of the latency; incidence has less information, at most n / 4."""
        return event_information_sd(outcome)

    def latent_sd(self, outcome: Arrays) -> float:
        """Return the latency's sd of log time at shape 1, for both predictors; that of a logit is pi / sqrt(3)."""
        return self._law.sd

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return event and Nelson-Aalen estimate, standardised."""
        return event_companions(outcome)

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return what `log_time.observe` does, ``event``, and where the two intercepts lie."""
        times = event_times(outcome)
        hazard = nelson_aalen(times.middle.max(keepdims=True), times.middle, times.event, times.entry)[0]
        plateau = np.clip(np.exp(-hazard), *_SURELY_OPEN)
        happened = times.middle[times.event]
        centre = happened.mean() if len(happened) else times.latest.max()
        return log_time.observe(outcome) | {
            "event": times.event.astype(float),
            "crude_log_scale": np.asarray(np.log(centre)),
            "crude_incidence": np.asarray(np.log1p(-plateau) - np.log(plateau)),
        }

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercepts, shape and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        shape = self.shape.sample("shape")
        eta = predictor.eta
        intercept = pm.Deterministic(
            "incidence_intercept", data["crude_incidence"] + add_intercept("incidence_", eta[:, 0], 1.0)
        )
        log_scale = pm.Deterministic(
            "log_scale", data["crude_log_scale"] + add_intercept("latency_", eta[:, 1], 1.0)
        )
        incidence, location = intercept + eta[:, 0], log_scale + eta[:, 1]
        log_uncured, log_cured = -pt.softplus(-incidence), -pt.softplus(incidence)
        uncured = log_uncured + log_time.graph_log_likelihood(self._law, data, location, shape)
        # log(exp(a) + exp(b)) as a + softplus(b - a).
        event_free = log_cured + pt.softplus(uncured - log_cured)
        total = pt.switch(data["event"] > 0, uncured, event_free).sum()
        at_entry = log_time.graph_cumulative_at_entry(self._law, data, location, shape)
        if at_entry is not None:
            rows = data["entry_idx"]
            alive = log_cured[rows] + pt.softplus(log_uncured[rows] - at_entry - log_cured[rows])
            total = total - alive.sum()
        pm.Potential("likelihood", total)

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return survival probability, restricted mean time or cured fraction; see `Family.response`."""
        uncured = expit(parameters["incidence_intercept"] + eta[0])
        if estimand.kind == "cured":
            return 1 - uncured
        location, shape = parameters["log_scale"] + eta[1], parameters["shape"]
        horizon = checked_horizon(estimand, constants["end"])
        whole = 1.0 if estimand.kind == "survival" else horizon
        of_uncured = log_time.respond(self._law, estimand, constants, location, shape)
        return (1 - uncured) * whole + uncured * of_uncured

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return event times by inversion; infinite for a patient who is cured."""
        uncured = expit(parameters["incidence_intercept"] + eta[0])
        alive = (uniform - (1 - uncured)) / uncured
        happens = alive > 0
        times = log_time.simulate(
            self._law, parameters["log_scale"] + eta[1], parameters["shape"], np.where(happens, alive, 0.5)
        )
        return np.where(happens, times, np.inf)

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        times = event_times(outcome)
        incidence, location = parameters["incidence_intercept"] + eta[0], parameters["log_scale"] + eta[1]
        log_uncured, log_cured = -np.logaddexp(0.0, -incidence), -np.logaddexp(0.0, incidence)
        shape = parameters["shape"]
        uncured = log_uncured + log_time.log_likelihood(self._law, outcome, location, shape, truncation=False)
        result = np.where(times.event[:, None], uncured, np.logaddexp(log_cured, uncured))
        rows = times.entry > 0
        at_entry = self._law.hazard(shape * (np.log(times.entry[rows])[:, None] - location[rows]))[0]
        result[rows] -= np.logaddexp(log_cured[rows], log_uncured[rows] - at_entry)
        return result
