"""Tables of groups of patients without small cells: numbers of patients as text, results of small groups left out."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from medresponse.core.small_cells import FLOOR, SHOWN, Totals, shares_are_safe, shown, suppress


def hide_small_groups(
    frame: pl.DataFrame,
    *,
    n: str,
    derived: Sequence[str],
    events: str | None = None,
    totals: Totals = "unknown",
    floor: int = FLOOR,
) -> pl.DataFrame:
    """Return a table of groups as it may be shown.

    Parameters
    ----------
    frame : polars.DataFrame
        One row a group.
    n : str
        Column of numbers of patients; becomes text.
    derived : sequence of str
        Columns of what was observed in each group (means, shares, their intervals); null where its size is not shown.
    events : str, optional
        Column of how many of the group had what the shares are of: also null where these, or the others, are few. Dropped.
    totals : str
        Whether readers know the sum of the groups; see `small_cells.suppress`.
    floor : int
    """
    sizes = frame[n].to_list()
    counts = frame[events].to_list() if events else sizes
    codes = suppress(frame[n].to_numpy(), totals=totals, floor=floor)
    # Two derived numbers may give a withheld one between them.
    safe = [
        code == SHOWN and (not events or shares_are_safe(count, size, floor=floor))
        for code, count, size in zip(codes.tolist(), counts, sizes, strict=True)
    ]
    kept = pl.Series(safe, dtype=pl.Boolean)
    texts = pl.Series(n, shown(sizes, totals=totals, floor=floor), dtype=pl.String)
    hidden = [pl.when(kept).then(pl.col(name)).alias(name) for name in derived]
    return frame.with_columns(texts, *hidden).drop(*([events] if events else []))
