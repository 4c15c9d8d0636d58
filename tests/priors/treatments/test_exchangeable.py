"""Exchangeable treatments: one prior call over contrasts, and no treatment is special."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medresponse.priors import R2D2, Column, Exchangeable, Normal, TreatmentLevel
from tests.priors.graph import joint_draws
from tests.priors.treatments.graph import COLUMN_SD, COLUMNS, differences, recorded_modifiers, structure_model

LEVELS = tuple(TreatmentLevel(name=name, is_reference=name == "A") for name in "ABCD")


def test_every_pair_differs_by_the_priors_standard_deviation_whichever_is_the_reference() -> None:
    p = joint_draws(structure_model(Exchangeable(), Normal(sigma=0.7), LEVELS, modifiers=True), draws=4000)
    moved = tuple(replace(level, is_reference=level.name == "C") for level in LEVELS)
    again = joint_draws(structure_model(Exchangeable(), Normal(sigma=0.7), moved, modifiers=True), draws=4000)
    np.testing.assert_array_equal(p["effect"], again["effect"])
    for difference in [*differences(p["delta"]).values(), *differences(p["modified"]).values()]:
        np.testing.assert_allclose(difference.std(axis=0), 0.7, rtol=4 / np.sqrt(2 * 4000))


def test_modifiers_are_one_prior_call_over_contrast_major_columns() -> None:
    values, ((name, given),) = recorded_modifiers(Exchangeable(), LEVELS)
    np.testing.assert_array_equal(values, [[0, 1], [2, 3], [4, 5]])
    assert (name, given["dims"]) == ("modifier_genomic", "modifier_term")
    assert given["columns"] == tuple(
        Column(f"contrast {j} x {c.label}", c.path) for j in (1, 2, 3) for c in COLUMNS
    )


def test_r2d2_reads_r2_of_the_difference_between_two_treatments() -> None:
    """E[R^2 / (1 - R^2)] = a / (b - 1) is the variance of any pair's effect, and of its benefit over patients."""
    prior = R2D2(mean=0.2, precision=20, concentration=3)
    p = joint_draws(structure_model(Exchangeable(), prior, LEVELS, modifiers=True), draws=8000)
    expected = 4 / (16 - 1)
    effects = [d**2 for d in differences(p["delta"]).values()]
    benefits = [((d * COLUMN_SD) ** 2).sum(axis=1) for d in differences(p["modified"]).values()]
    for variance in [*effects, *benefits]:
        assert variance.mean() == pytest.approx(expected, abs=4 * variance.std() / np.sqrt(len(variance)))
