"""A binary outcome: the event happened or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.classes import one_class, rare_classes
from medresponse.cohort.outcomes.readings import Flag, Reading
from medresponse.cohort.outcomes.separation import separation
from medresponse.cohort.values import Scalar
from medresponse.core.text import event_text

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


@dataclass(frozen=True, kw_only=True)
class Binary:
    """An event that happened or not, in everybody.

    Parameters
    ----------
    column : str
    event_value, other_value : scalar
        How the column writes that the event happened, and that it did not. There is no default: files
        differ, and a reversed polarity turns every effect on its head.
    event_label, free_label : str
        The event in words ("dead or dependent"), and not having had it.
    direction : str
        Whether the event is the better or the worse for the patient.
    """

    column: str
    event_value: Scalar
    other_value: Scalar
    event_label: str
    free_label: str
    direction: Literal["event_is_better", "event_is_worse", "neither"]
    kind: Literal["binary"] = "binary"

    def __post_init__(self) -> None:
        if event_text(self.event_value) == event_text(self.other_value):
            raise ValueError("event_value and other_value are the same")

    @property
    def _flag(self) -> Flag:
        return Flag(
            yes=event_text(self.event_value), no=event_text(self.other_value),
            entries=("event_value", "other_value"),
        )  # fmt: skip

    @property
    def unit(self) -> str:
        """A share of patients has no unit."""
        return "1"

    @property
    def time_unit(self) -> str | None:
        """None: there is no time."""
        return None

    @property
    def sign(self) -> int:
        """Which way is better: +1 with the event, -1 without, 0 neither."""
        return {"event_is_better": 1, "event_is_worse": -1, "neither": 0}[self.direction]

    @property
    def parts(self) -> tuple[str, ...]:
        """None: the outcome is of one part."""
        return ()

    def part_label(self, part: str) -> str:
        """Return the event in words."""
        return self.event_label

    @property
    def reads(self) -> Mapping[str, Reading]:
        """One column of flags."""
        return {self.column: self._flag}

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return ``value``: 1.0 with the event, 0.0 without."""
        return {"value": table[self.column].cast(pl.Float64).to_numpy()}

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """Nothing: a readable value is a possible one."""
        yield from ()

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """one_outcome_class, rare_class_in_arm, separation."""
        events = self._flag.read(intake, self.column)
        codes, names = events.cast(pl.Int64), (self.free_label, self.event_label)
        yield from one_class(intake, self.column, codes)
        yield from rare_classes(intake, self.column, codes, names)
        yield from separation(intake, self.column, events)
