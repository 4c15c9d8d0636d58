"""Checks of the frame as a whole: not empty, and with the columns that the schema names and no others."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from medresponse.cohort.checks.identity import is_identifier_name
from medresponse.cohort.checks.intake import Check, Intake
from medresponse.cohort.findings import Finding
from medresponse.cohort.roles import error_columns, helper_columns
from medresponse.cohort.schema import Schema


def optional_columns(schema: Schema) -> tuple[str, ...]:
    """Return the columns that a table read for prediction may lack: treatment and outcomes."""
    treatment = (schema.treatment.column,) if schema.treatment else ()
    return (*treatment, *(column for outcome in schema.outcomes.values() for column in outcome.reads))


def declared_columns(schema: Schema) -> tuple[str, ...]:
    """Return every column that the schema reads, each once, in the schema's order."""
    helpers = (*helper_columns(schema), *error_columns(schema))
    rules = [rule.column for rule in schema.eligibility]
    every = (schema.id, *optional_columns(schema), *schema.feature_columns, *schema.sites, *helpers, *rules)
    return tuple(dict.fromkeys(every))


def check_rows_exist(intake: Intake) -> Iterator[Finding]:
    """empty_table: no row at all."""
    if not intake.n:
        yield Finding("error", "empty_table", "", 0, (), "give a table with at least one row per arm")


def check_columns(intake: Intake) -> Iterator[Finding]:
    """no_header, or else missing_column, undeclared_column and possible_identifier.

    Without a single known column the first line is no header, and what stands there may be a patient's
    values: then no name is repeated.
    """
    declared = declared_columns(intake.schema)
    if not intake.frame.columns:
        return
    if not set(declared).intersection(intake.frame.columns):
        action = (
            f"none of the {len(declared)} columns of the schema is in the table; check that it has a header "
            "line, its separator (comma in .csv, tab in .tsv), and that this is the schema for it"
        )
        yield Finding("error", "no_header", "", 0, (), action)
        return
    yield from _missing_columns(intake, declared)
    yield from _undeclared_columns(intake, declared)


def _missing_columns(intake: Intake, declared: tuple[str, ...]) -> Iterator[Finding]:
    spare = [c for c in intake.frame.columns if c not in declared and not is_identifier_name(c)]
    may_lack = optional_columns(intake.schema) if intake.for_prediction else ()
    for column in declared:
        if intake.has(column) or column in may_lack:
            continue
        close = difflib.get_close_matches(column, spare, n=1)
        hint = f"did you mean column {close[0]!r}? " if close else ""
        action = f"{hint}Add it to the table or take it out of the schema"
        yield Finding("error", "missing_column", column, 0, (), action)


def _undeclared_columns(intake: Intake, declared: tuple[str, ...]) -> Iterator[Finding]:
    for column in intake.frame.columns:
        if column in intake.schema.ignore:
            continue
        if is_identifier_name(column):
            action = (
                "its name says that it identifies people: take it out of the table or list it under "
                "ignore; if it does not, rename it"
            )
            yield Finding("error", "possible_identifier", column, intake.n, (), action)
        elif column not in declared:
            action = "the schema does not name it: add it to the schema, or to its list of columns to ignore"
            yield Finding("error", "undeclared_column", column, intake.n, (), action)


STRUCTURE: tuple[Check, ...] = (check_rows_exist, check_columns)
