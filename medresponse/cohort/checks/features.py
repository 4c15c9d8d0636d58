"""Checks of the feature columns, value by value."""

from __future__ import annotations

from collections.abc import Iterator

from medresponse.cohort.checks.intake import Check, Intake, shown
from medresponse.cohort.findings import Finding


def check_categories(intake: Intake) -> Iterator[Finding]:
    """unknown_category: a value that is none of the levels."""
    for name, feature in intake.features.items():
        if not feature.is_discrete:
            continue
        text = intake.text(name)
        known = text.is_in(list(feature.level_names))
        if known.all():  # but for missing ones
            continue
        unknown = ~known.fill_null(True)
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
            yield from intake.not_numeric(name)


def check_ranges(intake: Intake) -> Iterator[Finding]:
    """impossible_range: outside what the schema says is possible."""
    for name, feature in intake.features.items():
        if feature.range is not None and not feature.is_discrete:
            action = "correct the values or make them missing, after checking the unit; or widen the range"
            yield from intake.outside(name, feature.range, "impossible_range", action)


def check_units(intake: Intake) -> Iterator[Finding]:
    """wrong_unit: the row states another unit, or none."""
    for name, feature in intake.features.items():
        if feature.unit_column is None or feature.unit is None or not intake.has(feature.unit_column):
            continue
        stated = intake.text(feature.unit_column)
        rows = intake.present(name) & ~(stated == feature.unit).fill_null(False)
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
    days, present = intake.numbers(column), intake.present(name)
    yield from intake.not_numeric(column)
    action = (
        f"column {column} says that it was measured after the index time: make these values missing, "
        "or use earlier ones"
    )
    yield from intake.in_rows(
        present & (days.values > 0).fill_null(False), "feature_after_index", name, action
    )
    action = f"column {column} does not say when it was measured: fill it in, or make these values missing"
    yield from intake.in_rows(present & days.missing, "measured_at_missing", name, action)


def check_errors(intake: Intake) -> Iterator[Finding]:
    """error_missing and error_not_positive: a value needs a standard error of measurement that can be one."""
    for name, feature in intake.features.items():
        column = feature.error_column
        if column is None or not intake.has(column):
            continue
        yield from intake.not_numeric(column)
        errors, present = intake.numbers(column), intake.present(name)
        action = f"column {column} does not say how uncertain the value is: fill it in, or make these values missing"
        yield from intake.in_rows(present & errors.missing, "error_missing", name, action)
        action = (
            f"column {column} must be greater than 0, in the unit of {name}: correct it; a value known without error "
            "takes a very small one"
        )
        rows = present & (errors.values <= 0).fill_null(False)
        yield from intake.in_rows(rows, "error_not_positive", name, action)


FEATURE_VALUES: tuple[Check, ...] = (
    check_categories,
    check_numbers,
    check_ranges,
    check_units,
    check_times,
    check_errors,
)
