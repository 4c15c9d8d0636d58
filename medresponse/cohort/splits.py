"""Splits of a cohort that belong to patients and groups, never to row positions."""

from __future__ import annotations

import numpy as np
import polars as pl

from medresponse.cohort.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.registry import did_you_mean
from medresponse.core.rng import derive_seed


def random_folds(cohort: Cohort, *, folds: int, seed: int) -> np.ndarray:
    """Return each patient's fold at random, in sizes that differ by at most one.

    Patients are ranked by a hash of seed and id, so that the order of rows never changes the folds.

    Parameters
    ----------
    cohort : Cohort
    folds : int
        From 2 to the number of patients.
    seed : int

    Returns
    -------
    numpy.ndarray
        Fold index, 0 to ``folds - 1``, shape (patient,), in cohort order.

    Raises
    ------
    DataError
        If the patients cannot be split into so many folds.
    """
    if not 2 <= folds <= cohort.n:
        raise DataError(
            f"{folds} folds asked for, with {cohort.n} patients; give 2 to {cohort.n}", code="folds"
        )
    keys = [derive_seed(seed, "fold", patient) for patient in cohort.patients]
    fold = np.empty(cohort.n, dtype=np.int64)
    fold[np.argsort(keys, kind="stable")] = np.arange(cohort.n) % folds
    return fold


def grouped_folds(cohort: Cohort, *, by: str) -> tuple[tuple[str, np.ndarray], ...]:
    """Return one fold per group, for leaving out one group at a time.

    Parameters
    ----------
    cohort : Cohort
    by : str
        A site column, a discrete feature or the treatment.

    Returns
    -------
    tuple of (str, numpy.ndarray)
        Label of the group left out and its mask, shape (patient,), True for the patients to test on;
        sorted by label.

    Raises
    ------
    DataError
        If the column is unknown, is no grouping, misses values, or has fewer than two groups.
    """
    schema, text = cohort.schema, (pl.String, pl.Enum)
    others = {schema.id, *(column for outcome in schema.outcomes.values() for column in outcome.reads)}
    grouping = [c for c, t in cohort.table.schema.items() if t in text and c not in others]
    if by not in grouping:
        raise DataError(f"no grouping column {by!r}; {did_you_mean(by, grouping)}", code="unknown_group")
    values = cohort.table[by].cast(pl.String)
    if values.null_count():
        raise DataError(f"column {by}: {values.null_count()} patient(s) have no group", code="missing_group")
    labels = sorted(values.unique().to_list())
    if len(labels) < 2:
        raise DataError(f"column {by}: all patients are in one group, none can be left out", code="folds")
    return tuple((label, (values == label).to_numpy()) for label in labels)
