"""Independent normal coefficients with one common scale, sampled as multiples of it."""

from __future__ import annotations

from typing import Any


def scaled(name: str, scale: Any, *, size: int, dims: str) -> Any:
    """Add ``scale * z`` with standard normal `z` to the current PyMC model; `scale` is one number or one each."""
    import pymc as pm

    return pm.Deterministic(
        name, scale * pm.Normal(f"{name}_raw", 0.0, 1.0, shape=size, dims=dims), dims=dims
    )
