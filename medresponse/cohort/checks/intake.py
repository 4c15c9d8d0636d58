"""What every check looks at: a frame on its way to becoming a cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from medresponse.cohort.feature import TRANSFORMS, Feature
from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes import Outcome, Reading
from medresponse.cohort.parsing import Numbers, read_ids, read_levels, read_numbers, read_text
from medresponse.cohort.schema import Schema, Treatment

type Check = Callable[[Intake], Iterable[Finding]]


@dataclass(frozen=True)
class Intake:
    """A frame as it came, its schema, and what it is read for.

    Parameters
    ----------
    frame : polars.DataFrame
    schema : Schema
    for_prediction : bool
        Whether treatment and outcomes may be absent.
    ids_shown : bool
        Whether ids may stand in findings; False once they look like names, numbers or addresses of people.
    """

    frame: pl.DataFrame
    schema: Schema
    for_prediction: bool = False
    ids_shown: bool = True
    _texts: dict[str, pl.Series] = field(default_factory=dict, init=False, repr=False, compare=False)
    _numbers: dict[str, Numbers] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.frame.height

    @cached_property
    def ids(self) -> pl.Series:
        """Ids as text, null where missing."""
        if self.has(self.schema.id):
            return read_ids(self.frame[self.schema.id])
        return pl.Series(self.schema.id, [None] * self.n, dtype=pl.String)

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        """Feature columns that the frame has."""
        return {name: feature for name, feature in self.schema.feature_columns.items() if self.has(name)}

    @property
    def sites(self) -> tuple[str, ...]:
        """Site columns that the frame has."""
        return tuple(site for site in self.schema.sites if self.has(site))

    @property
    def treatment(self) -> Treatment | None:
        """The treatment, if it is declared and the frame has its column."""
        treatment = self.schema.treatment
        return treatment if treatment and self.has(treatment.column) else None

    @cached_property
    def arms(self) -> tuple[tuple[str, pl.Series], ...]:
        """Each treatment level with the mask of its patients; empty without a treatment."""
        if self.treatment is None:
            return ()
        given = self.text(self.treatment.column)
        return tuple((level, (given == level).fill_null(False)) for level in self.treatment.levels)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """Outcomes of which the frame has every column."""
        return {name: outcome for name, outcome in self.schema.outcomes.items() if self.has(*outcome.reads)}

    @property
    def outcome_columns(self) -> Mapping[str, Reading]:
        """Columns of those outcomes, each once, with how it is read."""
        return {column: how for outcome in self.outcomes.values() for column, how in outcome.reads.items()}

    @property
    def is_wide(self) -> bool:
        """Whether the features give a model at least as many columns as there are patients."""
        sizes = (len(f.levels) - 1 if f.type == "categorical" else 1 for f in self.features.values())
        return sum(sizes) >= self.n

    def has(self, *columns: str) -> bool:
        """Say whether the frame has all `columns`."""
        return self._columns.issuperset(columns)

    @cached_property
    def _columns(self) -> frozenset[str]:
        return frozenset(self.frame.columns)

    def text(self, column: str) -> pl.Series:
        """Return one column in canonical text."""
        if column not in self._texts:
            self._texts[column] = read_text(self.frame[column])
        return self._texts[column]

    def numbers(self, column: str) -> Numbers:
        """Return one column read as numbers."""
        if column not in self._numbers:
            self._numbers[column] = read_numbers(self.frame[column])
        return self._numbers[column]

    def present(self, name: str) -> pl.Series:
        """Return the mask of rows in which a feature has a value, readable or not."""
        if self.features[name].is_discrete:
            return self.text(name).is_not_null()
        return ~self.numbers(name).missing

    def codes(self, name: str) -> np.ndarray:
        """Return a feature as numbers, shape (row,): transformed, or the position of the level; NaN if unknown."""
        feature = self.features[name]
        if feature.is_discrete:
            levels = read_levels(self.text(name), feature.level_names)
            return levels.to_physical().cast(pl.Float64).to_numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            codes = TRANSFORMS[feature.transform](self.numbers(name).values.to_numpy())
        return np.where(np.isfinite(codes), codes, np.nan)

    def filter(self, keep: pl.Series) -> Intake:
        """Return the rows for which the mask `keep` holds."""
        return replace(self, frame=self.frame.filter(keep))

    def patients(self, rows: pl.Series) -> tuple[str, ...]:
        """Return the ids of the rows in a mask, sorted; empty if ids are not to be shown."""
        if not self.ids_shown:
            return ()
        return tuple(self.ids.filter(rows).drop_nulls().unique().sort().to_list())

    def in_rows(
        self,
        rows: pl.Series,
        code: str,
        column: str,
        action: str,
        *,
        severity: Literal["error", "warning"] = "error",
    ) -> Iterator[Finding]:
        """Yield one finding with the count and ids of the rows in a mask, or nothing if there are none."""
        n = int(rows.sum())
        if n:
            yield Finding(severity, code, column, n, self.patients(rows), action)

    def not_numeric(self, column: str) -> Iterator[Finding]:
        """Yield not_numeric for one column, text and infinity apart."""
        numbers = self.numbers(column)
        action = (
            "a number is needed, with a decimal point and no unit or sign such as <; correct them or make them "
            "missing"
        )
        yield from self.in_rows(numbers.text, "not_numeric", column, action)
        action = "the number is infinite; correct it or make it missing"
        yield from self.in_rows(numbers.infinite, "not_numeric", column, action)

    def outside(self, column: str, limits: tuple[float, float], code: str, action: str) -> Iterator[Finding]:
        """Yield one finding for the values of a column outside `limits`."""
        rows = ~self.numbers(column).values.is_between(*limits).fill_null(True)
        yield from self.in_rows(rows, code, column, f"outside {limits[0]:g} to {limits[1]:g}: {action}")


def run(checks: Iterable[Check], intake: Intake) -> list[Finding]:
    """Return the findings of all `checks`, in their order."""
    return [finding for check in checks for finding in check(intake)]


def shown(names: Iterable[str], *, limit: int = 12) -> str:
    """Return names from the schema as a list in words, cut after `limit`."""
    every = list(names)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more
