"""Models of rows whose log-likelihood has canonical form, as their parts and what one pass over the rows reads."""

from __future__ import annotations

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

        Rows come treatment by treatment. What multiplies them is linear in the sampled coefficients: coefficients of columns
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
        layout, rows = self.layout, self.family.canonical(data)
        turn, estimate, error = sampled(self.parts, data)
        matrix = csr_array(self._spread() @ turn)
        contrasts = layout.contrast_matrix
        treatment = (data["contrast"][:, None, :] == contrasts[None]).all(axis=2).argmax(axis=1)
        order = np.argsort(treatment, kind="stable")
        treatment, cells, before = treatment[order], [], 0
        for grouping in layout.groupings:
            cells.append(before + data[f"group_{grouping.stem}"][order] * len(contrasts) + treatment)
            before += len(grouping.labels) * len(contrasts)
        table, numbers = table_of(self.parts)
        scalars = [
            len(self.start),
            data["unit_information_sd"],
            rows.centre,
            rows.constant,
            rows.law == "logit",
        ]
        return {
            "table": table, "numbers": numbers, "turn": turn, "estimate": estimate, "error": error,
            "pointer": matrix.indptr, "index": matrix.indices, "value": matrix.data,
            "columns": np.pad(data["columns"][order], ((0, 0), (0, self._width - len(layout.columns)))),
            "starts": np.searchsorted(treatment, np.arange(len(contrasts) + 1)),
            "cells": np.array(cells, dtype=np.int64).reshape(len(cells), len(order)).T,
            "events": rows.events[order],
            "weight": np.empty(0) if (rows.weight == 1).all() else rows.weight[order],
            "scalars": np.array(scalars),
        }  # fmt: skip

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
