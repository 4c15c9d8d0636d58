from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medresponse.core.errors import MedresponseError
from medresponse.reports import format as fmt
from medresponse.reports.language import MINUS

probabilities = st.floats(0.0, 1.0)
amounts = st.floats(-1e6, 1e6)


@given(probabilities)
def test_no_probability_is_printed_as_never_or_always(p: float) -> None:
    assert fmt.percent(p) not in ("0%", "100%")
    assert fmt.of_100(p) not in ("0 of 100", "100 of 100")
    assert "." not in fmt.percent(p)


@given(probabilities)
def test_icons_agree_with_the_printed_number_and_add_up_to_100(p: float) -> None:
    filled = fmt.per_hundred(p)
    assert 0 <= filled <= 100
    text = fmt.count_of_100(p)
    assert (filled == 0) if text == "<1" else (filled == 100) if text == ">99" else filled == int(text)


@given(probabilities)
def test_a_printed_bound_is_true(p: float) -> None:
    if fmt.percent(p) == "<1%":
        assert p < 0.01
    if fmt.percent(p) == ">99%":
        assert p > 0.99


@given(amounts, amounts)
def test_amounts_lie_within_half_a_step_of_the_value(value: float, other: float) -> None:
    step = fmt.step_for(value, other)
    printed = float(fmt.amount(value, step).replace(MINUS, "-").replace(",", ""))
    assert abs(printed - value) <= 0.5 * step * (1 + 1e-6) + 1e-9
    if abs(value - other) > 1e-7:
        assert 0.009 <= step / abs(value - other) <= 0.101


@given(amounts, st.sampled_from([0.01, 0.1, 1.0, 10.0]))
def test_differences_have_a_sign_and_the_minus_is_a_true_minus(value: float, step: float) -> None:
    text = fmt.signed(value, step)
    assert "-" not in text
    number = float(text.replace(MINUS, "-").replace(",", ""))
    if number:
        assert text[0] == ("+" if number > 0 else MINUS)
    else:
        assert text[0] == "0"


@given(st.text())
def test_clean_text_holds_nothing_that_hides_or_turns_its_neighbours(text: str) -> None:
    assert not any(c in fmt.clean(text) for c in "\u202e\u202d\u2066\u2069\u200f\x00\n\x1b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "<1%"),
        (0.004, "<1%"),
        (0.005, "1%"),
        (0.83, "83%"),
        (0.994, "99%"),
        (0.995, ">99%"),
        (1.0, ">99%"),
    ],
)
def test_percent_rounds_halves_up_and_clips(value: float, text: str) -> None:
    assert fmt.percent(value) == text


@pytest.mark.parametrize(
    ("lower", "upper", "value", "text"),
    [
        (31.0, 35.0, 33.24, "33.2"),
        (18.0, 52.0, 33.24, "33"),
        (638.0, 51313.0, 16447.0, "16,000"),
        (0.0, 0.0, 0.0, "0"),
    ],
)
def test_digits_follow_the_interval(lower: float, upper: float, value: float, text: str) -> None:
    assert fmt.amount(value, fmt.step_for(lower, upper)) == text


@pytest.mark.parametrize("value", [math.nan, 1.5, -0.1])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(MedresponseError):
        fmt.percent(value)


def test_small_cells_are_suppressed_and_cannot_be_had_by_subtraction() -> None:
    assert fmt.suppress([577, 574]) == ("577", "574")
    assert fmt.suppress([0, 200]) == ("0", "200")
    assert fmt.suppress([4, 200, 300]) == ("<11", "not shown", "300")
    assert fmt.suppress([4, 5, 300]) == ("<11", "<11", "300")
    assert fmt.suppress([4, 200], total_known=False) == ("<11", "200")


def test_units_and_counts_are_written_as_people_write_them() -> None:
    assert fmt.with_unit("24", "cells/mm3") == "24 cells/mm³"
    assert fmt.with_unit("+1", "day", n=1) == "+1 day"
    assert fmt.with_unit("2 to 9", "day") == "2 to 9 days"
    assert fmt.with_unit("70", "1") == "70"
    assert fmt.ENGLISH.quantity(300.0, "day") == "300 days"
    assert fmt.joined(["a", "b", "c"]) == "a, b and c"
