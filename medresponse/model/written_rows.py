"""Models of rows whose likelihood is written out, as their parts and what one pass over the rows reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from medresponse.families import (
    Arrays,
    CanonicalRows,
    OrdinalRows,
    PiecewiseRows,
    RowLikelihood,
    Rowwise,
    WeibullRows,
    centred_walk,
)
from medresponse.features import Layout
from medresponse.model.row_tiles import BLOCK, HELD, Blocks, Coding, coding
from medresponse.model.written_parts import Part, entries, rooms, sampled, table_of

type Rows = CanonicalRows | OrdinalRows | WeibullRows | PiecewiseRows


@dataclass(frozen=True)
class Tail:
    """A family's own parameters, which follow the coefficients.

    Parameters
    ----------
    law : str
        ``canonical``, ``ordinal``, ``weibull`` or ``piecewise``: `families.CanonicalRows`, `OrdinalRows`, `WeibullRows`,
        `PiecewiseRows`.
    variables, made : tuple of (str, tuple of int)
        Names and shapes of the variables, and of what is made of them.
    start : tuple of float
        Where chains begin, on the unconstrained scale.
    """

    law: str
    variables: tuple[tuple[str, tuple[int, ...]], ...]
    made: tuple[tuple[str, tuple[int, ...]], ...]
    start: tuple[float, ...]


def tail_of(rows: RowLikelihood, layout: Layout) -> Tail:
    """Return the parameters that a likelihood has besides the coefficients."""
    if isinstance(rows, PiecewiseRows):
        return _piecewise_tail(rows, layout)
    if isinstance(rows, OrdinalRows):
        cuts = len(rows.in_category) - 1
        start = tuple(-math.log(left) for left in range(cuts, 0, -1))  # the means of their beta priors
        return Tail("ordinal", (("share", (cuts,)),), (("cuts", (cuts,)),), start)
    if isinstance(rows, WeibullRows):
        median, sigma = rows.shape.mu, rows.shape.sigma
        variables = (("shape", ()), ("mean", ()))
        return Tail("weibull", variables, (("alpha", ()), ("log_scale", ())), (median + sigma**2 / 2, 0.0))
    return Tail("canonical", (("mean", ()),), (("alpha", ()), ("intercept", ())), (0.0,))


def _piecewise_tail(rows: PiecewiseRows, layout: Layout) -> Tail:
    intervals, contrasts = rows.exposure.shape[1], layout.n_contrasts
    what, made_of_it, size = ("along", "steps", intervals - 1) if rows.walk else ("means", "level", intervals)
    variables = [("mean", ()), ("baseline_step", ()), (f"baseline_{what}", (size,))]
    start = [0.0, math.log(rows.baseline_sigma), *size * [0.0]]
    if rows.treatment_sigma and contrasts:
        variables += [("treatment_steps", (contrasts, intervals - 1)), ("treatment_step", ())]
        start += [*contrasts * (intervals - 1) * [0.0], math.log(rows.treatment_sigma)]
    made = (
        ("alpha", ()),
        (f"baseline_{made_of_it}", (size,)),
        ("log_hazard", (len(layout.contrasts), intervals)),
    )
    return Tail("piecewise", tuple(variables), made, tuple(start))


@dataclass(frozen=True, kw_only=True)
class WrittenRows:
    """A model as its parts, and the rows' likelihood.

    Parameters
    ----------
    parts : tuple of Part
        Together they hold every coefficient once.
    layout : Layout
    family : Rowwise
    tail : Tail
    """

    parts: tuple[Part, ...]
    layout: Layout
    family: Rowwise
    tail: Tail

    @property
    def start(self) -> tuple[float, ...]:
        """Where chains begin, before jitter, on the unconstrained scale."""
        return (*(v for part in self.parts for v in part.start), *self.tail.start)

    @property
    def quantities(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes of what is kept of a draw, but for the log density of the priors: variables, then what they make."""
        count = sum(len(part.rows) for part in self.parts)
        every = [variable for part in self.parts for variable in part.variables]
        return (*every, *self.tail.variables, ("coefficients", (count,)), *self.tail.made)

    def arrange(self, data: Arrays) -> dict[str, np.ndarray]:
        """Return what the written density reads, from a data set of the design.

        Rows come treatment by treatment; those alike in treatment, groups and columns (and time) are one, with the sums of their
        events and of their weights or exposures, where no more than half differ. What multiplies them is linear in the sampled
        coefficients: coefficients of columns (treatment, column), levels (treatment,), and a table of groups x treatments, one
        after the other.

        Returns
        -------
        dict
            ``table``, ``numbers``, ``turn``, ``turned``, ``informed``, ``df``, ``room``: as in `WrittenOut.arrange`. ``pointer``, ``index``, ``value``: the
            matrix from sampled coefficients to what multiplies the rows, compressed by rows; ``ways``: room for these and for
            the derivatives in them. Rows come in blocks
            (`row_tiles`): ``columns``, shape (block, column, row of the block), last the log times of a Weibull likelihood;
            ``codes``, the coarse columns, the same; ``held``, room for them and more; ``starts``: the first block of each treatment, and the number of blocks;
            ``filled``: rows of each block. ``cells``: places in the table, behind which come the cut points of an ordinal
            outcome, shape (block, grouping and cut point, row of the block). ``events``: shape (block, row of the block).
            ``means`` over patients of what multiplies the sampled coefficients, shape (coefficient,); none of an ordinal outcome.
            ``scalars``: number of parameters and unit information; the rest, and more arrays, are those of `_own`.
        """
        layout, rows, before = self.layout, self._rows(data), 0
        turn, estimate, error = sampled(self.parts, data)
        patient, treatment = _patient(rows), self._treatment(data)
        alike = self._alike(data, rows)
        number = np.arange(len(patient)) if alike is None else alike
        kept = np.unique(number, return_index=True)[1]
        order = np.argsort(treatment[patient[kept]], kind="stable")
        kept, number = kept[order], np.argsort(order)[number]
        own, n_treatments, cells = patient[kept], len(layout.contrasts), []
        for grouping in layout.groupings:
            cells.append(before + data[f"group_{grouping.stem}"][own] * n_treatments + treatment[own])
            before += len(grouping.labels) * n_treatments
        if isinstance(rows, OrdinalRows):
            cells.append(before + rows.cut[kept])
        blocks = Blocks(np.searchsorted(treatment[own], np.arange(n_treatments + 1)))
        columns = data["columns"][own]
        if isinstance(rows, WeibullRows):
            columns = np.column_stack([columns, rows.time[kept]])
        coded = coding(columns, more=self._beside)
        matrix = csr_array(
            coded.multipliers(columns.shape[1], n_treatments, before + self._cuts)
            @ csr_array(self._spread() @ turn)
        )
        table, numbers = table_of(self.parts)
        more = self._own(rows, number, treatment, blocks, coded)
        if not isinstance(rows, OrdinalRows):
            groups = [data[f"group_{grouping.stem}"] for grouping in layout.groupings]
            more["means"] = layout.means(data["columns"], data["contrast"], groups) @ turn
        scalars = [len(self.start), float(data["unit_information_sd"]), *more["scalars"]]
        return {
            "table": table, "numbers": numbers, **entries(turn), **rooms(self.parts, len(self.start), estimate, error),
            "pointer": matrix.indptr, "index": matrix.indices, "value": matrix.data,
            "ways": np.zeros((2, matrix.shape[0])),
            "columns": blocks.of(columns[:, coded.plain]), "codes": blocks.of(coded.codes),
            "held": np.zeros((HELD + len(coded.coded), BLOCK)),
            "starts": blocks.first, "filled": blocks.filled,
            "cells": blocks.of(np.array(cells, dtype=np.int64).reshape(len(cells), len(kept)).T),
            "events": blocks.of(np.bincount(number, rows.events)),
        } | more | {"scalars": np.array(scalars)}  # fmt: skip

    def _own(
        self, rows: Rows, number: np.ndarray, treatment: np.ndarray, blocks: Blocks, coded: Coding
    ) -> dict[str, np.ndarray]:
        """Return what a kind of likelihood reads besides, and the last of ``scalars``.

        But for piecewise hazards ``weight``, shape (block, row of the block), without blocks where all are 1. The scalars of
        canonical rows are centre, constant and 1 for the logit; those of Weibull rows centre, constant, number of events, column
        of times, and the prior's two numbers. An ordinal outcome has the prior's concentration, and ``in_category``, shape
        (category,).
        """
        if isinstance(rows, PiecewiseRows):
            return self._piecewise(rows, number, treatment, blocks)
        weight = np.bincount(number, None if isinstance(rows, OrdinalRows) else rows.weight).astype(float)
        own = {"weight": blocks.of(weight)[: 0 if (weight == 1).all() else None]}
        if isinstance(rows, OrdinalRows):
            return own | {"in_category": rows.in_category, "scalars": np.array([rows.concentration])}
        if isinstance(rows, WeibullRows):
            more = [rows.events.sum(), len(coded.plain) - 1, rows.shape.mu, rows.shape.sigma]
        else:
            more = [float(rows.law == "logit")]
        return own | {"scalars": np.array([rows.centre, rows.constant, *more])}

    def _piecewise(
        self, rows: PiecewiseRows, number: np.ndarray, treatment: np.ndarray, blocks: Blocks
    ) -> dict[str, np.ndarray]:
        """Return what a piecewise-exponential likelihood reads, and the last of ``scalars``.

        ``exposure``: shape (block, interval, row of the block). ``counts`` of events: shape (treatment, interval). ``walk``: from steps to intervals.
        ``directions`` of the baseline's steps, shape (step, step), and ``steps``, estimates and errors along them, shape (2, step); of
        exchangeable intervals shapes (0, 0) and, of nothing, (2, interval).
        ``contrasts``: shape (treatment, contrast). ``scalars``: centre, place of the first of the family's parameters, 1
        for a walk, scales of the priors of the two steps.
        """
        intervals, layout = rows.exposure.shape[1], self.layout
        exposure = np.zeros((number.max() + 1, intervals))
        counts = np.zeros((len(layout.contrasts), intervals))
        np.add.at(exposure, number, rows.exposure)
        np.add.at(counts, (treatment[rows.happened], rows.within), 1.0)
        sigmas = rows.baseline_sigma, rows.treatment_sigma * (layout.n_contrasts > 0)
        scalars = [rows.centre, len(self.start) - len(self.tail.start), float(rows.walk is not None), *sigmas]
        return {
            "exposure": blocks.of(exposure), "counts": counts, "walk": centred_walk(intervals - 1),
            "directions": np.zeros((0, 0)) if rows.walk is None else rows.walk.directions,
            "steps": np.zeros((2, intervals)) if rows.walk is None else np.array([rows.walk.estimate, rows.walk.error]),
            "contrasts": layout.contrast_matrix, "scalars": np.array(scalars),
        }  # fmt: skip

    def notes(self, data: Arrays) -> tuple[str, ...]:
        """Return in words whether the rows of a data set are collapsed."""
        alike = self._alike(data, self._rows(data))
        if alike is None:
            return ("rows left as they are: more than half of them differ",)
        return (f"{len(alike)} rows collapsed exactly to {alike.max() + 1} that differ, with weights",)

    def _rows(self, data: Arrays) -> Rows:
        rows = self.family.rows(data)
        assert isinstance(rows, CanonicalRows | OrdinalRows | WeibullRows | PiecewiseRows)
        return rows

    def _treatment(self, data: Arrays) -> np.ndarray:
        contrasts = self.layout.contrast_matrix
        return (data["contrast"][:, None, :] == contrasts[None]).all(axis=2).argmax(axis=1)

    def _alike(self, data: Arrays, rows: Rows) -> np.ndarray | None:
        """Return which rows have the same predictor whatever the parameters, None where more than half differ."""
        groups = [data[f"group_{grouping.stem}"] for grouping in self.layout.groupings]
        keys, patient = [self._treatment(data), *groups, *data["columns"].T], _patient(rows)
        apart = [rows.time] if isinstance(rows, WeibullRows) else []
        apart += [rows.cut] if isinstance(rows, OrdinalRows) else []
        return numbered([*apart, *(key[patient] for key in keys)])

    @property
    def _beside(self) -> int:
        """Columns besides those of the layout."""
        return int(self.tail.law == "weibull")

    @property
    def _cuts(self) -> int:
        """Cut points, of an ordinal outcome."""
        return len(self.tail.start) if self.tail.law == "ordinal" else 0

    def _spread(self) -> np.ndarray:
        """Return the matrix from the layout's coefficients to what multiplies the rows."""
        layout, parts = self.layout, self.layout.slices
        width = len(layout.columns) + self._beside
        k = len(layout.contrasts)
        groups = [len(grouping.labels) for grouping in layout.groupings]
        matrix = np.zeros((k * (width + 1 + sum(groups)) + self._cuts, layout.n_coefficients))
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


def _patient(rows: Rows) -> np.ndarray:
    """Return whose rows they are, shape (row,)."""
    return rows.patient if isinstance(rows, WeibullRows | OrdinalRows) else np.arange(len(rows.events))


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
