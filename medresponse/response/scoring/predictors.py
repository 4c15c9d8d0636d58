"""Linear predictors of a tile of patients: the mean over draws in float64, what each draw adds to it in float32.

What is rounded to float32 is of the size of the posterior's spread, not of the predictor. Every product of matrices has
the same shape, one in which each of its rows is computed alike, so that a patient's digits depend neither on who else is scored nor
on threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from medresponse.features import Grouping
from medresponse.response.predict import (
    COMPLETIONS_EACH,
    GroupDraws,
    Patients,
    completion_of_draw,
    draw_completions,
    linear_predictors,
)

if TYPE_CHECKING:
    from medresponse.inference import Fit

LEAST, MOST = 64, 512  # patients in one product of matrices
TILE_NUMBERS = 2**20  # draws under all treatments that a tile of more than the least may have (4 MB)
_COMPLETED_NUMBERS = 2_000_000  # of completed features that a tile may hold (16 MB)
_REMEMBERED_NUMBERS = 8_000_000  # of draws of groups that are kept (32 MB)

_FEW = (16, 8, 4)  # rows of a product where those of a larger one are not computed alike
_PROBED = (
    4000  # numbers looked at, of which one in a hundred or more differ where rows are not computed alike
)

type _Split = tuple[np.ndarray, np.ndarray]  # means over draws in float64, what each draw adds in float32
type Effects = tuple[_Split, _Split]  # levels (group, treatment) and slopes (group, slope), draws last


@dataclass(frozen=True)
class Predictor:
    """A line of some patients: ``center + deviation``, and what their groups add to both.

    The draws of groups are added where the sum is used, while it is in the cache.

    Parameters
    ----------
    center : numpy.ndarray
        Mean over draws, shape (patient, treatment), float64.
    deviation : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    group : numpy.ndarray
        Each patient's place in `effects`.
    x : numpy.ndarray
        What slopes of groups multiply, shape (patient, slope).
    effects : tuple of tuple of numpy.ndarray
        Levels and slopes of groups, each as a mean and what draws add: (group, treatment), (group, treatment, draw),
        (group, slope), (group, slope, draw).
    """

    center: np.ndarray
    deviation: np.ndarray
    group: np.ndarray
    x: np.ndarray
    effects: Effects


def ungrouped(center: np.ndarray, deviation: np.ndarray) -> Predictor:
    """Return a line to which groups add nothing."""
    (n, n_treatments), n_draws = center.shape, deviation.shape[-1]
    nothing = tuple(
        (np.zeros((1, width)), np.zeros((1, width, n_draws), dtype=np.float32)) for width in (n_treatments, 0)
    )
    return Predictor(center, deviation, np.zeros(n, dtype=int), np.empty((n, 0)), cast(Effects, nothing))


@dataclass(frozen=True)
class Tile:
    """Patients that are scored together: all complete, or all with features missing or inexact.

    Parameters
    ----------
    patients : Patients
        Among whom they are.
    rows : numpy.ndarray
        Their positions.
    size : int
        How many patients a product of matrices is made for at most, whoever is in the tile.
    complete : bool
        Whether they lack nothing and were measured without error.
    groups : dict of str to numpy.ndarray
        Each patient's group by each grouping column: its position among those of the fit, -1 for a new one.
    """

    patients: Patients
    rows: np.ndarray
    size: int
    complete: bool
    groups: dict[str, np.ndarray]

    @property
    def codes(self) -> np.ndarray:
        """Codes (patient, feature), which are not copied where the patients stand side by side."""
        first, end = self.rows[0], self.rows[-1] + 1
        return (
            self.patients.codes[first:end]
            if end - first == len(self.rows)
            else self.patients.codes[self.rows]
        )

    def rows_where(self, keep: np.ndarray) -> Patients:
        """Return some of the patients on their own, without what is remembered of others."""
        return replace(self.patients.rows(self.rows[keep].tolist()), completions={})


def tile_size(fit: Fit) -> int:
    """Return how many complete patients make a tile where responses have a link; the fit alone decides."""
    fits = TILE_NUMBERS // (len(fit.treatments) * fit.n_draws)
    return max(LEAST, min(MOST, 1 << fits.bit_length() >> 1))


def tiles(fit: Fit, patients: Patients, size: int) -> Iterator[Tile]:
    """Yield all patients in tiles of at most `size`."""
    uncertain = patients.uncertain
    groups = {g.column: g.index(patients.groups[g.column]) for g in fit.layout.groupings}

    for complete, most in ((True, size), (False, _most_completed(fit))):
        every = np.flatnonzero(uncertain != complete)
        for start in range(0, len(every), most):
            rows = every[start : start + most]
            yield Tile(patients, rows, most, complete, {column: own[rows] for column, own in groups.items()})


def _most_completed(fit: Fit) -> int:
    """Return how many patients with missing features make a tile; the fit alone decides."""
    each = fit.imputer.imputations * COMPLETIONS_EACH * max(len(fit.layout.columns), 1)
    return max(1, min(LEAST, 1 << (_COMPLETED_NUMBERS // each).bit_length() >> 1))


def rows_alike(size: int, means: np.ndarray, slopes: np.ndarray) -> int:
    """Return how many rows a product with these matrices has, `size` or few, so that all of them are computed alike.

    Kernels of BLAS libraries take several rows at once, and on some processors round the first of them otherwise than the others.
    Seen from products that change with the order of the rows.

    Parameters
    ----------
    size : int
        Rows that are needed in all.
    means : numpy.ndarray
        Shape (column, treatment), float64.
    slopes : numpy.ndarray
        Shape (column + 1, treatment and draw), float32.
    """
    few = (rows for rows in _FEW if rows < size)
    return next((rows for rows in (size, *few) if _alike(rows, slopes) and _alike(rows, means)), 1)


def _alike(rows: int, matrix: np.ndarray) -> bool:
    """Say whether rows have the same products, to the last digit, in whatever order they stand."""
    rng, several = np.random.default_rng(0), -(-_PROBED // (rows * matrix.shape[1]))
    drawn = rng.standard_normal((several, rows, len(matrix))).astype(matrix.dtype)
    order = rng.permutation(rows)
    return np.array_equal(np.take(drawn @ matrix, order, axis=1), np.take(drawn, order, axis=1) @ matrix)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line in one of the linear predictors, ``shift + factor * eta``, draw by draw.

    Parameters
    ----------
    fit : Fit
    predictor : int
        Position among the fit's linear predictors.
    shift : numpy.ndarray
        Shape (draw,) or (treatment, draw).
    factor : numpy.ndarray
        Shape (draw,).
    seed : int
        As in `linear_predictors`.
    """

    fit: Fit
    predictor: int
    shift: np.ndarray
    factor: np.ndarray
    seed: int
    _new: dict[tuple[str, str], Effects] = field(default_factory=dict, init=False)
    _rows: dict[tuple[int, int], int] = field(default_factory=dict, init=False)

    def at(self, tile: Tile) -> Predictor:
        """Return the line of the patients of a tile."""
        fit, groupings = self.fit, self.fit.layout.groupings
        if tile.complete:
            columns = fit.encoding.columns(tile.codes)
            slopes = self._slopes[1].reshape(columns.shape[1] + 1, -1)
            center, deviation = self._product(columns, tile.size, slopes)
            if fit.forests is not None:
                mean, own = _split(self.factor * self._sums(columns))
                center += mean
                deviation += own
        elif fit.forests is not None or any(grouping.slopes for grouping in groupings):
            return ungrouped(*_split(self._one_by_one(tile)))
        else:
            columns = np.empty((len(tile.rows), 0))
            center, deviation = self._completed(tile)
        if not groupings:
            return ungrouped(center, deviation)
        group, effects = _joint([self._groups_of(grouping, tile) for grouping in groupings])
        x = np.ascontiguousarray(
            columns[:, [position for grouping in groupings for position in grouping.slopes]]
        )
        return Predictor(center, deviation, group, x, effects)

    @cached_property
    def _slopes(self) -> _Split:
        """Of the line in each column, and last its constant: (column, treatment) and (column, treatment, draw)."""
        layout, draws = self.fit.layout, self.fit.coefficient_draws()[self.predictor].T
        parts, n_draws = layout.slices, draws.shape[1]
        by_contrast = layout.n_contrasts, len(layout.modifiers) * n_draws
        modifier = np.ascontiguousarray(draws[parts["modifier"]]).reshape(by_contrast)
        shape = (len(layout.columns) + 1, len(self.fit.treatments))
        means, deviations = np.empty(shape), np.empty((*shape, n_draws), dtype=np.float32)
        for k, contrasts in enumerate(layout.contrast_matrix):
            line = np.empty((shape[0], n_draws))
            line[:-1] = draws[parts["prognostic"]]
            line[list(layout.modifiers)] += (contrasts @ modifier).reshape(-1, n_draws)
            line[-1] = contrasts @ draws[parts["treatment"]]
            line *= self.factor
            line[-1] += np.broadcast_to(self.shift, (shape[1], n_draws))[k]
            means[:, k], deviations[:, k] = _split(line)
        return means, deviations

    def _product(self, columns: np.ndarray, size: int, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and deviations of columns (patient, column) from slopes (column, treatment and draw)."""
        n, p = columns.shape
        means, key = self._slopes[0], (size, slopes.shape[1])
        if key not in self._rows:  # of this run: in another one BLAS may take another number of threads
            self._rows[key] = rows_alike(size, means[:-1], slopes)
        rows = self._rows[key]
        stack = (-(-n // rows), rows)
        single = np.ones((*stack, p + 1), dtype=np.float32)
        double = np.zeros((stack[0] * rows, p))
        double[:n] = columns
        single[..., :-1] = double.reshape(*stack, p)
        center = (double.reshape(*stack, p) @ means[:-1] + means[-1]).reshape(len(double), -1)
        return center[:n], (single @ slopes).reshape(*center.shape, -1)[:n]

    def _completed(self, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and deviations of patients with missing features.

        Completions are dealt out over draws as in `linear_predictors`: the draws that share one are one product.
        """
        fit = self.fit
        codes = draw_completions(fit, tile.patients, tile.rows, self.seed)
        columns = fit.encoding.columns(codes)
        dealt, products = self._dealt
        centers = np.zeros((len(columns), columns.shape[1], len(fit.treatments)))
        deviation = np.empty((len(columns), len(fit.treatments), fit.n_draws), dtype=np.float32)
        for c, draws, slopes in products:
            centers[:, c], deviation[..., draws] = self._product(columns[:, c], tile.size, slopes)
        shares = np.bincount(dealt, minlength=columns.shape[1]) / fit.n_draws
        center = np.ascontiguousarray(np.einsum("c,ick->ik", shares, centers))
        deviation += np.moveaxis((centers - center[:, None]).astype(np.float32), 1, 2)[..., dealt]
        return center, deviation

    @cached_property
    def _dealt(self) -> tuple[np.ndarray, list[tuple[int, np.ndarray, np.ndarray]]]:
        """Completion of each draw, and each completion with its draws and their slopes as one product wants them."""
        dealt = completion_of_draw(self.fit, self.fit.imputer.imputations * COMPLETIONS_EACH)
        slopes, found = self._slopes[1], []
        for c in np.unique(dealt).tolist():
            draws = np.flatnonzero(dealt == c)
            found.append((c, draws, np.ascontiguousarray(slopes[..., draws]).reshape(len(slopes), -1)))
        return dealt, found

    def _one_by_one(self, tile: Tile) -> np.ndarray:
        """Return the line in every draw, (patient, treatment, draw), as it is computed for a few patients."""
        few = tile.rows_where(np.ones(len(tile.rows), dtype=bool))
        parts = [eta for _, eta in linear_predictors(self.fit, few, seed=self.seed)]
        if len(self.fit.predictors) > 1:
            parts = [eta[self.predictor] for eta in parts]
        return self.shift + self.factor * np.concatenate(parts)

    def _sums(self, columns: np.ndarray) -> np.ndarray:
        """Return sums of trees and hinges, (patient, treatment, draw)."""
        prognosis, effects = self.fit.forest_values(columns)
        return prognosis[:, None] + np.einsum("kr,irs->iks", self.fit.layout.contrast_matrix, effects)

    def _groups_of(self, grouping: Grouping, tile: Tile) -> tuple[np.ndarray, Effects]:
        """Return each patient's group and the effects of all: those of the fit, or those of the tile if some are new."""
        group, known = tile.groups[grouping.column], self._of_fit[grouping.column]
        new = group < 0
        if not new.any():
            return group, known
        used, own = np.unique(group[~new], return_inverse=True)
        labels = [tile.patients.groups[grouping.column][row] for row in tile.rows[new].tolist()]
        unseen = {label: len(used) + i for i, label in enumerate(dict.fromkeys(labels))}
        found = np.empty_like(group)
        found[~new], found[new] = own, [unseen[label] for label in labels]
        return found, _stacked([_some(known, used), *(self._unseen(grouping, label) for label in unseen)])

    @cached_property
    def _of_fit(self) -> dict[str, Effects]:
        """Effects of all groups that the fit knows, by grouping column."""
        groupings = self.fit.layout.groupings
        return {grouping.column: self._effects(*self._groups.of_fit(grouping)) for grouping in groupings}

    def _unseen(self, grouping: Grouping, label: str) -> Effects:
        """Return the effects of a group that the fit does not know; those of many are remembered."""
        key = (grouping.column, label)
        if (found := self._new.get(key)) is None:
            found = self._effects(*(part[None] for part in self._groups.look_up(grouping, label)))
            if len(self._new) * found[0][1].size >= _REMEMBERED_NUMBERS:
                self._new.clear()
            self._new[key] = found
        return found

    def _effects(self, intercept: np.ndarray, slopes: np.ndarray, treatment: np.ndarray) -> Effects:
        """Return effects from intercepts (group, draw), slopes (group, slope, draw) and effects (group, contrast, draw)."""
        level = intercept[:, None] + np.matmul(self.fit.layout.contrast_matrix, treatment)
        return _split(self.factor * level), _split(self.factor * slopes)

    def prepare(self, *, completes: bool) -> None:
        """Compute what all tiles share, before threads ask for it at once."""
        _ = self._slopes, self._of_fit
        if completes:
            _ = self._dealt

    @cached_property
    def _groups(self) -> GroupDraws:
        coefficients = self.fit.coefficient_draws()[self.predictor]
        return GroupDraws(self.fit, coefficients, self.seed, self.fit.predictors[self.predictor])


def _some(effects: Effects, rows: np.ndarray) -> Effects:
    """Return the effects of some groups."""
    (levels, level_draws), (slopes, slope_draws) = effects
    return (levels[rows], level_draws[rows]), (slopes[rows], slope_draws[rows])


def _stacked(several: list[Effects]) -> Effects:
    """Return the effects of groups of several tables as one table."""
    levels, slopes = zip(*several, strict=True)
    return (
        (np.concatenate([mean for mean, _ in levels]), np.concatenate([draws for _, draws in levels])),
        (np.concatenate([mean for mean, _ in slopes]), np.concatenate([draws for _, draws in slopes])),
    )


def _joint(groupings: list[tuple[np.ndarray, Effects]]) -> tuple[np.ndarray, Effects]:
    """Return groups by one or more groupings as groups by all of them: levels are added, slopes stand side by side."""
    if len(groupings) == 1:
        return groupings[0]
    every, group = np.unique(np.column_stack([own for own, _ in groupings]), axis=0, return_inverse=True)
    parts = [_some(effects, every[:, j]) for j, (_, effects) in enumerate(groupings)]
    levels, slopes = zip(*parts, strict=True)
    return group.ravel(), (
        (sum(mean for mean, _ in levels), sum(draws for _, draws in levels)),
        (
            np.concatenate([mean for mean, _ in slopes], axis=1),
            np.concatenate([draws for _, draws in slopes], axis=1),
        ),
    )


def _split(values: np.ndarray) -> _Split:
    """Return the mean over draws, the last dim, in float64, and what each draw adds to it in float32.

    Both are in C order, for which machine code is made: other code is made for another order, and may round otherwise.
    """
    mean = np.ascontiguousarray(values.mean(axis=-1))
    return mean, (values - mean[..., None]).astype(np.float32, order="C")
