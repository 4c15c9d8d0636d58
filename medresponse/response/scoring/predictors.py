"""Linear predictors of a tile of patients: the mean over draws in float64, what each draw adds to it in float32.

What is rounded to float32 is of the size of the posterior's spread, not of the predictor. Every product of matrices has
the same shape, so that a patient's digits depend neither on who else is scored nor on threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

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

TILE = 64  # patients in one product of matrices: their draws stay in the processor's cache
_COMPLETED_NUMBERS = 2_000_000  # of completed features that a tile may hold (16 MB)
_REMEMBERED_NUMBERS = 8_000_000  # of draws of groups that are kept (32 MB)

type _Split = tuple[np.ndarray, np.ndarray]  # means over draws in float64, what each draw adds in float32


@dataclass(frozen=True)
class Tile:
    """Patients that are scored together: all complete, or all with features missing or inexact.

    Parameters
    ----------
    patients : Patients
        Among whom they are.
    rows : numpy.ndarray
        Their positions.
    columns : numpy.ndarray or None
        Feature columns (patient, column) of complete patients.
    """

    patients: Patients
    rows: np.ndarray
    columns: np.ndarray | None

    def labels(self, column: str) -> list[str]:
        """Return each patient's group by a grouping column."""
        groups = self.patients.groups[column]
        return [groups[row] for row in self.rows]

    def rows_where(self, keep: np.ndarray) -> Patients:
        """Return some of the patients on their own, without what is remembered of others."""
        return replace(self.patients.rows(self.rows[keep].tolist()), completions={})


def tiles(fit: Fit, patients: Patients) -> Iterator[Tile]:
    """Yield all patients in tiles."""
    uncertain = patients.uncertain
    whole, partial = np.flatnonzero(~uncertain), np.flatnonzero(uncertain)
    columns = fit.encoding.columns(patients.codes[whole])
    for start in range(0, len(whole), TILE):
        own = slice(start, start + TILE)
        yield Tile(patients, whole[own], columns[own])
    size = _most_completed(fit)
    for start in range(0, len(partial), size):
        yield Tile(patients, partial[start : start + size], None)


def _most_completed(fit: Fit) -> int:
    """Return how many patients with missing features make a tile; the fit alone decides."""
    each = fit.imputer.imputations * COMPLETIONS_EACH * max(len(fit.layout.columns), 1)
    return int(np.clip(_COMPLETED_NUMBERS // each, 1, TILE))


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
    _known: dict[tuple[str, str], tuple[_Split, _Split]] = field(default_factory=dict, init=False)

    def at(self, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
        """Return the line of the patients of a tile.

        Returns
        -------
        center : numpy.ndarray
            Shape (patient, treatment), float64.
        deviation : numpy.ndarray
            Shape (patient, treatment, draw), float32.
        """
        fit, groupings, columns = self.fit, self.fit.layout.groupings, tile.columns
        if columns is not None:
            center, deviation = self._product(
                columns, TILE, self._slopes[1].reshape(columns.shape[1] + 1, -1)
            )
            if fit.forests is not None:
                mean, own = _split(self.factor * self._sums(columns))
                center += mean
                deviation += own
        elif fit.forests is not None or any(grouping.slopes for grouping in groupings):
            return _split(self._one_by_one(tile))
        else:
            columns = np.empty((len(tile.rows), 0))
            center, deviation = self._completed(tile)
        for grouping in groupings:
            self._add_groups(grouping, tile.labels(grouping.column), columns, center, deviation)
        return center, deviation

    @cached_property
    def _slopes(self) -> _Split:
        """Of the line in each column, and last its constant: (column, treatment) and (column, treatment, draw)."""
        layout, coefficients = self.fit.layout, self.fit.coefficient_draws()[self.predictor]
        parts, r = layout.slices, layout.n_contrasts
        modifier = coefficients[:, parts["modifier"]].reshape(len(coefficients), r, len(layout.modifiers))
        shape = (len(layout.columns) + 1, len(self.fit.treatments))
        means, deviations = np.empty(shape), np.empty((*shape, len(coefficients)), dtype=np.float32)
        for k, contrasts in enumerate(layout.contrast_matrix):
            line = np.empty((shape[0], len(coefficients)))
            line[:-1] = coefficients[:, parts["prognostic"]].T
            line[list(layout.modifiers)] += np.einsum("r,srp->ps", contrasts, modifier)
            line[-1] = coefficients[:, parts["treatment"]] @ contrasts
            line *= self.factor
            line[-1] += np.broadcast_to(self.shift, (shape[1], len(coefficients)))[k]
            means[:, k], deviations[:, k] = _split(line)
        return means, deviations

    def _product(self, columns: np.ndarray, size: int, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and deviations of columns (patient, column) from slopes (column, treatment and draw)."""
        padded = np.zeros((size, columns.shape[1] + 1))
        padded[: len(columns), :-1], padded[:, -1] = columns, 1.0
        center, deviation = padded @ self._slopes[0], padded.astype(np.float32) @ slopes
        return center[: len(columns)], deviation.reshape(*center.shape, -1)[: len(columns)]

    def _completed(self, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and deviations of patients with missing features.

        Completions are dealt out over draws as in `linear_predictors`: the draws that share one are one product.
        """
        fit, size = self.fit, _most_completed(self.fit)
        codes = draw_completions(fit, tile.patients, tile.rows, self.seed)
        columns = fit.encoding.columns(codes)
        dealt, products = self._dealt
        centers = np.zeros((len(columns), columns.shape[1], len(fit.treatments)))
        deviation = np.empty((len(columns), len(fit.treatments), fit.n_draws), dtype=np.float32)
        for c, draws, slopes in products:
            centers[:, c], deviation[..., draws] = self._product(columns[:, c], size, slopes)
        shares = np.bincount(dealt, minlength=columns.shape[1]) / fit.n_draws
        center = np.einsum("c,ick->ik", shares, centers)
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

    def _add_groups(
        self,
        grouping: Grouping,
        labels: list[str],
        columns: np.ndarray,
        center: np.ndarray,
        deviation: np.ndarray,
    ) -> None:
        """Add the effects of patients' groups to centres and deviations, in place."""
        found = [self._group(grouping, label) for label in labels]
        center += np.array([level[0] for level, _ in found])
        for own, (level, _) in zip(deviation, found, strict=True):
            own += level[1]
        for j, position in enumerate(grouping.slopes):
            x = columns[:, position]
            center += (x * np.array([slopes[0][j] for _, slopes in found]))[:, None]
            for own, (_, slopes), value in zip(deviation, found, x.astype(np.float32), strict=True):
                own += value * slopes[1][j]

    def _group(self, grouping: Grouping, label: str) -> tuple[_Split, _Split]:
        """Return the level (treatment, draw) and the slopes (slope, draw) of one group, split."""
        key = (grouping.column, label)
        if (known := self._known.get(key)) is not None:
            return known
        intercept, slopes, treatment = self._groups.look_up(grouping, label)
        level = intercept + self.fit.layout.contrast_matrix @ treatment
        found = _split(self.factor * level), _split(self.factor * slopes)
        if len(self._known) * found[0][1].size >= _REMEMBERED_NUMBERS:
            self._known.clear()
        self._known[key] = found
        return found

    def prepare(self) -> None:
        """Compute what all tiles share, before threads ask for it at once."""
        _ = self._slopes, self._groups, self._dealt

    @cached_property
    def _groups(self) -> GroupDraws:
        coefficients = self.fit.coefficient_draws()[self.predictor]
        return GroupDraws(self.fit, coefficients, self.seed, self.fit.predictors[self.predictor])


def _split(values: np.ndarray) -> _Split:
    """Return the mean over draws, the last dim, in float64, and what each draw adds to it in float32."""
    mean = values.mean(axis=-1)
    return mean, (values - mean[..., None]).astype(np.float32)
