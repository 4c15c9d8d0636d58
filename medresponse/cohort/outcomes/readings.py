"""How one column of an outcome is read: as a number, as one of two values, or as one of several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.parsing import read_flags, read_levels

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


class Reading(Protocol):
    """How one column is read; outcomes that share a column must read it in the same way."""

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty entry has a meaning of its own."""
        ...

    @property
    def written(self) -> tuple[str, ...]:
        """Values to which the schema gives a meaning."""
        ...

    def read(self, intake: Intake, column: str) -> pl.Series:
        """Return the column in its canonical type, null where missing or unreadable."""
        ...

    def missing(self, intake: Intake, column: str) -> pl.Series:
        """Return the mask of empty entries."""
        ...

    def check(self, intake: Intake, column: str) -> Iterator[Finding]:
        """Yield findings on entries that cannot be read."""
        ...


@dataclass(frozen=True)
class Number:
    """Numbers, ``Float64`` in the cohort."""

    may_be_empty: bool = False
    written: ClassVar[tuple[str, ...]] = ()

    def read(self, intake: Intake, column: str) -> pl.Series:
        """Return the numbers."""
        return intake.numbers(column).values

    def missing(self, intake: Intake, column: str) -> pl.Series:
        """Return the mask of nulls, NaN and blanks."""
        return intake.numbers(column).missing

    def check(self, intake: Intake, column: str) -> Iterator[Finding]:
        """not_numeric."""
        yield from intake.not_numeric(column)


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One of two values, ``Boolean`` in the cohort, True for `yes`; both in event spelling (True is "1").

    Parameters
    ----------
    yes, no : str
    entries : (str, str)
        Entries of the schema that say how each is written.
    code : str
        Code of the finding on any other value.
    """

    yes: str
    no: str
    entries: tuple[str, str] = field(compare=False)
    code: str = field(default="outcome_unknown_level", compare=False)
    may_be_empty: ClassVar[bool] = False

    @property
    def written(self) -> tuple[str, ...]:
        """Both values."""
        return (self.yes, self.no)

    def read(self, intake: Intake, column: str) -> pl.Series:
        """Return the flags."""
        return read_flags(intake.text(column), yes=self.yes, no=self.no)

    def missing(self, intake: Intake, column: str) -> pl.Series:
        """Return the mask of nulls and blanks."""
        return intake.text(column).is_null()

    def check(self, intake: Intake, column: str) -> Iterator[Finding]:
        """Yield the finding `code` for values that are neither."""
        neither = (
            f"neither {self.entries[0]} {self.yes} nor {self.entries[1]} {self.no}: correct them, or say in "
            "the schema how the file writes them"
        )
        yield from _unknown(self, intake, column, self.code, neither)


@dataclass(frozen=True)
class Choice:
    """One of several values, an ``Enum`` in the cohort, in the order given (canonical text)."""

    written: tuple[str, ...]
    may_be_empty: ClassVar[bool] = False

    def read(self, intake: Intake, column: str) -> pl.Series:
        """Return the values."""
        return read_levels(intake.text(column), self.written)

    def missing(self, intake: Intake, column: str) -> pl.Series:
        """Return the mask of nulls and blanks."""
        return intake.text(column).is_null()

    def check(self, intake: Intake, column: str) -> Iterator[Finding]:
        """outcome_unknown_level."""
        none = (
            f"none of those declared ({', '.join(self.written)}): correct them, or declare them in the schema"
        )
        yield from _unknown(self, intake, column, "outcome_unknown_level", none)


def _unknown(reading: Reading, intake: Intake, column: str, code: str, what: str) -> Iterator[Finding]:
    text = intake.text(column)
    rows = text.is_not_null() & reading.read(intake, column).is_null()
    yield from intake.in_rows(
        rows, code, column, f"{text.filter(rows).n_unique()} distinct value(s) are {what}"
    )
