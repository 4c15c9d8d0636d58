"""What a non-linear term leaves behind for scoring: basis functions of one feature column."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Basis(Protocol):
    """Basis functions learned from training values of one standardised column; plain data, saved with the fit."""

    @property
    def size(self) -> int:
        """Number of basis functions."""
        ...

    def columns(self, values: np.ndarray) -> np.ndarray:
        """Return the basis functions at `values` of shape (...), shape (..., size)."""
        ...

    @property
    def prior_key(self) -> tuple[float, ...]:
        """What the term's prior reads of this basis: equal keys and sizes share one compiled model."""
        ...
