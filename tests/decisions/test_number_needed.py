"""Numbers needed to treat: Altman's published example, and each kind of interval."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from medresponse.core.errors import SpecError
from medresponse.decisions import NumberNeeded, number_needed, numbers_needed
from tests import response_kinds
from tests.decisions.made import responses_of


def test_altman_1998() -> None:
    """BMJ 317:1309: a reduction of 10% (-5% to 25%) is an NNTB of 10 (NNTH 20 to infinity to NNTB 4)."""
    found = NumberNeeded(difference=0.10, lower=-0.05, upper=0.25)
    assert found.text == "NNTB 10 (NNTH 20 to ∞ to NNTB 4)"
    assert found.benefit_interval == (pytest.approx(4.0), math.inf)
    assert found.harm_interval == (pytest.approx(20.0), math.inf)


@pytest.mark.parametrize(
    ("difference", "lower", "upper", "text"),
    [
        (0.10, 0.05, 0.15, "NNTB 10 (NNTB 7 to NNTB 20)"),
        (-0.10, -0.15, -0.05, "NNTH 10 (NNTH 20 to NNTH 6)"),
        (0.03, 0.0, 0.07, "NNTB 34 (NNTB 15 to ∞)"),
        (-0.03, -0.07, 0.0, "NNTH 33 (∞ to NNTH 14)"),
        (0.0, -0.1, 0.1, "∞ (NNTH 10 to ∞ to NNTB 10)"),
        (0.0, 0.0, 0.0, "∞ (∞)"),
        (-0.02, -0.10, 0.05, "NNTH 50 (NNTH 10 to ∞ to NNTB 20)"),
    ],
)
def test_every_kind_of_interval(difference: float, lower: float, upper: float, text: str) -> None:
    assert NumberNeeded(difference=difference, lower=lower, upper=upper).text == text


def test_from_draws() -> None:
    draws = np.linspace(-0.1, 0.3, 1001)
    found = number_needed(draws, level=0.9)
    assert (found.difference, found.lower, found.upper) == pytest.approx((0.1, -0.08, 0.28))
    assert found.number == pytest.approx(10.0) and found.benefits
    with pytest.raises(SpecError, match="differences in probability"):
        number_needed(10 * draws)


def test_tables_of_patients_and_of_their_average() -> None:
    responses, _ = response_kinds.responses_of("binary", effect=-0.8, spread=0.1)
    each, average = numbers_needed(responses), numbers_needed(responses, average=True)
    # All patients are alike, so that each is the average.
    assert each.height == len(responses.ids) and each["text"].n_unique() == 1
    assert average.drop("text").row(0)[1:] == pytest.approx(each.drop("patient", "text").row(0)[1:])
    values = responses.draws(responses.ids[:1]).values[0]
    benefit = responses.direction * (values[1] - values[0]).mean()
    assert each["difference"][0] == pytest.approx(benefit)
    narrow = "nnth" if benefit > 0 else "nntb"
    assert each.select(pl.col(f"{narrow}_lower", f"{narrow}_upper")).null_count().row(0) == (
        len(each),
        len(each),
    )
    ends = "nntb" if benefit > 0 else "nnth"
    assert each[f"{ends}_lower"][0] == pytest.approx(1 / max(abs(each["lower"][0]), abs(each["upper"][0])))


def test_only_of_probabilities() -> None:
    with pytest.raises(SpecError, match="of probabilities, not of 'mean'"):
        numbers_needed(responses_of(np.ones((2, 4))))
