"""Recorded tables in Markdown, and which of their rows are not what the package computes now."""

from __future__ import annotations

import polars as pl


def markdown(shown: pl.DataFrame) -> str:
    """Return a table of two decimals in Markdown."""
    rows = [shown.columns, ["---"] * shown.width]
    for row in shown.iter_rows():
        rows.append(["" if v is None else f"{v:.2f}" if isinstance(v, float) else str(v) for v in row])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def otherwise(rows: pl.DataFrame) -> str:
    """Say which rows were recorded with what the package does otherwise now; empty if none."""
    parts = []
    for (how,), own in _otherwise(rows).group_by("recorded_with", maintain_order=True):
        names = ", ".join(f"`{name}`" for name in own["method"].unique(maintain_order=True))
        parts.append(f"{names} ({how})")
    if not parts:
        return ""
    return f"\n**Rows with a star are not what the package computes now**: {'; '.join(parts)}.\n"


def starred(shown: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a table with a star behind the methods that `otherwise` names."""
    old = pl.col("method").is_in(_otherwise(rows)["method"].unique().to_list())
    return shown.with_columns(pl.when(old).then(pl.col("method") + " *").otherwise("method").alias("method"))


def _otherwise(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose record says how they were made otherwise; those of a run of now say nothing."""
    if "recorded_with" not in rows.columns:
        return pl.DataFrame(schema={"method": pl.String, "recorded_with": pl.String})
    known = rows.filter(pl.col("recorded_with").is_not_null())
    return known.select("method", "recorded_with").sort("recorded_with", "method", descending=[True, False])
