"""Scales on which a continuous outcome is modelled, shared by the families of continuous outcomes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medresponse.core.errors import DataError

_Scale = Callable[[np.ndarray], np.ndarray]

_FORWARD: dict[str, _Scale] = {"identity": lambda v: v, "log": np.log, "sqrt": np.sqrt, "cbrt": np.cbrt}
_INVERSE: dict[str, _Scale] = {
    "identity": lambda z: z,
    "log": np.exp,
    "sqrt": lambda z: np.maximum(z, 0.0) ** 2,
    "cbrt": lambda z: np.maximum(z, 0.0) ** 3,
}


def to_scale(value: np.ndarray, scale: str) -> np.ndarray:
    """Return outcomes on `scale`.

    Raises
    ------
    DataError
        If the scale is not defined for some; the message counts them.
    """
    lowest = {"identity": -np.inf, "log": np.nextafter(0, 1)}.get(scale, 0.0)
    bad = int((~(value >= lowest)).sum())
    if bad:
        raise DataError(f"the outcome's {scale} scale is not defined for {bad} row(s)", code="outcome_scale")
    return _FORWARD[scale](value)


def from_scale(value: np.ndarray, scale: str) -> np.ndarray:
    """Return values on `scale` as outcomes; a root below zero is an outcome of zero."""
    return _INVERSE[scale](value)
