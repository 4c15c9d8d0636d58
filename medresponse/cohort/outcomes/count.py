"""A count of events over an exposure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.base import check_distinct
from medresponse.cohort.outcomes.events import arms_without, check_time_unit
from medresponse.cohort.outcomes.readings import Number, Reading

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many events a patient had.

    Parameters
    ----------
    column : str
        Column of whole numbers.
    exposure : str, optional
        Column of the time over which they were counted; without it every patient was observed equally long,
        for one `exposure_unit`.
    exposure_unit : str, optional
        Unit of time of `exposure`, and of the rates that are reported; required with `exposure`.
    label : str
        The events in words ("exacerbations").
    direction : str
        Whether more events are the better or the worse for the patient.
    """

    column: str
    label: str
    direction: Literal["higher_is_better", "lower_is_better", "neither"]
    exposure: str | None = None
    exposure_unit: str | None = None
    kind: Literal["count"] = "count"

    def __post_init__(self) -> None:
        check_distinct(self.column, self.exposure)
        if self.exposure_unit is not None:
            check_time_unit(self.exposure_unit, where="exposure_unit")
        elif self.exposure is not None:
            raise ValueError(
                "exposure_unit: missing; an exposure has a unit of time (day, week, month, year)"
            )

    @property
    def unit(self) -> str:
        """Events are counted."""
        return "count"

    @property
    def time_unit(self) -> str | None:
        """Unit of the exposure."""
        return self.exposure_unit

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
        """The counts and, if there is such a column, their exposure."""
        exposure: dict[str, Reading] = {} if self.exposure is None else {self.exposure: Number()}
        return {self.column: Number(), **exposure}

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return ``value``, the counts as floats, and ``exposure`` (1.0 without a column)."""
        value = table[self.column].to_numpy()
        exposure = np.ones(len(value)) if self.exposure is None else table[self.exposure].to_numpy()
        return {"value": value, "exposure": exposure}

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """negative_count, count_not_integer, zero_exposure, negative_exposure."""
        counts = intake.numbers(self.column).values
        action = "a count is 0 or more: correct them, or exclude the rows by an eligibility rule"
        yield from intake.in_rows((counts < 0).fill_null(False), "negative_count", self.column, action)
        action = (
            "a count is a whole number: give the events themselves with their exposure, not a rate; or declare "
            "a continuous outcome"
        )
        broken = (counts != counts.round()).fill_null(False)
        yield from intake.in_rows(broken, "count_not_integer", self.column, action)
        if self.exposure is None:
            return
        exposure = intake.numbers(self.exposure).values
        action = (
            "nothing can be counted in no time: correct the exposure, or exclude the rows by an eligibility "
            "rule with its reason"
        )
        yield from intake.in_rows((exposure == 0).fill_null(False), "zero_exposure", self.exposure, action)
        action = "an exposure is longer than zero: correct it, or exclude the rows by an eligibility rule"
        yield from intake.in_rows((exposure < 0).fill_null(False), "negative_exposure", self.exposure, action)

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """no_events, no_events_in_arm."""
        events = intake.numbers(self.column).values > 0
        n = len(events) - events.null_count()
        if n and not events.any():
            action = "no patient has an event, so nothing can be learnt: check the column"
            yield Finding("error", "no_events", self.column, n, (), action)
        yield from arms_without(intake, self.column, events, what="an event")
