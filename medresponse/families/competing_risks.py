"""Competing risks: a piecewise-exponential hazard for each cause, with treatment effects that may change over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from medresponse.core.constant_hazards import ConstantHazards
from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.core.registry import register
from medresponse.families import hazards
from medresponse.families.base import Arrays, Family, Predictor, checked_horizon
from medresponse.families.censoring import event_times, nelson_aalen
from medresponse.families.companions import standardised
from medresponse.priors import HalfNormal, ScalePrior


@register(Family, "competing_risks")
@dataclass(frozen=True, kw_only=True)
class CompetingRisks:
    """Cause-specific hazards, constant within intervals; one predictor a cause, a log hazard ratio, higher is worse.

    Each cause c has the hazard of `PiecewiseExponential`, ``log h_cik(t in interval j) = alpha_c + w_cj + c_k' v_cj +
    eta_cik``, with walks of its own. Given those, the likelihood is a product over causes in which the other causes'
    events count as censoring (Prentice et al. 1978, Biometrics 34:541); no independence of the causes is assumed or
    can be tested. What patients are told combines all causes: with ``h = sum_c h_c``, within an interval that begins
    event-free with probability S, the cumulative incidence of c grows by ``(h_c / h) S (1 - exp(-h w))`` over a width
    w, exactly. A treatment that lowers one cause's hazard raises the incidence of the others.

    Cut points are common to all causes, so that this formula holds interval by interval. Rows may be exact or
    right-censored, and left-truncated.

    Parameters
    ----------
    intervals : int
        Intervals between quantiles of the training times of all causes' events; ignored if `cuts` are given. Fewer than
        for a single event, since each cause has but its share of the events.
    cuts : tuple of float
        Inner cut points in the outcome's unit of time.
    baseline, time_varying
        As in `PiecewiseExponential`.
    baseline_step, treatment_step : ScalePrior
        As in `PiecewiseExponential`; each cause has its own.
    """

    intervals: int = 6
    cuts: tuple[float, ...] = ()
    baseline: hazards.Baseline = "walk"
    time_varying: bool = True
    baseline_step: ScalePrior = HalfNormal(sigma=0.5)
    treatment_step: ScalePrior = HalfNormal(sigma=0.25)

    outcome_kind: ClassVar[str] = "competing_risks"
    estimands: ClassVar[tuple[str, ...]] = ("cumulative_incidence", "time_lost", "survival", "rmst")
    parameters: ClassVar[tuple[str, ...]] = ("log_hazard",)

    def __post_init__(self) -> None:
        hazards.check_cuts(self.cuts, self.intervals)

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return ``cause_1``, ``cause_2``, ... in the order of the schema's causes."""
        return tuple(f"cause_{c + 1}" for c in range(int(constants["n_causes"])))

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``edges`` (0, cuts, last follow-up) in the unit of time, and ``n_causes``."""
        edges = hazards.learned_edges(event_times(outcome), cuts=self.cuts, intervals=self.intervals)
        return {"edges": edges, "n_causes": np.asarray(outcome["n_causes"])}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(events of the rarest cause).

        One number serves all causes. The rarest cause's is right for that cause and lets the prior of a commoner one
        be wider than its information alone would; the other way round, a rare cause's effects would be shrunk as if
        they were known well.
        """
        return float(1.0 / np.sqrt(max(_events(outcome).min(), 1)))

    def latent_sd(self, outcome: Arrays) -> float:
        """Return pi / sqrt(6), as for a single log hazard."""
        return float(np.pi / np.sqrt(6.0))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return each cause's event and Nelson-Aalen estimate, standardised, shape (patient, 2 * cause).

        Bartlett & Taylor (2016, Biostatistics 17:751) for competing risks.
        """
        times, columns = event_times(outcome), []
        stop = times.latest
        for cause in range(int(outcome["n_causes"])):
            event = outcome["cause"] == cause
            spent = nelson_aalen(stop, stop, event, times.entry)
            columns += [event.astype(float), spent - nelson_aalen(times.entry, stop, event, times.entry)]
        return standardised(np.column_stack(columns))

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return exposure matrix, cause and interval of the events, crude log hazards and causes' `hazards.WalkCoordinates`."""
        times, edges = event_times(outcome), constants["edges"]
        happened = np.flatnonzero(times.event)
        crude = np.log(np.maximum(_events(outcome), 0.5) / times.person_time)
        exposure, cause = hazards.exposures(times, edges)[0], outcome["cause"][happened]
        interval = hazards.interval_of(times.lower[happened], edges)
        counts = [np.bincount(interval[cause == c], minlength=exposure.shape[1]) for c in range(len(crude))]
        walks = [hazards.walk_coordinates(events, exposure.sum(axis=0)) for events in counts]
        return {
            "exposure": exposure,
            "treatment_idx": treatment_idx.astype("int32"),
            "event_idx": happened.astype("int32"),
            "event_cause_idx": cause.astype("int32"),
            "event_interval_idx": interval.astype("int32"),
            "walk_directions": np.array([walk.directions for walk in walks]),
            "walk_estimate": np.array([walk.estimate for walk in walks]),
            "walk_error": np.array([walk.error for walk in walks]),
            "crude_log_hazard": crude[
                None, :
            ],  # (1, cause), so that the graph is known by its number of causes
        }

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add each cause's baseline and treatment walks, and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        n_intervals = data["exposure"].get_value(borrow=True).shape[1]
        n_causes = data["crude_log_hazard"].get_value(borrow=True).shape[1]
        eta, treatment_idx = predictor.eta, data["treatment_idx"]
        by_cause = [
            hazards.graph_log_hazards(
                data["crude_log_hazard"][0, c], eta[:, c], n_intervals, contrasts, stem=f"cause_{c + 1}_",
                baseline=self.baseline, baseline_step=self.baseline_step,
                coordinates=hazards.WalkCoordinates(
                    data["walk_directions"][c], data["walk_estimate"][c], data["walk_error"][c]
                ),
                treatment_step=self.treatment_step if self.time_varying else None,
            )
            for c in range(n_causes)
        ]  # fmt: skip
        log_hazard = pm.Deterministic("log_hazard", pt.stack(by_cause))
        at_event, cause = data["event_idx"], data["event_cause_idx"]
        log_rate = (
            log_hazard[cause, treatment_idx[at_event], data["event_interval_idx"]] + eta[at_event, cause]
        )
        expected = [
            hazards.graph_cumulative(data["exposure"], by_treatment, eta[:, c], treatment_idx).sum()
            for c, by_treatment in enumerate(by_cause)
        ]
        pm.Potential("likelihood", log_rate.sum() - sum(expected))

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return what is asked of one cause (cumulative incidence, time lost) or of all (survival, rmst).

        Time lost is the area under the cumulative incidence up to the horizon (Andersen 2013, Stat Med 32:5278): over
        causes it sums to the horizon less the restricted mean event-free time. `eta` has shape (cause, patient,
        treatment, draw); see `Family.response`.

        Raises
        ------
        SpecError
            If the horizon lies beyond the training follow-up, or `part` is no cause.
        """
        edges = constants["edges"]
        horizon = checked_horizon(estimand, edges[-1])
        own = _checked_cause(estimand, constants)
        incidence, lost, area, alive = (np.zeros(eta.shape[1:]) for _ in range(4))
        for passage in hazards.passages(lambda j: _hazards(eta, parameters, j).sum(axis=0), edges, horizon):
            area += passage.area
            alive = passage.after
            if own is None:
                continue
            share = _hazards(eta, parameters, passage.interval)[own] / passage.hazard
            # Over the width: incidence so far, plus the share of what has left since the interval began.
            lost += incidence * passage.width + share * (passage.before * passage.width - passage.area)
            incidence += share * passage.before * passage.leaving
        return {"cumulative_incidence": incidence, "time_lost": lost, "survival": alive, "rmst": area}[
            estimand.kind
        ]

    def constant_hazards(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> ConstantHazards:
        """Return the causes' hazards up to the horizon; see `WithConstantHazards`."""
        horizon = checked_horizon(estimand, constants["edges"][-1])
        own = _checked_cause(estimand, constants) or 0
        return hazards.constant_up_to(
            horizon, parameters["log_hazard"], constants["edges"], kind=estimand.kind, cause=own
        )

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return the time of the first event of any cause; the last hazards are carried on beyond follow-up."""
        return hazards.first_times(
            lambda j: _hazards(eta, parameters, j).sum(axis=0), constants["edges"], uniform
        )

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods over all causes, shape (patient, draw); `eta` is (cause, patient, draw)."""
        times, edges = event_times(outcome), constants["edges"]
        exposure, _ = hazards.exposures(times, edges)
        interval = hazards.interval_of(times.lower, edges)
        result = np.zeros(eta.shape[1:])
        for j in range(exposure.shape[1]):
            # (cause, patient, draw): each patient's own treatment.
            log_rate = parameters["log_hazard"][:, :, treatment_idx, j].transpose(1, 2, 0) + eta
            result -= np.exp(log_rate).sum(axis=0) * exposure[:, [j]]
            rows = np.flatnonzero(times.event & (interval == j))
            result[rows] += log_rate[outcome["cause"][rows], rows]
        return result


def _events(outcome: Arrays) -> np.ndarray:
    """Return the number of events of each cause."""
    return np.bincount(outcome["cause"][outcome["event"].astype(bool)], minlength=int(outcome["n_causes"]))


def _hazards(eta: np.ndarray, parameters: Arrays, interval: int) -> np.ndarray:
    """Return hazards in one interval, shape of `eta` (cause, patient, treatment, draw)."""
    return np.exp(parameters["log_hazard"][:, :, :, interval].transpose(1, 2, 0)[:, None] + eta)


def _checked_cause(estimand: Estimand, constants: Arrays) -> int | None:
    """Return the cause that is asked about, None where the estimand is of all causes."""
    if estimand.kind in ("survival", "rmst"):
        return None
    n_causes = int(constants["n_causes"])
    if estimand.part is None or not 0 <= estimand.part < n_causes:
        raise SpecError(
            f"{estimand.kind} asks about one cause: part is {estimand.part}, choose 0 to {n_causes - 1}",
            code="cause",
        )
    return estimand.part
