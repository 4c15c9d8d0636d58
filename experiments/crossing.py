"""Do the curves cross? A posterior predictive check of the treatment effect's change over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from experiments.figures import COLOURS, STYLES
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.core.rng import stream
from medresponse.inference import Fit
from medresponse.response import linear_predictors, mean_survival, respond
from medresponse.validation import Estimate, kaplan_meier

Outcome = Mapping[str, np.ndarray]


def check_crossing(study: Study, trial: str, fits: Mapping[str, Fit], cohort: Cohort) -> None:
    """Compare the observed change in survival difference with replicates of the trial from each model.

    The statistic is the Kaplan-Meier difference between arms at a late time minus that at an early time. A
    model under which the observed value is in the far tail of its replicates does not capture the crossing.
    """
    early, late = float(study.config["crossing"]["early"]), float(study.config["crossing"]["late"])
    observed = cohort.outcome("pfs")
    value = _statistic(observed, cohort.treatment_idx, early, late)
    study.record(f"pfs.crossing.{trial}.observed", value, unit="probability")
    for name, fit in fits.items():
        replicates = _replicates(study, fit, cohort, early, late)
        n, tail = len(replicates), float((replicates >= value).mean())
        error = float(np.sqrt(max(tail * (1 - tail), 1 / n) / n))
        study.record(f"pfs.crossing.{trial}.{name}.p_at_least_observed", Estimate(tail, error, "probability"))
        spread = float(replicates.std(ddof=1) / np.sqrt(n))
        study.record(
            f"pfs.crossing.{trial}.{name}.replicated",
            Estimate(float(replicates.mean()), spread, "probability"),
        )
    study.figure(
        f"pfs_difference_{trial}", _difference_figure(fits, cohort),
        caption=f"PFS in {trial.upper()}: difference between arms over time, observed (Kaplan-Meier) and as the model fitted "
        "to POPLAR has it, with a time-varying and with a proportional treatment effect (95% bands of the mean).",
        alt="Difference in progression-free probability over months, observed and under two models.",
    )  # fmt: skip


def _statistic(outcome: Outcome, arm: np.ndarray, early: float, late: float) -> float:
    curves = [
        kaplan_meier({n: v[arm == k] for n, v in outcome.items()}, np.array([early, late]))[0] for k in (0, 1)
    ]
    difference = curves[1] - curves[0]
    return float(difference[1] - difference[0])


def _replicates(study: Study, fit: Fit, cohort: Cohort, early: float, late: float) -> np.ndarray:
    """Return the statistic in replicated trials: same patients, arms and censoring law, new event times."""
    observed, rng = cohort.outcome("pfs"), stream(study.seed, "crossing")
    responses = respond(fit, cohort, horizon=early, unit="month")
    chosen = np.linspace(0, fit.n_draws - 1, int(study.config["crossing"]["replicates"])).astype(int)
    parameters = {name: values[chosen] for name, values in fit.family_draws().items()}
    times = np.empty((cohort.n, len(chosen)))
    for rows, eta in linear_predictors(fit, responses.patients, seed=responses.seed):
        uniform = rng.random((*eta.shape[:2], len(chosen)))
        simulated = fit.spec.family.simulate(eta[:, :, chosen], parameters, fit.constants, uniform)
        times[rows] = simulated[np.arange(len(simulated)), cohort.treatment_idx[rows]]
    statistics = []
    for j in range(len(chosen)):
        censored_at = _censoring_times(observed, rng)
        event = times[:, j] <= censored_at
        replicate = {"time": np.where(event, times[:, j], censored_at), "event": event}
        statistics.append(_statistic(replicate, cohort.treatment_idx, early, late))
    return np.array(statistics)


def _censoring_times(outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
    """Return when each patient would be censored.

    The observed time, or for an event a later one drawn from the reverse Kaplan-Meier estimate given that it is
    later.
    """
    time, event = outcome["time"], outcome["event"].astype(bool)
    reverse = {"time": time, "event": ~event}
    knots = np.unique(time[~event])
    free = kaplan_meier(reverse, knots)[0]  # P(censored after each knot)
    at = kaplan_meier(reverse, time)[0]
    target = at * rng.random(len(time))
    drawn = knots[np.minimum(np.searchsorted(-free, -target), len(knots) - 1)]
    return np.where(event, np.maximum(drawn, time), time)


def _difference_figure(fits: Mapping[str, Fit], cohort: Cohort) -> Figure:
    months = np.arange(0.25, 15.25, 0.25)
    observed, arm = cohort.outcome("pfs"), cohort.treatment_idx
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    steps = [kaplan_meier({n: v[arm == k] for n, v in observed.items()}, months)[0] for k in (0, 1)]
    axes.step(months, steps[1] - steps[0], where="post", color="#222222", linewidth=1.0, label="observed")
    for i, (name, fit) in enumerate(fits.items()):
        responses = respond(fit, cohort, horizon=1, unit="month")
        curves = mean_survival(responses, times=months.tolist(), weights=np.eye(2)[arm]).values
        difference = curves[1] - curves[0]
        low, high = np.quantile(difference, [0.025, 0.975], axis=-1)
        axes.fill_between(months, low, high, color=COLOURS[i], alpha=0.12, linewidth=0)
        axes.plot(
            months,
            difference.mean(axis=-1),
            color=COLOURS[i],
            linestyle=STYLES[i],
            label=name.replace("_", "-"),
        )
    axes.axhline(0, color="#777777", linewidth=0.8)
    axes.set(xlabel="months since randomisation", ylabel="atezolizumab minus docetaxel")
    axes.legend(frameon=False, fontsize=8)
    return figure
