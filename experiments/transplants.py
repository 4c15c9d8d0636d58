"""Competing risks after transplantation: cumulative incidence beside its nonparametric estimator, two cohorts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from matplotlib.figure import Figure

from experiments.figures import COLOURS
from experiments.reporting import cross_validated, write_reports
from experiments.statistics import interval_metrics, statistic
from experiments.study import BATCHES, Study
from medresponse.cohort import Cohort
from medresponse.core.small_cells import shares_are_safe
from medresponse.inference import Fit
from medresponse.readers import read_example
from medresponse.reports import Evidence
from medresponse.response import Responses, mean_incidence, mean_survival, respond
from medresponse.validation import Estimate

ROUNDING = 1e-14  # of sums of probabilities


@dataclass(frozen=True)
class AalenJohansen:
    """Cumulative incidence of one arm: `value`, `lower` and `upper` of shape (cause, time), steps at `times`.

    `event_times` holds the times of each cause's events, among `n` patients.
    """

    times: np.ndarray
    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    event_times: tuple[np.ndarray, ...]
    n: int

    def may_be_shown(self, cause: int, time: float) -> bool:
        """Say whether neither those with the cause's event by `time` nor the others are few."""
        return shares_are_safe(int((self.event_times[cause] <= time).sum()), self.n)

    def at(self, time: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return value, lower and upper of every cause at `time`; 0 before the first time."""
        i = int(np.searchsorted(self.times, time, side="right")) - 1
        return tuple(v[:, i] if i >= 0 else np.zeros(len(v)) for v in (self.value, self.lower, self.upper))  # type: ignore[return-value]

    def area(self, horizon: float) -> np.ndarray:
        """Return the time lost to every cause up to `horizon`: the area under the steps."""
        inside = self.times < horizon
        widths = np.diff(np.append(self.times[inside], horizon))
        return np.asarray((self.value[:, inside] * widths).sum(axis=1))


def aalen_johansen(cohort: Cohort, outcome: str, treatment: int) -> AalenJohansen:
    """Return scikit-survival's estimator of one arm with pointwise 95% intervals (log-log, Aalen's variance)."""
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    arm = cohort.treatment_idx == treatment
    observed = cohort.outcome(outcome)
    times, value, interval = cumulative_incidence_competing_risks(
        observed["cause"][arm] + 1, observed["time"][arm], conf_type="log-log"
    )
    own = tuple(observed["time"][arm & (observed["cause"] == cause)] for cause in range(len(value) - 1))
    return AalenJohansen(times, value[1:], interval[1:, 0], interval[1:, 1], own, int(arm.sum()))


def run(study: Study) -> None:
    """Fit both cohorts, hold curves and time lost against the nonparametric estimates, report patients."""
    for name, asked in study.config["cohorts"].items():
        cohort, outcome = read_example(name), asked["outcome"]
        fit = study.fit(name, study.spec(name), cohort, outcome=outcome)
        study.record(f"{name}.failed_diagnostics", len(fit.diagnostics.failures))
        steps = [aalen_johansen(cohort, outcome, k) for k in range(_n_arms(cohort))]
        responses = respond(
            fit, cohort, horizon=asked["horizon"], draws=None, part=cohort.schema.outcomes[outcome].parts[0]
        )
        _incidence(study, name, responses, cohort, steps, asked["times"])
        _time_lost(study, name, responses, steps, asked["horizon"])
        _draw(study, name, responses, cohort, steps, asked)
    _report(study, fit, responses, cohort)


def _received(cohort: Cohort) -> np.ndarray:
    return np.eye(_n_arms(cohort))[cohort.treatment_idx]


def _n_arms(cohort: Cohort) -> int:
    return max(len(cohort.treatments), 1)  # a single arm has no treatments


def _incidence(
    study: Study,
    name: str,
    responses: Responses,
    cohort: Cohort,
    steps: Sequence[AalenJohansen],
    times: Sequence[float],
) -> None:
    """Record both estimates at some times, how far they are apart, and that the probabilities sum to one."""
    curves = mean_incidence(responses, times=times, weights=_received(cohort))
    free = mean_survival(responses, times=times, weights=_received(cohort))
    departure = float(abs(curves.sum("cause") + free - 1).max())
    # What rounding leaves differs from run to run by as much again.
    study.record(f"{name}.largest_departure_from_one", Estimate(departure, ROUNDING, "probability"))
    gaps, theirs_in_ours, ours_in_theirs, rows = [], [], [], []
    for k, treatment in enumerate(responses.treatments):
        for time in times:
            value, lower, upper = steps[k].at(time)
            for c, cause in enumerate(responses.outcome_schema.parts):
                draws = curves.sel(treatment=treatment, cause=cause, time=time).values
                key = f"{name}.{treatment}.{cause}_{time:g}"
                interval_metrics(study, key, draws, unit="probability")
                study.record(f"{key}.aalen_johansen", value[c], unit="probability")
                mean, (low, high) = float(draws.mean()), np.quantile(draws, [0.025, 0.975])
                gaps.append(mean - value[c])
                if value[c] == 0:  # no event yet: the estimator has no interval, and a probability is never 0
                    continue
                theirs_in_ours.append((draws, value[c], value[c]))
                ours_in_theirs.append((draws, lower[c], upper[c]))
                theirs = "not shown"
                if steps[k].may_be_shown(c, time):
                    theirs = f"{value[c]:.3f} ({lower[c]:.3f} to {upper[c]:.3f})"
                rows.append((treatment, responses.outcome_schema.part_label(cause), f"{time:g}",
                             f"{mean:.3f} ({low:.3f} to {high:.3f})", theirs))  # fmt: skip
    study.record(f"{name}.comparisons", len(rows))
    study.record(f"{name}.estimator_in_our_interval", _count(theirs_in_ours, _covers))
    study.record(f"{name}.ours_in_estimator_interval", _count(ours_in_theirs, _mean_between))
    worst = int(np.argmax(np.abs(gaps)))
    flat = curves.transpose("treatment", "time", "cause", "draw").values.reshape(len(gaps), -1)
    offset = float(flat[worst].mean()) - gaps[worst]
    study.record(
        f"{name}.largest_difference",
        statistic(flat[worst], lambda v: abs(float(v.mean()) - offset), unit="probability"),
    )
    unit = responses.outcome_schema.time_unit
    table = pl.DataFrame(rows, schema=["arm", "cause", f"{unit}s", "model", "Aalen-Johansen"], orient="row")
    caption = f"{cohort.schema.name}: cumulative incidence with 95% intervals, model and nonparametric"
    study.table(table, caption=caption)


def _count(
    compared: Sequence[tuple[np.ndarray, float, float]], holds: Callable[[np.ndarray, float, float], bool]
) -> Estimate:
    """Return in how many comparisons (draws, lower, upper) something holds.

    One that holds in some batches of draws and not in others is so near the edge that another run may decide otherwise.
    """
    whole = [holds(draws, lower, upper) for draws, lower, upper in compared]
    near = 0
    for draws, lower, upper in compared:
        near += len({holds(part, lower, upper) for part in np.array_split(draws, BATCHES)}) > 1
    return Estimate(float(sum(whole)), 0.5 * float(np.sqrt(near)), "1")


def _covers(draws: np.ndarray, lower: float, upper: float) -> bool:
    low, high = np.quantile(draws, [0.025, 0.975])
    return bool(low <= lower and upper <= high)


def _mean_between(draws: np.ndarray, lower: float, upper: float) -> bool:
    return bool(lower <= draws.mean() <= upper)


def _time_lost(
    study: Study, name: str, responses: Responses, steps: Sequence[AalenJohansen], horizon: float
) -> None:
    """Record the time lost to each cause, over all patients under each treatment, and its differences."""
    unit, rows = responses.horizon_unit, []
    for c, cause in enumerate(responses.outcome_schema.parts):
        lost = responses.at(horizon=horizon, kind="time_lost").of(cause).mean_over_patients()
        for k, treatment in enumerate(responses.treatments):
            key = f"{name}.{treatment}.time_lost_{horizon:g}.{cause}"
            interval_metrics(study, key, lost[k], unit=unit)
            area = float(steps[k].area(horizon)[c])
            study.record(f"{key}.aalen_johansen", area, unit=unit)
            low, high = np.quantile(lost[k], [0.025, 0.975])
            label = responses.outcome_schema.part_label(cause)
            rows.append((treatment, label, f"{lost[k].mean():.3f} ({low:.3f} to {high:.3f})", f"{area:.3f}"))
            if k:
                interval_metrics(
                    study, f"{name}.time_lost_{horizon:g}.{cause}.difference", lost[k] - lost[0], unit=unit
                )
    table = pl.DataFrame(rows, schema=["arm", "cause", "model", "Aalen-Johansen"], orient="row")
    caption = f"{responses.fit.schema.name}: mean {unit}s lost to each cause up to {horizon:g} {unit}s"
    study.table(table, caption=caption)


def _draw(
    study: Study,
    name: str,
    responses: Responses,
    cohort: Cohort,
    steps: Sequence[AalenJohansen],
    asked: Mapping[str, Any],
) -> None:
    grid = np.linspace(0, asked["horizon"], 60)[1:]
    curves = mean_incidence(responses, times=grid.tolist(), weights=_received(cohort))
    study.figure(
        f"{name}_incidence", _incidence_figure(curves, responses, steps, since=asked["since"]),
        caption=f"{cohort.schema.name}: cumulative incidence of each cause, model (line, 95% band) and "
        "Aalen-Johansen (steps, 95% interval dotted).",
        alt="Cumulative incidence over time by cause and arm: model curves with bands over nonparametric steps.",
    )  # fmt: skip


def _incidence_figure(
    curves: xr.DataArray, responses: Responses, steps: Sequence[AalenJohansen], *, since: str
) -> Figure:
    """Draw one panel an arm; every cause keeps its colour."""
    arms, schema = responses.treatments, responses.fit.schema
    figure = Figure(figsize=(1.0 + 4.2 * len(arms), 4.0), layout="constrained")
    panels = figure.subplots(1, len(arms), squeeze=False, sharey=True)[0]
    times = curves["time"].values
    for k, (axes, treatment) in enumerate(zip(panels, arms, strict=True)):
        for c, cause in enumerate(responses.outcome_schema.parts):
            values = curves.sel(treatment=treatment, cause=cause).values
            low, high = np.quantile(values, [0.025, 0.975], axis=-1)
            axes.fill_between(times, low, high, color=COLOURS[c], alpha=0.15, linewidth=0)
            label = responses.outcome_schema.part_label(cause)
            axes.plot(times, values.mean(axis=-1), color=COLOURS[c], label=label)
            if not steps[k].may_be_shown(c, float(times[-1])):
                continue
            shown = steps[k].times <= times[-1]
            x = np.concatenate([[0.0], steps[k].times[shown], times[-1:]])
            for part, width, style in (("value", 0.9, "-"), ("lower", 0.6, ":"), ("upper", 0.6, ":")):
                y = np.nan_to_num(getattr(steps[k], part)[c, shown])
                y = np.concatenate([[0.0], y, y[-1:]])
                axes.step(x, y, where="post", color=COLOURS[c], linewidth=width, linestyle=style)
        title = schema.treatment.label(treatment) if schema.treatment else "all patients"
        axes.set(title=title, xlabel=since, ylim=(0, 1))
    panels[0].set_ylabel("cumulative incidence")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _report(study: Study, fit: Fit, responses: Responses, cohort: Cohort) -> None:
    name = next(key for key, one in study.fits.items() if one is fit)
    inside, of = (
        int(study.metrics[f"{name}.{k}"].value) for k in ("estimator_in_our_interval", "comparisons")
    )
    evidence = Evidence(
        name="Cumulative incidence", value=f"nonparametric estimate inside the model's 95% interval in {inside} of {of}",
        detail=f"times, causes and arms of all {cohort.n} patients, who are those the model learned from",
    )  # fmt: skip
    record = cross_validated(study, responses, cohort, outcome=fit.outcome)
    write_reports(
        study, responses, cohort, evidence=[evidence], validation=record, title="Competing risks after transplantation",
        intro="Two cohorts: acute leukaemia without a comparison, and marrow or blood at random, whose patients the "
        "reports are of. Curves and time lost stand beside nonparametric estimates.",
    )  # fmt: skip
