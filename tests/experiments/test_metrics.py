import math

import pytest

from experiments.metrics import compare, comparison_table, load_metrics, save_metrics, with_error
from medresponse.core.errors import IntegrityError
from medresponse.validation import Estimate


def test_metrics_come_back_as_they_were_written(tmp_path):
    metrics = {"mae": Estimate(7.9, 0.01, "mg/week"), "patients": Estimate(5130.0, 0.0, "1")}
    save_metrics(tmp_path / "metrics.json", metrics)
    assert load_metrics(tmp_path / "metrics.json") == metrics


def test_a_number_that_is_not_finite_is_not_recorded(tmp_path):
    with pytest.raises(IntegrityError, match="mae"):
        save_metrics(tmp_path / "metrics.json", {"mae": Estimate(math.nan, 0.0, "mg/week")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("new", "holds"),
    [
        (Estimate(1.0 + 3.9 * math.hypot(0.1, 0.2), 0.2, "1"), True),
        (Estimate(1.0 + 4.1 * math.hypot(0.1, 0.2), 0.2, "1"), False),
        (Estimate(math.nan, 0.2, "1"), False),
    ],
)
def test_agreement_is_within_four_combined_monte_carlo_errors(new, holds):
    (row,) = compare({"x": Estimate(1.0, 0.1, "1")}, {"x": new})
    assert row.holds is holds


def test_a_number_without_monte_carlo_error_must_come_back_to_six_digits():
    (row,) = compare({"n": Estimate(1151.0, 0.0, "1")}, {"n": Estimate(1150.0, 0.0, "1")})
    assert not row.holds


def test_a_metric_that_is_gone_is_a_breach_and_shown_as_one():
    rows = compare({"gone": Estimate(1.0, 0.5, "1")}, {})
    assert not rows[0].holds
    assert "BREACH" in comparison_table(rows)


@pytest.mark.parametrize(
    ("value", "mcse", "digits", "text"),
    [
        (0.9386, 0.0123, 3, "0.939 (0.01)"),
        (1165.0, 23.0, 6, "1165 (20)"),
        (1.0, 0.0, 3, "1"),  # no error is told, and none claimed
    ],
)
def test_an_error_stands_in_brackets_where_there_is_one(value, mcse, digits, text):
    assert with_error(value, mcse, digits) == text
