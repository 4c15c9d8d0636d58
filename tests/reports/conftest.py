"""Fixtures: hand-made fits and the reports made from them; nothing is sampled."""

from __future__ import annotations

import os
from dataclasses import replace

import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.errors import SpecError
from medresponse.reports import Evidence, Harm, Rate, Report, pdf
from medresponse.response import Responses, respond
from tests.reports import trials
from tests.reports.accounts import Case
from tests.reports.validated import report
from tests.response_kinds import responses_of

PRODUCED = "2026-01-02T10:20:30+00:00"


@pytest.fixture(scope="session")
def pango() -> None:
    """Skip where PDF cannot be made, unless it has to be."""
    try:
        pdf.weasyprint()
    except SpecError as error:
        (pytest.fail if os.environ.get("MEDRESPONSE_PDF") == "required" else pytest.skip)(str(error))


@pytest.fixture(scope="session")
def trial() -> Cohort:
    return cohort_from_frame(trials.trial_frame(), trials.trial_schema())


@pytest.fixture(scope="session")
def survival(trial: Cohort) -> Responses:
    """Survival probabilities at 300 days of the trial the fit was made from."""
    return respond(trials.fake_survival_fit(trial), trial, horizon=300)


@pytest.fixture(scope="session")
def newcomers(trial: Cohort) -> Cohort:
    """Patients the fit never saw: one with two inputs missing, one far outside."""
    frame = trials.trial_frame(3, prefix="N").with_columns(
        pl.Series("cd4", [None, 4000.0, 30.0]), pl.Series("age", [None, 20.0, 50.0])
    )
    return cohort_from_frame(frame, trial.schema, for_prediction=True)


@pytest.fixture(scope="session")
def unconverged(survival: Responses) -> Responses:
    broken = replace(survival.fit, diagnostics=replace(survival.fit.diagnostics, divergences=3, rhat=1.2))
    return replace(survival, fit=broken)


@pytest.fixture(scope="session")
def dosing() -> Cohort:
    return cohort_from_frame(trials.dose_frame(), trials.dose_schema())


@pytest.fixture(scope="session")
def dose(dosing: Cohort) -> Responses:
    return respond(trials.fake_gaussian_fit(dosing), dosing)


@pytest.fixture(scope="session")
def survival_report(survival: Responses, trial: Cohort) -> Report:
    evidence = [
        Evidence(name="Calibration", value="predicted 60, observed 58 of 100", detail="held-out fold")
    ]
    harms = [
        Harm(name="Rash", rates={"0": Rate(mean=0.03, lower=0.01, upper=0.05)}, source="trial T1"),
        Harm(name="Rare event", rates={"1": Rate(mean=0.001, lower=0.0, upper=0.02)}, source="trial T1"),
    ]
    return report(
        survival,
        trial,
        patient="T-001",
        worthwhile=0.05,
        evidence=evidence,
        harms=harms,
        produced_utc=PRODUCED,
    )


@pytest.fixture(scope="session")
def dose_report(dose: Responses, dosing: Cohort) -> Report:
    return report(dose, dosing, patient="D-003", produced_utc=PRODUCED)


@pytest.fixture(scope="session")
def newcomer_report(survival: Responses, newcomers: Cohort, trial: Cohort) -> Report:
    responses = respond(survival.fit, newcomers, horizon=300)
    return report(
        responses, newcomers, patient="N-001", worthwhile=0.05, reference=trial, produced_utc=PRODUCED
    )


@pytest.fixture(scope="session")
def spanish_report() -> Report:
    """The newcomer with two inputs missing, in Spanish."""
    trained = cohort_from_frame(trials.trial_frame(), trials.spanish_trial_schema())
    frame = trials.trial_frame(3, prefix="N").with_columns(
        pl.Series("cd4", [None, 4000.0, 30.0]), pl.Series("age", [None, 20.0, 50.0])
    )
    cohort = cohort_from_frame(frame, trained.schema, for_prediction=True)
    responses = respond(trials.fake_survival_fit(trained), cohort, horizon=300)
    harms = [Harm(name="Erupción", rates={"0": Rate(mean=0.03, lower=0.01, upper=0.05)}, source="ensayo T1")]
    return report(
        responses, cohort, patient="N-001", worthwhile=0.05, reference=trained, harms=harms, produced_utc=PRODUCED,
        language="es",
    )  # fmt: skip


@pytest.fixture(scope="session")
def cases(
    survival: Responses, trial: Cohort, dose: Responses, dosing: Cohort, newcomers: Cohort
) -> dict[str, Case]:
    """Reports of several kinds of outcome, with what they were made from."""
    found = {
        "survival": Case(survival, trial, "T-001", 0.05),
        "months": Case(survival.at(horizon=300, kind="rmst"), trial, "T-002", 10.0),
        "dose": Case(dose, dosing, "D-003", None),
        "newcomer": Case(
            respond(survival.fit, newcomers, horizon=300), newcomers, "N-001", 0.05, reference=trial
        ),
        "spanish": Case(survival, trial, "T-005", 0.05, language="es"),
    }
    for kind, question in (
        ("ordinal", {"estimand": "at_least", "part": "SD"}), ("count", {"estimand": "rate"}),
        ("competing_risks", {"estimand": "cumulative_incidence", "part": "relapse", "horizon": 6.0}),
    ):  # fmt: skip
        responses, cohort = responses_of(kind, arms=3 if kind == "ordinal" else 2, **question)
        found[kind] = Case(responses, cohort, "P01", 0.05)
    return found


NAMES = ("survival", "months", "dose", "newcomer", "spanish", "ordinal", "count", "competing_risks")


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, cases: dict[str, Case]) -> Case:
    return cases[request.param]
