"""Harms in the CDISC pilot: adverse events per year of follow-up, and the time to the first dermatologic event.

Measured by Cox models: hazard of a first dermatologic event 4.15 (low dose) and 5.03 times (high) that of placebo.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from experiments.classical import cox_log_hazards, negative_binomial_log_rates
from experiments.figures import survival_figure
from experiments.forest import forest
from experiments.loo import compare_by_loo
from experiments.pairs import average_effects, interval, interval_text, pairs, record_ratios
from experiments.statistics import interval_metrics
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.inference import Fit
from medresponse.response import mean_survival, respond

YEAR = 365.25
COUNTS = {"poisson": "Poisson", "negative_binomial": "negative binomial"}
TIMES = {
    "proportional": "piecewise exponential, proportional hazards",
    "time_varying": "piecewise exponential, effects over time",
    "weibull": "Weibull",
    "lognormal": "lognormal",
    "loglogistic": "loglogistic",
}
DAYS = np.array([1.0, *range(3, 183, 3)])


def adverse_events(study: Study, cohort: Cohort) -> None:
    """Record yearly rates and rate ratios beside crude ones, for follow-up and for time on treatment; compare families."""
    fits = {}
    for name in COUNTS:
        fits[name] = study.fit(name, study.spec(name), cohort, outcome="adverse_events")
        _rates(study, f"adverse_events.{name}", fits[name], cohort)
    treated = study.fit(
        "negative_binomial_on_treatment",
        study.spec("negative_binomial"),
        cohort,
        outcome="adverse_events_on_treatment",
    )
    _rates(study, "adverse_events_on_treatment.negative_binomial", treated, cohort)
    for outcome in ("adverse_events", "adverse_events_on_treatment"):
        _crude_rates(study, outcome, cohort)
    overdispersion = fits["negative_binomial"].draws("overdispersion")
    interval_metrics(study, "adverse_events.overdispersion", overdispersion, unit="1")
    compare_by_loo(
        study, "loo.adverse_events", fits, cohort, caption="Adverse events during follow-up: Poisson and negative binomial"
    )  # fmt: skip
    _show_rates(study, cohort)


def _rates(study: Study, prefix: str, fit: Fit, cohort: Cohort) -> None:
    yearly = respond(fit, cohort, estimand="count", horizon=1, unit="year").mean_over_patients()
    for treatment, draws in zip(cohort.treatments, yearly, strict=True):
        interval_metrics(study, f"{prefix}.rate.{treatment}", draws, unit="events per year")
    record_ratios(study, f"{prefix}.ratio", average_effects(fit), cohort.treatments)


def _crude_rates(study: Study, outcome: str, cohort: Cohort) -> None:
    """Record events over exposure in each arm, and the maximum-likelihood negative binomial rate ratios."""
    observed, arm = cohort.outcome(outcome), cohort.treatment_idx
    events, exposure = (np.bincount(arm, weights=observed[part]) for part in ("value", "exposure"))
    log_rates, overdispersion = negative_binomial_log_rates(arm, observed)
    for k, treatment in enumerate(cohort.treatments):
        study.record(
            f"{outcome}.crude.rate.{treatment}", YEAR * events[k] / exposure[k], unit="events per year"
        )
    for k, j, name in pairs(cohort.treatments):
        study.record(f"{outcome}.crude.ratio.{name}", events[k] / exposure[k] / (events[j] / exposure[j]))
        study.record(f"{outcome}.maximum_likelihood.ratio.{name}", float(np.exp(log_rates[k] - log_rates[j])))
    study.record(f"{outcome}.maximum_likelihood.overdispersion", overdispersion)


def _show_rates(study: Study, cohort: Cohort) -> None:
    rows, cells, schema = {}, [], cohort.schema.treatment
    assert schema is not None
    for treatment in cohort.treatments:
        crude = study.metrics[f"adverse_events.crude.rate.{treatment}"].value
        rows[schema.label(treatment)] = {"events over follow-up": (crude, crude, crude)} | {
            label: interval(study, f"adverse_events.{name}.rate.{treatment}")
            for name, label in COUNTS.items()
        }
    for _, _, name in pairs(cohort.treatments):
        for outcome, label in (
            ("adverse_events", "follow-up"),
            ("adverse_events_on_treatment", "on treatment"),
        ):
            cells.append(
                (
                    name.replace("xanomeline_", "").replace("_vs_", " / "), label,
                    f"{study.metrics[f'{outcome}.crude.ratio.{name}'].value:.2f}",
                    f"{study.metrics[f'{outcome}.maximum_likelihood.ratio.{name}'].value:.2f}",
                    interval_text(study, f"{outcome}.negative_binomial.ratio.{name}", 2),
                )
            )  # fmt: skip
    study.figure(
        "adverse_events", forest(rows, xlabel="adverse events per year of follow-up"),
        caption="Adverse events per year by arm: events over follow-up, and both families with 95% intervals. Patients "
        "differ far more than a Poisson count allows, so that its intervals are too narrow.",
        alt="Yearly rates of adverse events by arm: crude, Poisson and negative binomial with intervals.",
    )  # fmt: skip
    study.table(
        pl.DataFrame(
            cells, schema=["rate ratio", "exposure", "crude", "maximum likelihood", "posterior"], orient="row"
        ),
        caption="Adverse events: crude rate ratios, and negative binomial ones by maximum likelihood and with a near-flat "
        "prior (median, 95% interval). Patients with many events left early: the crude ratio weighs them by their short "
        "follow-up, the negative binomial nearly alike",
    )


def dermatologic_events(study: Study, cohort: Cohort) -> None:
    """Record hazard ratios beside Cox's, and compare families of event times."""
    observed, horizon = cohort.outcome("dermatologic"), float(study.config["horizon"])
    cox = cox_log_hazards(cohort.treatment_idx, observed)
    for k, j, name in pairs(cohort.treatments):
        study.record(f"dermatologic.cox.hazard_ratio.{name}", float(np.exp(cox[k] - cox[j])))
    fits = {name: study.fit(name, study.spec(name), cohort, outcome="dermatologic") for name in TIMES}
    for name, fit in fits.items():
        effects = average_effects(fit)
        if name == "proportional":
            record_ratios(study, "dermatologic.proportional.hazard_ratio", effects, cohort.treatments)
        elif name == "weibull":
            # Weibull is both: a hazard ratio is a time ratio to the power of minus its shape.
            record_ratios(
                study, "dermatologic.weibull.hazard_ratio", -fit.draws("shape") * effects, cohort.treatments
            )
        if name in ("weibull", "lognormal", "loglogistic"):
            record_ratios(study, f"dermatologic.{name}.time_ratio", effects, cohort.treatments)
        free = respond(fit, cohort, horizon=horizon).mean_over_patients()
        for treatment, draws in zip(cohort.treatments, free, strict=True):
            interval_metrics(
                study, f"dermatologic.{name}.free_at_{horizon:g}.{treatment}", draws, unit="probability"
            )
    compare_by_loo(
        study, "loo.dermatologic", fits, cohort, caption="Time to the first dermatologic event, families"
    )
    _show_times(study, fits, cohort)


def _show_times(study: Study, fits: Mapping[str, Fit], cohort: Cohort) -> None:
    received = np.eye(len(cohort.treatments))[cohort.treatment_idx]
    curves = mean_survival(
        respond(fits["time_varying"], cohort, horizon=DAYS[-1]), times=DAYS.tolist(), weights=received
    )
    study.figure(
        "dermatologic_by_arm", survival_figure(curves, cohort, "dermatologic", xlabel="days since the first dose"),
        caption="Free of dermatologic events: piecewise-exponential model with effects over time (line, 95% band) and "
        "Kaplan-Meier (steps) by arm.",
        alt="Probability of no dermatologic event over time by arm: model curves with bands over Kaplan-Meier steps.",
    )  # fmt: skip
    rows = []
    for _, _, name in pairs(cohort.treatments):
        cox = study.metrics[f"dermatologic.cox.hazard_ratio.{name}"].value
        ratios = [
            interval_text(study, f"dermatologic.{n}.hazard_ratio.{name}", 2)
            for n in ("proportional", "weibull")
        ]
        times = [
            interval_text(study, f"dermatologic.{n}.time_ratio.{name}", 2)
            for n in ("lognormal", "loglogistic")
        ]
        rows.append((name.replace("xanomeline_", "").replace("_vs_", " / "), f"{cox:.2f}", *ratios, *times))
    schema = [
        "comparison",
        "hazard ratio, Cox",
        "piecewise exponential",
        "Weibull",
        "time ratio, lognormal",
        "loglogistic",
    ]
    study.table(
        pl.DataFrame(rows, schema=schema, orient="row"),
        caption="First dermatologic event, near-flat priors: hazard ratios, and ratios of median times (median, 95% interval)",
    )
