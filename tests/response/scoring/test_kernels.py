"""Compiled reductions against numpy, with and without a folder for compiled functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.machine_code import compiled
from medresponse.response.scoring.kernels import COMPARISONS, comparisons, moments

DRAWS = 333


def relative(*, ties: bool = False) -> np.ndarray:
    values = np.random.default_rng(1).normal(size=(7, 3, DRAWS))
    return (np.round(values) if ties else values).astype(np.float32)


def by_name(found: np.ndarray) -> dict[str, np.ndarray]:
    return {name: found[..., j] for j, name in enumerate(COMPARISONS)}


def test_mean_and_sd_are_those_of_numpy_in_float64() -> None:
    values = relative() + np.float32(1e3)
    found, exact = moments(values), values.astype(float)
    np.testing.assert_allclose(found[..., 0], exact.mean(axis=-1), rtol=1e-14)
    np.testing.assert_allclose(found[..., 1], exact.std(axis=-1, ddof=1), rtol=1e-11)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("ties", [False, True])
def test_comparisons_are_those_of_numpy(direction: int, ties: bool) -> None:
    values, scale = relative(ties=ties), np.linspace(1.0, 4.0, 7)
    losses = np.random.default_rng(2).integers(0, 3, (3, DRAWS)).astype(np.float32)
    found = by_name(comparisons(values, scale, losses, reference=1, worthwhile=2.0, direction=direction))
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


def test_a_patients_numbers_do_not_depend_on_the_others() -> None:
    values, scale, losses = relative(), np.ones(7), np.zeros((3, DRAWS), dtype=np.float32)
    options = {"reference": 0, "worthwhile": 0.1, "direction": 1}
    together = comparisons(values, scale, losses, **options), moments(values)
    for i in range(7):
        alone = comparisons(values[[i]], scale[[i]], losses, **options), moments(values[[i]])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_[i])


def made_afresh() -> np.ndarray:
    compiled.cache_clear()
    try:
        return moments(relative())
    finally:
        compiled.cache_clear()


def test_where_no_folder_can_be_written_kernels_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Numba tries folders in turn; here it has none."""
    from numba.core.caching import CacheImpl

    expected = moments(relative())
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with caplog.at_level("INFO", logger="medresponse"):
        found = made_afresh()
    assert "not kept" in caplog.text
    np.testing.assert_array_equal(found, expected)


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
