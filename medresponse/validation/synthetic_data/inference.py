"""Attribute inference: one column of a real patient, guessed from the made-up patient nearest in all others.

After Giomi et al. 2023 (Proc Priv Enh Tech 2023(2):312, section 4.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial.distance import cdist

from medresponse.validation.synthetic_data.risk import Tally
from medresponse.validation.synthetic_data.space import Block, row_blocks

WITHIN = 0.1
"""How near a guessed number must come, in standard deviations of the real patients."""

PREFIX = "inference of "


def attribute_inference(
    train: Sequence[Block], holdout: Sequence[Block], made: Sequence[Block]
) -> Iterator[Tally]:
    """Yield one tally a column: guesses that are right, for patients learned from and for others."""
    hits = [_hits(targets, made) for targets in (train, holdout)]
    for i, block in enumerate(train):
        n, m = len(block.values), len(holdout[i].values)
        yield Tally(PREFIX + block.column.name, float(hits[0][i]), n, float(hits[1][i]), m)


def _hits(targets: Sequence[Block], made: Sequence[Block]) -> np.ndarray:
    """Return right guesses of each column, shape (column,)."""
    found = np.zeros(len(made), dtype=np.int64)
    for rows in row_blocks(len(targets[0].values), len(made[0].values) * len(made)):
        apart = [
            cdist(t.coordinates[rows], m.coordinates, "cityblock") for t, m in zip(targets, made, strict=True)
        ]
        total = np.sum(apart, axis=0)
        for i, own in enumerate(apart):
            nearest = (total - own).argmin(axis=1)
            found[i] += (own[np.arange(len(own)), nearest] <= WITHIN).sum()
    return found
