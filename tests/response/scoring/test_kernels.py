"""Compiled reductions against numpy, with and without a folder for compiled functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.machine_code import compiled
from medresponse.response.scoring.kernels import COMPARISONS, MOMENTS, reductions
from medresponse.response.scoring.values import Values

DRAWS = 333


def relative(*, ties: bool = False) -> np.ndarray:
    values = np.random.default_rng(1).normal(size=(7, 3, DRAWS))
    return (np.round(values) if ties else values).astype(np.float32)


def reduced(
    values: np.ndarray, scale: np.ndarray | None = None, losses: np.ndarray | None = None, **options: Any
) -> dict[str, np.ndarray]:
    """Summaries by name, each (patient, treatment)."""
    held = Values(np.zeros(len(values)), np.ones(len(values)) if scale is None else scale, values)
    losses = np.zeros(values.shape[1:], dtype=np.float32) if losses is None else losses
    found = reductions(held, losses, **{"reference": 0, "worthwhile": 0.1, "direction": 1} | options)
    return {name: found[..., j] for j, name in enumerate((*MOMENTS, *COMPARISONS))}


def test_mean_and_sd_are_those_of_numpy_in_float64() -> None:
    values = relative() + np.float32(1e3)
    found, exact = reduced(values), values.astype(float)
    np.testing.assert_allclose(found["mean"], exact.mean(axis=-1), rtol=1e-14)
    np.testing.assert_allclose(found["sd"], exact.std(axis=-1, ddof=1), rtol=1e-11)


def test_responses_are_put_back_on_their_scale() -> None:
    values, scale = relative(), np.linspace(1.0, 4.0, 7)
    held, losses = Values(np.linspace(-5.0, 5.0, 7), scale, values), np.zeros((3, DRAWS), dtype=np.float32)
    found = reductions(held, losses, reference=0, worthwhile=0.0, direction=-1)
    exact = held.offset[:, None, None] + scale[:, None, None] * values.astype(float)
    np.testing.assert_allclose(found[..., 0], exact.mean(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(found[..., 1], exact.std(axis=-1, ddof=1), rtol=1e-11)
    utility = found[..., len(MOMENTS) + COMPARISONS.index("utility")]
    np.testing.assert_allclose(utility, -exact.mean(axis=-1), rtol=1e-12)


def test_a_treatment_that_is_best_in_every_draw_misses_nothing() -> None:
    values = relative()
    values[:, 1] = values.max(axis=1) + np.float32(0.25)
    found = reduced(values)
    assert (found["p_best"][:, 1] == 1).all() and (found["regret"][:, 1] == 0).all()
    assert (found["regret"][:, [0, 2]] > 0.25).all()


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("ties", [False, True])
def test_comparisons_are_those_of_numpy(direction: int, ties: bool) -> None:
    values, scale = relative(ties=ties), np.linspace(1.0, 4.0, 7)
    losses = np.random.default_rng(2).integers(0, 3, (3, DRAWS)).astype(np.float32)
    found = reduced(values, scale, losses, reference=1, worthwhile=2.0, direction=direction)
    responses = scale[:, None, None] * values
    benefit = direction * (responses - responses[:, [1]])
    enough = direction * (values - values[:, [1]]) > (2.0 / scale)[:, None, None].astype(np.float32)
    others = [0, 2]
    for name, exact in (
        ("benefit", benefit.mean(axis=-1)),
        ("benefit_sd", benefit.std(axis=-1, ddof=1)),
        ("p_benefit", (benefit > 0).mean(axis=-1)),
        ("p_worthwhile", enough.mean(axis=-1)),
        ("p_worse", (benefit < 0).mean(axis=-1)),
    ):
        np.testing.assert_allclose(found[name][:, others], exact[:, others], rtol=1e-5, atol=1e-6)
        assert np.isnan(found[name][:, 1]).all()
    utility = (direction * scale.astype(np.float32)[:, None, None] * values - losses).astype(np.float32)
    best = utility == utility.max(axis=1, keepdims=True)
    np.testing.assert_allclose(
        found["p_best"], (best / best.sum(axis=1, keepdims=True)).mean(axis=-1), rtol=1e-5
    )
    np.testing.assert_allclose(found["utility"], utility.mean(axis=-1), rtol=1e-5, atol=1e-6)
    regret = (utility.max(axis=1, keepdims=True) - utility).mean(axis=-1)
    np.testing.assert_allclose(found["regret"], regret, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["p_best"].sum(axis=1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e30, 1e39, 1e150])
def test_what_is_best_is_known_on_every_scale(scale: float) -> None:
    """In float32, 1e39 is infinite, under which all that are above zero are equal; 1e-44 has seven levels."""
    values = relative()
    found, near = reduced(values, np.full(7, scale), worthwhile=0.0), reduced(values, worthwhile=0.0)
    for name in ("p_best", "p_benefit"):
        np.testing.assert_allclose(found[name], near[name], rtol=1e-6)
    np.testing.assert_allclose(found["regret"] / scale, near["regret"], rtol=1e-4)
    losses = np.random.default_rng(2).normal(size=(3, DRAWS)).astype(np.float32)
    if scale == 1e30:
        charged, plain = (np.float32(scale) * losses), reduced(values, losses=losses)
        found = reduced(values, np.full(7, scale), charged)
        np.testing.assert_allclose(found["p_best"], plain["p_best"], rtol=1e-2)
        np.testing.assert_allclose(found["regret"] / scale, plain["regret"], rtol=1e-4, atol=1e-6)


def test_a_patients_numbers_do_not_depend_on_the_others() -> None:
    values = relative()
    together = reduced(values)
    for i in range(7):
        for name, alone in reduced(values[[i]]).items():
            np.testing.assert_array_equal(alone[0], together[name][i])


def made_afresh() -> dict[str, np.ndarray]:
    compiled.cache_clear()
    try:
        return reduced(relative())
    finally:
        compiled.cache_clear()


def test_where_no_folder_can_be_written_kernels_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Numba tries folders in turn; here it has none."""
    from numba.core.caching import CacheImpl

    expected = reduced(relative())
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with caplog.at_level("INFO", logger="medresponse"):
        found = made_afresh()
    assert "not kept" in caplog.text
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])


def test_where_the_folder_is_full_kernels_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from numba.core.caching import IndexDataCacheFile

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    monkeypatch.setattr(IndexDataCacheFile, "load", lambda *_: None)
    with caplog.at_level("INFO", logger="medresponse"):
        made_afresh()
    assert "not kept" in caplog.text
