"""The NHEFS smokers of Hernán and Robins, Causal Inference: What If (2020), as one frame."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from medresponse.core.errors import DataError

READ = (
    "seqn", "qsmk", "wt82_71", "sex", "race", "age", "education", "wt71", "smokeintensity", "smokeyrs", "active",
    "exercise",
)  # fmt: skip
EDUCATION = {1: "grade_8", 2: "some_high_school", 3: "high_school", 4: "some_college", 5: "college"}


def data_file(source: Mapping[str, Any]) -> Path:
    """Return the file inside the installed package that the source names; the package is not imported.

    Raises
    ------
    DataError
        If the package is not installed, or another version without that file.
    """
    package = str(source["package"])
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        file = Path(folder) / str(source["file"])
        if file.is_file():
            return file
    raise DataError(
        f"no {source['file']} in the package {package}; install it: pip install {package}=={source['version']}",
        code="no_such_file",
    )


def build_frame(file: Path) -> pl.DataFrame:
    """Return the 1,566 smokers with complete data, one row each; features as of 1971.

    What was measured later is not read: blood pressure (`sbp`, `dbp`, of 1982), deaths, and prices and taxes to 1982.
    """
    import pandas as pd

    # The file writes levels as labels that are numbers ("0", "1"), under codes that start at 1.
    raw = pd.read_stata(file)[list(READ)].astype(str).astype(float)
    frame = pl.DataFrame({name: raw[name].to_numpy() for name in READ})

    def level(name: str, *words: str) -> pl.Expr:
        return pl.col(name).replace_strict(dict(enumerate(words)))

    return frame.select(
        patient=pl.format("NHEFS-{}", pl.col("seqn").cast(pl.Int64).cast(pl.String).str.zfill(5)),
        quit=level("qsmk", "no", "yes"),
        weight_change="wt82_71",
        sex=level("sex", "male", "female"),
        race=level("race", "white", "other"),
        age="age",
        education=pl.col("education").replace_strict(EDUCATION),
        weight="wt71",
        cigarettes="smokeintensity",
        years_smoked="smokeyrs",
        active=level("active", "very", "moderately", "inactive"),
        exercise=level("exercise", "much", "moderate", "little"),
    )
