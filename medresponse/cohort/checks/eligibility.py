"""The declared eligibility rules: the only way in which rows are left out."""

from __future__ import annotations

import polars as pl

from medresponse.cohort.checks.intake import Intake
from medresponse.cohort.cohort import Exclusion
from medresponse.cohort.schema import Eligibility
from medresponse.core.text import canonical_text


def apply_eligibility(intake: Intake) -> tuple[Intake, tuple[Exclusion, ...]]:
    """Return the eligible rows, and per rule the rows that it was the first to leave out.

    A rule whose column is absent leaves nobody out: the column's absence is a finding, unless the table is
    read for prediction and the column is an outcome or the treatment.
    """
    kept = pl.Series([True] * intake.n, dtype=pl.Boolean)
    flow = []
    for rule in intake.schema.eligibility:
        if not intake.has(rule.column):
            continue
        fails = kept & ~_passes(rule, intake)
        flow.append(Exclusion(reason=rule.reason, n=int(fails.sum()), ids=intake.patients(fails)))
        kept = kept & ~fails
    return intake.filter(kept), tuple(flow)


def _passes(rule: Eligibility, intake: Intake) -> pl.Series:
    text = intake.text(rule.column)
    if not rule.keep:
        return text.is_not_null()
    return text.is_in([canonical_text(value) for value in rule.keep]).fill_null(False)
