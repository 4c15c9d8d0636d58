"""Rows in blocks, and coarse columns as whole numbers of one byte."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.model.row_tiles import BLOCK, Blocks, coding


def test_rows_fill_blocks_in_order_and_each_treatment_begins_one() -> None:
    starts = np.array([0, BLOCK + 3, BLOCK + 3, 2 * BLOCK + 4])
    blocks, rows = Blocks(starts), np.arange(1.0, 2 * BLOCK + 5)
    assert blocks.first.tolist() == [0, 2, 2, 4]
    assert blocks.filled.tolist() == [BLOCK, 3, BLOCK, 1]
    full = np.arange(BLOCK) < blocks.filled[:, None]
    found = blocks.of(rows)
    np.testing.assert_array_equal(found[full], rows)
    assert not found[~full].any()
    both = blocks.of(np.column_stack([rows, -rows]))
    np.testing.assert_array_equal(both, np.stack([found, -found], axis=1))


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 1.0], [0.0, 1.0, 2.0], [1.0, 2.0, 5.0], [7.0], np.arange(255.0),
        (np.array([0.0, 1.0, 2.0]) - 0.61) / 0.6478, (np.arange(18.0, 90.0) - 53.7) / 11.3,
    ],
)  # fmt: skip
def test_a_column_of_few_values_at_equal_steps_is_its_codes_but_for_rounding(values: list[float]) -> None:
    column = np.random.default_rng(1).permutation(np.repeat(values, 3))
    found = coding(column[:, None])
    assert found.coded.tolist() == [0] and found.plain.size == 0
    np.testing.assert_allclose(found.base + found.step * found.codes[:, 0], column, rtol=1e-14, atol=1e-14)


def test_last_columns_stay_where_they_are_asked_to() -> None:
    found = coding(np.array([[0.0, 1.0], [1.0, 0.0]]), more=1)
    assert found.coded.tolist() == [0] and found.plain.tolist() == [1]


@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0, 2.0 + 1e-9], [0.0, 1.0, np.pi], [0.0, 0.01, 5.0], np.arange(256.0), [0.0, 1.0, np.nan], [0.0, 5e-324, 1.0]],
)  # fmt: skip
def test_other_columns_are_left_alone(values: list[float]) -> None:
    found = coding(np.array(values)[:, None])
    assert found.plain.tolist() == [0] and found.coded.size == 0 and found.codes.shape == (len(values), 0)


def test_plain_columns_and_codes_have_the_predictor_of_the_columns() -> None:
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(50, 7))
    columns[:, [1, 4, 5]] = np.array([-0.4, 0.9, 2.2])[rng.integers(0, 3, (50, 3))]
    found, (theta, level, rest) = (
        coding(columns),
        (rng.normal(size=(2, 7)), rng.normal(size=2), rng.normal(size=4)),
    )
    multipliers = found.multipliers(7, 2, 4)
    both = np.hstack([columns[:, found.plain], found.codes])
    assert found.coded.tolist() == [1, 4, 5]
    spread = multipliers @ np.concatenate([theta.ravel(), level, rest])
    own, new_level, others = spread[:14].reshape(2, 7), spread[14:16], spread[16:]
    new = own @ both.T + new_level[:, None]
    np.testing.assert_allclose(new, theta @ columns.T + level[:, None], rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(others, rest)
