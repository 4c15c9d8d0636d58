"""CDISC pilot (xanomeline in Alzheimer's disease, 254 patients): the published comparison, and what priors make of it.

Published (clinical study report, table 14-3.01: change of ADAS-Cog(11) at week 24, adjusted for baseline and site
group, last observation carried forward): low dose minus placebo -0.5 (SE 0.82; 95% interval -2.1 to 1.1), high minus
placebo -1.0 (0.84; -2.7 to 0.7), high minus low -0.5 (0.84).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy.stats import t as student

from experiments.cdisc_pilot_data import build_frame
from experiments.cdisc_safety import adverse_events, dermatologic_events
from experiments.classical import arms, least_squares
from experiments.continuous import held_out
from experiments.forest import forest
from experiments.loo import compare_by_loo
from experiments.pairs import average_effects, interval, pairs, record_differences
from experiments.reporting import validated, write_reports
from experiments.sources import read_source
from experiments.statistics import statistic
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.inference import Fit
from medresponse.response import Responses, contrast, pairwise, respond

OUTCOME, UNIT = "adas11_change", "points"
ANALYSES = {
    "least_squares": "least squares",
    "published": "near-flat priors",
    "default": "default priors, doses pooled",
    "monotone": "default priors, ordered by dose",
    "main": "per-patient model",
}


def run(study: Study) -> None:
    """Reproduce the published comparison, shrink it, look at harms, report patients."""
    published, efficacy, safety = (
        read_source(study.config["source"], study.data_folder(), build_frame, analysis=analysis)
        for analysis in ("published", None, "safety")
    )
    fits = _published(study, published)
    responses = _patients(study, efficacy)
    _shrinkage(study, efficacy.treatments)
    compare_by_loo(
        study, "loo.adas", fits, published,
        caption="Change of ADAS-Cog(11): near-flat priors (published), default priors with both doses pooled towards "
        "their class (default) and ordered by dose (monotone)",
    )  # fmt: skip
    adverse_events(study, safety)
    dermatologic_events(study, safety)
    evidence, parts, masks = held_out(
        study, "cross_validation", study.spec("main"), efficacy, outcome=OUTCOME
    )
    record = validated(study, responses, parts, efficacy, masks, method="five-fold cross-validation")
    write_reports(
        study, responses, efficacy, evidence=evidence, validation=record,
        title="CDISC pilot: xanomeline at two doses or placebo in Alzheimer's disease",
        intro="Patients of a randomised trial, spread evenly over its file. Reports are of the change of ADAS-Cog(11) "
        "at week 24 (lower is better); a difference of 3 points counts as worthwhile. The trial found none; figures "
        "and tables are of all patients.",
    )  # fmt: skip


def _published(study: Study, cohort: Cohort) -> dict[str, Fit]:
    """Record the differences of least squares, near-flat and default priors; return the fits to compare."""
    observed, n = cohort.outcome(OUTCOME)["value"], len(cohort.treatments)
    sites = cohort.table["site_group"].to_physical().to_numpy()
    columns = [
        arms(cohort.treatment_idx, n),
        arms(sites, int(sites.max()) + 1),
        cohort.table["adas11_baseline"].to_numpy(),
    ]
    classical = least_squares(np.column_stack(columns), observed)
    for k, j, name in pairs(cohort.treatments):
        value, error = classical.difference((np.eye(n)[k] - np.eye(n)[j])[1:])
        half = float(student.ppf(0.975, classical.freedom)) * error
        # The standard deviation of a flat prior's posterior, which is that t distribution.
        spread = error * float(np.sqrt(classical.freedom / (classical.freedom - 2)))
        figures = {"": value, "_se": error, "_t_sd": spread, "_lower": value - half, "_upper": value + half}
        for suffix, number in figures.items():
            study.record(f"adas.least_squares.{name}{suffix}", number, unit=UNIT)
    fits = {}
    for spec in ("published", "default", "monotone"):
        precision = int(study.config["precision"]) if spec == "published" else 1
        engine = study.engine_with(draws=precision * study.engine.draws)
        fits[spec] = study.fit(spec, study.spec(spec), cohort, outcome=OUTCOME, engine=engine)
        record_differences(study, f"adas.{spec}", average_effects(fits[spec]), cohort.treatments, unit=UNIT)
    return fits


def _patients(study: Study, cohort: Cohort) -> Responses:
    """Fit the per-patient model; record average differences and how far patients' benefits spread."""
    fit = study.fit("main", study.spec("main"), cohort, outcome=OUTCOME)
    responses, worthwhile = respond(fit, cohort), float(study.config["worthwhile"])
    clusters = fit.provenance.imputations
    record_differences(
        study, "adas.main", responses.mean_over_patients(), cohort.treatments, clusters=clusters, unit=UNIT
    )
    for treatment in cohort.treatments[1:]:
        k = cohort.treatments.index(treatment)
        benefit = responses.reduce(lambda values, k=k: values[:, 0] - values[:, k])  # type: ignore[misc]
        spread = statistic(benefit.std(axis=0), np.mean, clusters=clusters, unit=UNIT)
        study.record(f"adas.main.{treatment}.sd_over_patients", spread)
    _benefits(study, responses, worthwhile)
    return responses


def _benefits(study: Study, responses: Responses, worthwhile: float) -> None:
    """Tabulate the benefit of every treatment against every other: on average, and the range over patients."""
    label, rows = _labels(responses), []
    average = pairwise(responses, worthwhile=worthwhile)
    each = {j: contrast(responses, against=j, worthwhile=worthwhile) for j in responses.treatments[:-1]}
    for k, j, _ in pairs(responses.treatments):
        option, against = responses.treatments[k], responses.treatments[j]
        whole = average.filter(_is_pair(option, against)).row(0, named=True)
        own = each[against].filter(pl.col("treatment") == option)
        rows.append(
            (
                f"{label[option]} against {label[against]}",
                f"{whole['benefit']:.1f} ({whole['lower']:.1f} to {whole['upper']:.1f})",
                f"{own['benefit'].quantile(0.05):.1f} to {own['benefit'].quantile(0.95):.1f}",
                f"{whole['p_benefit']:.2f}",
                f"{whole['p_worthwhile']:.2f}",
            )
        )
    schema = [
        "comparison",
        "average benefit (95% interval)",
        "middle 90% of patients",
        "P(benefit)",
        "P(worthwhile)",
    ]
    study.table(
        pl.DataFrame(rows, schema=schema, orient="row"),
        caption=f"ADAS-Cog(11) points spared at week 24, per-patient model; worthwhile is {worthwhile:g} points",
    )


def _is_pair(option: str, against: str) -> pl.Expr:
    return (pl.col("treatment") == option) & (pl.col("against") == against)


def _labels(responses: Responses) -> Mapping[str, str]:
    treatment = responses.fit.schema.treatment
    return {name: treatment.label(name) if treatment else name for name in responses.treatments}


def _shrinkage(study: Study, treatments: tuple[str, ...]) -> None:
    """Show every difference under every analysis, from none to all of the shrinkage."""
    rows: dict[str, dict[str, tuple[float, float, float]]] = {}
    cells = []
    for _, _, name in pairs(treatments):
        words = name.replace("xanomeline_", "").replace("_vs_", " minus ")
        for analysis, label in ANALYSES.items():
            key = f"adas.{analysis}.{name}"
            value, lower, upper = rows.setdefault(words, {})[label] = interval(study, key)
            spread = study.metrics[f"{key}_se" if analysis == "least_squares" else f"{key}_sd"].value
            cells.append((words, label, f"{value:.2f}", f"{spread:.2f}", f"{lower:.1f} to {upper:.1f}"))
    study.figure(
        "shrinkage",
        forest(rows, xlabel="difference in change of ADAS-Cog(11), points; below 0 is better", reference=0.0),
        caption="Differences between treatments with 95% intervals: least squares as published, near-flat priors, and "
        "what each prior makes of them. Ordered by dose, no interval can reach past 0: that is assumed, not found.",
        alt="Differences between each two treatments under five analyses, with intervals and a line at zero.",
    )
    schema = ["difference", "analysis", "estimate", "SE or posterior SD", "95% interval"]
    study.table(
        pl.DataFrame(cells, schema=schema, orient="row"),
        caption="Change of ADAS-Cog(11) at week 24; published: -0.5 (SE 0.82), -1.0 (0.84), -0.5 (0.84). Under flat priors "
        "the posterior is a t distribution with 220 degrees of freedom, whose SD is 1.005 times the SE",
    )
