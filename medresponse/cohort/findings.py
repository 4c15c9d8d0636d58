"""The findings table: what the checks saw, one row each, without patient values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Literal

import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "severity": pl.Enum(["error", "warning"]),
    "code": pl.String(),
    "column": pl.String(),
    "n": pl.Int64(),
    "ids": pl.List(pl.String()),
    "action": pl.String(),
}


@dataclass(frozen=True)
class Finding:
    """One thing a check saw: how bad, where, in how many rows (and whose), and what to do."""

    severity: Literal["error", "warning"]
    code: str
    column: str
    n: int
    ids: tuple[str, ...]
    action: str


def findings_table(findings: Iterable[Finding]) -> pl.DataFrame:
    """Return findings as a table with columns ``severity, code, column, n, ids, action``, errors first."""
    rows = [(*astuple(f)[:4], list(f.ids), f.action) for f in findings]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("severity", maintain_order=True)


def describe(table: pl.DataFrame, *, limit: int = 5) -> str:
    """Return the errors of a findings table as lines of text, at most `limit` ids a line."""
    lines = []
    for row in table.filter(pl.col("severity") == "error").iter_rows(named=True):
        ids = ", ".join(row["ids"][:limit]) + (", ..." if len(row["ids"]) > limit else "")
        whose = f" (patients {ids})" if row["ids"] else ""
        where = [f"column {row['column']}"] if row["column"] else []
        where += [f"{row['n']} row(s){whose}"] if row["n"] else []
        lines.append(f"  {': '.join([row['code'], *([', '.join(where)] if where else []), row['action']])}")
    return "\n".join(lines)
