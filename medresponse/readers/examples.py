"""Public trials that come with an installed package, as checked cohorts to learn and test on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
        1997;337:725), from scikit-survival.

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


_EXAMPLES: dict[str, Callable[[], pl.DataFrame]] = {"actg320": _actg320}
