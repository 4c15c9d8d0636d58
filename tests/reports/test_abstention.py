"""Pages on which options have no estimate: what stands there instead, and that no number of theirs is left anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.errors import UnconvergedFitError
from medresponse.decisions import AbstentionRules, Contraindication
from medresponse.inference import Fit
from medresponse.reports import Harm, PatientReport, Rate, Report, write_index
from medresponse.reports.html import render
from medresponse.reports.language import languages
from medresponse.response import Responses, measure, respond, studied
from tests.reports import trials
from tests.reports.validated import RULES, report

BARRED = Contraindication(
    feature="age", comparison="at_least", values=(0.0,), treatments=("1",), reason="bleeding", source="label, 4.3"
)  # fmt: skip
ARMS = {
    "column": "arm", "reference": "0", "assignment": "randomised",
    "levels": {"0": {"label": "Usual care"}, "1": {"label": "Treatment A"}, "2": {"label": "Treatment B"}},
}  # fmt: skip


def barring(*treatments: str) -> AbstentionRules:
    """Rules under which some options are contraindicated for everybody."""
    return replace(RULES, contraindications=(replace(BARRED, treatments=treatments),))


@pytest.fixture(scope="module")
def three() -> tuple[Responses, Cohort]:
    """The trial with a third arm, survival probabilities at 300 days."""
    frame = trials.trial_frame(90).with_columns(arm=pl.Series([str(i % 3) for i in range(90)]))
    cohort = cohort_from_frame(frame, trials.trial_schema(treatment=ARMS))
    return respond(trials.fake_survival_fit(cohort), cohort, horizon=300), cohort


def plain(made: Report) -> dict[str, Any]:
    return json.loads(made.document.to_json())


def numbers(value: Any) -> Iterator[float]:
    """Every number in a document, and every number written in its sentences."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        yield from (
            float(x.replace("\N{MINUS SIGN}", "-"))
            for x in re.findall(r"[\N{MINUS SIGN}]?\d+(?:\.\d+)?", value)
        )
    elif isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item)


def own_numbers(responses: Responses, patient: str, k: int) -> set[float]:
    """Everything that could be said of option `k` for this patient: means, bounds, differences, in patients of 100 and in time."""
    one = responses.select([patient])
    found: list[float] = []
    for asked in (one, one.at(horizon=300, kind="rmst")):
        draws = asked.draws().values[0]
        several = [draws[k], *(draws[k] - draws[j] for j in range(len(draws)) if j != k)]
        for values in several:
            found += [values.mean(), *np.quantile(values, [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])]
    return {round(float(x), 6) for x in found}


@pytest.mark.parametrize("barred", [("1",), ("2",), ("0",), ("0", "2"), ("0", "1", "2")])
def test_no_number_of_a_withheld_option_is_anywhere_in_the_document(
    three: tuple[Responses, Cohort], barred: tuple[str, ...]
) -> None:
    responses, cohort = three
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=barring(*barred))
    whole = report(responses, cohort, patient="T-001", worthwhile=0.05)
    held = {round(x, 6) for x in numbers(plain(made))}
    would = {round(x, 6) for x in numbers(plain(whole))}
    for k in range(3):
        own = {
            x for x in own_numbers(responses, "T-001", k) if x != round(x, 3)
        }  # none that a page rounds to
        assert len(own & would) > 10  # the search finds what is there
        if str(k) in barred:
            assert not own & held
    text = made.document.to_json()
    shown = 3 - len(barred)
    assert text.count('"curve": {') == shown
    assert text.count('"density": {') == (0 if "0" in barred else shown - 1)


def test_a_withheld_option_keeps_its_place_with_mark_and_reason(three: tuple[Responses, Cohort]) -> None:
    responses, cohort = three
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=barring("1"))
    found = plain(made)["sections"]
    for name in ("expected_response", "survival"):
        options = found[name]["options"]
        assert [o["label"] for o in options] == ["Usual care", "Treatment A", "Treatment B"]
        assert options[1] == {
            "label": "Treatment A", "mark": "▲ No estimate", "reason": "a declared contraindication applies",
        }  # fmt: skip
    assert [c["label"] for c in found["differences"]["comparisons"]] == ["Treatment A", "Treatment B"]
    assert "estimate" not in found["differences"]["comparisons"][0]
    assert "Treatment A: no estimate for this patient" in found["in_short"]["sentences"][0]
    assert "Treatment B" in found["in_short"]["sentences"][1]
    assert [h["withheld"] for h in plain(made)["headlines"]] == [False, True, False]
    assert plain(made)["flags"][0] == "no estimate: Treatment A"
    rows = [row for row in found["numbers"]["rows"] if row["label"].startswith("Treatment A")]
    assert rows and all(row["raw"] == [] and row["cells"][0] == "▲ No estimate" for row in rows)


def test_the_section_says_why_what_would_lift_it_and_the_groups_result(
    three: tuple[Responses, Cohort],
) -> None:
    responses, cohort = three
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=barring("1"))
    section = plain(made)["sections"]["abstention"]
    assert "not evidence against a treatment" in section["meaning"]
    (option,) = section["options"]
    (why,) = option["reasons"]
    assert (
        why["text"]
        == f"Contraindicated: bleeding (Age: {cohort.table['age'][0]:g} years). Source: label, 4.3."
    )
    assert why["lift"] == "nothing in this model; it is a clinical decision."
    mean = responses.mean_over_patients()[1]
    lower, upper = np.quantile(mean, [0.025, 0.975])
    shown = f"{100 * mean.mean():.0f} of 100 (95% interval {100 * lower:.0f} to {100 * upper:.0f})"
    assert option["group"].startswith(shown) and "difference from Usual care" in option["group"]


def test_without_the_reference_there_are_responses_and_no_differences(
    three: tuple[Responses, Cohort],
) -> None:
    responses, cohort = three
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=barring("0"))
    found = plain(made)["sections"]
    assert "differences" not in found and "moved" not in found
    assert "estimate" in found["expected_response"]["options"][1]
    assert "it is compared with no other option" in found["in_short"]["sentences"][1]
    assert made.document.title == "Treatment-response report"


def test_nothing_estimated_is_a_page_of_its_own(three: tuple[Responses, Cohort]) -> None:
    responses, cohort = three
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=barring("0", "1", "2"))
    found = plain(made)["sections"]
    estimates = {"expected_response", "differences", "survival", "moved", "numbers"}
    assert not estimates & set(found) and {"question", "abstention", "not_said", "rules"} <= set(found)
    assert made.document.title == "Treatment-response report: no estimate for this patient"
    assert made.document.flags[0] == "no estimate"
    assert [o["label"] for o in found["abstention"]["options"]] == [
        "Usual care",
        "Treatment A",
        "Treatment B",
    ]
    assert "no option is estimated" in found["in_short"]["sentences"][0]


def test_a_patient_without_any_input_gets_that_page(survival: Responses, trial: Cohort) -> None:
    nothing = dict.fromkeys(("age", "cd4", "sex", "smoking"))
    frame = trials.trial_frame(1, prefix="N").with_columns(*(pl.lit(None).alias(name) for name in nothing))
    new = cohort_from_frame(frame, trial.schema, for_prediction=True)
    made = report(
        respond(survival.fit, new, horizon=300), new, patient="N-001", worthwhile=0.05, reference=trial
    )
    (why,) = plain(made)["sections"]["abstention"]["shared"]
    assert why["text"] == "4 of 4 inputs are not recorded; at most 50% may be missing."
    checks = {check["name"]: check for check in plain(made)["sections"]["question"]["checks"]}
    assert checks["Within the studied population"]["result"] == "Caution"
    assert checks["Within the studied population"]["detail"].startswith("No input is recorded")


def test_a_rule_that_was_looked_at_for_no_option_is_not_said_to_be_met(
    survival: Responses, newcomers: Cohort, trial: Cohort
) -> None:
    def results(**options: Any) -> dict[str, str]:
        made = report(responses, newcomers, patient="N-002", worthwhile=0.05, **options)
        return {row["rule"]: row["result"] for row in plain(made)["sections"]["rules"]["rows"]}

    responses, alike = respond(survival.fit, newcomers, horizon=300), "The same number as a share"
    far, alone = results(reference=trial), results()
    assert next(r for name, r in far.items() if name.startswith("Effective number")) == "▲ withheld"
    for found in (far, alone):
        assert next(r for name, r in found.items() if name.startswith(alike)) == "– not looked at"
        assert next(r for name, r in found.items() if name.startswith("Width")) == "– not looked at"
    assert next(r for name, r in alone.items() if name.startswith("Effective number")) == "– not looked at"


def test_a_level_that_nobody_had_is_named_in_the_table_of_rules(trial: Cohort) -> None:
    studied_ones = trial.where(pl.col("smoking").cast(pl.String) != "current")
    smoker = trial.where(pl.col("smoking").cast(pl.String) == "current").patients[0]
    responses = respond(trials.fake_survival_fit(studied_ones), trial, horizon=300)
    page = plain(report(responses, trial, patient=smoker, worthwhile=0.05, reference=studied_ones))
    row = next(r for r in page["sections"]["rules"]["rows"] if r["rule"].startswith("Standard deviations"))
    assert row["found"].endswith("; level never studied: Smoking") and row["result"] == "▲ withheld"


def test_a_patient_outside_the_training_range_gets_that_page(
    survival: Responses, newcomers: Cohort, trial: Cohort
) -> None:
    responses = respond(survival.fit, newcomers, horizon=300)
    ready = studied(survival.fit, trial)
    made, again = (
        report(
            responses,
            newcomers,
            patient="N-002",
            worthwhile=0.05,
            reference=reference,
            produced_utc="2026-01-02",
        )
        for reference in (trial, ready)
    )
    assert made.document == again.document  # made once for many, or each time anew
    reasons = [why["text"] for why in plain(made)["sections"]["abstention"]["shared"]]
    assert any(text.startswith("CD4 count lies ") for text in reasons)
    for option in plain(made)["sections"]["abstention"]["options"]:
        assert re.match(r"\d+ of 100 \(95% interval", option["group"])


def test_without_the_training_cohort_the_groups_result_is_not_at_hand(
    survival: Responses, newcomers: Cohort
) -> None:
    made = report(respond(survival.fit, newcomers, horizon=300), newcomers, patient="N-002", worthwhile=0.05)
    groups = {option["group"] for option in plain(made)["sections"]["abstention"]["options"]}
    assert groups == {"not at hand: the training cohort was not given"}


def arms_of(survival: Responses, trial: Cohort, *treated: int) -> tuple[Responses, Cohort]:
    """The trial with only some patients on Treatment A."""
    table = trial.table.with_columns(
        arm=pl.Series(["1" if i in treated else "0" for i in range(trial.n)], dtype=trial.table.schema["arm"])
    )
    cohort = replace(trial, table=table)
    made = replace(survival.fit.provenance, cohort_fingerprint=cohort.fingerprint)
    return replace(survival, fit=replace(survival.fit, provenance=made)), cohort


def test_an_option_with_no_data_is_withheld_and_a_small_group_is_not_shown(
    survival: Responses, trial: Cohort
) -> None:
    for treated, group in (
        ((), "not known: no studied patient received it"),
        ((3, 5, 8, 9), "not shown: fewer than 11 studied patients received it"),
    ):
        responses, cohort = arms_of(survival, trial, *treated)
        rules = replace(RULES, fewest_similar=11.0)
        made = plain(report(responses, cohort, patient="T-003", worthwhile=0.05, rules=rules))
        last = made["sections"]["abstention"]["options"][-1]
        assert (last["label"], last["group"]) == ("Treatment A", group)
        values = [r["value"] for r in made["verdict"]["own"][1] if r["code"] == "few_similar"]
        assert values == ([None] if treated else [])  # an effective number of 1 to 10 stays in the house


def test_a_few_similar_patients_are_never_counted_on_the_page(survival: Responses, trial: Cohort) -> None:
    made = plain(
        report(survival, trial, patient="T-003", worthwhile=0.05, rules=replace(RULES, fewest_similar=500.0))
    )
    shown = [r["value"] for own in made["verdict"]["own"] for r in own]
    assert all(value is None or value >= 11 for value in shown)
    few = replace(RULES, fewest_similar=500.0, similar_share=0.05)
    made = plain(report(survival, trial, patient="T-003", worthwhile=0.05, rules=few))
    assert [r["value"] for own in made["verdict"]["own"] for r in own] == [None, None]
    said = made["sections"]["question"]["checks"][1]["detail"]
    assert said.endswith("Usual care: <11; Treatment A: <11.")


def test_a_share_that_would_tell_a_small_number_is_not_shown(survival: Responses, trial: Cohort) -> None:
    rules = replace(RULES, least_alike=0.99)
    made = plain(report(survival, trial, patient="T-003", worthwhile=0.05, rules=rules))
    assert [r["value"] for own in made["verdict"]["own"] for r in own] == [None, None]
    row = next(
        r for r in made["sections"]["rules"]["rows"] if r["rule"].startswith("The same number as a share")
    )
    similar = measure(survival.select(["T-003"]), training=studied(survival.fit, trial)).similar
    assert similar is not None
    shown = ["not shown" if n < 11 else f"{100 * n / 30:.0f}%" for n in similar[0]]
    assert (
        row["found"] == f"Usual care: {shown[0]}; Treatment A: {shown[1]}" and row["result"] == "▲ withheld"
    )
    (why,) = made["sections"]["abstention"]["options"][0]["reasons"]
    assert why["text"].startswith("Less than 99% of the studied patients who received it are like this one")


def test_a_harm_of_this_patient_is_withheld_and_one_of_a_group_is_not(
    three: tuple[Responses, Cohort],
) -> None:
    responses, cohort = three
    rates = {"1": Rate(mean=0.0312, lower=0.01, upper=0.05)}
    harms = [
        Harm(name="Own", rates=rates, source="model", individualised=True),
        Harm(name="Group", rates=rates, source="trial"),
    ]
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=barring("1"), harms=harms)
    own, group = plain(made)["sections"]["harms"]["rows"]
    assert own["cells"][1] == "▲ No estimate" and group["cells"][1] == "3 (1 to 5)"


def test_a_fit_that_fails_is_refused_or_abstained_from_and_shown_only_on_request(
    unconverged: Responses, trial: Cohort
) -> None:
    asked = {"patient": "T-001", "worthwhile": 0.05}
    with pytest.raises(UnconvergedFitError):
        report(unconverged, trial, **asked)
    abstained = report(unconverged, trial, rules=replace(RULES, unconverged="abstain"), **asked)
    section = plain(abstained)["sections"]["abstention"]
    assert [why["lift"] for why in section["shared"]] == ["a model whose computation passes its checks."]
    assert {o["group"] for o in section["options"]} == {"not shown: the computation failed its checks"}
    shown = report(unconverged, trial, allow_unconverged=True, **asked)
    assert "abstention" not in plain(shown)["sections"] and shown.document.stamps


def test_rules_and_verdict_are_in_the_json_and_decode(three: tuple[Responses, Cohort]) -> None:
    responses, cohort = three
    rules = replace(barring("1"), name="clinic")
    made = report(responses, cohort, patient="T-001", worthwhile=0.05, rules=rules)
    other = report(responses, cohort, patient="T-001", worthwhile=0.05)
    back = PatientReport.from_json(made.document.to_json())
    assert back == made.document and back.rules == rules
    assert back.verdict.shown == (True, False, True)
    assert made.document.provenance.rules_hash != other.document.provenance.rules_hash
    table = {row["rule"]: row for row in plain(made)["sections"]["rules"]["rows"]}
    assert table["Not Treatment A: bleeding. Source: label, 4.3"]["result"] == "▲ withheld"
    assert table["Inputs missing"]["result"] == "✓ met"


def single_arm(dosing: Cohort, fit: Fit) -> Report:
    frame = trials.dose_frame().with_columns(age=pl.lit(140.0))
    old = cohort_from_frame(frame, dosing.schema, for_prediction=True)
    return report(respond(fit, old), old, patient="D-003", reference=dosing, rules=RULES)


def test_a_single_arm_can_be_withheld(dosing: Cohort, dose: Responses) -> None:
    made = single_arm(dosing, dose.fit)
    assert plain(made)["headlines"][0]["withheld"]
    assert "mg/week" in plain(made)["sections"]["abstention"]["options"][0]["group"]
    assert "expected_response" not in plain(made)["sections"]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("barred", [("1",), ("0",), ("0", "1", "2")])
def test_the_page_shows_the_mark_wherever_an_estimate_would_stand(
    three: tuple[Responses, Cohort], barred: tuple[str, ...], language: str
) -> None:
    responses, cohort = three
    made = report(
        responses, cohort, patient="T-001", worthwhile=0.05, rules=barring(*barred), language=language
    )
    page = render(made.document)
    mark = made.document.headlines[int(barred[0])].text
    places = (
        ("abstention",) if len(barred) == 3 else ("abstention", "expected_response", "survival", "numbers")
    )
    for place in places:
        section = re.search(rf'<section class="{place}".*?</section>', page, re.S)
        assert section and mark in section[0]


def test_the_index_lists_patients_without_an_estimate(three: tuple[Responses, Cohort], tmp_path: Any) -> None:
    responses, cohort = three
    made = [
        report(responses, cohort, patient=p, worthwhile=0.05, rules=rules)
        for p, rules in (("T-001", RULES), ("T-002", barring("1")), ("T-003", barring("0", "1", "2")))
    ]
    text = write_index(made, tmp_path / "run", title="Patients", intro="").read_text(encoding="utf-8")
    assert text.count("▲ No estimate") == 4 and 'keep">()<' not in text
