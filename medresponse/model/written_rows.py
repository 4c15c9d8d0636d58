"""Models of rows whose log-likelihood has canonical form, as their parts and what one pass over the rows reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from medresponse.families import Arrays, Canonical
from medresponse.features import Layout
from medresponse.model.written_parts import Part, sampled, table_of

_STRIDE = 16  # columns come in multiples of it, so that vectorised loops leave no rest


@dataclass(frozen=True, kw_only=True)
class WrittenRows:
    """A model as its parts, and the rows' likelihood; see `families.CanonicalRows`.

    Parameters
    ----------
    parts : tuple of Part
        Together they hold every coefficient once.
    layout : Layout
    family : Canonical
    """

    parts: tuple[Part, ...]
    layout: Layout
    family: Canonical

    @property
    def start(self) -> tuple[float, ...]:
        """Where chains begin, before jitter, on the unconstrained scale."""
        return (*(v for part in self.parts for v in part.start), 0.0)

    @property
    def quantities(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes of what is kept of a draw, but for the log density of the priors: variables, then what they make."""
        count = sum(len(part.rows) for part in self.parts)
        every = [variable for part in self.parts for variable in part.variables]
        return (*every, ("alpha", ()), ("coefficients", (count,)), ("intercept", ()))

    def arrange(self, data: Arrays) -> dict[str, np.ndarray]:
        """Return what the written density reads, from a data set of the design.

        Rows come treatment by treatment; patients alike in treatment, groups and columns are one row, with the sums of their events
        and weights, where no more than half of the patients differ. What multiplies them is linear in the sampled coefficients: coefficients of columns
        (treatment, column), levels (treatment,), and a table of groups x treatments, one after the other.

        Returns
        -------
        dict
            ``table``, ``numbers``, ``turn``, ``estimate``, ``error``: as in `WrittenOut.arrange`. ``pointer``, ``index``, ``value``: the
            matrix from sampled coefficients to what multiplies the rows, compressed by rows. ``columns``: shape (row, column), with
            columns of zeros behind. ``starts``: the first row of each treatment, and the number of rows. ``cells``: places in
            the table, shape (row, grouping). ``events``, ``weight``: shape (row,), the latter empty where all are 1.
            ``scalars``: number of parameters, unit information, centre, constant, 1 for the logit.
        """
        layout, rows, treatment = self.layout, self.family.canonical(data), self._treatment(data)
        turn, estimate, error = sampled(self.parts, data)
        matrix = csr_array(self._spread() @ turn)
        events, weight, kept = rows.events, rows.weight, np.arange(len(treatment))
        alike = self._alike(data)
        if alike is not None:
            events, weight = np.bincount(alike, events), np.bincount(alike, weight)
            kept = np.unique(alike, return_index=True)[1]
        order = np.argsort(treatment[kept], kind="stable")
        events, weight, kept = events[order], weight[order], kept[order]
        n_treatments, treatment, cells, before = len(layout.contrasts), treatment[kept], [], 0
        for grouping in layout.groupings:
            cells.append(before + data[f"group_{grouping.stem}"][kept] * n_treatments + treatment)
            before += len(grouping.labels) * n_treatments
        table, numbers = table_of(self.parts)
        information, logit = float(data["unit_information_sd"]), float(rows.law == "logit")
        return {
            "table": table, "numbers": numbers, "turn": turn, "estimate": estimate, "error": error,
            "pointer": matrix.indptr, "index": matrix.indices, "value": matrix.data,
            "columns": np.pad(data["columns"][kept], ((0, 0), (0, self._width - len(layout.columns)))),
            "starts": np.searchsorted(treatment, np.arange(n_treatments + 1)),
            "cells": np.array(cells, dtype=np.int64).reshape(len(cells), len(kept)).T,
            "events": events,
            "weight": np.empty(0) if (weight == 1).all() else weight,
            "scalars": np.array([len(self.start), information, rows.centre, rows.constant, logit]),
        }  # fmt: skip

    def notes(self, data: Arrays) -> tuple[str, ...]:
        """Return in words whether the rows of a data set are collapsed."""
        alike = self._alike(data)
        if alike is None:
            return ("rows one a patient: more than half of them differ",)
        return (f"{len(alike)} rows collapsed exactly to {alike.max() + 1} that differ, with weights",)

    def _treatment(self, data: Arrays) -> np.ndarray:
        contrasts = self.layout.contrast_matrix
        return (data["contrast"][:, None, :] == contrasts[None]).all(axis=2).argmax(axis=1)

    def _alike(self, data: Arrays) -> np.ndarray | None:
        """Return which patients have the same predictor whatever the coefficients, None where more than half differ."""
        groups = [data[f"group_{grouping.stem}"] for grouping in self.layout.groupings]
        return numbered([self._treatment(data), *groups, *data["columns"].T])

    @property
    def _width(self) -> int:
        return -(-len(self.layout.columns) // _STRIDE) * _STRIDE

    def _spread(self) -> np.ndarray:
        """Return the matrix from the layout's coefficients to what multiplies the rows."""
        layout, parts, width = self.layout, self.layout.slices, self._width
        k = len(layout.contrasts)
        groups = [len(grouping.labels) for grouping in layout.groupings]
        matrix = np.zeros((k * (width + 1 + sum(groups)), layout.n_coefficients))
        theta, level, tables = np.split(matrix, [k * width, k * (width + 1)])
        at = np.arange(layout.n_coefficients)
        for treatment, contrast in enumerate(layout.contrast_matrix):
            own = theta[treatment * width : (treatment + 1) * width]
            own[range(len(layout.columns)), at[parts["prognostic"]]] = 1.0
            level[treatment, parts["treatment"]] = contrast
            modifiers = at[parts["modifier"]].reshape(len(contrast), -1)
            for c, places in zip(contrast, modifiers, strict=True):
                own[list(layout.modifiers), places] = c
            first = 0
            for grouping, n in zip(layout.groupings, groups, strict=True):
                cells = tables[first + treatment : first + n * k : k]
                cells[range(n), at[parts[f"{grouping.column}.intercept"]]] = 1.0
                effects = at[parts[f"{grouping.column}.treatment"]].reshape(len(contrast), -1)
                for c, places in zip(contrast, effects, strict=True):
                    cells[range(n), places] = c
                first += n * k
        return matrix


def numbered(keys: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return a number for each row, the same for rows alike in all `keys`, which are counted from 0; None if more than half differ.

    Parameters
    ----------
    keys : sequence of numpy.ndarray
        Each of shape (row,).
    """
    found = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        own = np.unique(key, return_inverse=True)[1]
        found = np.unique(found * (own.max() + 1) + own, return_inverse=True)[1]
        if 2 * (found.max() + 1) > len(found):
            return None
    return found
