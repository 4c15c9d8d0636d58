"""Pooling by class: the documented spread of every kind of pair, shared shares, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from medresponse.core.errors import SpecError
from medresponse.priors import ByClass, Normal, TreatmentLevel
from tests.priors.graph import joint_draws
from tests.priors.treatments.graph import differences, structure_model

SIGMA = 0.7
CLASSES = {"placebo": None, "A": "X", "B": "X", "C": "Y", "D": "Y"}
LEVELS = tuple(
    TreatmentLevel(name=name, treatment_class=of, is_reference=name == "placebo")
    for name, of in CLASSES.items()
)


def spread_given(
    structure: ByClass, levels: tuple[TreatmentLevel, ...], share: np.ndarray
) -> dict[str, np.ndarray]:
    """Standard deviation of each pair's difference given the shares; of modifiers, by column.

    Exact: the effects are linear in the prior's independent standard normal variables.
    """
    import pymc as pm

    model = structure_model(structure, Normal(sigma=SIGMA), levels, modifiers=True)
    model = pm.do(model, {"treatment_share": share})
    raw = [model.rvs_to_values[model[f"{part}_component_raw"]] for part in ("effect", "modifier")]
    parts = ("delta", "modified")
    evaluate = model.compile_fn(
        model.replace_rvs_by_values([model[part] for part in parts]), inputs=raw, mode="FAST_COMPILE"
    )
    sizes = [len(model.coords[f"{part}_component_term"]) for part in ("effect", "modifier")]
    points = np.eye(sum(sizes))
    found = [evaluate({raw[0].name: at[: sizes[0]], raw[1].name: at[sizes[0] :]}) for at in points]
    names = [level.name for level in levels]
    return {
        f"{part} {names[j]}-{names[k]}": np.sqrt((difference**2).sum(axis=0))
        for part, values in zip(parts, zip(*found, strict=True), strict=True)
        for (k, j), difference in differences(np.array(values)).items()
    }


def documented(structure: ByClass, share: np.ndarray, pair: str) -> float:
    first, second = pair.split()[1].split("-")
    s_active, s_class, s_own = share if structure.active else (0.0, *share)
    variance = s_own
    if CLASSES[first] is None or CLASSES[first] != CLASSES[second]:
        variance += s_class
    if "placebo" in (first, second):
        variance += s_active
    return SIGMA * np.sqrt(variance)


@pytest.mark.parametrize(
    "structure", [ByClass(), ByClass(active=True)], ids=["classes", "active and classes"]
)
def test_pairs_differ_as_documented_for_any_shares(structure: ByClass) -> None:
    share = np.random.default_rng(3).dirichlet(np.ones(3 if structure.active else 2))
    found = spread_given(structure, LEVELS, share)
    assert len(found) == 20
    for pair, spread in found.items():
        np.testing.assert_allclose(spread, documented(structure, share, pair), rtol=1e-10, err_msg=pair)


def test_the_farthest_pairs_have_the_priors_standard_deviation() -> None:
    found = spread_given(ByClass(active=True), LEVELS, np.array([0.2, 0.3, 0.5]))
    assert found["delta placebo-A"] == pytest.approx(SIGMA, rel=1e-10)
    found = spread_given(ByClass(), LEVELS, np.array([0.4, 0.6]))
    assert found["delta B-C"] == pytest.approx(SIGMA, rel=1e-10)


def test_an_active_reference_shares_its_class() -> None:
    """Within the reference's class: sqrt(s_active + s_own)."""
    levels = tuple(replace(level, is_reference=level.name == "A") for level in LEVELS)
    found = spread_given(ByClass(active=True), levels, np.array([0.2, 0.3, 0.5]))
    assert found["delta A-B"] == pytest.approx(SIGMA * np.sqrt(0.7), rel=1e-10)


def test_without_an_active_component_the_reference_is_like_any_other() -> None:
    moved = tuple(replace(level, is_reference=level.name == "D") for level in LEVELS)
    one, other = (
        joint_draws(structure_model(ByClass(), Normal(), levels), draws=5)["effect"]
        for levels in (LEVELS, moved)
    )
    np.testing.assert_array_equal(one, other)


def test_effects_and_modifiers_read_the_same_shares() -> None:
    model = structure_model(ByClass(active=True, concentration=2), Normal(), LEVELS, modifiers=True)
    assert [name for name in model.named_vars if "share" in name] == ["treatment_share"]
    assert model.coords["treatment_share_level"] == ("active", "class", "treatment")
    share = joint_draws(model, draws=2000)["treatment_share"]
    assert stats.kstest(share[:, 0], stats.beta(2, 4).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([None, None, None], r"A \(no class\), B \(no class\), C \(no class\)"),
        (["X", "Y", None], r"A \(X\), B \(Y\), C \(no class\)"),
        (["X", "X", "X"], "not all of them"),
        (["X", "X", "Z"], "C is the only treatment of class 'Z'.*stands alone"),
    ],
)
def test_classes_that_pool_nothing_are_refused(classes: list[str | None], message: str) -> None:
    levels = tuple(
        TreatmentLevel(name=name, treatment_class=of, is_reference=name == "A")
        for name, of in zip("ABC", classes, strict=True)
    )
    with pytest.raises(SpecError, match=message):
        structure_model(ByClass(), Normal(), levels)


def test_the_reference_may_be_a_class_of_its_own() -> None:
    levels = tuple(
        TreatmentLevel(name=name, treatment_class=of, is_reference=name == "A")
        for name, of in zip("ABC", ["none", "X", "X"], strict=True)
    )
    structure_model(ByClass(), Normal(), levels)


@pytest.mark.parametrize("value", [0.0, float("inf"), float("nan")])
def test_the_concentration_must_be_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match="concentration"):
        ByClass(concentration=value)
