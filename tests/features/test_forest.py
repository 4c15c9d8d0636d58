from __future__ import annotations

import numpy as np

from medresponse.features import Forest

# Two trees. First: x0 <= 0.5 ? (x1 <= 2 ? 1 : 2) : 4. Second: a leaf of 0.25. Filled up by two places.
ROOTS = [0, -1]
SPLIT_ROOT = [1, -1]
COLUMN = np.array([[*ROOTS, *SPLIT_ROOT, -1, -1, -1, -1], [-1, -1, -1, -1, -1, -1, -1, -1]])
VALUE = np.array([[0.5, 0.25, 2.0, 4.0, 1.0, 2.0, 0.0, 0.0], [3.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
FOREST = Forest(COLUMN, VALUE, trees=2)
PATIENTS = np.array([[0.0, 2.0], [0.5, 2.1], [0.6, 0.0]])


def test_a_patient_gets_the_sum_of_the_leaves_reached_and_a_value_at_the_threshold_goes_left() -> None:
    np.testing.assert_array_equal(FOREST.values(PATIENTS), [[1.25, 2.0], [2.25, 2.0], [4.25, 2.0]])


def test_columns_that_differ_from_draw_to_draw_are_read_draw_by_draw() -> None:
    each = np.stack([PATIENTS[[0]], PATIENTS[[2]]])  # (draw, patient, column)
    np.testing.assert_array_equal(FOREST.values(each), [[1.25, 2.0]])
    same = np.stack([PATIENTS, PATIENTS])
    np.testing.assert_array_equal(FOREST.values(same), FOREST.values(PATIENTS))


def test_nobody_to_score_is_fine() -> None:
    assert FOREST.values(PATIENTS[:0]).shape == (0, 2)


def test_a_random_forest_of_many_levels_is_what_walking_down_each_tree_gives() -> None:
    rng = np.random.default_rng(1)
    trees, nodes = 7, [0] * 7  # depth of each node, level by level
    column, value, children = [], [], {}
    at = 0
    while at < len(nodes):
        if nodes[at] < 5 and rng.random() < 0.7:
            column.append(int(rng.integers(3)))
            children[at] = len(nodes)
            nodes += [nodes[at] + 1] * 2
        else:
            column.append(-1)
        value.append(rng.standard_normal())
        at += 1
    x = rng.standard_normal((50, 3))

    def walk(row: np.ndarray, node: int) -> float:
        if column[node] < 0:
            return value[node]
        return walk(row, children[node] + int(row[column[node]] > value[node]))

    expected = [sum(walk(row, tree) for tree in range(trees)) for row in x]
    found = Forest(np.array([column]), np.array([value]), trees).values(x)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
