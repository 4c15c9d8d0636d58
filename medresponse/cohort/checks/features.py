"""Checks of the feature columns: values one by one, and what a column can tell at all."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from medresponse.cohort.checks.intake import Check, Intake, shown
from medresponse.cohort.findings import Finding

MOSTLY_MISSING = 0.5


def check_categories(intake: Intake) -> Iterator[Finding]:
    """unknown_category: a value that is none of the levels."""
    for name, feature in intake.features.items():
        if not feature.is_discrete:
            continue
        text = intake.text(name)
        unknown = ~text.is_in(list(feature.level_names)).fill_null(True)
        n_values = text.filter(unknown).n_unique()
        action = (
            f"{n_values} distinct value(s) are none of the levels ({shown(feature.level_names)}); "
            "correct them, make them missing, or add the level to the schema"
        )
        yield from intake.in_rows(unknown, "unknown_category", name, action)


def check_numbers(intake: Intake) -> Iterator[Finding]:
    """not_numeric: text or infinity in a continuous feature."""
    for name, feature in intake.features.items():
        if not feature.is_discrete:
            yield from not_numeric(intake, name)


def not_numeric(intake: Intake, column: str) -> Iterator[Finding]:
    """Yield not_numeric for one column, text and infinity apart."""
    numbers = intake.numbers(column)
    action = (
        "a number is needed, with a decimal point and no unit or sign such as <; correct them or "
        "make them missing"
    )
    yield from intake.in_rows(numbers.text, "not_numeric", column, action)
    action = "the number is infinite; correct it or make it missing"
    yield from intake.in_rows(numbers.infinite, "not_numeric", column, action)


def check_ranges(intake: Intake) -> Iterator[Finding]:
    """impossible_range: outside what the schema says is possible."""
    for name, feature in intake.features.items():
        if feature.range is not None and not feature.is_discrete:
            action = "correct the values or make them missing, after checking the unit; or widen the range"
            yield from outside(intake, name, feature.range, "impossible_range", action)


def outside(
    intake: Intake, column: str, limits: tuple[float, float], code: str, action: str
) -> Iterator[Finding]:
    """Yield one finding for the values of a column outside `limits`."""
    values = intake.numbers(column).values
    rows = ~values.is_between(*limits).fill_null(True)
    yield from intake.in_rows(rows, code, column, f"outside {limits[0]:g} to {limits[1]:g}: {action}")


def check_units(intake: Intake) -> Iterator[Finding]:
    """wrong_unit: the row states another unit, or none."""
    for name, feature in intake.features.items():
        if feature.unit_column is None or feature.unit is None or not intake.has(feature.unit_column):
            continue
        stated = intake.text(feature.unit_column)
        rows = _present(intake, name) & ~(stated == feature.unit).fill_null(False)
        action = (
            f"column {feature.unit_column} must say {feature.unit} in every row with a value: convert "
            "the values, or state the unit"
        )
        yield from intake.in_rows(rows, "wrong_unit", name, action)


def check_times(intake: Intake) -> Iterator[Finding]:
    """feature_after_index and measured_at_missing: a feature must be known when treatment starts."""
    for name, feature in intake.features.items():
        if isinstance(feature.measured_at, str):
            if intake.has(feature.measured_at):
                yield from _days(intake, name, feature.measured_at)
        elif feature.measured_at > 0:
            action = (
                f"measured {feature.measured_at:g} days after the index time: take it out, or use a "
                "value from before"
            )
            yield Finding("error", "feature_after_index", name, intake.n, (), action)


def _days(intake: Intake, name: str, column: str) -> Iterator[Finding]:
    days, present = intake.numbers(column), _present(intake, name)
    yield from not_numeric(intake, column)
    action = (
        f"column {column} says that it was measured after the index time: make these values missing, "
        "or use earlier ones"
    )
    yield from intake.in_rows(
        present & (days.values > 0).fill_null(False), "feature_after_index", name, action
    )
    action = f"column {column} does not say when it was measured: fill it in, or make these values missing"
    yield from intake.in_rows(present & days.missing, "measured_at_missing", name, action)


def check_information(intake: Intake) -> Iterator[Finding]:
    """all_missing_column, mostly_missing, constant_column: warnings on what a column can tell."""
    for name in intake.features:
        n_missing = intake.n - int(_present(intake, name).sum())
        if n_missing == intake.n:
            action = "no patient has a value: leave it out of the schema"
            yield Finding("warning", "all_missing_column", name, n_missing, (), action)
            continue
        if n_missing > MOSTLY_MISSING * intake.n:
            action = (
                "more than half of the patients have no value: its effect rests on the others and on "
                "the prior"
            )
            yield Finding("warning", "mostly_missing", name, n_missing, (), action)
        if _readable(intake, name).n_unique() == 1:
            action = "every patient has the same value: it carries no information, leave it out"
            yield Finding("warning", "constant_column", name, intake.n - n_missing, (), action)


def check_rare_levels(intake: Intake) -> Iterator[Finding]:
    """one_patient_level: levels with a single patient, counted but neither named nor attributed."""
    for name, feature in intake.features.items():
        if not feature.is_discrete:
            continue
        text = intake.text(name)
        counts = text.filter(text.is_in(list(feature.level_names))).value_counts()["count"]
        n = int((counts == 1).sum())
        if n:
            action = (
                f"{n} level(s) have one patient each: merge them with others, or rely on the prior for them"
            )
            yield Finding("warning", "one_patient_level", name, n, (), action)


def _present(intake: Intake, name: str) -> pl.Series:
    """Return the mask of rows with a value, readable or not."""
    if intake.features[name].is_discrete:
        return intake.text(name).is_not_null()
    return ~intake.numbers(name).missing


def _readable(intake: Intake, name: str) -> pl.Series:
    """Return the values that could be read, in rows that have one."""
    discrete = intake.features[name].is_discrete
    return (intake.text(name) if discrete else intake.numbers(name).values).drop_nulls()


FEATURE_VALUES: tuple[Check, ...] = (check_categories, check_numbers, check_ranges, check_units, check_times)
INFORMATION: tuple[Check, ...] = (check_information, check_rare_levels)
