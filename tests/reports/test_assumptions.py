"""What a page says of its assumptions, its methods and the spread of single outcomes."""

from __future__ import annotations

from typing import Any

import pytest

from medresponse import reports
from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.decisions import AbstentionRules
from medresponse.reports import Report
from medresponse.reports.language import languages
from medresponse.response import Responses, respond
from tests.reports import trials
from tests.reports.validated import RULES, build_report, report
from tests.response_kinds import responses_of


def items_of(made: Report) -> dict[str, Any]:
    section: Any = made.document.sections["assumptions"]
    return {item.name: (item.meaning, item.checked) for item in section.items}


def works_of(made: Report) -> dict[str, str]:
    section: Any = made.document.sections["references"]
    return {work.what: work.work for work in section.works}


@pytest.fixture(scope="module")
def chosen() -> Report:
    """A page on options that were chosen, not drawn by lot."""
    treatment = {
        "column": "arm", "reference": "0", "assignment": "observational",
        "levels": {"0": {"label": "Usual care"}, "1": {"label": "Treatment A"}},
    }  # fmt: skip
    cohort = cohort_from_frame(trials.trial_frame(), trials.trial_schema(treatment=treatment))
    responses = respond(trials.fake_survival_fit(cohort), cohort, horizon=300)
    return report(responses, cohort, patient="T-001", worthwhile=0.05)


def test_a_randomised_page_says_what_the_lot_gives_and_what_nobody_checked(survival_report: Report) -> None:
    items = items_of(survival_report)
    assert list(items) == [
        "Consistency", "Exchangeability", "Positivity", "Censoring", "The model’s form", "This patient",
    ]  # fmt: skip
    assert items["Consistency"][1] == "Not checked: no data can show it."
    assert items["Exchangeability"][1].startswith("By random allocation at the start")
    assert items["Positivity"][1] == "Checked by the rules above, and met for Usual care and Treatment A."
    assert items["The model’s form"][1].startswith("Checked as a whole in 60 patients not seen before")


def test_where_options_were_chosen_nothing_shows_that_groups_are_alike(chosen: Report) -> None:
    meaning, checked = items_of(chosen)["Exchangeability"]
    assert "among patients alike in the 4 inputs adjusted for" in meaning
    assert checked == "No data can show it; page 1 says how strong a hidden cause would have to be."
    trust: Any = chosen.document.sections["trust"]
    assert "Hidden confounding" in [point.name for point in trust.points]
    assert "VanderWeele" in works_of(chosen)["Hidden confounding"]


def test_an_option_that_few_like_this_patient_received_is_named(survival: Responses, trial: Cohort) -> None:
    # About 15 and 13 studied patients like this one received the two.
    rules = AbstentionRules(fewest_similar=14.0, widest=10.0)
    checked = items_of(report(survival, trial, patient="T-001", worthwhile=0.05, rules=rules))["Positivity"][
        1
    ]
    assert (
        checked
        == "Checked by the rules above, and met for Usual care. Not met, or not known, for Treatment A."
    )


def test_a_single_arm_claims_no_cause(dose_report: Report) -> None:
    items = items_of(dose_report)
    assert not {"Consistency", "Exchangeability", "Censoring"} & set(items)
    assert items["Positivity"][1] == "Checked by the rules above, and met."
    section: Any = dose_report.document.sections["assumptions"]
    assert "Nothing is compared" in section.lead
    assert "Assumptions" not in works_of(dose_report)


def test_missing_inputs_add_an_assumption(newcomer_report: Report) -> None:
    assert items_of(newcomer_report)["Missing inputs"][1] == "Not checked."


def test_an_override_leaves_the_form_unchecked(survival: Responses, trial: Cohort) -> None:
    made = reports.report(survival, trial, patient="T-001", worthwhile=0.05, override="a test", rules=RULES)
    assert items_of(made)["The model’s form"][1] == "Not checked."


def test_a_page_without_estimates_assumes_nothing(survival: Responses, trial: Cohort) -> None:
    rules = AbstentionRules(fewest_similar=1000.0)
    made = report(survival, trial, patient="T-001", worthwhile=0.05, rules=rules)
    assert "assumptions" not in made.document.sections
    assert list(works_of(made)) == ["R-hat, effective draws"]


def test_methods_are_those_of_the_page(survival_report: Report) -> None:
    works = works_of(survival_report)
    assert "Royston & Parmar 2013" in works["Average time within a horizon"]
    assert not {"Hidden confounding", "First events", "Average time lost", "Missing inputs"} & set(works)


def test_the_spread_of_one_outcome_is_said_and_near_all_where_the_average_is_known() -> None:
    shares = {}
    for spread in (0.01, 1.5):
        responses, cohort = responses_of("binary", spread=spread)
        made = report(responses, cohort, patient="P01", worthwhile=0.05)
        section: Any = made.document.sections["numbers"]
        shares[spread] = section.spread
        assert "this share would remain if that average were known: Option A: " in section.note
    assert min(shares[0.01]) > 0.999 and max(shares[1.5]) < 0.9


@pytest.mark.parametrize("code", languages())
def test_the_page_says_its_language_and_for_whom_it_is(code: str, survival: Responses, trial: Cohort) -> None:
    made = build_report(survival, trial, patient="T-001", worthwhile=0.05, language=code)
    identity: Any = made.sections["identity"]
    banner: Any = made.sections["banner"]
    assert identity.language == {"en": "English", "es": "español"}[code]
    assert {"en": "For clinicians;", "es": "Para profesionales clínicos;"}[code] in banner.text
