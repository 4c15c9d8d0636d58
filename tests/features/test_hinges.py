"""Draws of sums of products of hinges score patients as their formula says."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.features import HingeSum
from medresponse.features.hinges import ABOVE, BELOW, BLANK, LINE, PRODUCT, STEP, shape_values

# 2 + 3 max(x0 - 0.5, 0) (x1 > 0)   and   -1 x2 max(0.2 - x0, 0) + 0.5 x1
COLUMN = np.array([[PRODUCT, PRODUCT, 0, 1, BLANK, BLANK], [PRODUCT, 2, 0, PRODUCT, 1, BLANK]])
VALUE = np.array([[2.0, 3.0, 0.5, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.2, 0.5, 0.0, 0.0]])
SHAPE = np.array([[0, 0, ABOVE, STEP, 0, 0], [0, LINE, BELOW, 0, LINE, 0]])


def by_hand(x: np.ndarray) -> np.ndarray:
    first = 2 + 3 * np.maximum(x[:, 0] - 0.5, 0) * (x[:, 1] > 0)
    return np.column_stack([first, -x[:, 2] * np.maximum(0.2 - x[:, 0], 0) + 0.5 * x[:, 1]])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(LINE, [-1.0, 0.5, 2.0]), (ABOVE, [0.0, 0.0, 1.5]), (BELOW, [1.5, 0.0, 0.0]), (STEP, [0.0, 0.0, 1.0])],
)
def test_a_factor_is_a_line_a_hinge_or_a_step(shape: int, expected: list[float]) -> None:
    np.testing.assert_array_equal(shape_values(np.array([-1.0, 0.5, 2.0]), shape, 0.5), expected)


def test_a_draw_is_the_sum_of_its_products() -> None:
    x = np.random.default_rng(1).standard_normal((50, 3))
    np.testing.assert_allclose(HingeSum(COLUMN, VALUE, SHAPE).values(x), by_hand(x), atol=1e-14)


def test_columns_may_differ_from_draw_to_draw() -> None:
    x = np.random.default_rng(2).standard_normal((2, 50, 3))
    expected = np.column_stack([by_hand(x[s])[:, s] for s in range(2)])
    np.testing.assert_allclose(HingeSum(COLUMN, VALUE, SHAPE).values(x), expected, atol=1e-14)


def test_a_draw_without_products_is_zero() -> None:
    column, value = np.full((3, 2), BLANK), np.zeros((3, 2))
    none = HingeSum(column, value, np.zeros((3, 2), dtype=int))
    np.testing.assert_array_equal(none.values(np.ones((4, 1))), np.zeros((4, 3)))
