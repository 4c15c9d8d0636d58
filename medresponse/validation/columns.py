"""What audits of treatment groups ask of a cohort first."""

from __future__ import annotations

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError


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
