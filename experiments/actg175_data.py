"""ACTG 175 (four antiretroviral treatments) as one frame."""

from __future__ import annotations

from pathlib import Path

import polars as pl

ARM = {
    "0": "zidovudine",
    "1": "zidovudine_didanosine",
    "2": "zidovudine_zalcitabine",
    "3": "didanosine",
}
KEPT = ("homo", "drugs", "hemo", "karnof", "oprior", "z30", "symptom")  # under their own names, as written


def build_frame(folder: Path) -> pl.DataFrame:
    """Return all 2,139 patients, one row each.

    `cens` is 1 for the event in this file. Not read: `zprior` (everybody's), `strat` (history by duration, told by
    `experienced` and `treated_before`), `treat` (a coarser treatment), and what was measured after randomisation
    other than the two outcomes (`offtrt`, `cd496`, `r`, `cd820`).
    """
    raw = pl.read_csv(folder / "ACTG175.csv", infer_schema=False, null_values=["NA"])

    def number(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Float64)

    return raw.select(
        patient=pl.format("ACTG175-{}", pl.col("pidnum").str.zfill(6)),
        arm=pl.col("arms").replace_strict(ARM),
        day=number("days"),
        progressed=pl.col("cens") == "1",
        cd4_week20=number("cd420"),
        cd4=number("cd40"),
        cd8=number("cd80"),
        age=number("age"),
        weight=number("wtkg"),
        sex=pl.col("gender").replace_strict({"0": "female", "1": "male"}),
        race=pl.col("race").replace_strict({"0": "white", "1": "other"}),
        experienced=pl.col("str2").replace_strict({"0": "naive", "1": "experienced"}),
        treated_before=number("preanti"),
        **{name: pl.col(name) for name in KEPT},
    )
