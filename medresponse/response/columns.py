"""Feature columns of patients without gaps, for what looks at features alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.rng import stream
from medresponse.response.predict import Patients, encode_patients

if TYPE_CHECKING:
    from medresponse.inference import Fit

_EACH = 4  # completions under each of the imputer's parameter draws
_AT_ONCE = 100  # patients completed together


def main_columns(fit: Fit, cohort: Cohort) -> np.ndarray:
    """Return the main columns (no products, scores or curves) of a cohort, shape (patient, column).

    Where a feature is missing its columns are averaged over completions given the patient's other features.

    Raises
    ------
    DataError
        If the cohort lacks a column or declares other levels than the fit knows.
    """
    return main_columns_of(fit, encode_patients(fit, cohort))


def main_columns_of(fit: Fit, patients: Patients) -> np.ndarray:
    """Return what `main_columns` does of patients who are encoded already."""
    encoding, codes = fit.encoding, patients.codes
    n_main = len(encoding.main_labels)
    columns = encoding.columns(codes)[:, :n_main]
    partial = np.flatnonzero(np.isnan(codes).any(axis=1))
    for start in range(0, len(partial), _AT_ONCE):
        rows = partial[start : start + _AT_ONCE]
        generators = [stream(fit.provenance.seed, "audit", patients.ids[row]) for row in rows]
        shifts = encoding.code_shifts(fit.spec.missing.shifts)
        completed = fit.imputer.complete(
            encoding, codes[rows], each=_EACH, generators=generators, shifts=shifts
        )
        columns[rows] = encoding.columns(completed)[..., :n_main].mean(axis=1)
    return columns


def column_owners(fit: Fit) -> tuple[str, ...]:
    """Return the feature that each main column is made of."""
    return tuple(feature.name for feature in fit.encoding.features for _ in feature.column_labels)
