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
_CODE_DIGITS = (
    6  # whole numbers at least so long, nearly all different, are record numbers rather than measurements
)
_NEARLY = 0.9
_MANY_LEVELS = 12  # more than these, most patients in small ones, are names or codes rather than categories
_DATE = (
    r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    r"|(?i)^\d{1,2}[ -]?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -]?\d{2,4}$"
)


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
            what = _numbers_of(column)
            if what:
                yield f"column {name}", what
        elif dtype != pl.Boolean:
            text = column.cast(pl.String)
            n = identifying_ids(Intake(pl.DataFrame({schema.id: text}), schema))
            if n:
                yield (
                    f"column {name}",
                    f"{n} value(s) look like e-mail addresses, telephone or social security numbers",
                )
            elif name != schema.id:
                what = _words_of(text, is_site=name in schema.sites)
                if what:
                    yield f"column {name}", what


def _numbers_of(column: pl.Series) -> str | None:
    """Return in words what numbers are that identify patients, as it seems; None for measurements."""
    values = column.drop_nulls().to_numpy()
    if not len(values) or (values % 1 != 0).any():
        return None
    different = len(np.unique(values))
    if _are_dates(values):
        return "whole numbers that read as dates (year, month, day); give days since the index date"
    if (np.abs(values) >= 10 ** (_CODE_DIGITS - 1)).all() and different >= _NEARLY * len(values):
        return "long whole numbers, different in nearly every patient: record numbers, as it seems"
    if different == len(values) > 1 and np.ptp(values) < 2 * len(values):
        return "whole numbers in a row, different in every patient: row or record numbers, as it seems"
    return None


def _are_dates(values: np.ndarray) -> bool:
    year, month, day = values // 10_000, values // 100 % 100, values % 100
    plausible = (year >= 1850) & (year <= 2150) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(plausible.all())


def _words_of(text: pl.Series, *, is_site: bool) -> str | None:
    """Return in words what text is that identifies patients, as it seems; None for categories. Small sites are learned together."""
    known = text.drop_nulls()
    longest = known.str.len_chars().max()
    if known.str.contains(_DATE).mean() == 1.0:
        return "dates; give days since the index date"
    if 2 * known.n_unique() > len(known) or (isinstance(longest, int) and longest > _LONGEST_LEVEL):
        return "free text: long entries, or a different one in most patients"
    sizes = known.value_counts()["count"]
    small = int(sizes.filter(sizes < FEWEST).sum())
    if not is_site and len(sizes) > _MANY_LEVELS and 2 * small > len(known):
        return (
            f"{len(sizes)} levels, most patients in levels of fewer than {FEWEST}: names or codes, as it seems; join levels until "
            f"at least half of the patients are in larger ones, or there are at most {_MANY_LEVELS}"
        )
    return None
