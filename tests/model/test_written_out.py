"""Which models are written out, and what is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medresponse.families import Gaussian, Lognormal
from medresponse.features import group_indices
from medresponse.model import ModelSpec, PropensityScore, prepare, written_out
from medresponse.priors import HalfStudentT, Horseshoe, Normal, StudentT
from medresponse.priors.treatments import ByClass
from medresponse.terms import Spline
from tests.hand_made import trial_of

SPEC = ModelSpec(
    family=Gaussian(), blocks={"history": Horseshoe(expected_nonzero=1), "lifestyle": Normal(pooled=True)}, pooling=("site",)
)  # fmt: skip


def written(spec: ModelSpec, n: int = 120, outcome: str = "score") -> Any:
    return written_out(spec, prepare(spec, trial_of(n), outcome=outcome, seed=1).design)


@pytest.mark.parametrize(
    "change",
    [
        {"family": Gaussian(residual=HalfStudentT())},
        {"blocks": {"history": StudentT()}},
        {"blocks": {"history": Normal(pooled=True, centred=True)}},
        {"modifiers": {"history": StudentT()}},
        {"treatment": StudentT()},
        {"treatments": ByClass()},
        {"terms": {"age": Spline()}},
        {"slopes": {"site": ("age",)}},
        {"centred": ("site",)},
        {"pooling_scale": HalfStudentT()},
        {"pooling_treatment_scale": HalfStudentT()},
        {"confounding": PropensityScore(curve=None)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_model_that_holds_anything_else_is_left_to_its_graph(change: dict[str, Any]) -> None:
    assert written(SPEC) is not None
    assert written(replace(SPEC, **change)) is None


def test_other_families_and_few_patients_are_left_to_the_graph() -> None:
    assert written(replace(SPEC, family=Lognormal()), outcome="os") is None
    assert written(SPEC, n=30) is None  # fewer than twice the coefficients, so no estimates


def test_the_arranged_misfit_is_that_of_the_rows_for_any_coefficients() -> None:
    """Three arms, of which one column modifies the effect and others do not."""
    cohort, spec = trial_of(120, arms=("A", "B", "C")), replace(SPEC, modifiers={"history": Normal()})
    prepared = prepare(spec, cohort, outcome="score", seed=1)
    model = written_out(spec, prepared.design)
    assert model is not None
    arranged, layout = model.arrange(prepared.data[0]), prepared.layout
    turn = np.zeros((layout.n_coefficients, layout.n_coefficients))
    turn[tuple(arranged["turned"].T)] = arranged["turn"]
    np.testing.assert_allclose(turn.T @ turn, np.eye(layout.n_coefficients), atol=1e-12)
    columns = prepared.encoding.columns(prepared.codes[0])
    design = layout.matrix(columns, cohort.treatment_idx, group_indices(layout, cohort))
    y = np.asarray(cohort.outcome("score")["value"])
    count = layout.n_coefficients
    contrast, column = np.divmod(arranged["where"], arranged["arms"].shape[1])
    around, rest = (np.append(arranged[name][:count], arranged[name][-1]) for name in ("around", "rest"))
    rng = np.random.default_rng(1)
    for width in (0.0, 1.0, 30.0):
        b, intercept = rng.normal(scale=width, size=layout.n_coefficients), rng.normal(50.0, width)
        expected = ((y - intercept - design @ b) ** 2).sum()
        off = np.append(turn.T @ b, intercept - prepared.constants["center"]) - around
        found = arranged["scalars"][3] - 2 * off @ rest
        for sums, weights in zip(arranged["arms"], arranged["weights"], strict=True):
            own = np.bincount(column, weights[contrast] * off, minlength=len(sums))
            found += own @ sums @ own
        assert found == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(
        arranged["means"][:count], design.mean(axis=0) @ turn / prepared.constants["spread"], atol=1e-12
    )
