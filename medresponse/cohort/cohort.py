"""The frozen `Cohort`: one row a patient, checked against its schema, in an order that never matters."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort.outcomes import OutcomeSchema
from medresponse.cohort.roles import error_columns
from medresponse.cohort.schema import Schema
from medresponse.core.codec import to_plain
from medresponse.core.errors import DataError
from medresponse.core.registry import did_you_mean
from medresponse.core.small_cells import is_small, one_count, shown


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Rows that a declared eligibility rule left out (part of the CONSORT-style flow)."""

    reason: str
    n: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Cohort:
    """Patients with features, treatment and outcome, as the schema declares them.

    Build it with `medresponse.read` or `cohort_from_frame`, which check every row; the constructor trusts
    its arguments. Rows are sorted by patient id, so that the order of a file cannot change a result.

    Parameters
    ----------
    table : polars.DataFrame
        Canonical columns: id ``String``; numbers (continuous features, their standard errors, times, counts)
        ``Float64``; levels and causes an ``Enum`` of the schema's; events ``Boolean``; sites ``String``. Nulls
        are missing values.
    schema : Schema
    flow : tuple of Exclusion
        Rows left out, with reasons.
    findings : polars.DataFrame
        What the checks found, with columns ``severity, code, column, n, ids, action``.
    source : mapping
        File name and SHA-256 of what was read; empty for a frame.
    """

    table: pl.DataFrame
    schema: Schema
    flow: tuple[Exclusion, ...]
    findings: pl.DataFrame
    source: Mapping[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of patients."""
        return self.table.height

    @functools.cached_property
    def patients(self) -> tuple[str, ...]:
        """Pseudonymous ids, sorted."""
        return tuple(self.table[self.schema.id].to_list())

    @property
    def treatments(self) -> tuple[str, ...]:
        """Treatment levels in the schema's fixed order; empty for a single-arm cohort."""
        return () if self.schema.treatment is None else tuple(self.schema.treatment.levels)

    @property
    def has_treatment(self) -> bool:
        """Whether the patients' own treatments are known; False for patients to predict for."""
        treatment = self.schema.treatment
        return treatment is not None and treatment.column in self.table.columns

    @property
    def treatment_idx(self) -> np.ndarray:
        """Index of each patient's treatment into `treatments`, shape (patient,); zeros for a single arm.

        Raises
        ------
        DataError
            If the table was read for prediction and has no treatment column.
        """
        if self.schema.treatment is None:
            return np.zeros(self.n, dtype=np.int64)
        if not self.has_treatment:
            column = self.schema.treatment.column
            raise DataError(
                f"these patients have no treatment (column {column}), only features", code="no_treatment"
            )
        return self.table[self.schema.treatment.column].to_physical().cast(pl.Int64).to_numpy()

    def outcome_schema(self, name: str) -> OutcomeSchema:
        """Return one outcome's schema.

        Raises
        ------
        DataError
            If the cohort has no such outcome.
        """
        outcomes = self.schema.outcomes
        if name not in outcomes:
            raise DataError(
                f"no outcome {name!r}; {did_you_mean(name, list(outcomes))}", code="unknown_outcome"
            )
        return outcomes[name]

    def outcome(self, name: str) -> dict[str, np.ndarray]:
        """Return one outcome as arrays of shape (patient,), times in the schema's unit.

        - continuous, binary (1.0 with the event): ``value``
        - ordinal: ``value``, the position of the level, and ``n_levels``, shape ()
        - count: ``value`` and ``exposure``
        - time to event: ``time``, ``event`` (bool), ``entry`` (0 if from the start), and the interval that holds
          the event, from ``lower`` to ``upper`` (infinite if censored)
        - competing risks: ``time``, ``event``, ``cause`` (-1 if censored), ``entry``, and ``n_causes``, shape ()

        Raises
        ------
        DataError
            If the cohort has no such outcome, or was read for prediction without it.
        """
        schema = self.outcome_schema(name)
        for column, reading in schema.reads.items():
            if column not in self.table.columns:
                raise DataError(
                    f"these patients have no outcome {name!r} (column {column})", code="no_outcome"
                )
            n_missing = 0 if reading.may_be_empty else self.table[column].null_count()
            if n_missing:
                raise DataError(
                    f"{n_missing} of {self.n} patients have no outcome {name!r} (column {column}): select the others",
                    code="outcome_missing",
                )
        return schema.arrays(self.table)

    def where(self, keep: pl.Expr | Sequence[bool] | np.ndarray) -> Cohort:
        """Return the patients for whom `keep` (an expression or a mask of length n) holds; for splits."""
        mask = keep if isinstance(keep, pl.Expr) else pl.Series(np.asarray(keep, dtype=bool))
        return replace(self, table=self.table.filter(mask))

    def select(self, patients: Sequence[str]) -> Cohort:
        """Return the named patients, in the cohort's order."""
        position = self._position
        unknown = sorted(patient for patient in set(patients) if patient not in position)
        if unknown:
            raise DataError(
                f"{len(unknown)} patient id(s) not in the cohort, the first: {unknown[0]}",
                code="unknown_patient",
            )
        rows = sorted({position[patient] for patient in patients})
        return replace(self, table=self.table[np.array(rows, dtype=np.int64)])

    @functools.cached_property
    def _position(self) -> dict[str, int]:
        """Row of each patient."""
        return {patient: row for row, patient in enumerate(self.patients)}

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical rows and the schema; the same for any row or column order of the file."""
        digest = hashlib.sha256(json.dumps(_stated(to_plain(self.schema)), sort_keys=True).encode())
        for name in sorted(self.table.columns):
            column = self.table[name].cast(pl.String)
            digest.update(name.encode())
            digest.update("\x1f".join("\x00" if v is None else v for v in column.to_list()).encode())
        return digest.hexdigest()

    def overview(self) -> pl.DataFrame:
        """Return one row a column: role, type, unit, missing count. No patient's values."""
        schema, rows = self.schema, []
        roles = {schema.id: "id", **{s: "site" for s in schema.sites}}
        if schema.treatment:
            roles[schema.treatment.column] = "treatment"
        for name, outcome in schema.outcomes.items():
            roles |= {column: f"outcome {name}" for column in outcome.reads}
        roles |= {column: "standard error" for column in error_columns(schema)}
        for column in self.table.columns:
            feature = schema.feature_columns.get(column)
            role = roles.get(column) or (schema.block_of(column) if feature else "")
            kind = feature.type if feature else str(self.table.schema[column]).split("(")[0].lower()
            unit = (feature.unit if feature else None) or ""
            rows.append((column, role, kind, unit, self.table[column].null_count()))
        return pl.DataFrame(rows, schema=["column", "role", "type", "unit", "missing"], orient="row")

    def __repr__(self) -> str:
        arms = f", {len(self.treatments)} treatments" if self.treatments else ""
        left_out = one_count(sum(exclusion.n for exclusion in self.flow))
        return f"<Cohort {self.schema.name}: {one_count(self.n)} patients{arms}, {left_out} excluded>"

    def _repr_html_(self) -> str:
        arms = ""
        if self.schema.treatment and self.has_treatment:
            counts = np.bincount(self.treatment_idx, minlength=len(self.treatments)).tolist()
            texts = shown(counts, totals="unknown" if is_small(self.n) else "known")
            arms = "; ".join(
                f"{escape(self.schema.treatment.label(t))}: {escape(n)}"
                for t, n in zip(self.treatments, texts, strict=True)
            )
        table = self.overview().with_columns(
            missing=pl.col("missing").map_elements(one_count, return_dtype=pl.String)
        )
        with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
            body = table._repr_html_()
        return f"<p><b>{escape(repr(self)[1:-1])}</b><br>{arms}</p>{body}"


def _stated(plain: Any) -> Any:
    """Return plain data without entries that say nothing, so that new optional ones change no fingerprint."""
    if isinstance(plain, dict):
        return {key: _stated(value) for key, value in plain.items() if value not in (None, [], {})}
    return [_stated(item) for item in plain] if isinstance(plain, list) else plain
