"""Time to an event: right-, left- and interval-censored, with late entry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.base import check_distinct
from medresponse.cohort.outcomes.events import (
    any_events,
    arms_without,
    check_time_unit,
    follow_up,
    late_entry,
)
from medresponse.cohort.outcomes.readings import Flag, Number, Reading
from medresponse.cohort.values import Scalar
from medresponse.core.text import event_text

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake

# CDISC's name only: files outside it do call a column with 1 for the event "censor".
_SAYS_CENSORED = re.compile(r"cnsr", re.IGNORECASE)
_SAYS_EVENT = re.compile(r"event|death|died|dead", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class TimeToEvent:
    """Time to an event.

    Parameters
    ----------
    time : str
        Column of follow-up time; with `upper`, of the last time at which the patient was known to be free of
        the event (0 if never).
    event : str
        Column of the event indicator; left out with `upper`.
    event_value, censored_value : scalar
        How `event` writes "the event happened" and "censored"; left out with `upper`. There is no default:
        files differ, and a reversed polarity turns every effect on its head.
    unit : str
        Unit of time.
    event_label : str
        The event in words ("AIDS or death"); `free_label` says the same of not having had it.
    upper : str, optional
        Column of the first time at which the patient was known to have had the event (interval censoring):
        empty if that was never seen, equal to `time` if the event was seen happening.
    entry : str, optional
        Column of the time at which the patient came under observation (left truncation); 0 for those seen
        from the start.
    """

    time: str
    unit: str
    event_label: str
    free_label: str
    event: str | None = None
    event_value: Scalar | None = None
    censored_value: Scalar | None = None
    upper: str | None = None
    entry: str | None = None
    kind: Literal["time_to_event"] = "time_to_event"

    def __post_init__(self) -> None:
        check_time_unit(self.unit)
        check_distinct(self.time, self.event, self.upper, self.entry)
        polarity = {
            "event": self.event, "event_value": self.event_value, "censored_value": self.censored_value,
        }  # fmt: skip
        for name, value in polarity.items():
            if self.upper is None and value is None:
                raise ValueError(
                    f"{name}: missing; every TimeToEvent needs it unless upper says when the event was seen"
                )
            if self.upper is not None and value is not None:
                raise ValueError(f"{name}: leave it out; with upper, an empty {self.upper} means censored")
        if self.upper is None and event_text(self.event_value) == event_text(self.censored_value):
            raise ValueError("event_value and censored_value are the same")

    @property
    def indicator(self) -> str:
        """Column that tells whether the event was seen: `event`, or `upper`."""
        column = self.event if self.upper is None else self.upper
        assert column is not None
        return column

    @property
    def _flag(self) -> Flag:
        return Flag(
            yes=event_text(self.event_value), no=event_text(self.censored_value),
            entries=("event_value", "censored_value"), code="event_polarity",
        )  # fmt: skip

    @property
    def time_unit(self) -> str | None:
        """The same as `unit`."""
        return self.unit

    @property
    def sign(self) -> int:
        """-1: the event is worse for the patient."""
        return -1

    @property
    def parts(self) -> tuple[str, ...]:
        """None: the outcome is of one part."""
        return ()

    def part_label(self, part: str) -> str:
        """Return the part itself."""
        return part

    @property
    def reads(self) -> Mapping[str, Reading]:
        """Time, then the indicator (flags, or times that may be empty), then the time of entry."""
        seen: Reading = self._flag if self.upper is None else Number(may_be_empty=True)
        entry: dict[str, Reading] = {} if self.entry is None else {self.entry: Number()}
        return {self.time: Number(), self.indicator: seen, **entry}

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return ``time``, ``event``, ``entry``, ``lower`` and ``upper``, times in `unit`.

        The event lies in (`lower`, `upper`], at `time` if they are equal; ``upper`` is infinite and ``event``
        False for the right-censored. An interval counts as an event at its end.
        """
        lower = table[self.time].to_numpy()
        entry = np.zeros(len(lower)) if self.entry is None else table[self.entry].to_numpy()
        if self.upper is None:
            event = table[self.indicator].to_numpy()
            upper = np.where(event, lower, np.inf)
        else:
            upper = table[self.upper].fill_null(np.inf).to_numpy()
            event = np.isfinite(upper)
        time = np.where(event, upper, lower)
        return {"time": time, "event": event, "entry": entry, "lower": lower, "upper": upper}

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """time_not_positive, interval_reversed, negative_entry, entry_after_exit."""
        time = intake.numbers(self.time).values
        if self.upper is None:
            yield from follow_up(intake, self.time, time <= 0)
            open_interval = pl.Series([False] * intake.n, dtype=pl.Boolean)
        else:
            upper, never_seen = intake.numbers(self.upper).values, intake.numbers(self.upper).missing
            yield from follow_up(intake, self.time, (time < 0) | ((time == 0) & (never_seen | (upper == 0))))
            action = (
                f"{self.time} is later than {self.upper}: swap or correct them; they are the last time free of "
                "the event and the first time known to have had it"
            )
            yield from intake.in_rows(
                (time > upper).fill_null(False), "interval_reversed", self.upper, action
            )
            open_interval = (time < upper).fill_null(False)
        if self.entry is not None:
            entry = intake.numbers(self.entry).values
            # Within an open interval the patient was seen free of the event at its start, which may be entry.
            yield from late_entry(intake, self.entry, (entry > time) | ((entry == time) & ~open_interval))

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """event_polarity_suspect, all_censored, all_events, no_events_in_arm."""
        yield from self._check_polarity_name(intake)
        events = self._events(intake)
        yield from any_events(intake, self.indicator, events)
        yield from arms_without(intake, self.indicator, events, what="the event")

    def _events(self, intake: Intake) -> pl.Series:
        if self.upper is None:
            return self._flag.read(intake, self.indicator)
        numbers = intake.numbers(self.upper)
        return (~numbers.missing).set(numbers.text | numbers.infinite, None)

    def _check_polarity_name(self, intake: Intake) -> Iterator[Finding]:
        if self.event is None:
            return
        value = self._flag.yes
        if _SAYS_CENSORED.search(self.event):
            suspect = value == "1"
        else:
            suspect = value == "0" and _SAYS_EVENT.search(self.event) is not None
        if suspect:
            action = (
                f"event_value is {value}, which goes against the column's name (in CDISC's CNSR, 0 is the "
                "event): check the polarity"
            )
            yield Finding("warning", "event_polarity_suspect", self.event, intake.n, (), action)
