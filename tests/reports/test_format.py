from __future__ import annotations

import math
from decimal import Decimal

import pytest
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

from medresponse.core.errors import MedresponseError
from medresponse.reports.format import Formatter, clean, per_hundred, rounded, step_for
from medresponse.reports.language import MINUS, language, languages, turns

ENGLISH = Formatter(language("en"))
formatters = st.sampled_from(languages()).map(lambda code: Formatter(language(code)))
probabilities = st.floats(0.0, 1.0)
amounts = st.floats(-1e6, 1e6)
any_number = st.floats(allow_nan=False, allow_infinity=False)
steps = st.integers(-6, 6).map(lambda power: 10.0**power)


def read(fmt: Formatter, text: str) -> Decimal:
    """The number that a reader of the language takes a text for."""
    plain = text.removeprefix("+").removeprefix(MINUS)
    size = parse_decimal(plain, locale=fmt.language.locale, strict=True)
    return -size if text.startswith(MINUS) else size


@given(formatters, probabilities)
def test_no_probability_is_printed_as_never_or_always(fmt: Formatter, p: float) -> None:
    for text in (fmt.percent(p), fmt.of_100(p), fmt.count_of_100(p)):
        number = text.removeprefix(">").removeprefix("<").rstrip("%\u00a0").split(" ")[0]
        assert number.isdigit() and 1 <= int(number) <= 99, "a whole number, and no decimals"


@given(formatters, probabilities)
def test_icons_agree_with_the_printed_number_and_the_others_make_up_100(fmt: Formatter, p: float) -> None:
    filled, text = per_hundred(p), fmt.count_of_100(p)
    assert 0 <= filled <= 100
    assert (filled == 0) if text == "<1" else (filled == 100) if text == ">99" else filled == int(text)
    # Those without are the hollow icons: their number never contradicts what would be printed for them.
    assert abs((100 - filled) - per_hundred(1 - p)) <= (1 if abs(100 * p % 1 - 0.5) < 1e-9 else 0)


@given(probabilities, probabilities)
def test_a_larger_probability_is_never_printed_as_a_smaller_one(p: float, q: float) -> None:
    if p <= q:
        assert per_hundred(p) <= per_hundred(q)
        assert abs(per_hundred(p) - 100 * p) <= 0.5 + 1e-9


@given(formatters, probabilities)
def test_a_printed_bound_is_true(fmt: Formatter, p: float) -> None:
    if fmt.percent(p).startswith("<"):
        assert p < 0.01
    if fmt.percent(p).startswith(">"):
        assert p > 0.99


@given(formatters, amounts, amounts)
def test_amounts_lie_within_half_a_step_of_the_value(fmt: Formatter, value: float, other: float) -> None:
    step = step_for(value, other)
    printed = float(read(fmt, fmt.amount(value, step)))
    assert abs(printed - value) <= 0.5 * step * (1 + 1e-6) + 1e-9
    if abs(value - other) > 1e-7:
        assert 0.009 <= step / abs(value - other) <= 0.101


@given(formatters, amounts, amounts, steps)
def test_amounts_keep_their_order(fmt: Formatter, value: float, other: float, step: float) -> None:
    if value <= other:
        assert rounded(value, step) <= rounded(other, step)
        assert read(fmt, fmt.amount(value, step)) <= read(fmt, fmt.amount(other, step))


@given(formatters, amounts, steps)
def test_differences_have_a_sign_and_zero_has_none(fmt: Formatter, value: float, step: float) -> None:
    text = fmt.signed(value, step)
    number = read(fmt, text)
    assert text[0] == ("+" if number > 0 else MINUS if number < 0 else "0")
    assert number == rounded(value, step)


@given(formatters, st.floats(0.0, 1e6, exclude_min=True), steps)
def test_an_amount_above_zero_is_never_printed_as_zero(fmt: Formatter, value: float, step: float) -> None:
    text = fmt.positive(value, step)
    assert read(fmt, text.removeprefix("<")) > 0
    if text.startswith("<"):
        assert value < step


@given(formatters, any_number, st.integers(1, 12))
def test_no_number_has_a_hyphen_for_a_minus(fmt: Formatter, value: float, digits: int) -> None:
    written = [fmt.plain_number(value), fmt.statistic(value, digits), fmt.quantity(value, "mm"),
               fmt.fixed(value, 3), fmt.amount(value, 10.0), fmt.signed(value, 0.1)]  # fmt: skip
    for text in written:
        assert "-" not in text and "e" not in text.removesuffix(" mm")
        assert text.startswith(MINUS) <= (value < 0)


@given(formatters, st.floats(-1e9, 1e9))
def test_a_recorded_value_is_read_as_it_was_recorded(fmt: Formatter, value: float) -> None:
    text = fmt.plain_number(value)
    if "\u00d7" not in text:
        assert float(read(fmt, text)) == pytest.approx(value, rel=5e-6)


@given(st.text())
def test_clean_text_holds_nothing_that_hides_or_turns_its_neighbours(text: str) -> None:
    assert not any(c in clean(text) for c in "\u202e\u202d\u2066\u200f\x00\n\x1b")
    found = clean(text)
    assert found.count("\u2068") == found.count("\u2069") == 0 or turns(found)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\u2068\u05d0 20\u2069: 49", "\u2068\u05d0 20\u2069: 49"),
        ("\u2068plain\u2069: 49", "\ufffdplain\ufffd: 49"),
        ("\u2068\u05d0 20: 49", "\ufffd\u05d0 20: 49"),
        ("\u05d0\u2069 20", "\u05d0\ufffd 20"),
        ("\u2068\u05d0\u202e\u2069\u2069", "\u2068\u05d0\ufffd\u2069\ufffd"),
        ("\u2068\u2068\u05d0\u2069 20", "\ufffd\u2068\u05d0\u2069 20"),
    ],
)
def test_isolates_stay_in_pairs_around_letters_from_right_to_left_and_nowhere_else(
    text: str, kept: str
) -> None:
    assert clean(text) == kept


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [
        (0.0, "<1%", "<1\u00a0%"),
        (0.004, "<1%", "<1\u00a0%"),
        (0.005, "1%", "1\u00a0%"),
        (0.83, "83%", "83\u00a0%"),
        (0.994, "99%", "99\u00a0%"),
        (0.995, ">99%", ">99\u00a0%"),
        (1.0, ">99%", ">99\u00a0%"),
    ],
)
def test_percent_rounds_halves_up_and_clips(value: float, english: str, spanish: str) -> None:
    assert ENGLISH.percent(value) == english
    assert Formatter(language("es")).percent(value) == spanish


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
    assert ENGLISH.amount(value, step_for(lower, upper)) == text


@pytest.mark.parametrize("value", [math.nan, 1.5, -0.1])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(MedresponseError):
        ENGLISH.percent(value)


def test_what_is_no_number_is_refused_as_a_value_and_named_as_a_statistic() -> None:
    with pytest.raises(MedresponseError):
        ENGLISH.plain_number(math.inf)
    assert (ENGLISH.statistic(math.nan), ENGLISH.fixed(math.inf, 2)) == ("not known", "not known")


def test_very_large_and_very_small_numbers_are_powers_of_ten() -> None:
    assert ENGLISH.plain_number(-1.25e-7) == f"{MINUS}1.25 × 10⁻⁷"
    assert Formatter(language("es")).statistic(2.5e20) == "2,5 × 10²⁰"


def test_small_cells_are_written_in_the_language() -> None:
    assert ENGLISH.cells([577, 1574]) == ("577", "1,574")
    assert ENGLISH.cells([4, 200, 300]) == ("<11", "not shown", "300")
    assert Formatter(language("es")).cells([4, 20, 1300]) == ("<11", "no mostrado", "1.300")
    assert ENGLISH.cells([4, 200], totals="printed") == ("<11", "not shown", "204")
    assert [ENGLISH.patients(n) for n in (0, 10, 11)] == [
        "0 patients",
        "fewer than 11 patients",
        "11 patients",
    ]


def test_units_and_counts_are_written_as_people_write_them() -> None:
    spanish = Formatter(language("es"))
    assert ENGLISH.with_unit("24", "cells/mm3") == "24 cells/mm³"
    assert ENGLISH.with_unit("+1", "day", n=1) == "+1 day"
    assert ENGLISH.with_unit("2 to 9", "day") == "2 to 9 days"
    assert ENGLISH.with_unit("70", "1") == "70"
    assert ENGLISH.with_unit("70", "%") == "70%"
    assert [ENGLISH.quantity(n, "day") for n in (300.0, 1.0, 1.5)] == ["300 days", "1 day", "1.5 days"]
    assert [spanish.quantity(n, "day") for n in (300.0, 1.0, 1.5)] == ["300 días", "1 día", "1,5 días"]
    assert spanish.quantity(24.5, "cells/mm3") == "24,5 células/mm³"
    assert [ENGLISH.joined(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert spanish.joined(["a", "b", "c"]) == "a, b, c"
