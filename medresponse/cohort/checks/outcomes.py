"""Checks of the outcomes: entries that can be read and are there; the rest each kind of outcome checks itself."""

from __future__ import annotations

from collections.abc import Iterator

from medresponse.cohort.checks.intake import Check, Intake
from medresponse.cohort.findings import Finding


def check_outcome_values(intake: Intake) -> Iterator[Finding]:
    """not_numeric, outcome_unknown_level, event_polarity, and what a kind of outcome finds in single rows."""
    for column, reading in intake.outcome_columns.items():
        yield from reading.check(intake, column)
    for outcome in intake.outcomes.values():
        yield from outcome.check_values(intake)


def check_outcome_present(intake: Intake) -> Iterator[Finding]:
    """outcome_missing: never dropped silently."""
    for column, reading in intake.outcome_columns.items():
        if not reading.may_be_empty:
            action = "fill it in, or declare an eligibility rule on this column that excludes them, with its reason"
            yield from intake.in_rows(reading.missing(intake, column), "outcome_missing", column, action)


def check_outcome_information(intake: Intake) -> Iterator[Finding]:
    """Yield what a kind of outcome finds in all rows together."""
    for outcome in intake.outcomes.values():
        yield from outcome.check_information(intake)


OUTCOME_VALUES: tuple[Check, ...] = (check_outcome_values,)
OUTCOMES: tuple[Check, ...] = (check_outcome_present, check_outcome_information)
