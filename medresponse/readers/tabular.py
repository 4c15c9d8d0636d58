"""Tables with one row a patient: CSV, TSV and Parquet -> `Cohort`.

Every column of a text file is read as text; the checks of the cohort turn it into numbers and levels, so that
what cannot be read becomes a finding with patients' ids, and never a parser's message with a patient's value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame, load_schema
from medresponse.core.errors import DataError
from medresponse.core.text import canonical_text
from medresponse.readers.files import GIB, Contents, read_contents

MISSING_VALUES = ("", ".", "NA")
"""What text files write for a missing value; a level of the schema written the same way stays a level."""


def read(
    path: str | Path,
    schema: Schema | str | Path,
    *,
    for_prediction: bool = False,
    missing_values: Collection[str] = MISSING_VALUES,
    max_bytes: int = 2 * GIB,
) -> Cohort:
    """Read one file with one row a patient and check it against its schema.

    Parameters
    ----------
    path : str or Path
        A .csv, .csv.gz, .tsv, .tsv.gz (UTF-8, first line the header) or .parquet file. Lines of a text file
        in which every field is empty are no records; a column without a name is called ``column_7`` after its
        position.
    schema : Schema, str or Path
        The schema, or the path of its YAML file.
    for_prediction : bool
        Whether treatment and outcomes may be absent.
    missing_values : collection of str
        What a text file writes for a missing value; Parquet has nulls of its own.
    max_bytes : int
        Largest size, after decompression, that is read.

    Returns
    -------
    Cohort
        Eligible patients sorted by id, with `Cohort.source` naming the file and its SHA-256.

    Raises
    ------
    DataError
        If the file is not what its name says or breaks the schema. No message holds a patient's value.
    SchemaError, SpecError
        If the schema's file is missing or does not decode.
    """
    declared = schema if isinstance(schema, Schema) else load_schema(schema)
    contents = read_contents(path, max_bytes=max_bytes)
    if contents.layout == "parquet":
        frame = _parquet(contents)
    else:
        frame = _without_missing(_text(contents), declared, missing_values)
    source = {"file": contents.name, "sha256": contents.sha256}
    return cohort_from_frame(frame, declared, source=source, for_prediction=for_prediction)


def _parquet(contents: Contents) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(contents.data))
    except pl.exceptions.PolarsError:
        message = f"{contents.name} has the marks of a Parquet file but cannot be read; copy it again"
        raise DataError(message, code="file_damaged") from None


def _text(contents: Contents) -> pl.DataFrame:
    """Read delimited text, every field as it is written."""
    header, n_records = _check_lines(contents)
    try:
        frame = pl.read_csv(contents.data, separator=contents.separator, infer_schema=False)
    except pl.exceptions.PolarsError:
        raise _malformed(contents, "its quotes or line ends cannot be read") from None
    filled = frame.filter(pl.any_horizontal((pl.all().str.strip_chars() != "").fill_null(False)))
    if (filled.height, filled.width) != (n_records, len(header)):
        raise _malformed(contents, "its quotes or line ends can be read in more than one way")
    filled.columns = [name or f"column_{i}" for i, name in enumerate(header, start=1)]
    return filled


def _check_lines(contents: Contents) -> tuple[list[str], int]:
    """Return the header and the number of records, refusing lines with fewer or more fields than the header.

    polars would fill short lines with nulls, hence this pass with the standard library's parser.
    """
    text = io.TextIOWrapper(io.BytesIO(contents.data), encoding="utf-8-sig", newline="")
    ragged, filled = 0, 0
    try:
        records = csv.reader(text, delimiter=contents.separator, strict=True)
        header = next((record for record in records if record), [])
        for record in records:
            ragged += bool(record) and len(record) != len(header)
            filled += any(field.strip() for field in record)
    except UnicodeDecodeError:
        message = f"{contents.name} is not UTF-8 text; export it in UTF-8"
        raise DataError(message, code="file_not_as_named") from None
    except csv.Error:
        raise _malformed(
            contents, "a quote is not closed, or a line end is not that of a text file"
        ) from None
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise _malformed(contents, f"{len(named) - len(set(named))} column name(s) in its header stand twice")
    if ragged:
        raise _malformed(
            contents, f"{ragged} line(s) have fewer or more fields than the header, which has {len(header)}"
        )
    return header, filled


def _malformed(contents: Contents, what: str) -> DataError:
    message = (
        f"{contents.name}: {what}; quote fields that hold the separator or a line end, or export it again"
    )
    return DataError(message, code="malformed_text")


def _without_missing(frame: pl.DataFrame, schema: Schema, missing_values: Collection[str]) -> pl.DataFrame:
    """Return the frame with null for what means missing, except where the schema declares that very text."""
    meant = _declared_values(schema)
    columns = []
    for name in frame.columns:
        missing = [text for text in missing_values if text not in meant.get(name, ())]
        value = pl.col(name)
        columns.append(pl.when(~value.str.strip_chars().is_in(missing)).then(value))
    return frame.select(columns)


def _declared_values(schema: Schema) -> Mapping[str, set[str]]:
    """Return the values that the schema gives a meaning to, by column."""
    meant = {name: set(feature.level_names) for name, feature in schema.feature_columns.items()}
    if schema.treatment is not None:
        meant[schema.treatment.column] = set(schema.treatment.levels)
    for outcome in schema.outcomes.values():
        for column, reading in outcome.reads.items():
            meant.setdefault(column, set()).update(reading.written)
    for rule in schema.eligibility:
        meant.setdefault(rule.column, set()).update(canonical_text(value) for value in rule.keep)
    return meant
