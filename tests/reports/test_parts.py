"""All outcomes of 100 patients: whole numbers that add up, and that agree with the rest of the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medresponse.core.errors import MedresponseError
from medresponse.reports.format import Formatter, parts_of_100, per_hundred
from medresponse.reports.language import language
from tests.reports.test_outcomes import page_of

FMT = Formatter(language("en"))
shares = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8).filter(lambda ps: sum(ps) > 1e-3)


@given(shares, st.data())
def test_parts_add_up_to_100_and_each_is_within_1(raw: list[float], data: st.DataObject) -> None:
    p = [value / sum(raw) for value in raw]
    asked = data.draw(st.lists(st.integers(0, len(p) - 1), unique=True))
    counts = parts_of_100(p, asked=asked)
    assert sum(counts) == 100 and min(counts) >= 0
    assert all(abs(count - 100 * share) <= 1 + 1e-4 for count, share in zip(counts, p, strict=True))
    if asked:
        assert sum(counts[i] for i in asked) == per_hundred(min(sum(p[i] for i in asked), 1.0))
    assert not {"0", "100"} & {FMT.whole_of_100(count) for count in counts}


def test_the_largest_remainders_are_rounded_up() -> None:
    assert parts_of_100([1 / 3, 1 / 3, 1 / 3]) == (34, 33, 33)
    assert parts_of_100([0.004, 0.496, 0.5]) == (0, 50, 50)
    assert parts_of_100([0.335, 0.335, 0.33]) == (34, 33, 33)
    assert parts_of_100([0.335, 0.335, 0.33], asked=[1]) == (33, 34, 33)
    with pytest.raises(MedresponseError, match="add up to 1"):
        parts_of_100([0.5, 0.4])


@pytest.mark.parametrize("arms", [2, 3])
@pytest.mark.parametrize("kind", ["category", "at_least", "cumulative_incidence", "time_lost"])
def test_a_page_on_one_outcome_shows_all_of_them(kind: str, arms: int) -> None:
    found, page = page_of(kind, arms=arms)
    section = found["outcomes"]
    assert len(section["bars"]) == len(section["columns"]) == arms
    for bar, option in zip(section["bars"], found["expected_response"]["options"], strict=True):
        assert sum(bar["counts"]) == 100
        if kind == "category":
            assert bar["texts"][0] in option["estimate"]["text"].split(), "PD is the first of the categories"
        if kind == "at_least":
            assert sum(bar["counts"][1:]) == option["icons"]
        if kind == "cumulative_incidence":
            assert option["icons"] in bar["counts"]
    for k, bar in enumerate(section["bars"]):
        for text, row in zip(bar["texts"], section["rows"], strict=True):
            assert row["cells"][k].startswith(f"{text} (") and text in section["alt"]
    (figure,) = re.findall(r'<svg class="shares".*?</svg>', page, flags=re.DOTALL)
    assert figure.count("<rect") == sum(count > 0 for bar in section["bars"] for count in bar["counts"])
    last = section["rows"][-1]["name"]
    assert (last == "alive without relapse") == (kind in ("cumulative_incidence", "time_lost"))


def test_the_bar_is_as_long_as_the_numbers_say() -> None:
    found, page = page_of("category")
    (figure,) = re.findall(r'<svg class="shares".*?</svg>', page, flags=re.DOTALL)
    widths = [float(width) for width in re.findall(r'<rect [^>]*?width="([\d.]+)"', figure)]
    counts = [count for bar in found["outcomes"]["bars"] for count in bar["counts"] if count]
    np.testing.assert_allclose(widths, 3.58 * np.array(counts), atol=0.01)


@pytest.mark.parametrize("kind", ["probability", "rate", "count", "cured", "survival", "rmst"])
def test_other_pages_have_no_such_table(kind: str) -> None:
    assert "outcomes" not in page_of(kind)[0]
