"""One observable column: its clinical values, and the fixed map from values to the scores that mechanisms use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from medresponse.cohort.feature import TRANSFORMS, Feature

type Values = Mapping[str, np.ndarray]
"""Column -> numbers, or positions of levels; shape (patient,), before anything is missing."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A baseline column.

    Parameters
    ----------
    name : str
    block : str
        Of the schema: genomic, history, lifestyle or imaging.
    feature : Feature
        Its transform is that of the score.
    centre, scale : float
        Of numbers and dosages: the score is ``(transform(value) - centre) / scale``, of mean 0 and standard deviation 1
        in the scenario's population.
    level_scores : tuple of float
        Of other columns: the score of each level, standardised in the same way.
    """

    name: str
    block: str
    feature: Feature
    centre: float = 0.0
    scale: float = 1.0
    level_scores: tuple[float, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether values are numbers or counts of alleles; else they are positions of levels."""
        return self.feature.type in ("continuous", "dosage")

    def score(self, values: np.ndarray) -> np.ndarray:
        """Return the score of each value, shape (patient,)."""
        if self.is_number:
            return np.asarray((TRANSFORMS[self.feature.transform](values) - self.centre) / self.scale)
        return np.asarray(self.level_scores)[values]

    def series(self, values: np.ndarray, missing: np.ndarray | None = None) -> pl.Series:
        """Return the column of a cohort's table, null where `missing`."""
        feature = self.feature
        if feature.type == "continuous":
            series = pl.Series(self.name, values, dtype=pl.Float64)
        else:
            codes = pl.Series(self.name, values.astype(np.uint32))
            series = codes.cat.to(pl.Enum(list(feature.level_names)))
        return series if missing is None else series.set(pl.Series(missing), None)

    def values(self, series: pl.Series) -> np.ndarray:
        """Return the numbers or positions of levels of a cohort's column that has no nulls."""
        if self.feature.type == "continuous":
            return series.to_numpy()
        return series.to_physical().cast(pl.Int64).to_numpy()


def standardised(scores: tuple[float, ...], shares: tuple[float, ...]) -> tuple[float, ...]:
    """Return scores of levels with mean 0 and standard deviation 1 under the shares of these levels."""
    values, weights = np.asarray(scores), np.asarray(shares)
    centred = values - values @ weights
    return tuple((centred / np.sqrt(centred**2 @ weights)).tolist())
