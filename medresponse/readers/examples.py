"""Public trials that come with an installed package, as checked cohorts to learn and test on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, cohort_from_frame, load_schema
from medresponse.core.errors import DataError
from medresponse.core.registry import did_you_mean

_SCHEMAS = Path(__file__).with_name("schemas")


def read_example(name: str) -> Cohort:
    """Return a bundled example cohort.

    Parameters
    ----------
    name : str
        ``actg320``: 1,151 patients with HIV, two arms, time to AIDS or death (Hammer et al., N Engl J Med
        1997;337:725), from scikit-survival. ``bmt``: 35 patients transplanted for acute leukaemia, one arm, relapse
        and transplant-related death as competing risks (Scrucca et al., Bone Marrow Transplant 2007;40:381).
        ``cgvhd``: 100 patients transplanted with marrow or blood at random, three competing risks (Pintilie,
        Competing Risks, 2006).

    Raises
    ------
    DataError
        If there is no such example.
    """
    if name not in _EXAMPLES:
        raise DataError(f"no example {name!r}; {did_you_mean(name, list(_EXAMPLES))}", code="unknown_example")
    return cohort_from_frame(_EXAMPLES[name](), load_schema(_SCHEMAS / f"{name}.yaml"))


def _actg320() -> pl.DataFrame:
    """Patients are named after their row in the package's file, which has no ids."""
    from sksurv.datasets import load_aids

    features, outcome = load_aids(endpoint="aids", output_type="polars")
    return features.with_columns(
        pl.Series("patient", [f"ACTG-{i + 1:04d}" for i in range(len(features))]),
        pl.Series("time", outcome["time"]),
        pl.Series("censor", outcome["censor"]),
    )


def _bmt() -> pl.DataFrame:
    """Put the two events of month 0 at its middle, before those of month 1: times are whole months."""
    from sksurv.datasets import load_bmt

    features, outcome = load_bmt(output_type="polars")
    return _competing(features, outcome, "BMT").with_columns(
        pl.when(pl.col("ftime") == 0).then(0.5).otherwise("ftime").alias("ftime")
    )


def _cgvhd() -> pl.DataFrame:
    from sksurv.datasets import load_cgvhd

    features, outcome = load_cgvhd(output_type="polars")
    return _competing(features, outcome, "CGVHD")


def _competing(features: pl.DataFrame, outcome: np.ndarray, prefix: str) -> pl.DataFrame:
    """Add time and cause; patients are named after their row in the package's file."""
    return features.with_columns(
        pl.Series("patient", [f"{prefix}-{i + 1:03d}" for i in range(len(features))]),
        pl.Series("status", outcome["status"]),
        pl.Series("ftime", outcome["ftime"]),
    )


_EXAMPLES: dict[str, Callable[[], pl.DataFrame]] = {"actg320": _actg320, "bmt": _bmt, "cgvhd": _cgvhd}
