"""CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medresponse.core.errors import DataError

# What begins so is run as a formula, unless it is a number (OWASP, CSV injection).
_FORMULA = r"^[\s]*[=+\-@\t\r＝＋－＠]"
_NUMBER = r"^\s*[+-]?\d*[.,]?\d+([eE][+-]?\d+)?\s*$"


def write_csv(table: pl.DataFrame, path: str | Path) -> None:
    """Write a table as CSV, if no spreadsheet would run a text of it.

    Texts are not altered instead: an id with a mark before it is another id.

    Raises
    ------
    DataError
        If a text or a column's name begins as formulas do.
    """
    texts = {"column names": pl.Series(table.columns)}
    texts |= {f"column {name!r}": table[name] for name, kind in table.schema.items() if kind == pl.String}
    for where, column in texts.items():
        runs = column.str.contains(_FORMULA) & ~column.str.contains(_NUMBER)
        if runs.any():
            raise DataError(
                f"{where}: {runs.sum()} text(s) begin as a formula does (=, +, -, @), and a spreadsheet that opens the CSV would run "
                "it; write Parquet instead",
                code="formula",
            )
    table.write_csv(path)
