"""Columns as they come -> text, numbers and event flags, with masks of what could not be read."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from medresponse.core.text import canonical_text, event_text

_NOT_A_LEVEL = "\ufffd"  # stands for a list, a struct or bytes, which no level can equal


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers, all of shape (row,).

    Parameters
    ----------
    values : polars.Series
        ``Float64``; null where missing or unreadable.
    missing : polars.Series
        Mask of nulls, NaN and blank text.
    text : polars.Series
        Mask of values that are no number.
    infinite : polars.Series
        Mask of plus and minus infinity.
    """

    values: pl.Series
    missing: pl.Series
    text: pl.Series
    infinite: pl.Series


def read_numbers(column: pl.Series) -> Numbers:
    """Read a column strictly as numbers: no units, thousands separators, decimal commas or booleans."""
    plain = _plain(column)
    if plain.dtype == pl.String:
        raw = plain.cast(pl.Float64, strict=False)
    elif plain.dtype.is_numeric():
        raw = plain.cast(pl.Float64)
    else:
        raw = pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
    infinite = raw.is_infinite().fill_null(False)
    is_nan = raw.is_nan().fill_null(False)
    return Numbers(
        values=raw.set(infinite | is_nan, None),
        missing=plain.is_null() | is_nan,
        text=plain.is_not_null() & raw.is_null(),
        infinite=infinite,
    )


def read_text(column: pl.Series) -> pl.Series:
    """Return a column in canonical text; blank text and NaN are null."""
    plain = _plain(column)
    if plain.dtype.is_integer():
        return plain.cast(pl.String)  # as `canonical_text` writes them
    values = plain.fill_nan(None) if plain.dtype.is_float() else plain
    written = values.unique().drop_nulls().to_list()
    spelled = [canonical_text(value) for value in written]
    if not written:
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    return values.replace_strict(written, spelled, default=None, return_dtype=pl.String)


def read_ids(column: pl.Series) -> pl.Series:
    """Return ids as text; numbers lose a decimal ``.0``, text keeps every character but outer spaces."""
    plain = _plain(column)
    return plain if plain.dtype == pl.String else read_text(plain)


def read_levels(text: pl.Series, levels: tuple[str, ...]) -> pl.Series:
    """Return canonical text as an ``Enum`` of `levels`; null where it is none of them."""
    return text.cast(pl.Enum(list(levels)), strict=False)


def read_flags(text: pl.Series, *, yes: str, no: str) -> pl.Series:
    """Return canonical text as ``Boolean``, null where it is neither `yes` nor `no` (event spelling)."""
    flags = {yes: True, no: False}
    values = [None if value is None else flags.get(event_text(value)) for value in text.to_list()]
    return pl.Series(text.name, values, dtype=pl.Boolean)


def _plain(column: pl.Series) -> pl.Series:
    """Return booleans and numbers as they are and everything else as stripped text, blank text as null."""
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    if column.dtype.is_decimal():
        return column.cast(pl.Float64)
    if column.dtype == pl.Boolean or column.dtype.is_numeric():
        return column
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object, pl.Duration):
        text = pl.Series(column.name, [_NOT_A_LEVEL] * len(column), dtype=pl.String)
        return text.set(column.is_null(), None)
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)
