"""Treatment contrasts and the layout of the coefficient vector."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.features import Grouping, Layout, treatment_contrasts


def layout_of(n_treatments: int, *, modifiers: tuple[int, ...] = (2, 0)) -> Layout:
    """Four columns, modifiers out of order, and two groupings, one with slopes."""
    return Layout(
        columns=("a", "b", "c", "d"),
        modifiers=modifiers if n_treatments > 1 else (),
        contrasts=tuple(tuple(float(x) for x in row) for row in treatment_contrasts(n_treatments)),
        groupings=(Grouping(column="site", labels=("n", "s", "w"), slopes=(3, 1)), Grouping(column="study", labels=("x", "y"))),
    )  # fmt: skip


@pytest.mark.parametrize("k", [2, 3, 4, 7])
def test_contrasts_sum_to_zero_over_treatments_and_are_orthogonal(k: int) -> None:
    contrasts = treatment_contrasts(k)
    assert contrasts.shape == (k, k - 1)
    np.testing.assert_allclose(contrasts.sum(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(contrasts.T @ contrasts, np.eye(k - 1) / 2, atol=1e-14)


@pytest.mark.parametrize("k", [2, 3, 4, 7])
def test_coefficients_of_sd_s_give_every_pairwise_difference_the_sd_s(k: int) -> None:
    contrasts = treatment_contrasts(k)
    for i, j in combinations(range(k), 2):
        # Var((c_i - c_j)' d) = s^2 |c_i - c_j|^2 for independent d of variance s^2
        assert np.sum((contrasts[i] - contrasts[j]) ** 2) == pytest.approx(1.0, abs=1e-14)


def test_a_single_arm_has_no_contrast() -> None:
    assert treatment_contrasts(1).shape == (1, 0)
    layout = layout_of(1)
    assert layout.n_contrasts == 0 and layout.contrast_matrix.shape == (1, 0)
    assert len(layout.coefficient_labels) == layout.n_coefficients == 4 + (3 + 6) + 2


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_every_coefficient_has_a_label_and_the_slices_cover_them_once(k: int) -> None:
    layout = layout_of(k)
    covered = [i for part in layout.slices.values() for i in range(part.start, part.stop)]
    assert covered == list(range(layout.n_coefficients))
    assert len(set(layout.coefficient_labels)) == len(layout.coefficient_labels) == layout.n_coefficients


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_matrix_gives_the_linear_predictor_of_the_formula(k: int) -> None:
    """eta = x'b + c_k'(delta + G x) + a_site + x's_site + c_k'd_site, term by term from coefficients by label."""
    layout, rng, n = layout_of(k), np.random.default_rng(k), 17
    x, treatment = rng.normal(size=(n, 4)), rng.integers(0, k, n)
    groups = {"site": rng.integers(0, 3, n), "study": rng.integers(0, 2, n)}
    vector = rng.normal(size=layout.n_coefficients)
    b = dict(zip(layout.coefficient_labels, vector, strict=True))
    expected = np.zeros(n)
    for i in range(n):
        for j, column in enumerate(layout.columns):
            expected[i] += b[column] * x[i, j]
        for r in range(layout.n_contrasts):
            c = layout.contrasts[treatment[i]][r]
            expected[i] += c * b[f"contrast {r + 1}"]
            for m in layout.modifiers:
                expected[i] += c * b[f"contrast {r + 1} x {layout.columns[m]}"] * x[i, m]
        for grouping in layout.groupings:
            label = grouping.labels[groups[grouping.column][i]]
            expected[i] += b[f"{grouping.column}={label}"]
            for j in grouping.slopes:
                expected[i] += x[i, j] * b[f"{layout.columns[j]} x {grouping.column}={label}"]
            for r in range(layout.n_contrasts):
                c = layout.contrasts[treatment[i]][r]
                expected[i] += c * b[f"contrast {r + 1} x {grouping.column}={label}"]
    matrix = layout.matrix(x, treatment, groups)
    np.testing.assert_allclose(matrix @ vector, expected, rtol=1e-12, atol=1e-13)
    contrast, indices = layout.contrast_matrix[treatment], [groups[g.column] for g in layout.groupings]
    np.testing.assert_allclose(layout.means(x, contrast, indices), matrix.mean(axis=0), atol=1e-14)


def test_a_group_that_training_never_saw_has_no_position() -> None:
    grouping = Grouping(column="site", labels=("n", "s"))
    assert grouping.index(["s", "elsewhere", "n"]).tolist() == [1, -1, 0]


def test_a_layout_survives_json() -> None:
    layout = layout_of(3)
    assert from_plain(Layout, to_plain(layout)) == layout
