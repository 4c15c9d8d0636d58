"""What outcomes with events and follow-up have in common: units of time, follow-up, late entry, and events to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.core.units import is_time_unit

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


def check_time_unit(unit: str, *, where: str = "unit") -> None:
    """Raise ValueError unless `unit` measures time."""
    if not is_time_unit(unit):
        raise ValueError(f"{where} {unit!r} is no unit of time (day, week, month, year)")


def follow_up(intake: Intake, column: str, none: pl.Series) -> Iterator[Finding]:
    """time_not_positive: rows, in the mask `none`, in which nothing was followed."""
    action = (
        "follow-up must be longer than zero: correct the times, or exclude the rows by an eligibility rule"
    )
    yield from intake.in_rows(none.fill_null(False), "time_not_positive", column, action)


def late_entry(intake: Intake, column: str, after: pl.Series) -> Iterator[Finding]:
    """negative_entry and entry_after_exit; `after` masks the rows that came under observation too late."""
    entry = intake.numbers(column).values
    action = "the time of entry is negative: write 0 for patients observed from the start of time"
    yield from intake.in_rows((entry < 0).fill_null(False), "negative_entry", column, action)
    action = (
        "the patient came under observation when follow-up was over, or within the interval that holds the event: "
        "correct the times, or exclude the rows by an eligibility rule"
    )
    # Entry at 0 is never late: follow-up that ends there is a finding on the time itself.
    late = (after & (entry > 0)).fill_null(False)
    yield from intake.in_rows(late, "entry_after_exit", column, action)


def any_events(intake: Intake, column: str, events: pl.Series) -> Iterator[Finding]:
    """all_censored, all_events; `events` is null where unreadable."""
    n = len(events) - events.null_count()
    if n and not events.any():
        action = "no patient has the event, so nothing can be learnt: check the polarity and the length of follow-up"
        yield Finding("error", "all_censored", column, n, (), action)
    elif n and events.all():
        action = (
            "no patient is censored: right if everybody was followed to the event, else check the polarity"
        )
        yield Finding("warning", "all_events", column, n, (), action)


def arms_without(intake: Intake, column: str, events: pl.Series, *, what: str) -> Iterator[Finding]:
    """no_events_in_arm; silent where no arm has an event, which is a finding of its own."""
    if not events.any():
        return
    for level, arm in intake.arms:
        in_arm = events.filter(arm).drop_nulls()
        if len(in_arm) and not in_arm.any():
            action = f"nobody with treatment {level} has {what}: what is said of this arm rests on the prior"
            yield Finding("warning", "no_events_in_arm", column, len(in_arm), (), action)
