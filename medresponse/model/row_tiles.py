"""Rows in blocks as one pass over them reads them best: column by column, and coarse columns in one byte a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

BLOCK = 64  # rows
HELD = 7  # rows of `held` before the codes, in `inference.row_kernels`
_CODES = 127  # largest number that a byte holds, with either sign


@dataclass(frozen=True)
class Blocks:
    """Where rows go that come treatment by treatment: each treatment begins a block of `BLOCK` rows.

    Parameters
    ----------
    starts : numpy.ndarray
        First row of each treatment, and the number of rows; shape (treatment + 1,).
    """

    starts: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """First block of each treatment, and the number of blocks; shape (treatment + 1,)."""
        return np.concatenate([[0], np.cumsum(-(-np.diff(self.starts) // BLOCK))])

    @property
    def filled(self) -> np.ndarray:
        """How many rows each block holds, shape (block,)."""
        return np.bincount(self._places // BLOCK, minlength=self.first[-1])

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return something of every row by block, with zeros where a block is not full.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (row,) or (row, column).

        Returns
        -------
        numpy.ndarray
            Shape (block, row of the block), or (block, column, row of the block).
        """
        out = np.zeros((self.first[-1] * BLOCK, *rows.shape[1:]), dtype=rows.dtype)
        out[self._places] = rows
        return np.ascontiguousarray(np.moveaxis(out.reshape(self.first[-1], BLOCK, *rows.shape[1:]), 1, -1))

    @property
    def _places(self) -> np.ndarray:
        return np.arange(self.starts[-1]) + np.repeat(
            self.first[:-1] * BLOCK - self.starts[:-1], np.diff(self.starts)
        )


@dataclass(frozen=True)
class Coding:
    """Columns that are held as they are, and those of few values at equal steps, as ``base + step * code``.

    The predictor ``level + columns @ theta`` is that of the plain columns, and of codes with coefficients ``step * theta``
    and the level ``level + base @ theta``: the same number but for rounding.

    Parameters
    ----------
    plain, coded : numpy.ndarray
        Positions of columns.
    base, step : numpy.ndarray
        Of the coded columns.
    codes : numpy.ndarray
        Whole numbers from -127 to 127, shape (row, coded column).
    """

    plain: np.ndarray
    coded: np.ndarray
    base: np.ndarray
    step: np.ndarray
    codes: np.ndarray

    def multipliers(self, n_columns: int, n_treatments: int, n_rest: int) -> csr_array:
        """Return the matrix from what multiplies columns to what multiplies plain columns and codes.

        Either is the coefficients (treatment, column), levels (treatment,), and `n_rest` others, which stay.
        """
        k, wide, width = n_treatments, len(self.plain), len(self.plain) + len(self.coded)
        own, old = np.arange(k)[:, None] * width, np.arange(k)[:, None] * n_columns
        levels, each, rest = k * width + np.arange(k)[:, None], np.ones((k, 1)), np.arange(k + n_rest)
        entries = (
            (own + np.arange(wide), old + self.plain, each * np.ones(wide)),
            (own + np.arange(wide, width), old + self.coded, each * self.step),
            (levels + np.zeros(len(self.coded), dtype=int), old + self.coded, each * self.base),
            (k * width + rest, k * n_columns + rest, np.ones(len(rest))),
        )
        to, of, value = (
            np.concatenate([np.ravel(part) for part in parts]) for parts in zip(*entries, strict=True)
        )
        return csr_array((value, (to, of)), shape=(k * (width + 1) + n_rest, k * (n_columns + 1) + n_rest))


def coding(columns: np.ndarray, *, more: int = 0) -> Coding:
    """Return how columns are held.

    Parameters
    ----------
    columns : numpy.ndarray
        Shape (row, column).
    more : int
        Last columns that stay as they are.
    """
    may = columns.shape[1] - more
    found = [_coded(column) if j < may else None for j, column in enumerate(columns.T)]
    coded = np.array([j for j, one in enumerate(found) if one is not None], dtype=int)
    kept = [one for one in found if one is not None]
    return Coding(
        plain=np.setdiff1d(np.arange(len(found)), coded),
        coded=coded,
        base=np.array([base for base, _, _ in kept]),
        step=np.array([step for _, step, _ in kept]),
        codes=np.array([codes for _, _, codes in kept], dtype=np.int8).reshape(len(kept), len(columns)).T,
    )


def _coded(column: np.ndarray) -> tuple[float, float, np.ndarray] | None:
    """Return base, step and codes of a column, None where they would not give it to the last bits."""
    values = np.unique(column)
    if len(values) == 1:
        return float(values[0]), 1.0, np.zeros(len(column))
    if not 1 < len(values) <= 2 * _CODES + 1:
        return None
    span, gap = values[-1] - values[0], np.diff(values).min()
    if not span <= 2.1 * _CODES * gap:
        return None
    steps = np.rint(span / gap)
    if steps > 2 * _CODES:
        return None
    step = span / steps
    base = values[0] + step * (steps // 2)
    near = np.abs(base + step * np.rint((values - base) / step) - values)
    if not near.max() <= 4 * np.finfo(float).eps * np.abs(values).max():
        return None
    return float(base), float(step), np.rint((column - base) / step)
