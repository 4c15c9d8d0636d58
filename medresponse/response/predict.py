"""Linear predictors of new patients from saved draws: numpy only, chunk by chunk.

A patient with missing features is scored on many completions of them, dealt out over the posterior draws, so
that what is not known widens the interval. A patient of a site that training never saw gets, in each draw, a
new site effect from its population (one for all patients of that site).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.rng import stream

if TYPE_CHECKING:
    from medresponse.inference import Fit

COMPLETIONS_EACH = 40
_CHUNK_NUMBERS = 4_000_000  # patient x treatment x draw numbers held at once (32 MB)


@dataclass(frozen=True)
class Patients:
    """Feature codes and group labels of the patients to be scored, rows in cohort order.

    Features named in `averaged` are scored as the average training patient's, whatever their codes say.
    """

    ids: tuple[str, ...]
    codes: np.ndarray
    groups: dict[str, tuple[str, ...]]
    averaged: tuple[str, ...] = ()


def encode_patients(fit: Fit, cohort: Cohort) -> Patients:
    """Encode a cohort with what the fit learned from its training rows.

    Raises
    ------
    DataError
        If a column that the fit uses is absent, or declared with other levels than in training.
    """
    for feature in fit.encoding.features:
        declared = cohort.schema.feature_columns.get(feature.name)
        if declared is not None and feature.levels and declared.level_names != feature.levels:
            raise DataError(
                f"column {feature.name}: its declared levels differ from those of the fit ({', '.join(feature.levels)}); "
                "read the patients with the schema the model was fitted with",
                code="unseen_category",
            )
    codes = fit.encoding.codes(cohort)
    absent = [g.column for g in fit.layout.groupings if g.column not in cohort.table.columns]
    if absent:
        raise DataError(f"the fit pools over {', '.join(absent)}, which the cohort lacks", code="missing_column")
    groups = {g.column: tuple(cohort.table[g.column].to_list()) for g in fit.layout.groupings}
    return Patients(cohort.patients, codes, groups)


def linear_predictors(fit: Fit, patients: Patients, *, seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, eta) chunk by chunk; eta has shape (patient, treatment, draw).

    Parameters
    ----------
    fit : Fit
    patients : Patients
    seed : int
        Keys the completions of missing features and the effects of new groups, with the patient's id and the
        group's label: neither order nor chunking changes them.
    """
    coefficients = fit.draws("coefficients")
    group_draws = _GroupDraws(fit, coefficients, seed)
    per_patient = len(fit.treatments) * fit.n_draws
    size = max(1, _CHUNK_NUMBERS // per_patient)
    for start in range(0, len(patients.ids), size):
        rows = slice(start, min(start + size, len(patients.ids)))
        base, effects = _feature_part(fit, patients, rows, coefficients, seed)
        _add_groups(fit, patients, rows, group_draws, base, effects)
        contrasts = fit.layout.contrast_matrix  # (treatment, contrast)
        yield rows, base[:, None, :] + np.einsum("kr,irs->iks", contrasts, effects)


def completed_columns(fit: Fit, patients: Patients, row: int, *, seed: int) -> np.ndarray:
    """Return the feature columns of one patient in each draw, (draw, column), or (1, column) if none is missing."""
    codes = patients.codes[row]
    if not np.isnan(codes).any():
        return _columns(fit, patients, codes[None])
    generator = stream(seed, "features", patients.ids[row])
    completions = fit.imputer.complete(fit.encoding, codes[None], each=COMPLETIONS_EACH, generators=[generator])[0]
    return _columns(fit, patients, completions[_completion_of_draw(fit, len(completions))])


def _columns(fit: Fit, patients: Patients, codes: np.ndarray) -> np.ndarray:
    columns = fit.encoding.columns(codes)
    averaged = [i for i, name in enumerate(fit.encoding.column_features) if name in patients.averaged]
    columns[..., averaged] = 0.0  # columns are centred on the training rows
    return columns


def _completion_of_draw(fit: Fit, completions: int) -> np.ndarray:
    """Deal completions out over draws: those of a draw's own imputation where there are several."""
    position = np.arange(fit.n_draws)
    if fit.provenance.imputations == fit.imputer.imputations:
        return fit.draw_imputation * COMPLETIONS_EACH + position % COMPLETIONS_EACH
    return position % completions


def _feature_part(
    fit: Fit, patients: Patients, rows: slice, coefficients: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return base (patient, draw) and effects (patient, contrast, draw) of the features and the treatment."""
    parts, layout = fit.layout.slices, fit.layout
    r, modifiers = layout.n_contrasts, list(layout.modifiers)
    prognostic = coefficients[:, parts["prognostic"]]
    treatment = coefficients[:, parts["treatment"]]
    modifier = coefficients[:, parts["modifier"]].reshape(len(coefficients), r, len(modifiers))
    codes = patients.codes[rows]
    whole = ~np.isnan(codes).any(axis=1)
    base = np.empty((len(codes), len(coefficients)))
    effects = np.empty((len(codes), r, len(coefficients)))
    columns = _columns(fit, patients, codes[whole])
    base[whole] = columns @ prognostic.T
    effects[whole] = np.einsum("ip,srp->irs", columns[:, modifiers], modifier, optimize=True) + treatment.T
    for i in np.flatnonzero(~whole):
        own = completed_columns(fit, patients, rows.start + int(i), seed=seed)
        base[i] = np.einsum("sp,sp->s", own, prognostic)
        effects[i] = np.einsum("sp,srp->rs", own[:, modifiers], modifier) + treatment.T
    return base, effects


def _add_groups(fit: Fit, patients: Patients, rows: slice, draws: _GroupDraws, base: np.ndarray, effects: np.ndarray) -> None:
    """Add the effects of each patient's groups to base and effects, in place."""
    for grouping in fit.layout.groupings:
        for i, label in enumerate(patients.groups[grouping.column][rows]):
            intercept, treatment = draws.of(grouping.column, label)
            base[i] += intercept
            effects[i] += treatment


class _GroupDraws:
    """Effects of groups by label, (draw,) and (contrast, draw); a group unseen in training gets new ones."""

    def __init__(self, fit: Fit, coefficients: np.ndarray, seed: int) -> None:
        self._fit, self._coefficients, self._seed = fit, coefficients, seed
        self._known: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def of(self, column: str, label: str) -> tuple[np.ndarray, np.ndarray]:
        if (column, label) not in self._known:
            self._known[column, label] = self._look_up(column, label)
        return self._known[column, label]

    def _look_up(self, column: str, label: str) -> tuple[np.ndarray, np.ndarray]:
        fit, n, r = self._fit, len(self._coefficients), self._fit.layout.n_contrasts
        grouping = next(g for g in fit.layout.groupings if g.column == column)
        if label in grouping.labels:
            position = grouping.labels.index(label)
            intercept = self._coefficients[:, fit.layout.slices[f"{column}.intercept"]][:, position]
            treatment = self._coefficients[:, fit.layout.slices[f"{column}.treatment"]]
            return intercept, treatment.reshape(n, r, -1)[:, :, position].T
        rng = stream(self._seed, "new group", column, label)
        intercept = fit.draws(f"{column}_scale") * rng.standard_normal(n)
        scale = fit.draws(f"{column}_treatment_scale") if r else np.zeros(n)
        return intercept, scale * rng.standard_normal((r, n))
