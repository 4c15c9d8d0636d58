"""Scores of simulated cohorts over seeds, with Monte Carlo standard errors."""

from __future__ import annotations

import polars as pl

from medresponse.core.errors import DataError


def over_seeds(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Return each score's mean over simulated cohorts with its Monte Carlo standard error.

    Parameters
    ----------
    tables : list of polars.DataFrame
        What `recovery` returned for cohorts of different seeds, at least two.

    Returns
    -------
    polars.DataFrame
        ``score, of, stratum, level, value, mcse, seeds``. `mcse` is the standard deviation over seeds by the root of
        their number (Morris, White & Crowther 2019, Stat Med 38:2074, table 6); null where one seed has the score.

    Raises
    ------
    DataError
        If there are fewer than two tables: one seed says nothing of its own error.
    """
    if len(tables) < 2:
        raise DataError(
            f"{len(tables)} table(s): at least two seeds are needed for a Monte Carlo standard error"
        )
    keys = ["score", "of", "stratum", "level"]
    value = pl.col("value")
    return (
        pl.concat(tables)
        .group_by(keys, maintain_order=True)
        .agg(value.mean(), (value.std(ddof=1) / value.len().sqrt()).alias("mcse"), value.len().alias("seeds"))
    )
