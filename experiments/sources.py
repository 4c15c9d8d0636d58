"""The cohort of a source configuration: its folder, its schema, and the sets of patients that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.cohort.checks.structure import declared_columns
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError, SpecError
from medresponse.core.registry import did_you_mean


def read_source(
    source: Mapping[str, Any],
    data_root: Path,
    build: Callable[[Path], pl.DataFrame],
    *,
    analysis: str | None = None,
) -> Cohort:
    """Return the checked patients of a source.

    Parameters
    ----------
    source : mapping
        A configuration of conf/source: ``folder``, ``schema``, and perhaps ``analyses``.
    data_root : Path
        Folder of the data sets.
    build : callable
        The source's folder -> all its patients, with the columns of every analysis.
    analysis : str, optional
        One of the source's ``analyses``; its main one by default.
    """
    return cohort_of(build(source_folder(source, data_root)), schema_of(source, analysis))


def source_folder(source: Mapping[str, Any], data_root: Path) -> Path:
    """Return the folder of a source's files.

    Raises
    ------
    DataError
        If there is none.
    """
    folder = Path(data_root) / str(source["folder"])
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder.name} under data_root; set data_root=<folder of the data sets>",
            code="no_such_file",
        )
    return folder


def schema_of(source: Mapping[str, Any], analysis: str | None = None) -> Schema:
    """Return the schema of one analysis of a source.

    An entry of ``analyses`` replaces the entries of ``schema`` that it names (outcomes, eligibility, ...), so that a
    trial's sets of patients share the meaning of their columns.

    Raises
    ------
    SpecError
        If the source has no such analysis, or an entry does not decode.
    """
    plain = dict(source["schema"])
    if analysis is not None:
        analyses = source.get("analyses", {})
        if analysis not in analyses:
            raise SpecError(
                f"source.analyses: no analysis {analysis!r}; {did_you_mean(analysis, list(analyses))}"
            )
        plain |= analyses[analysis]
    return from_plain(Schema, plain, path="source.schema")


def cohort_of(frame: pl.DataFrame, schema: Schema) -> Cohort:
    """Check the columns of a derived frame that a schema declares; the others belong to another analysis."""
    declared = [column for column in declared_columns(schema) if column in frame.columns]
    return cohort_from_frame(frame.select(declared), schema)
