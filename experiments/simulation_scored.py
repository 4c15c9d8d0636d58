"""Scores of one scenario at one size, as the study's tables and figures take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

LEVEL = 0.95
EACH_SEED = ("average_coverage", "power")  # yes or no


@dataclass(frozen=True)
class Scored:
    """Scores of one scenario at one size.

    Parameters
    ----------
    label : str
        Of the scenario in the study; empty where there is one only.
    n : int
        Patients.
    seeds : int
    unit : str
        Of responses.
    worthwhile : float
        Smallest benefit worth having, in that unit.
    table : polars.DataFrame
        What `over_seeds` returns.
    """

    label: str
    n: int
    seeds: int
    unit: str
    worthwhile: float
    table: pl.DataFrame

    def of(self, score: str, stratum: str = "all") -> dict[str, tuple[float, float]]:
        """Return treatment, contrast or ``all`` -> mean over seeds and its Monte Carlo error, of one stratum's patients."""
        rows = self.table.filter(
            (pl.col("stratum") == stratum)
            & (pl.col("score") == score)
            & (pl.col("level").is_null() | (pl.col("level") == LEVEL))
        )
        return {row["of"]: (row["value"], self._error(score, row)) for row in rows.iter_rows(named=True)}

    def _error(self, score: str, row: Mapping[str, Any]) -> float:
        error = row["mcse"] or 0.0
        if score not in EACH_SEED:
            return error
        rate = (row["value"] * self.seeds + 0.5) / (self.seeds + 1)  # one answer in all seeds is no certainty
        return max(error, float(np.sqrt(rate * (1 - rate) / self.seeds)))

    @property
    def prefix(self) -> str:
        """Beginning of the names of its metrics."""
        return f"{self.label}.n{self.n}" if self.label else f"n{self.n}"
