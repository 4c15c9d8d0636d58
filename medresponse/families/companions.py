"""What features are imputed from besides each other: the outcome, as columns of one scale."""

from __future__ import annotations

import numpy as np


def standardised(columns: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and sd 1; a constant column becomes 0."""
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
