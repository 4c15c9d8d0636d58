"""A continuous outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.readings import Number, Reading
from medresponse.core.units import check_unit

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """A continuous outcome, and the direction that is better for the patient."""

    column: str
    unit: str
    label: str
    direction: Literal["higher_is_better", "lower_is_better", "neither"]
    range: tuple[float, float] | None = None
    kind: Literal["continuous"] = "continuous"

    def __post_init__(self) -> None:
        check_unit(self.unit, where="unit")

    @property
    def time_unit(self) -> str | None:
        """None: there is no time."""
        return None

    @property
    def sign(self) -> int:
        """Which way is better: +1 higher, -1 lower, 0 neither."""
        return {"higher_is_better": 1, "lower_is_better": -1, "neither": 0}[self.direction]

    @property
    def parts(self) -> tuple[str, ...]:
        """None: the outcome is of one part."""
        return ()

    def part_label(self, part: str) -> str:
        """Return the part itself."""
        return part

    @property
    def reads(self) -> Mapping[str, Reading]:
        """One column of numbers."""
        return {self.column: Number()}

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return ``value``, in `unit`."""
        return {"value": table[self.column].to_numpy()}

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """outcome_range."""
        if self.range is not None:
            action = "correct the values, after checking the unit; or widen the range"
            yield from intake.outside(self.column, self.range, "outcome_range", action)

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """Nothing: any spread of values can be learned from."""
        yield from ()
