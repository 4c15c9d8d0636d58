"""Predicting with several specs at once, each by its weight."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from medresponse.core.errors import SpecError

_ROUNDING = 1e-6


def mix_draws(
    draws: Mapping[str, xr.DataArray], weights: Mapping[str, float], *, size: int = 1000, seed: int
) -> xr.DataArray:
    """Mix draws of several fits by stacking weights.

    Parameters
    ----------
    draws : mapping
        Name -> values with a dimension ``draw`` and otherwise the same dimensions and labels for each name, as
        ``respond(fit, cohort).draws()`` gives them.
    weights : mapping
        Name -> weight, as `Comparison.weights`; at least zero, one in sum.
    size : int
        Draws returned; each name gives its share of them, at random, without repeating one unless it has too few.
    seed : int
        Arrays with the same numbers of draws are mixed alike under the same seed.

    Returns
    -------
    xarray.DataArray
        The dimensions, labels and attributes of the parts; the order of draws means nothing.

    Raises
    ------
    SpecError
        If names, labels or units differ, or the weights are no shares of one.
    """
    _check(draws, weights)
    shares = np.array([weights[name] for name in draws]) * size
    counts = np.floor(shares).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: size - counts.sum()]] += 1
    rng = np.random.default_rng(seed)
    parts = []
    for own, count in zip(draws.values(), counts.tolist(), strict=True):
        every = own.sizes["draw"]
        parts.append(
            own.isel(draw=rng.choice(every, size=count, replace=count > every)).drop_vars(
                "draw", errors="ignore"
            )
        )
    return xr.concat(parts, dim="draw", join="exact", combine_attrs="override")


def _check(draws: Mapping[str, xr.DataArray], weights: Mapping[str, float]) -> None:
    if set(draws) != set(weights):
        raise SpecError(f"draws are of {', '.join(sorted(draws))}, weights of {', '.join(sorted(weights))}")
    values = list(weights.values())
    if not all(w >= 0 for w in values) or not abs(sum(values) - 1) <= _ROUNDING:
        raise SpecError("weights must be at least zero and one in sum, as `Comparison.weights` are")
    (first, one), *others = draws.items()
    for name, own in others:
        if own.attrs.get("unit") != one.attrs.get("unit"):
            raise SpecError(f"{name} is in {own.attrs.get('unit')}, {first} in {one.attrs.get('unit')}")
        if not own.isel(draw=0, drop=True).coords.equals(one.isel(draw=0, drop=True).coords) or set(
            own.dims
        ) != set(one.dims):
            raise SpecError(
                f"{name} and {first} are of other patients or treatments; respond with one cohort"
            )
