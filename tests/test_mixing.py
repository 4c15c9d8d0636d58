"""Mixing draws of several fits: shares are those of the weights, labels stay, and what does not match is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from medresponse.comparison import mix_draws
from medresponse.core.errors import SpecError


def constant(
    value: float, *, draws: int = 50, patients: tuple[str, ...] = ("P1", "P2"), unit: str = "month"
) -> xr.DataArray:
    return xr.DataArray(
        np.full((len(patients), 2, draws), value), dims=("patient", "treatment", "draw"),
        coords={"patient": list(patients), "treatment": ["a", "b"]}, attrs={"unit": unit},
    )  # fmt: skip


def test_each_gives_its_share_and_labels_stay():
    mixed = mix_draws(
        {"one": constant(1.0), "two": constant(2.0), "none": constant(9.0)},
        {"none": 0.0, "one": 0.25, "two": 0.75}, size=202, seed=1,
    )  # fmt: skip
    assert mixed.sizes == {"patient": 2, "treatment": 2, "draw": 202}
    values, counts = np.unique(mixed.sel(patient="P2", treatment="b").values, return_counts=True)
    assert values.tolist() == [1.0, 2.0] and abs(counts[0] - 50.5) == 0.5 and counts.sum() == 202
    assert mixed.attrs["unit"] == "month" and mixed["patient"].values.tolist() == ["P1", "P2"]


def test_draws_are_not_repeated_while_there_are_enough_and_one_seed_mixes_alike():
    own = constant(0.0, draws=100) + xr.DataArray(np.arange(100.0), dims="draw")
    parts, weights = {"a": own, "b": own + 1000}, {"a": 0.5, "b": 0.5}
    mixed = mix_draws(parts, weights, size=200, seed=3)
    assert len(np.unique(mixed.isel(patient=0, treatment=0))) == 200
    scale = {name: part.isel(patient=0, treatment=0, drop=True) for name, part in parts.items()}
    np.testing.assert_array_equal(
        mix_draws(scale, weights, size=200, seed=3).values, mixed.isel(patient=0, treatment=0).values
    )


@pytest.mark.parametrize(
    ("draws", "weights", "said"),
    [
        ({"a": constant(1.0), "b": constant(1.0)}, {"a": 1.0}, "draws are of a, b, weights of a"),
        ({"a": constant(1.0), "b": constant(1.0)}, {"a": 0.5, "b": 0.6}, "one in sum"),
        ({"a": constant(1.0), "b": constant(1.0)}, {"a": 1.5, "b": -0.5}, "at least zero"),
        (
            {"a": constant(1.0), "b": constant(1.0, unit="day")},
            {"a": 0.5, "b": 0.5},
            "b is in day, a in month",
        ),
        (
            {"a": constant(1.0), "b": constant(1.0, patients=("P1", "P9"))},
            {"a": 0.5, "b": 0.5},
            "other patients",
        ),
    ],
)
def test_what_does_not_match_is_refused(draws, weights, said):
    with pytest.raises(SpecError, match=said):
        mix_draws(draws, weights, seed=1)
