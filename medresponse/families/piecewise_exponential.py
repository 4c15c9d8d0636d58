"""Piecewise-exponential time to event with a treatment effect that may change over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from medresponse.core.estimand import Estimand
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, centred_walk, checked_horizon, event_companions
from medresponse.priors import HalfNormal, ScalePrior


@register(Family, "piecewise_exponential")
@dataclass(frozen=True, kw_only=True)
class PiecewiseExponential:
    """Hazard constant within intervals; `eta` is a log hazard ratio, higher is worse.

    ``log h_ik(t in interval j) = alpha + w_j + c_k' v_j + eta_ik``: a random walk `w` for the baseline and,
    if `time_varying`, one for each treatment contrast, both centred so that `alpha` and the treatment
    coefficients keep their meaning (average log hazard, average log hazard ratio over intervals). The
    likelihood is that of Poisson counts with exposure as offset (Holford 1980, Biometrics 36:299), written
    with an exposure matrix so that its cost does not grow with the number of intervals.

    Parameters
    ----------
    intervals : int
        Intervals between quantiles of the training event times; ignored if `cuts` are given.
    cuts : tuple of float
        Inner cut points in the outcome's unit of time (for example the trial's scan schedule).
    baseline : str
        ``walk``: neighbouring intervals resemble each other. ``exchangeable``: they need not, as where events
        are found at scheduled scans and the hazard jumps between scan windows.
    time_varying : bool
        Whether treatment effects may change over time; False is proportional hazards.
    fading : ScalePrior, optional
        Prior of kappa >= 0: everything that `eta` holds is multiplied by ``exp(-kappa * s_j)``, where `s_j` is the
        log of (1 + midpoint / median event time) against its value at the median. What was measured at the start
        says less about late hazards; the treatment's own change over time is left to `time_varying`. None: `eta`
        acts alike at all times.
    baseline_step, treatment_step : ScalePrior
        Prior of the standard deviation of one step of the walks (or of exchangeable intervals around their
        mean), on the log-hazard scale.
    """

    intervals: int = 10
    cuts: tuple[float, ...] = ()
    baseline: Literal["walk", "exchangeable"] = "walk"
    time_varying: bool = True
    fading: ScalePrior | None = None
    baseline_step: ScalePrior = HalfNormal(sigma=0.5)
    treatment_step: ScalePrior = HalfNormal(sigma=0.25)

    outcome_kind: ClassVar[str] = "time_to_event"
    estimands: ClassVar[tuple[str, ...]] = ("survival", "rmst")

    def __post_init__(self) -> None:
        if list(self.cuts) != sorted(set(self.cuts)) or any(cut <= 0 for cut in self.cuts):
            raise ValueError("cuts must be positive and strictly increasing")
        if self.intervals < 2:
            raise ValueError("intervals must be at least 2")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Posterior variables that scoring needs."""
        return ("log_hazard",) if self.fading is None else ("log_hazard", "strength")

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``edges`` (0, cuts, last follow-up) in the unit of time, and ``lateness``, s_j of `fading`."""
        time, event = outcome["time"], outcome["event"].astype(bool)
        end = float(time.max())
        if self.cuts:
            inner = np.array([cut for cut in self.cuts if cut < end])
        else:
            levels = np.arange(1, self.intervals) / self.intervals
            inner = np.unique(np.quantile(time[event], levels, method="inverted_cdf"))
            inner = inner[(inner > 0) & (inner < end)]
        edges = np.concatenate([[0.0], inner, [end]])
        middle = (edges[:-1] + edges[1:]) / 2
        return {"edges": edges, "lateness": np.log1p(middle / np.median(time[event])) - np.log(2.0)}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events), the information of a log hazard ratio."""
        return float(1.0 / np.sqrt(max(outcome["event"].sum(), 1)))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return event and Nelson-Aalen estimate, standardised."""
        return event_companions(outcome)

    def observe(
        self, design: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays
    ) -> Arrays:
        """Return design, exposure matrix (patient, interval), event interval and crude log hazard."""
        time, event = outcome["time"], outcome["event"].astype(bool)
        edges = constants["edges"]
        happened = np.flatnonzero(event)
        return {
            "design": design,
            "exposure": exposure_matrix(time, edges),
            "treatment_idx": treatment_idx.astype("int32"),
            "event_idx": happened.astype("int32"),
            "event_interval_idx": interval_of(time[happened], edges).astype("int32"),
            "lateness": constants["lateness"],
            "crude_log_hazard": np.asarray(np.log(max(event.sum(), 0.5) / time.sum())),
        }

    def likelihood(self, coefficients: Any, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add baseline, treatment walks and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        n_intervals = data["exposure"].get_value(borrow=True).shape[1]
        walk = centred_walk(n_intervals - 1)
        alpha = pm.Normal("alpha", 0.0, 1.0)  # around the crude log rate
        step = self.baseline_step.sample("baseline_step")
        if self.baseline == "walk":
            steps = pm.Normal("baseline_steps", 0.0, 1.0, shape=n_intervals - 1)
            baseline = alpha + step * pt.dot(walk, steps)
        else:
            # Each interval's events pin its own level: centred, since the non-centred form mixes badly then.
            baseline = pm.Normal("baseline_level", alpha, step, shape=n_intervals)
        log_hazard = data["crude_log_hazard"] + baseline
        n_treatments, n_contrasts = contrasts.shape
        if self.time_varying and n_contrasts:
            drift_steps = pm.Normal("treatment_steps", 0.0, 1.0, shape=(n_contrasts, n_intervals - 1))
            drift = self.treatment_step.sample("treatment_step") * pt.dot(drift_steps, walk.T)
            by_treatment = log_hazard[None, :] + pt.dot(contrasts, drift)
        else:
            by_treatment = pt.repeat(log_hazard[None, :], n_treatments, axis=0)
        pm.Deterministic("log_hazard", by_treatment)

        eta = pt.dot(data["design"], coefficients)
        at_event, interval = data["event_idx"], data["event_interval_idx"]
        at_rate = by_treatment[data["treatment_idx"][at_event], interval]
        if self.fading is None:
            # (patient, treatment) cumulative hazards by one small product, then each patient's own.
            cumulative = pt.dot(data["exposure"], pt.exp(by_treatment).T)
            expected = pt.exp(eta) * cumulative[pt.arange(eta.shape[0]), data["treatment_idx"]]
            log_rate = at_rate + eta[at_event]
        else:
            strength = pm.Deterministic("strength", pt.exp(-self.fading.sample("fading") * data["lateness"]))
            rate = pt.exp(by_treatment[data["treatment_idx"]] + eta[:, None] * strength[None, :])
            expected = (data["exposure"] * rate).sum(axis=1)
            log_rate = at_rate + eta[at_event] * strength[interval]
        pm.Potential("likelihood", log_rate.sum() - expected.sum())

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return survival probability or restricted mean time; see `Family.response`.

        Raises
        ------
        SpecError
            If the horizon lies beyond the training follow-up: the hazard there is unknown.
        """
        horizon = checked_horizon(estimand, constants["edges"][-1])
        spans = exposure_matrix(np.array([horizon]), constants["edges"])[0]
        if estimand.kind == "survival" and self.fading is None:
            return np.exp(-np.exp(eta) * np.einsum("skj,j->ks", np.exp(parameters["log_hazard"]), spans))
        total, cumulative = np.zeros_like(eta), np.zeros_like(eta)
        for j in np.flatnonzero(spans).tolist():
            hazard = _hazard(eta, parameters, j)
            # Area under exp(-H) on an interval of constant hazard.
            total += np.exp(-cumulative) * -np.expm1(-hazard * spans[j]) / hazard
            cumulative += hazard * spans[j]
        return np.exp(-cumulative) if estimand.kind == "survival" else total

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return event times by inversion; the last interval's hazard is carried on beyond follow-up."""
        remaining, time = -np.log(uniform), np.zeros_like(eta)
        for j, width in enumerate(np.append(np.diff(constants["edges"])[:-1], np.inf)):
            hazard = _hazard(eta, parameters, j)
            inside = np.minimum(remaining / hazard, width)
            time += inside
            remaining = np.maximum(remaining - inside * hazard, 0.0)
        return time

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        time, event, edges = outcome["time"], outcome["event"].astype(bool), constants["edges"]
        exposure, interval = exposure_matrix(time, edges), interval_of(time, edges)
        result = np.zeros_like(eta)
        for j in range(exposure.shape[1]):
            # (patient, draw): each patient's own treatment.
            log_rate = parameters["log_hazard"][:, treatment_idx, j].T + _faded(eta, parameters, j)
            result -= np.exp(log_rate) * exposure[:, [j]]
            result += np.where((event & (interval == j))[:, None], log_rate, 0.0)
        return result


def _hazard(eta: np.ndarray, parameters: Arrays, interval: int) -> np.ndarray:
    """Return hazards in one interval, shape of `eta` (patient, treatment, draw)."""
    return np.exp(parameters["log_hazard"][:, :, interval].T + _faded(eta, parameters, interval))


def _faded(eta: np.ndarray, parameters: Arrays, interval: int) -> np.ndarray:
    """Return the predictor as it acts in one interval; the last axis of `eta` is the draw."""
    return eta * parameters["strength"][:, interval] if "strength" in parameters else eta


def exposure_matrix(time: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the time each patient spends in each interval, shape (patient, interval).

    Time beyond the last edge counts in the last interval.
    """
    upper = np.append(edges[1:-1], np.inf)
    return np.clip(np.minimum(time[:, None], upper) - edges[:-1], 0.0, None)


def interval_of(time: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the interval (start, end] that each time falls into."""
    return np.searchsorted(edges[1:-1], time, side="left")
