"""What a generator refuses to learn from: identifiers, free text and columns of too few patients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.cohort.checks.identity import identifying_ids, is_identifier_name
from medresponse.cohort.checks.intake import Intake
from medresponse.core.errors import DataError
from medresponse.synthetic.learned.columns import FEWEST

FEWEST_KNOWN = 4 * FEWEST
"""Values that a column of numbers needs: 11 beyond either end, and as many within each half of the rest."""

_LONGEST_LEVEL = 60  # characters; longer is a sentence
_CODE_DIGITS = 6  # whole numbers at least so long, all different, are record numbers rather than measurements


def refuse_unlearnable(cohort: Cohort) -> None:
    """Raise `DataError` if columns identify patients, hold free text, or know too few patients; one message for all."""
    problems = [*_small(cohort), *_identifying(cohort)]
    if problems:
        lines = "\n".join(f"  {where}: {what}" for where, what in problems)
        raise DataError(
            f"no generator learns from {cohort.schema.name} as it is ({len(problems)} reason(s)); take these columns out "
            f"of the schema, or correct them:\n{lines}",
            code="not_learnable",
        )


def _small(cohort: Cohort) -> Iterator[tuple[str, str]]:
    if cohort.n < FEWEST_KNOWN:
        yield "patients", f"{cohort.n}, and at least {FEWEST_KNOWN} are needed"
        return
    for name, dtype in cohort.table.schema.items():
        known = cohort.n - cohort.table[name].null_count()
        if known == 0 or (dtype == pl.Float64 and known < FEWEST_KNOWN):
            yield f"column {name}", f"too few patients have a value; at least {FEWEST_KNOWN} are needed"


def _identifying(cohort: Cohort) -> Iterator[tuple[str, str]]:
    schema, table = cohort.schema, cohort.table
    for name, dtype in table.schema.items():
        column = table[name]
        if is_identifier_name(name):
            yield f"column {name}", "its name says that it identifies people"
        elif dtype == pl.Float64:
            if _is_record_number(column):
                yield (
                    f"column {name}",
                    "long whole numbers, different in every patient: record numbers, as it seems",
                )
        elif dtype != pl.Boolean:
            text = column.cast(pl.String)
            n = identifying_ids(Intake(pl.DataFrame({schema.id: text}), schema))
            if n:
                yield (
                    f"column {name}",
                    f"{n} value(s) look like e-mail addresses, telephone or social security numbers",
                )
            elif name != schema.id and _is_free_text(text):
                yield f"column {name}", "free text: long entries, or a different one in most patients"


def _is_record_number(column: pl.Series) -> bool:
    values = column.drop_nulls().to_numpy()
    long = np.abs(values) >= 10 ** (_CODE_DIGITS - 1)
    return bool(
        len(values) and long.all() and (values % 1 == 0).all() and len(np.unique(values)) == len(values)
    )


def _is_free_text(text: pl.Series) -> bool:
    known = text.drop_nulls()
    longest = known.str.len_chars().max()
    return bool(2 * known.n_unique() > len(known) or (isinstance(longest, int) and longest > _LONGEST_LEVEL))
