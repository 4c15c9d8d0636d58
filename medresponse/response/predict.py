"""Linear predictors of new patients from saved draws: numpy only, chunk by chunk.

A patient with missing features is scored on many completions of them, dealt out over the posterior draws, so
that what is not known widens the interval. A patient of a site that training never saw gets, in each draw, a
new site effect from its population (one for all patients of that site).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.rng import stream
from medresponse.features import Grouping, group_labels

if TYPE_CHECKING:
    from medresponse.inference import Fit

COMPLETIONS_EACH = 40
_REMEMBERED_NUMBERS = 64_000_000  # of completions that are kept (512 MB)
_CHUNK_NUMBERS = 4_000_000  # patient x treatment x draw numbers held at once (32 MB)


@dataclass(frozen=True)
class Patients:
    """Feature codes and group labels of the patients to be scored, rows in cohort order.

    `errors` are standard errors of measurement on the scale of codes, 0 where exact; None if no feature has one.
    `completions` remembers draws of missing features by seed and patient, so that several passes draw them once.
    """

    ids: tuple[str, ...]
    codes: np.ndarray
    groups: dict[str, tuple[str, ...]]
    errors: np.ndarray | None = None
    completions: dict[tuple[int, str], np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @functools.cached_property
    def position(self) -> dict[str, int]:
        """Row of each patient."""
        return {patient: row for row, patient in enumerate(self.ids)}

    @functools.cached_property
    def uncertain(self) -> np.ndarray:
        """Patients with a feature that is missing or measured with error, shape (patient,)."""
        missing = np.isnan(self.codes)
        missing = missing.any(axis=1) if missing.any() else np.zeros(len(missing), dtype=bool)
        return missing if self.errors is None else missing | (self.errors > 0).any(axis=1)

    def rows(self, positions: list[int]) -> Patients:
        """Return some patients, in the order given."""
        groups = {column: tuple(labels[i] for i in positions) for column, labels in self.groups.items()}
        errors = None if self.errors is None else self.errors[positions]
        ids = tuple(self.ids[i] for i in positions)
        return replace(self, ids=ids, codes=self.codes[positions], groups=groups, errors=errors)


def encode_patients(fit: Fit, cohort: Cohort) -> Patients:
    """Encode a cohort with what the fit learned from its training rows.

    Raises
    ------
    DataError
        If a column that the fit uses is absent, or declared with other levels or in another unit than in training.
    """
    here, learned = cohort.schema.feature_columns, fit.schema.feature_columns
    for feature in fit.encoding.features:
        declared = here.get(feature.name)
        if declared is None:
            continue
        if declared.level_names != feature.levels:
            raise DataError(
                f"column {feature.name}: its declared levels differ from those of the fit ({', '.join(feature.levels)}); "
                "read the patients with the schema the model was fitted with",
                code="unseen_category",
            )
        unit = learned[feature.name].unit
        if declared.unit != unit:
            raise DataError(
                f"column {feature.name}: its declared unit {declared.unit} is not that of the fit ({unit}); convert the values",
                code="wrong_unit",
            )
    codes = fit.encoding.codes(cohort)
    groups = {g.column: tuple(group_labels(g.column, cohort)) for g in fit.layout.groupings}
    return Patients(cohort.patients, codes, groups, fit.encoding.errors(cohort))


def linear_predictors(
    fit: Fit, patients: Patients, *, seed: int, values_each: int = 1
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, eta) chunk by chunk.

    `eta` has shape (patient, treatment, draw), or (predictor, patient, treatment, draw) where the family has
    several linear predictors.

    Parameters
    ----------
    fit : Fit
    patients : Patients
    seed : int
        Keys the completions of missing features and the effects of new groups, with the patient's id and the
        group's label: neither order nor chunking changes them.
    values_each : int
        Numbers that the caller makes of each entry of eta (times of a curve), so that chunks stay small.
    """
    every = [
        (coefficients, GroupDraws(fit, coefficients, seed, name))
        for name, coefficients in zip(fit.predictors, fit.coefficient_draws(), strict=True)
    ]
    contrasts = fit.layout.contrast_matrix  # (treatment, contrast)
    size = max(1, _CHUNK_NUMBERS // (len(fit.treatments) * fit.n_draws * values_each * len(every)))
    if patients.uncertain.any():
        size = min(size, _most_remembered(fit))
    for start in range(0, len(patients.ids), size):
        rows = slice(start, min(start + size, len(patients.ids)))
        etas = []
        for coefficients, group_draws in every:
            base, effects = _chunk(fit, patients, rows, coefficients, group_draws, seed)
            etas.append(base[:, None, :] + np.einsum("kr,irs->iks", contrasts, effects))
        yield rows, etas[0] if len(etas) == 1 else np.stack(etas)


def completed_columns(fit: Fit, patients: Patients, row: int, *, seed: int) -> np.ndarray:
    """Return the feature columns of one patient in each draw, (draw, column), or (1, column) if none is missing."""
    if not patients.uncertain[row]:
        return fit.encoding.columns(patients.codes[[row]])
    completions = _completions(fit, patients, np.array([row]), seed)[0]
    return fit.encoding.columns(completions[completion_of_draw(fit, len(completions))])


@dataclass(frozen=True)
class LinearParts:
    """The linear predictors of one patient, taken apart by feature column.

    Parameters
    ----------
    fit : Fit
    average : numpy.ndarray
        Predictors of the average training patient at this patient's site, without trees and hinges; shape (predictor,
        treatment, draw).
    by_column : numpy.ndarray
        What each column adds, shape (predictor, column, treatment, draw).
    columns : numpy.ndarray
        The patient's columns, (draw, column), or (1, column) where nothing is missing.
    """

    fit: Fit
    average: np.ndarray
    by_column: np.ndarray
    columns: np.ndarray

    def predictors(self, kept: np.ndarray) -> np.ndarray:
        """Return the predictors with some columns as they are, the others at the training averages.

        Parameters
        ----------
        kept : numpy.ndarray
            Shape (set of columns, column), True for the columns that are as they are.

        Returns
        -------
        numpy.ndarray
            As `linear_predictors` yields them, sets of columns in the place of patients.
        """
        etas = [
            average + np.tensordot(kept.astype(float), own, axes=1)
            for average, own in zip(self.average, self.by_column, strict=True)
        ]
        if self.fit.forests is not None:
            shared = len(self.columns) == 1
            columns = self.columns * kept if shared else self.columns[:, None, :] * kept
            prognosis, modification = self.fit.forest_values(columns)
            added = np.einsum("kr,irs->iks", self.fit.layout.contrast_matrix, modification)
            etas = [eta + prognosis[:, None, :] + added for eta in etas]
        return etas[0] if len(etas) == 1 else np.stack(etas)


def linear_parts(fit: Fit, patients: Patients, row: int, *, seed: int) -> LinearParts:
    """Take the linear predictors of one patient apart by feature column; see `linear_predictors`."""
    own, layout, parts = completed_columns(fit, patients, row, seed=seed), fit.layout, fit.layout.slices
    contrasts, modifiers = layout.contrast_matrix, list(layout.modifiers)
    r, averages, columns = layout.n_contrasts, [], []
    for name, coefficients in zip(fit.predictors, fit.coefficient_draws(), strict=True):
        groups = GroupDraws(fit, coefficients, seed, name)
        n, base, effects = len(coefficients), np.zeros(len(coefficients)), np.zeros((r, len(coefficients)))
        groups.add(patients, row, np.zeros((1, own.shape[1])), base, effects)
        effects += coefficients[:, parts["treatment"]].T
        averages.append(base + contrasts @ effects)
        slopes = coefficients[:, parts["prognostic"]] + groups.slopes(patients, row, own.shape[1])
        modifier = coefficients[:, parts["modifier"]].reshape(n, r, len(modifiers))
        added = np.repeat((own * slopes).T[:, None, :], len(contrasts), axis=1)  # (column, treatment, draw)
        added[modifiers] += np.einsum(
            "kr,srp,sp->pks",
            contrasts,
            modifier,
            np.broadcast_to(own, (n, own.shape[1]))[:, modifiers],
            optimize=True,
        )
        columns.append(added)
    return LinearParts(fit, np.stack(averages), np.stack(columns), own)


def _completions(fit: Fit, patients: Patients, rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return completions (completion, feature) of the named rows, each from its own patient's stream."""
    known = patients.completions
    new = [row for row in rows if (seed, patients.ids[row]) not in known]
    if new:
        if len(known) + len(new) > _most_remembered(fit):
            known.clear()
            new = list(rows)
        drawn = draw_completions(fit, patients, np.array(new), seed)
        known.update(zip(((seed, patients.ids[row]) for row in new), drawn, strict=True))
    return [known[seed, patients.ids[row]] for row in rows]


def draw_completions(fit: Fit, patients: Patients, rows: np.ndarray, seed: int) -> np.ndarray:
    """Return completed codes (row, completion, feature) of the named rows, each from its own patient's stream."""
    return fit.imputer.complete(
        fit.encoding,
        patients.codes[rows],
        each=COMPLETIONS_EACH,
        generators=[stream(seed, "features", patients.ids[row]) for row in rows],
        errors=None if patients.errors is None else patients.errors[rows],
        shifts=fit.encoding.code_shifts(fit.spec.missing.shifts),
    )


def _most_remembered(fit: Fit) -> int:
    """Return how many patients' completions may be held: few where there are thousands of features."""
    return max(
        1,
        _REMEMBERED_NUMBERS
        // (fit.imputer.imputations * COMPLETIONS_EACH * max(len(fit.encoding.features), 1)),
    )


def completion_of_draw(fit: Fit, completions: int) -> np.ndarray:
    """Deal completions out over draws: those of a draw's own imputation where there are several."""
    position = np.arange(fit.n_draws)
    if fit.provenance.imputations == fit.imputer.imputations:
        return fit.draw_imputation * COMPLETIONS_EACH + position % COMPLETIONS_EACH
    return position % completions


def _chunk(
    fit: Fit, patients: Patients, rows: slice, coefficients: np.ndarray, groups: GroupDraws, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return base (patient, draw) and effects (patient, contrast, draw)."""
    parts, layout = fit.layout.slices, fit.layout
    r, modifiers = layout.n_contrasts, list(layout.modifiers)
    prognostic = coefficients[:, parts["prognostic"]]
    treatment = coefficients[:, parts["treatment"]]
    modifier = coefficients[:, parts["modifier"]].reshape(len(coefficients), r, len(modifiers))
    codes = patients.codes[rows]
    whole = ~patients.uncertain[rows]
    base = np.empty((len(codes), len(coefficients)))
    effects = np.empty((len(codes), r, len(coefficients)))
    columns = fit.encoding.columns(codes[whole])
    base[whole] = columns @ prognostic.T
    effects[whole] = np.einsum("ip,srp->irs", columns[:, modifiers], modifier, optimize=True) + treatment.T
    if fit.forests is not None:
        prognosis, modification = fit.forest_values(columns)
        base[whole] += prognosis
        effects[whole] += modification
    for i, own in zip(np.flatnonzero(whole), columns, strict=True):
        groups.add(patients, rows.start + int(i), own[None], base[i], effects[i])
    partial = np.flatnonzero(~whole)
    completions = _completions(fit, patients, rows.start + partial, seed) if len(partial) else ()
    for i, completed in zip(partial, completions, strict=True):
        own = fit.encoding.columns(completed)[completion_of_draw(fit, len(completed))]
        base[i] = np.einsum("sp,sp->s", own, prognostic)
        effects[i] = np.einsum("sp,srp->rs", own[:, modifiers], modifier) + treatment.T
        if fit.forests is not None:
            prognosis, modification = fit.forest_values(own[:, None, :])
            base[i] += prognosis[0]
            effects[i] += modification[0]
        groups.add(patients, rows.start + int(i), own, base[i], effects[i])
    return base, effects


class GroupDraws:
    """Effects of groups by label; a group unseen in training gets new ones from its population."""

    def __init__(self, fit: Fit, coefficients: np.ndarray, seed: int, predictor: str) -> None:
        self._fit, self._coefficients, self._seed, self._predictor = fit, coefficients, seed, predictor
        self._known: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def add(
        self, patients: Patients, row: int, columns: np.ndarray, base: np.ndarray, effects: np.ndarray
    ) -> None:
        """Add the effects of one patient's groups to base (draw,) and effects (contrast, draw), in place.

        `columns` has shape (draw, column), or (1, column) where nothing is missing.
        """
        for grouping in self._fit.layout.groupings:
            intercept, slopes, treatment = self._of(grouping, patients, row)
            base += intercept
            if grouping.slopes:
                base += (columns[:, list(grouping.slopes)].T * slopes).sum(axis=0)
            effects += treatment

    def slopes(self, patients: Patients, row: int, n_columns: int) -> np.ndarray:
        """Return what one patient's groups add to the coefficients of the columns, shape (draw, column)."""
        total = np.zeros((len(self._coefficients), n_columns))
        for grouping in self._fit.layout.groupings:
            if grouping.slopes:
                total[:, list(grouping.slopes)] += self._of(grouping, patients, row)[1].T
        return total

    def _of(
        self, grouping: Grouping, patients: Patients, row: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        key = (grouping.column, patients.groups[grouping.column][row])
        if key not in self._known:
            self._known[key] = self.look_up(grouping, key[1])
        return self._known[key]

    def of_fit(self, grouping: Grouping) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what `look_up` returns of every group that the fit knows: (group, draw), (group, slope, draw), ..."""
        slices, shape = self._fit.layout.slices, (len(self._coefficients), -1, len(grouping.labels))
        intercept, slopes, treatment = (
            self._coefficients[:, slices[f"{grouping.column}.{part}"]].reshape(shape).T
            for part in ("intercept", "slope", "treatment")
        )
        return intercept[:, 0], slopes, treatment

    def look_up(self, grouping: Grouping, label: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return intercept (draw,), slopes (slope, draw) and treatment effects (contrast, draw) of one group."""
        if label in grouping.labels:
            position = grouping.labels.index(label)
            intercept, slopes, treatment = (part[position] for part in self.of_fit(grouping))
            return intercept, slopes, treatment
        fit, n, column = self._fit, len(self._coefficients), grouping.column
        q, r = len(grouping.slopes), fit.layout.n_contrasts
        several = (self._predictor,) if self._predictor else ()
        rng = stream(self._seed, "new group", column, label, *several)
        name = "_".join((*several, grouping.stem))
        intercept = fit.draws(f"{name}_scale") * rng.standard_normal(n)
        slopes = np.zeros((0, n))
        if q:
            slopes = fit.draws(f"{name}_slope_scale").T * rng.standard_normal((q, n))
        scale = fit.draws(f"{name}_treatment_scale") if r else np.zeros(n)
        return intercept, slopes, scale * rng.standard_normal((r, n))
