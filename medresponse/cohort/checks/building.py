"""A frame of any column types -> a checked `Cohort`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from medresponse.cohort.checks.eligibility import apply_eligibility
from medresponse.cohort.checks.features import FEATURE_VALUES
from medresponse.cohort.checks.identity import IDENTITY, check_id_values, identifying_ids
from medresponse.cohort.checks.information import INFORMATION
from medresponse.cohort.checks.intake import Check, Intake, run
from medresponse.cohort.checks.outcomes import OUTCOME_VALUES, OUTCOMES
from medresponse.cohort.checks.structure import STRUCTURE
from medresponse.cohort.checks.treatment import ARMS, TREATMENT_VALUES
from medresponse.cohort.cohort import Cohort, Exclusion
from medresponse.cohort.findings import Finding, describe, findings_table
from medresponse.cohort.parsing import read_levels
from medresponse.cohort.roles import error_columns
from medresponse.cohort.schema import Schema
from medresponse.core.errors import DataError

_WHOLE: tuple[Check, ...] = (*STRUCTURE, check_id_values)
_ROWS: tuple[Check, ...] = (*IDENTITY, *TREATMENT_VALUES, *OUTCOME_VALUES, *FEATURE_VALUES)
_TO_FIT: tuple[Check, ...] = (*ARMS, *OUTCOMES, *INFORMATION)


def cohort_from_frame(
    frame: pl.DataFrame,
    schema: Schema,
    *,
    source: Mapping[str, str] | None = None,
    for_prediction: bool = False,
) -> Cohort:
    """Check every row of a table against a schema and return it as a `Cohort`.

    Parameters
    ----------
    frame : polars.DataFrame
        One row a patient, in any order; columns of any type (numbers may be text, as in a CSV file).
    schema : Schema
    source : mapping, optional
        Where the rows came from, kept for provenance.
    for_prediction : bool
        Whether these are patients to predict for: treatment and outcomes may be absent, and nothing is
        asked about the sizes of arms or the information in a column.

    Returns
    -------
    Cohort
        The eligible rows, sorted by id; `Cohort.flow` counts the others, `Cohort.findings` holds warnings.

    Raises
    ------
    DataError
        With every error found, in the message and as `DataError.findings`; the code is that of the finding,
        or ``cohort_findings`` if there are several.
    """
    intake = Intake(frame, schema, for_prediction=for_prediction)
    intake = replace(intake, ids_shown=not identifying_ids(intake))
    findings = run(_WHOLE, intake)
    eligible, flow = apply_eligibility(intake)
    if eligible.n:
        findings += run(_ROWS if for_prediction else (*_ROWS, *_TO_FIT), eligible)
    elif intake.n:
        findings.append(_nobody_left(flow))
    table = findings_table(findings)
    _refuse_errors(table, source)
    return Cohort(_canonical(eligible), schema, flow, table, dict(source or {}))


def _nobody_left(flow: tuple[Exclusion, ...]) -> Finding:
    counts = "; ".join(f"{exclusion.reason}: {exclusion.n}" for exclusion in flow)
    action = f"the eligibility rules leave nobody ({counts}): check what they keep"
    return Finding("error", "nobody_eligible", "", sum(exclusion.n for exclusion in flow), (), action)


def _refuse_errors(table: pl.DataFrame, source: Mapping[str, str] | None) -> None:
    errors = table.filter(pl.col("severity") == "error")
    if errors.is_empty():
        return
    codes = errors["code"].unique(maintain_order=True).to_list()
    what = (source or {}).get("file", "the table")
    message = (
        f"{what} does not fit its schema ({errors.height} error(s)); nothing was computed:\n{describe(table)}"
    )
    raise DataError(message, code=codes[0] if len(codes) == 1 else "cohort_findings", findings=table)


def _canonical(intake: Intake) -> pl.DataFrame:
    """Return the declared columns in canonical types, sorted by id."""
    columns = {intake.schema.id: intake.ids}
    if intake.treatment is not None:
        name, levels = intake.treatment.column, tuple(intake.treatment.levels)
        columns[name] = read_levels(intake.text(name), levels)
    columns |= {column: how.read(intake, column) for column, how in intake.outcome_columns.items()}
    for name, feature in intake.features.items():
        if feature.is_discrete:
            columns[name] = read_levels(intake.text(name), feature.level_names)
        else:
            columns[name] = intake.numbers(name).values
    columns |= {error: intake.numbers(error).values for error in error_columns(intake.schema)}
    columns |= {site: intake.text(site) for site in intake.sites}
    return pl.DataFrame(columns).sort(intake.schema.id)
