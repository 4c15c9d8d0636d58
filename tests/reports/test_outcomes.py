"""Pages on every kind of estimand: their words, their numbers, and what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medresponse.core.errors import SpecError
from medresponse.core.estimand import ESTIMANDS
from medresponse.reports.format import Formatter, per_hundred
from medresponse.reports.html import render
from medresponse.reports.language import language
from medresponse.reports.wording import wording_of
from tests.reports.validated import report
from tests.response_kinds import responses_of

FMT = Formatter(language("en"))
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "probability": ("binary", {}),
    "at_least": ("ordinal", {"estimand": "at_least", "part": "SD"}),
    "category": ("ordinal", {"estimand": "category", "part": "PD"}),
    "rate": ("count", {"estimand": "rate"}),
    "count": ("count", {"estimand": "count", "horizon": 2}),
    "cured": ("cured", {"estimand": "cured"}),
    "survival": ("competing_risks", {"estimand": "survival", "horizon": 1, "unit": "year"}),
    "rmst": ("competing_risks", {"estimand": "rmst", "horizon": 12}),
    "cumulative_incidence": ("competing_risks", {"part": "death", "horizon": 12}),
    "time_lost": ("competing_risks", {"estimand": "time_lost", "part": "death", "horizon": 12}),
}


def page_of(
    kind: str, *, worthwhile: float = 0.05, code: str = "en", **options: Any
) -> tuple[dict[str, Any], str]:
    """The sections of a page as plain data, and its HTML."""
    outcome, question = QUESTIONS[kind]
    responses, cohort = responses_of(outcome, **question, **options)
    made = report(responses, cohort, patient="P01", worthwhile=worthwhile, language=code)
    return json.loads(made.document.to_json())["sections"], render(made.document)


def said(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from said(item)


def test_every_estimand_but_the_mean_is_tried_here() -> None:
    assert set(QUESTIONS) == set(ESTIMANDS) - {"mean"}


@pytest.mark.parametrize("arms", [2, 3, 5])
@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_page_has_its_options_in_the_fixed_order_and_each_other_option_compared(
    kind: str, arms: int
) -> None:
    found, page = page_of(kind, arms=arms)
    labels = [f"Option {name}" for name in "ABCDE"[:arms]]
    assert [option["label"] for option in found["expected_response"]["options"]] == labels
    assert [comparison["label"] for comparison in found["differences"]["comparisons"]] == labels[1:]
    assert len(found["in_short"]["sentences"]) == arms - 1
    assert [page.index(f">{label}<") for label in labels] == sorted(
        page.index(f">{label}<") for label in labels
    )


@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_page_ranks_or_claims_never_or_always(kind: str) -> None:
    for options in ({}, {"effect": -12.0}, {"effect": 12.0}, {"level": -9.0}):
        found, page = page_of(kind, **options)
        words = " ".join(
            text for name, section in found.items() if name != "glossary" for text in said(section)
        )
        words = words.replace("Curves fall from 100 of 100 at day 0", "")
        assert not re.search(
            r"\b(best option|recommended|winner|likely|probably|ratio)\b", words.replace("likely values", "")
        )
        assert not re.search(r"(?<![\d.,])(0|100)(%| of 100\b)", words)
        assert not re.search(r"(?<![\d.,+])0(\.0+)? in 100 patient", words)
        assert "nan" not in page and "None" not in page


@pytest.mark.parametrize("kind", [k for k in QUESTIONS if ESTIMANDS[k].unit == "probability"])
def test_probabilities_are_natural_frequencies_with_icons(kind: str) -> None:
    outcome, question = QUESTIONS[kind]
    responses, _ = responses_of(outcome, **question)
    options = page_of(kind)[0]["expected_response"]["options"]
    for option, draws in zip(options, responses.draws(["P01"]).values[0], strict=True):
        assert option["icons"] == per_hundred(draws.mean())
        assert option["estimate"]["text"] == f"{option['icons']} of 100"


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        ("probability", "how many of 100 have the outcome \u201cdead\u201d?"),
        ("at_least", "how many of 100 have Best response \u201cSD\u201d or better?"),
        ("category", "how many of 100 have Best response \u201cprogression\u201d?"),
        ("rate", "how many Attacks are to be expected in 100 patient-years?"),
        ("count", "how many Attacks within 2 years are to be expected in 100 patients?"),
        ("cured", "how many of 100 are never going to have relapse?"),
        ("survival", "how many of 100 are alive without relapse at 1 year?"),
        ("rmst", "what average time alive without relapse within 12 months is to be expected?"),
        ("cumulative_incidence", "how many of 100 have death without relapse as first event within 12 months?"),
        ("time_lost", "what average time lost to death without relapse within 12 months is to be expected?"),
    ],
)  # fmt: skip
def test_the_question_is_asked_in_plain_words(kind: str, question: str) -> None:
    asked = page_of(kind)[0]["question"]["question"]
    assert asked == f"If patients like this one start each option at day 0, {question}"


def test_a_rate_is_events_in_a_hundred_patient_years_and_fewer_is_said_to_be_better() -> None:
    responses, _ = responses_of("count")
    rates = 100 * responses.draws(["P01"]).values[0].mean(axis=1)
    found = page_of("rate")[0]
    options = found["expected_response"]["options"]
    for option, rate in zip(options, rates, strict=True):
        value, words = option["estimate"]["text"].split(" ", 1)
        assert words == "in 100 patient-years" and float(value) == pytest.approx(rate, abs=0.5)
        assert option["icons"] is None
    assert (
        "fewer" in found["differences"]["title"] and "in 100 patient-years" in found["differences"]["title"]
    )
    comparison = found["differences"]["comparisons"][0]
    assert comparison["estimate"]["mean"] == pytest.approx((rates[0] - rates[1]) / 100)
    assert comparison["estimate"]["text"].startswith("+")
    assert found["differences"]["worthwhile"]["text"] == "worthwhile (+5)"
    assert re.search(r"With Option B, Attacks are fewer than with Option A: [\d.]+ against [\d.]+ in 100 patient-years",
                     found["in_short"]["sentences"][0])  # fmt: skip


def test_counts_without_an_exposure_are_of_a_hundred_patients() -> None:
    changes = {"exposure": None, "exposure_unit": None}
    responses, cohort = responses_of("count", changes=changes)
    made = report(responses, cohort, patient="P01", worthwhile=0.05).document
    assert made.headlines[0].text.endswith(" in 100 patients")
    with pytest.raises(SpecError, match="no unit of time"):
        responses_of("count", changes=changes, estimand="count", horizon=2)


def test_the_sentence_says_fewer_where_fewer_patients_have_the_event() -> None:
    sentence = page_of("probability")[0]["in_short"]["sentences"][0]
    assert re.fullmatch(
        r"With Option B, \d+ fewer of 100 patients like this one have the outcome \u201cdead\u201d than with Option A: "
        r"\d+ of 100 against \d+ of 100 \(95% interval \d+ to \d+ fewer\)\.", sentence,
    )  # fmt: skip
    unclear = page_of("probability", effect=0.0)[0]["in_short"]["sentences"][0]
    assert "too uncertain to say whether more or fewer patients like this one have the outcome" in unclear


# Kind, effect, language -> how the sentence ends, with the sizes of the difference and of its interval's ends.
CLEAR = [
    ("probability", -0.8, "en", r"With Option B, (\d+) fewer of 100 .* \(95% interval (\d+) to (\d+) fewer\)\."),
    ("probability", 0.8, "en", r"With Option B, (\d+) more of 100 .* \(95% interval (\d+) to (\d+) more\)\."),
    ("probability", -0.8, "es", r".* habrá (\d+) menos con .* \(intervalo de credibilidad del 95\D%: (\d+) a (\d+) menos\)\."),
    ("cured", 0.8, "en", r"With Option B, (\d+) fewer of 100 .* \(95% interval (\d+) to (\d+) fewer\)\."),
    ("rate", -0.8, "en", r".* are fewer than .* \(by ([\d.]+), 95% interval ([\d.]+) to ([\d.]+)\)\."),
    ("rate", 0.8, "es", r".* más Attacks que .* \(diferencia de ([\d,]+); .*: ([\d,]+) a ([\d,]+)\)\."),
    ("rmst", -0.8, "en", r".* is higher than .* \(by ([\d.]+) months, 95% interval ([\d.]+) to ([\d.]+) months\)\."),
    ("time_lost", -0.8, "en", r".* is lower than .* \(by ([\d.]+) months, 95% interval ([\d.]+) to ([\d.]+) months\)\."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "effect", "code", "pattern"), CLEAR)
def test_the_sentence_and_the_difference_are_one_number(
    kind: str, effect: float, code: str, pattern: str
) -> None:
    found = page_of(kind, code=code, effect=effect)[0]
    sentence = found["in_short"]["sentences"][0]
    match = re.fullmatch(pattern, sentence)
    assert match is not None, sentence
    estimate = found["differences"]["comparisons"][0]["estimate"]
    sign, (size, near, far) = "+" if estimate["mean"] > 0 else "\u2212", match.groups()
    ends = (near, far) if estimate["mean"] > 0 else (far, near)
    assert re.match(rf"{re.escape(sign + size)}\b", estimate["text"])
    assert re.findall(r"[+\u2212][\d.,]+", estimate["interval"]) == [sign + end for end in ends]


def test_an_interval_that_includes_0_is_said_to_both_sides() -> None:
    for kind, lower, higher in (("probability", "fewer", "more"), ("time_lost", "lower", "higher")):
        found = page_of(kind, effect=0.0)[0]
        sentence = found["in_short"]["sentences"][0]
        pattern = rf"the 95% interval, ([\d.]+)(?: months)? {lower} to ([\d.]+)(?: months)? {higher}, includes 0\)\."
        match = re.search(pattern, sentence)
        assert match is not None, sentence
        # Less is better, so the benefit is the other way round.
        interval = found["differences"]["comparisons"][0]["estimate"]["interval"]
        assert re.match(rf"\u2212{match[2]} to \+{match[1]}\b", interval)


@pytest.mark.parametrize(
    ("direction", "words"),
    [("higher_is_better", "or better"), ("lower_is_better", "or worse"), ("neither", "or higher")],
)
def test_at_least_is_said_by_the_side_that_is_better(direction: str, words: str) -> None:
    found = page_of("at_least", changes={"direction": direction})[0]
    assert found["question"]["question"].endswith(f"Best response \u201cSD\u201d {words}?")


def test_the_highest_category_or_better_is_that_category() -> None:
    responses, cohort = responses_of("ordinal", estimand="at_least", part="CR")
    made = report(responses, cohort, patient="P01", worthwhile=0.05).document
    assert made.headline_name == "Best response \u201cCR\u201d"


def test_a_single_category_has_differences_and_no_benefit() -> None:
    found = page_of("category")[0]
    differences = found["differences"]
    assert "better" not in differences["title"] and differences["worthwhile"] is None
    assert [p["name"] for p in differences["comparisons"][0]["probabilities"]] == ["higher", "lower"]


def test_curves_and_times_gained_stand_only_beside_probabilities_of_no_event() -> None:
    for kind in QUESTIONS:
        found = page_of(kind)[0]
        assert ("survival" in found) == (kind in ("survival", "rmst"))
        assert ("incidence" in found) == (kind in ("cumulative_incidence", "time_lost"))
        gained = found["differences"]["comparisons"][0]["time_gained"]
        assert (gained is not None) == (kind == "survival")


@pytest.mark.parametrize("kind", ["cumulative_incidence", "time_lost"])
def test_curves_of_a_cause_rise_from_none_to_what_the_page_expects(kind: str) -> None:
    """Here both causes have the same hazard, so that each is the first event of half of those who are not free."""
    found, page = page_of(kind)
    section, (responses, _) = (
        found["incidence"],
        responses_of("competing_risks", estimand="survival", horizon=12),
    )
    free = responses.draws(["P01"]).values[0]
    for option, draws in zip(section["options"], (1 - free) / 2, strict=True):
        curve = option["curve"]
        assert (curve["time"][0], curve["time"][-1]) == (0.0, 12.0)
        assert curve["mean"][0] == curve["lower"][0] == curve["upper"][0] == 0.0
        assert curve["mean"][-1] == pytest.approx(draws.mean(), abs=1e-5)
        bounds = [curve["lower"][-1], curve["upper"][-1]]
        assert bounds == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=1e-5)
        assert (np.diff(curve["mean"]) > 0).all()
        words = f"{option['label']}: {FMT.of_100(draws.mean())} (95% interval"
        assert words in section["alt"]
    assert section["title"] == "Over time: death without relapse as first event, of 100"
    assert section["alt"].startswith("Curves rise from none of 100 at day 0. Within 12 months: Option A: ")
    (figure,) = re.findall(r'<svg class="curves".*?</svg>', page, flags=re.DOTALL)
    assert f"<title>{section['alt']}</title>" in figure
    assert figure.count("fill-opacity") == len(section["options"])  # a band each
    assert all(figure.count(f">{option['label']}<") == 1 for option in section["options"])


def test_cure_is_called_an_extrapolation() -> None:
    found = page_of("cured")[0]
    assert any("nobody is followed for ever" in sentence for sentence in found["not_said"]["sentences"])


@pytest.mark.parametrize(
    ("kind", "worthwhile"), [("probability", 5.0), ("survival", 1.0), ("time_lost", 12.0)]
)
def test_a_benefit_that_no_treatment_can_have_is_refused(kind: str, worthwhile: float) -> None:
    with pytest.raises(SpecError, match="no possible benefit"):
        page_of(kind, worthwhile=worthwhile)


def test_an_estimand_without_words_is_refused() -> None:
    responses, _ = responses_of("binary")
    odd = replace(responses, estimand=replace(responses.estimand, kind="odds"))
    with pytest.raises(SpecError, match="no report on 'odds'"):
        wording_of(odd, np.zeros((2, 4)), language("en"))


@pytest.mark.parametrize(
    ("value", "step", "text"), [(0.04, 0.1, "<0.1"), (0.06, 0.1, "0.1"), (0.2, 1.0, "<1"), (12.3, 1.0, "12")]
)
def test_an_amount_above_zero_is_never_printed_as_zero(value: float, step: float, text: str) -> None:
    assert FMT.positive(value, step) == text
