"""Does earlier therapy change the effect in ACTG 175? Each history by itself, and shrunken towards no difference."""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.classical import cox_log_hazards
from experiments.forest import forest
from experiments.pairs import average_effects, interval, interval_text, ratio_metrics
from experiments.statistics import interval_metrics
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.inference import Fit
from medresponse.response import Responses, linear_predictors, respond
from medresponse.response.predict import encode_patients
from medresponse.validation import Estimate, kaplan_meier

OUTCOME, DAYS_A_YEAR = "progression", 365.25
HISTORIES = ("naive", "experienced")
ANALYSES = {
    "raw": "that history alone, near-flat",
    "shrunken": "both, modification shrunken",
    "main": "per-patient model, averaged",
}


def heterogeneity(study: Study, responses: Responses, cohort: Cohort) -> None:
    """Record hazard ratios and event-free probabilities against the reference by history, raw and shrunken.

    Parameters
    ----------
    study : Study
    responses : Responses
        Of the per-patient model and all of `cohort`, event-free probability at the study's horizon.
    cohort : Cohort
    """
    shrunken = study.fit("history", study.spec("history"), cohort, outcome=OUTCOME)
    horizon = float(study.config["horizon"])
    log_ratios: dict[tuple[str, str], np.ndarray] = {}
    for history in HISTORIES:
        group = cohort.where((cohort.table["experienced"] == history).to_numpy())
        raw = study.fit(f"raw_{history}", study.spec("hazard_ratio"), group, outcome=OUTCOME)
        effects = {
            "raw": average_effects(raw.thinned(4000)),
            "shrunken": _mean_predictor(shrunken, group),
            "main": _mean_predictor(responses.fit, group),
        }
        free = {
            "raw": respond(raw, group, horizon=horizon, unit="year").mean_over_patients(),
            "shrunken": respond(shrunken, group, horizon=horizon, unit="year").mean_over_patients(),
            "main": responses.select(group.patients).mean_over_patients(),
        }
        for analysis in ANALYSES:
            log_ratios[analysis, history] = effects[analysis] - effects[analysis][0]
            _record(
                study,
                f"history.{analysis}",
                history,
                cohort.treatments,
                log_ratios[analysis, history],
                free[analysis],
            )
        _record_classical(study, history, group, horizon)
    for analysis in ANALYSES:
        gap = log_ratios[analysis, "naive"] - log_ratios[analysis, "experienced"]
        for k, treatment in enumerate(cohort.treatments[1:], start=1):
            interval_metrics(study, f"history.{analysis}.log_ratio_gap.{treatment}", gap[k], unit="1")
    _show(study, cohort)


def _mean_predictor(fit: Fit, cohort: Cohort) -> np.ndarray:
    """Return the linear predictor under each treatment averaged over patients, shape (treatment, draw)."""
    thin = fit.thinned(4000)
    total = np.zeros((len(fit.treatments), thin.n_draws))
    for _, eta in linear_predictors(thin, encode_patients(thin, cohort), seed=fit.provenance.seed):
        total += eta.sum(axis=0)
    return total / cohort.n


def _record(
    study: Study,
    prefix: str,
    history: str,
    treatments: tuple[str, ...],
    log_ratio: np.ndarray,
    free: np.ndarray,
) -> None:
    for k, treatment in enumerate(treatments[1:], start=1):
        ratio_metrics(study, f"{prefix}.{history}.hazard_ratio.{treatment}", log_ratio[k])
        interval_metrics(
            study, f"{prefix}.{history}.free_difference.{treatment}", free[k] - free[0], unit="probability"
        )


def _record_classical(study: Study, history: str, group: Cohort, horizon: float) -> None:
    """Record Cox hazard ratios and Kaplan-Meier differences of one history."""
    outcome, arm = group.outcome(OUTCOME), group.treatment_idx
    cox = cox_log_hazards(arm, outcome)
    free = [
        float(
            kaplan_meier({key: v[arm == k] for key, v in outcome.items()}, np.array([DAYS_A_YEAR * horizon]))[
                0
            ][0]
        )
        for k in range(len(group.treatments))
    ]
    for k, treatment in enumerate(group.treatments[1:], start=1):
        study.record(f"history.cox.{history}.hazard_ratio.{treatment}", float(np.exp(cox[k])))
        name = f"history.kaplan_meier.{history}.free_difference.{treatment}"
        study.record(name, Estimate(free[k] - free[0], 0.0, "probability"))


def _show(study: Study, cohort: Cohort) -> None:
    schema = cohort.schema.treatment
    assert schema is not None
    ratios, differences, cells = {}, {}, []
    for treatment in cohort.treatments[1:]:
        for history in HISTORIES:
            stem, own = f"{schema.label(treatment)}, {history}", f"{history}.%s.{treatment}"
            names = {label: f"history.{analysis}.{own}" for analysis, label in ANALYSES.items()}
            ratios[stem] = {label: interval(study, name % "hazard_ratio") for label, name in names.items()}
            differences[stem] = {
                label: interval(study, name % "free_difference", factor=100.0)
                for label, name in names.items()
            }
            cox = study.metrics[f"history.cox.{own}" % "hazard_ratio"].value
            posterior = [interval_text(study, name % "hazard_ratio", 2) for name in names.values()]
            cells.append((stem, f"{cox:.2f}", *posterior))
    reference = schema.label(cohort.treatments[0]).lower()
    study.figure(
        "history_hazard_ratios", forest(ratios, xlabel=f"hazard ratio against {reference}", reference=1.0, log=True),
        caption="Hazard ratios by history of therapy with 95% intervals: each history by itself, and shrunken.",
        alt="Hazard ratios of three treatments in naive and experienced patients under three analyses, with intervals.",
    )  # fmt: skip
    years = f"{study.config['horizon']:g} years"
    study.figure(
        "history_event_free", forest(differences, xlabel=f"more of 100 without progression at {years}", reference=0.0),
        caption=f"The same as difference in the probability of no progression at {years}, against {reference}.",
        alt="Differences in event-free probability of three treatments by history under three analyses, with intervals.",
    )  # fmt: skip
    study.table(
        pl.DataFrame(cells, schema=["treatment, history", "Cox", *ANALYSES.values()], orient="row"),
        caption=f"Hazard ratio of progression against {reference} by history (posterior median, 95% interval)",
    )
