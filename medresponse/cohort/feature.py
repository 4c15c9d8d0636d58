"""What one feature column means: type, unit, levels, groups, scale and error of measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from medresponse.cohort.values import Scalar, spelled
from medresponse.core.text import canonical_text
from medresponse.core.units import check_unit

FeatureType = Literal["continuous", "binary", "categorical", "ordinal", "dosage"]
Transform = Literal["none", "log", "log1p", "sqrt"]

TRANSFORMS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"none": lambda x: x, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}
)
"""Name of a `Transform` -> the function; outside its domain the result is not finite."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature column.

    Parameters
    ----------
    type : str
        ``continuous`` (needs `unit`), ``binary`` (two `levels`, the second is the one that counts),
        ``categorical`` and ``ordinal`` (all `levels`, ordinal from low to high), ``dosage`` (0, 1 or 2 copies).
    unit : str, optional
        UCUM unit of a continuous feature.
    unit_column : str, optional
        Column that states each row's unit; a row that states another unit is a finding.
    range : (float, float), optional
        Possible values, inclusive, in `unit`; a value outside is a finding, never clipped.
    levels : tuple, optional
        Every allowed value as written in the data.
    labels : mapping, optional
        Level as written -> words for the reader of a report.
    label : str, optional
        Words for the feature itself; the column's name by default.
    transform : str
        Scale on which the feature enters the model.
    measured_at : float or str
        When it was measured, in days from the index time (0 = at index): a number for the whole column, or
        the name of a column that holds each row's day. A positive day is refused.
    path : tuple of str
        Groups that the feature belongs to, from fine to coarse (gene, pathway); a group lies within the
        same coarser ones wherever it is named.
    error : float or str, optional
        Standard error of measurement of a continuous feature, in `unit`: a number for the whole column, or
        the name of a column that holds each row's. The latter becomes part of the cohort's table. An error of no more
        than 1e-8 standard deviations of the feature is none: the value is exact.
    """

    type: FeatureType
    unit: str | None = None
    unit_column: str | None = None
    range: tuple[float, float] | None = None
    levels: tuple[Scalar, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None
    transform: Transform = "none"
    measured_at: float | str = 0.0
    path: tuple[str, ...] = ()
    error: float | str | None = None

    def __post_init__(self) -> None:
        if self.type == "continuous" and self.unit is None:
            raise ValueError("a continuous feature needs a unit")
        if self.type == "binary" and len(self.levels) != 2:
            raise ValueError("a binary feature needs exactly two levels, the second is the one that counts")
        if self.type in ("categorical", "ordinal") and len(self.levels) < 2:
            raise ValueError(f"a {self.type} feature needs its levels")
        if self.unit is not None:
            check_unit(self.unit, where="unit")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range must be [low, high] with low < high")
        if not all(group.strip() for group in self.path):
            raise ValueError("path: a group has no name")
        spelled(self.levels)
        self._check_error()
        object.__setattr__(self, "labels", {canonical_text(k): v for k, v in self.labels.items()})

    def _check_error(self) -> None:
        if self.error is None:
            return
        if self.type != "continuous":
            raise ValueError("error: only a continuous feature has a standard error of measurement")
        if isinstance(self.error, str):
            if not self.error.strip():
                raise ValueError("error: name the column that holds the standard errors, or give a number")
        elif not 0.0 < self.error < math.inf:
            raise ValueError("error: a standard error is greater than 0; leave it out if there is none")

    @property
    def level_names(self) -> tuple[str, ...]:
        """Levels in canonical text (1.0 is "1", True is "true"); ``("0", "1", "2")`` for a dosage."""
        return ("0", "1", "2") if self.type == "dosage" else spelled(self.levels)

    @property
    def is_discrete(self) -> bool:
        """Whether values are levels."""
        return self.type != "continuous"

    @property
    def error_column(self) -> str | None:
        """Column that holds each row's standard error; None if there is none, or one for all rows."""
        return self.error if isinstance(self.error, str) else None
