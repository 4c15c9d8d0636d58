"""Feature columns of patients without gaps, for audits that look at features alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.core.rng import stream
from medresponse.response.predict import encode_patients

if TYPE_CHECKING:
    from medresponse.inference import Fit

_EACH = 4  # completions under each of the imputer's parameter draws
_AT_ONCE = 100  # patients completed together


def main_columns(fit: Fit, cohort: Cohort) -> np.ndarray:
    """Return the main columns (no products, scores or curves), shape (patient, column).

    Where a feature is missing its columns are averaged over completions given the patient's other features.

    Raises
    ------
    DataError
        If the cohort lacks a column or declares other levels than the fit knows.
    """
    encoding = fit.encoding
    codes, n_main = encode_patients(fit, cohort).codes, len(encoding.main_labels)
    columns = encoding.columns(codes)[:, :n_main]
    partial = np.flatnonzero(np.isnan(codes).any(axis=1))
    for start in range(0, len(partial), _AT_ONCE):
        rows = partial[start : start + _AT_ONCE]
        generators = [stream(fit.provenance.seed, "audit", cohort.patients[row]) for row in rows]
        shifts = encoding.code_shifts(fit.spec.missing.shifts)
        completed = fit.imputer.complete(
            encoding, codes[rows], each=_EACH, generators=generators, shifts=shifts
        )
        columns[rows] = encoding.columns(completed)[..., :n_main].mean(axis=1)
    return columns


def column_owners(fit: Fit) -> tuple[str, ...]:
    """Return the feature that each main column is made of."""
    return tuple(feature.name for feature in fit.encoding.features for _ in feature.column_labels)


def require_arms(cohort: Cohort) -> np.ndarray:
    """Return the number of patients on each treatment.

    Raises
    ------
    SpecError
        If the cohort has a single arm.
    DataError
        If the treatments are not known, or nobody received one of them.
    """
    if len(cohort.treatments) < 2:
        raise SpecError("a single-arm cohort compares nothing", code="single_arm")
    counts = np.bincount(cohort.treatment_idx, minlength=len(cohort.treatments))
    empty = [name for name, n in zip(cohort.treatments, counts, strict=True) if n == 0]
    if empty:
        raise DataError(f"nobody received {', '.join(empty)}: give the whole cohort", code="empty_arm")
    return counts
