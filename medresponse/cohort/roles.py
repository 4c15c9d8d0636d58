"""Every column of a schema has one role, and is read in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medresponse.cohort.outcomes import Reading

if TYPE_CHECKING:
    from medresponse.cohort.schema import Schema


def helper_columns(schema: Schema) -> tuple[str, ...]:
    """Return the columns that say something about a feature and are not kept: units and days of measurement."""
    features = schema.feature_columns.values()
    units = [f.unit_column for f in features if f.unit_column]
    return (*units, *(f.measured_at for f in features if isinstance(f.measured_at, str)))


def error_columns(schema: Schema) -> tuple[str, ...]:
    """Return the columns that hold standard errors of features, each once."""
    errors = [feature.error_column for feature in schema.feature_columns.values()]
    return tuple(dict.fromkeys(error for error in errors if error is not None))


def check_roles(schema: Schema) -> None:
    """Raise ValueError if a column has two roles, two outcomes read one column in different ways, or a name is a pattern."""
    errors = error_columns(schema)
    by_role = {
        "the id": (schema.id,),
        "the treatment": (schema.treatment.column,) if schema.treatment else (),
        "an outcome": [column for outcome in schema.outcomes.values() for column in outcome.reads],
        "a feature": tuple(schema.feature_columns),
        "a site": schema.sites,
        "a column to ignore": schema.ignore,
        "a standard error": errors,
    }
    for column in [*helper_columns(schema), *(name for columns in by_role.values() for name in columns)]:
        if _is_pattern(column):
            raise ValueError(
                f"column {column}: tables read this name as a pattern for many columns; give it another name"
            )
    role_of: dict[str, str] = {}
    for role, columns in by_role.items():
        for column in columns:
            if role_of.setdefault(column, role) != role:
                raise ValueError(f"column {column} is both {role_of[column]} and {role}; it can be one")
    for column in helper_columns(schema):
        if column in errors:
            raise ValueError(
                f"column {column} is both a standard error and a unit or day of measurement; it can be one"
            )
    reading_of: dict[str, Reading] = {}
    for outcome in schema.outcomes.values():
        for column, reading in outcome.reads.items():
            if reading_of.setdefault(column, reading) != reading:
                raise ValueError(f"outcomes: column {column} is used in two ways; copy it under another name")


def _is_pattern(column: str) -> bool:
    """Say whether polars takes a column's name for all columns, or for a regular expression."""
    return column == "*" or (column.startswith("^") and column.endswith("$"))
