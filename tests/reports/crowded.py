"""Pages with much on them: options with names of any length, harms, several lines of evidence, a stamp."""

from __future__ import annotations

from dataclasses import replace

from medresponse.cohort import Cohort
from medresponse.decisions import AbstentionRules
from medresponse.reports import Evidence, Harm, PatientReport, Rate, build_report
from medresponse.response import Responses
from tests.reports.test_outcomes import QUESTIONS
from tests.response_kinds import responses_of

_RULES = AbstentionRules(fewest_similar=0.0, most_distance=1e9, most_beyond=1e9, widest=1e9)
_EVIDENCE = [
    Evidence(name="Calibration at 300 days", value="predicted 91, 93, 95, 96, 98; observed 92, 93, 95, 97, 98 of 100", detail=detail)
    for detail in ("fifths of prediction, five-fold cross-validation in all 1,151 patients", "left-out sites", "later patients")
]  # fmt: skip
_HARMS = [
    Harm(name="Stopped for side effects", rates={"A": Rate(mean=0.1, lower=0.05, upper=0.2)}, source="trial T1"),
    Harm(name="Serious event", rates={}, source="trial T1"),
]  # fmt: skip


def crowded(
    kind: str,
    *,
    arms: int,
    letters: int,
    language: str = "en",
    named: str = f"Option {{}}{' named at length' * 5}",
) -> PatientReport:
    """Return the page on one of `QUESTIONS` with so many options, whose names have so many letters of `named`."""
    outcome, question = QUESTIONS[kind]
    responses, cohort = _named(*responses_of(outcome, arms=arms, **question), letters, named)
    return build_report(
        responses, cohort, patient="P01", worthwhile=0.05, language=language, evidence=_EVIDENCE, harms=_HARMS, rules=_RULES,
        override="a test",
    )  # fmt: skip


def _named(responses: Responses, cohort: Cohort, letters: int, named: str) -> tuple[Responses, Cohort]:
    treatment = responses.fit.schema.treatment
    assert treatment is not None
    levels = {
        name: replace(level, label=named.format(name)[:letters]) for name, level in treatment.levels.items()
    }
    schema = replace(responses.fit.schema, treatment=replace(treatment, levels=levels))
    return replace(responses, fit=replace(responses.fit, schema=schema)), replace(cohort, schema=schema)
