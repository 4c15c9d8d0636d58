"""Piecewise-exponential time to event with a treatment effect that may change over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from medresponse.core.constant_hazards import ConstantHazards
from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families import hazards
from medresponse.families.base import Arrays, Family, Predictor, checked_horizon
from medresponse.families.censoring import combine, event_companions, event_information_sd, event_times
from medresponse.families.event_rows import PiecewiseRows
from medresponse.priors import HalfNormal, ScalePrior


@register(Family, "piecewise_exponential")
@dataclass(frozen=True, kw_only=True)
class PiecewiseExponential:
    """Hazard constant within intervals; `eta` is a log hazard ratio, higher is worse.

    ``log h_ik(t in interval j) = alpha + w_j + c_k' v_j + eta_ik``: a random walk `w` for the baseline and,
    if `time_varying`, one for each treatment contrast, both centred so that `alpha` and the treatment
    coefficients keep their meaning (average log hazard, average log hazard ratio over intervals). The
    likelihood is that of Poisson counts with exposure as offset (Holford 1980, Biometrics 36:299), written
    with an exposure matrix so that its cost does not grow with the number of intervals. Rows may be exact, right-,
    left- or interval-censored and left-truncated: exposure begins at entry, and an interval-censored row has a second
    exposure, over the interval that its event lies in.

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
    baseline: hazards.Baseline = "walk"
    time_varying: bool = True
    fading: ScalePrior | None = None
    baseline_step: ScalePrior = HalfNormal(sigma=0.5)
    treatment_step: ScalePrior = HalfNormal(sigma=0.25)

    outcome_kind: ClassVar[str] = "time_to_event"
    estimands: ClassVar[tuple[str, ...]] = ("survival", "rmst")

    def __post_init__(self) -> None:
        hazards.check_cuts(self.cuts, self.intervals)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Posterior variables that scoring needs."""
        return ("log_hazard",) if self.fading is None else ("log_hazard", "strength")

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one predictor, a log hazard ratio."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``edges`` (0, cuts, last follow-up) in the unit of time, and ``lateness``, s_j of `fading`."""
        times = event_times(outcome)
        edges = hazards.learned_edges(times, cuts=self.cuts, intervals=self.intervals)
        middle, median = (edges[:-1] + edges[1:]) / 2, np.median(times.latest[times.event])
        return {"edges": edges, "lateness": np.log1p(middle / median) - np.log(2.0)}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events), the information of a log hazard ratio."""
        return event_information_sd(outcome)

    def latent_sd(self, outcome: Arrays) -> float:
        """Return pi / sqrt(6), the sd of the log of the cumulative hazard at which the event falls."""
        return float(np.pi / np.sqrt(6.0))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return event and Nelson-Aalen estimate, standardised."""
        return event_companions(outcome)

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return exposure matrix (patient, interval), event interval, crude log hazard and `hazards.WalkCoordinates`.

        Where rows are interval-censored, also ``interval_idx`` and ``interval_exposure`` (row, interval).
        """
        times, edges = event_times(outcome), constants["edges"]
        happened = np.flatnonzero(times.exact)
        exposure, within = hazards.exposures(times, edges)
        interval, crude = (
            hazards.interval_of(times.lower[happened], edges),
            np.log(times.n_events / times.person_time),
        )
        events = np.bincount(interval, minlength=exposure.shape[1])
        walk = hazards.walk_coordinates(events, exposure.sum(axis=0))
        data = {
            "exposure": exposure,
            "treatment_idx": treatment_idx.astype("int32"),
            "event_idx": happened.astype("int32"),
            "event_interval_idx": interval.astype("int32"),
            "lateness": constants["lateness"],
            "crude_log_hazard": np.asarray(crude),
            "walk_directions": walk.directions,
            "walk_estimate": walk.estimate,
            "walk_error": walk.error,
        }
        if times.interval.any():
            data["interval_idx"] = np.flatnonzero(times.interval).astype("int32")
            data["interval_exposure"] = within
        return data

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add baseline, treatment walks and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        eta, treatment_idx = predictor.eta, data["treatment_idx"]
        by_treatment = hazards.graph_log_hazards(
            data["crude_log_hazard"], eta, data["exposure"].get_value(borrow=True).shape[1], contrasts, stem="",
            baseline=self.baseline, baseline_step=self.baseline_step,
            coordinates=hazards.WalkCoordinates(data["walk_directions"], data["walk_estimate"], data["walk_error"]),
            treatment_step=self.treatment_step if self.time_varying else None,
        )  # fmt: skip
        pm.Deterministic("log_hazard", by_treatment)

        at_event, interval = data["event_idx"], data["event_interval_idx"]
        at_rate = by_treatment[treatment_idx[at_event], interval]
        if self.fading is None:
            log_rate = at_rate + eta[at_event]

            def expected(exposure: Any, eta: Any, treatment_idx: Any) -> Any:
                return hazards.graph_cumulative(exposure, by_treatment, eta, treatment_idx)

        else:
            strength = pm.Deterministic("strength", pt.exp(-self.fading.sample("fading") * data["lateness"]))
            log_rate = at_rate + eta[at_event] * strength[interval]

            def expected(exposure: Any, eta: Any, treatment_idx: Any) -> Any:
                rate = pt.exp(by_treatment[treatment_idx] + eta[:, None] * strength[None, :])
                return (exposure * rate).sum(axis=1)

        total = log_rate.sum() - expected(data["exposure"], eta, treatment_idx).sum()
        if "interval_idx" in data:
            rows = data["interval_idx"]
            within = expected(data["interval_exposure"], eta[rows], treatment_idx[rows])
            total = total + pt.log1mexp(-within).sum()
        pm.Potential("likelihood", total)

    def rows(self, data: Arrays) -> PiecewiseRows | None:
        """Return the likelihood of exact, right-censored and left-truncated rows whose hazard ratios do not fade; see `Rowwise`."""
        baseline, treatment = self.baseline_step, self.treatment_step
        plain = isinstance(baseline, HalfNormal) and self.fading is None and "interval_idx" not in data
        if not (plain and (isinstance(treatment, HalfNormal) or not self.time_varying)):
            return None
        assert isinstance(baseline, HalfNormal)
        return PiecewiseRows(
            exposure=data["exposure"],
            happened=data["event_idx"],
            within=data["event_interval_idx"],
            centre=float(data["crude_log_hazard"]),
            walk=hazards.WalkCoordinates(data["walk_directions"], data["walk_estimate"], data["walk_error"])
            if self.baseline == "walk"
            else None,
            baseline_sigma=baseline.sigma,
            treatment_sigma=treatment.sigma
            if isinstance(treatment, HalfNormal) and self.time_varying
            else 0.0,
        )

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return survival probability or restricted mean time; see `Family.response`.

        Raises
        ------
        SpecError
            If the horizon lies beyond the training follow-up: the hazard there is unknown.
        """
        edges = constants["edges"]
        horizon = checked_horizon(estimand, edges[-1])
        if estimand.kind == "survival" and self.fading is None:
            spans = hazards.exposure_matrix(np.array([horizon]), edges)[0]
            return np.exp(-np.exp(eta) * np.einsum("skj,j->ks", np.exp(parameters["log_hazard"]), spans))
        total, alive = np.zeros_like(eta), np.ones_like(eta)
        for passage in hazards.passages(lambda j: _hazard(eta, parameters, j), edges, horizon):
            total += passage.area
            alive = passage.after
        return alive if estimand.kind == "survival" else total

    def responses_over(
        self, estimands: Sequence[Estimand], eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return responses for several estimands; survival probabilities that do not fade at all times in one go."""
        if self.fading is not None or any(estimand.kind != "survival" for estimand in estimands):
            each = [self.response(estimand, eta, parameters, constants) for estimand in estimands]
            return np.stack(each, axis=2)
        edges = constants["edges"]
        times = np.array([checked_horizon(estimand, edges[-1]) for estimand in estimands])
        hazards_of = np.ascontiguousarray(np.exp(parameters["log_hazard"]).transpose(1, 2, 0))
        spent = hazards.exposure_matrix(times, edges) @ hazards_of  # (treatment, time, draw)
        return np.exp(-np.exp(eta)[:, :, None, :] * spent)

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the link of survival probability at hazard ratios that do not fade, else None; see `Linked`."""
        edges = constants["edges"]
        horizon = checked_horizon(estimand, edges[-1])
        if estimand.kind != "survival" or self.fading is not None:
            return None
        spans = hazards.exposure_matrix(np.array([horizon]), edges)[0]
        return linked(
            "loglog", -np.log(np.einsum("skj,j->ks", np.exp(parameters["log_hazard"]), spans)), -1.0
        )

    def constant_hazards(
        self, estimand: Estimand, parameters: Arrays, constants: Arrays
    ) -> ConstantHazards | None:
        """Return the hazards up to the horizon, None where they fade; see `WithConstantHazards`."""
        edges = constants["edges"]
        horizon = checked_horizon(estimand, edges[-1])
        if self.fading is not None:
            return None
        return hazards.constant_up_to(horizon, parameters["log_hazard"][:, None], edges, kind=estimand.kind)

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return event times by inversion; the last interval's hazard is carried on beyond follow-up."""
        return hazards.first_times(lambda j: _hazard(eta, parameters, j), constants["edges"], uniform)

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        times, edges = event_times(outcome), constants["edges"]
        exposure, interval_exposure = hazards.exposures(times, edges)
        at, rows = hazards.interval_of(times.lower, edges), times.interval
        at_event, spent = np.zeros_like(eta), np.zeros_like(eta)
        within = np.zeros_like(eta[rows])
        for j in range(exposure.shape[1]):
            # (patient, draw): each patient's own treatment.
            log_rate = parameters["log_hazard"][:, treatment_idx, j].T + _faded(eta, parameters, j)
            rate = np.exp(log_rate)
            spent += rate * exposure[:, [j]]
            within += rate[rows] * interval_exposure[:, [j]]
            at_event[at == j] = log_rate[at == j]
        return combine(times, at_event, spent, within)


def _hazard(eta: np.ndarray, parameters: Arrays, interval: int) -> np.ndarray:
    """Return hazards in one interval, shape of `eta` (patient, treatment, draw)."""
    return np.exp(parameters["log_hazard"][:, :, interval].T + _faded(eta, parameters, interval))


def _faded(eta: np.ndarray, parameters: Arrays, interval: int) -> np.ndarray:
    """Return the predictor as it acts in one interval; the last axis of `eta` is the draw."""
    return eta * parameters["strength"][:, interval] if "strength" in parameters else eta
