"""Checks of the outcomes: readable values, the polarity of events, and events to learn from."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from medresponse.cohort.checks.features import not_numeric, outside
from medresponse.cohort.checks.intake import Check, Intake
from medresponse.cohort.checks.parsing import read_events
from medresponse.cohort.findings import Finding
from medresponse.cohort.schema import TimeToEvent
from medresponse.core.text import event_text

# CDISC's name only: files outside it do call a column with 1 for the event "censor".
_SAYS_CENSORED = re.compile(r"cnsr", re.IGNORECASE)
_SAYS_EVENT = re.compile(r"event|death|died|dead", re.IGNORECASE)


def check_outcome_values(intake: Intake) -> Iterator[Finding]:
    """not_numeric, time_not_positive, event_polarity, outcome_range."""
    for outcome in intake.outcomes.values():
        if isinstance(outcome, TimeToEvent):
            yield from not_numeric(intake, outcome.time)
            rows = (intake.numbers(outcome.time).values <= 0).fill_null(False)
            action = (
                "follow-up must be longer than zero: correct the times, or exclude the rows by an "
                "eligibility rule"
            )
            yield from intake.in_rows(rows, "time_not_positive", outcome.time, action)
            yield from _polarity(intake, outcome)
            continue
        yield from not_numeric(intake, outcome.column)
        if outcome.range is not None:
            action = "correct the values, after checking the unit; or widen the range"
            yield from outside(intake, outcome.column, outcome.range, "outcome_range", action)


def _polarity(intake: Intake, outcome: TimeToEvent) -> Iterator[Finding]:
    text = intake.text(outcome.event)
    rows = text.is_not_null() & read_events(text, outcome).is_null()
    event, censored = event_text(outcome.event_value), event_text(outcome.censored_value)
    action = (
        f"{text.filter(rows).n_unique()} distinct value(s) are neither event_value {event} nor "
        f"censored_value {censored}: correct them, or say in the schema how the file writes an event"
    )
    yield from intake.in_rows(rows, "event_polarity", outcome.event, action)


def check_outcome_present(intake: Intake) -> Iterator[Finding]:
    """outcome_missing: never dropped silently."""
    for outcome in intake.outcomes.values():
        for column in outcome.columns:
            is_event = isinstance(outcome, TimeToEvent) and column == outcome.event
            missing = intake.text(column).is_null() if is_event else intake.numbers(column).missing
            action = (
                "fill it in, or declare an eligibility rule on this column that excludes them, with "
                "its reason"
            )
            yield from intake.in_rows(missing, "outcome_missing", column, action)


def check_polarity_name(intake: Intake) -> Iterator[Finding]:
    """event_polarity_suspect: the column's name says the opposite of the declared values."""
    for outcome in intake.outcomes.values():
        if not isinstance(outcome, TimeToEvent):
            continue
        value = event_text(outcome.event_value)
        if _SAYS_CENSORED.search(outcome.event):
            suspect = value == "1"
        else:
            suspect = value == "0" and _SAYS_EVENT.search(outcome.event) is not None
        if suspect:
            action = (
                f"event_value is {value}, which goes against the column's name (in CDISC's CNSR, 0 is "
                "the event): check the polarity"
            )
            yield Finding("warning", "event_polarity_suspect", outcome.event, intake.n, (), action)


def check_events(intake: Intake) -> Iterator[Finding]:
    """all_censored, all_events, no_events_in_arm."""
    for outcome in intake.outcomes.values():
        if not isinstance(outcome, TimeToEvent):
            continue
        events = read_events(intake.text(outcome.event), outcome)
        n = len(events) - events.null_count()
        if n and not events.any():
            action = (
                "no patient has the event, so nothing can be learnt: check the polarity and the "
                "length of follow-up"
            )
            yield Finding("error", "all_censored", outcome.event, n, (), action)
            continue
        if n and events.all():
            action = (
                "no patient is censored: right if everybody was followed to the event, else check "
                "the polarity"
            )
            yield Finding("warning", "all_events", outcome.event, n, (), action)
        yield from _arms_without_events(intake, outcome, events)


def _arms_without_events(intake: Intake, outcome: TimeToEvent, events: pl.Series) -> Iterator[Finding]:
    treatment = intake.treatment
    if treatment is None:
        return
    arms = intake.text(treatment.column)
    for level in treatment.levels:
        in_arm = events.filter((arms == level).fill_null(False)).drop_nulls()
        if len(in_arm) and not in_arm.any():
            action = (
                f"nobody with treatment {level} has the event: what is said of this arm rests on the prior"
            )
            yield Finding("warning", "no_events_in_arm", outcome.event, len(in_arm), (), action)


OUTCOME_VALUES: tuple[Check, ...] = (check_outcome_values,)
OUTCOMES: tuple[Check, ...] = (check_outcome_present, check_polarity_name, check_events)
