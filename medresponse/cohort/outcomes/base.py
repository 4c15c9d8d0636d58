"""What every kind of outcome says of itself: its columns, how each is read, its arrays and its own checks.

A kind is one frozen dataclass in one file, entered in `OutcomeSchema`; nothing in this package asks which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.readings import Reading

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake

FEW_PATIENTS = 5
"""Of fewer patients than this, what is said rests largely on the prior."""


class Outcome(Protocol):
    """One kind of outcome."""

    @property
    def kind(self) -> str:
        """Short name of the kind; a family says which one it is for."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the values, or of time."""
        ...

    @property
    def time_unit(self) -> str | None:
        """Unit of time, or of exposure; None if the outcome has neither."""
        ...

    @property
    def sign(self) -> int:
        """+1 if more (a higher value, the event, a higher level) is better for the patient, -1 if worse, 0 if neither."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the levels or causes, in order; empty for an outcome of one part."""
        ...

    def part_label(self, part: str) -> str:
        """Return the words for a level or cause, by its name."""
        ...

    @property
    def reads(self) -> Mapping[str, Reading]:
        """Columns that the outcome occupies, each with how it is read."""
        ...

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return what a family learns from, shape (patient,); no column that must be filled misses a value."""
        ...

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """Yield findings on rows, beyond entries that are missing or cannot be read."""
        ...

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """Yield findings on what all rows together can tell."""
        ...


def check_distinct(*columns: str | None) -> None:
    """Raise ValueError if an outcome names one column twice."""
    named = [column for column in columns if column is not None]
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise ValueError(f"column {twice[0]} stands there twice; each entry needs a column of its own")
