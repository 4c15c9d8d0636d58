"""The CDISC pilot's ADaM files (xanomeline in Alzheimer's disease) as one frame."""

from __future__ import annotations

from pathlib import Path

import polars as pl

ARM = {0: "placebo", 54: "xanomeline_low", 81: "xanomeline_high"}  # TRT01PN, mg a day
SEX = {"F": "female", "M": "male"}
ETHNICITY = {"NOT HISPANIC OR LATINO": "not_hispanic", "HISPANIC OR LATINO": "hispanic"}


def build_frame(folder: Path) -> pl.DataFrame:
    """Return all 254 patients, one row each; nobody is left out here.

    `adas11_change` is null outside the trial's efficacy set. A patient without an adverse event has a count of 0.
    Follow-up runs from the first dose to the end of participation, both days included, as in the trial's
    time-to-event file; exposure to the last dose.
    """
    subjects = read_transport(folder / "adsl.xpt").select(
        patient="USUBJID",
        arm=pl.col("TRT01PN").cast(pl.Int64).replace_strict(ARM),
        site_group="SITEGR1",
        efficacy_set="EFFFL",
        age="AGE",
        sex=pl.col("SEX").replace_strict(SEX),
        race=pl.when(pl.col("RACE") == "WHITE").then(pl.lit("white")).otherwise(pl.lit("other")),
        ethnicity=pl.col("ETHNIC").replace_strict(ETHNICITY),
        mmse_baseline="MMSETOT",
        disease_duration="DURDIS",
        education="EDUCLVL",
        bmi="BMIBL",
        treated="TRTDUR",
        followed=pl.col("RFENDT") - pl.col("TRTSDT") + 1,
    )
    for part in (_adas(folder), _adverse_events(folder), _dermatologic(folder)):
        subjects = subjects.join(part, on="patient", how="left", validate="1:1", maintain_order="left")
    return subjects.with_columns(pl.col("adverse_events", "adverse_events_on_treatment").fill_null(0))


def _adas(folder: Path) -> pl.DataFrame:
    """ADAS-Cog(11) at baseline, and its change at week 24 as analysed: last observation carried forward."""
    scores = pl.read_parquet(folder / "adqsadas.parquet").filter(pl.col("PARAMCD") == "ACTOT")
    baseline = scores.filter(pl.col("ABLFL") == "Y").select(patient="USUBJID", adas11_baseline="AVAL")
    analysed = (pl.col("AVISIT") == "Week 24") & (pl.col("ANL01FL") == "Y") & (pl.col("EFFFL") == "Y")
    change = scores.filter(analysed).select(patient="USUBJID", adas11_change="CHG")
    return baseline.join(change, on="patient", how="left", validate="1:1")


def _adverse_events(folder: Path) -> pl.DataFrame:
    """Count recorded adverse events that began on or after the first dose; an event whose severity changed has several records.

    Those after the last dose (at most two weeks later, none after follow-up) are not counted on treatment.
    """
    events = read_transport(folder / "adae.xpt").filter(pl.col("TRTEMFL") == "Y")
    return events.group_by(patient="USUBJID").agg(
        adverse_events=pl.len().cast(pl.Int64),
        adverse_events_on_treatment=(pl.col("ASTDT") <= pl.col("TRTEDT")).sum().cast(pl.Int64),
    )


def _dermatologic(folder: Path) -> pl.DataFrame:
    """Days to the first dermatologic event; CNSR is 0 for the event."""
    times = read_transport(folder / "adtte.xpt").filter(pl.col("PARAMCD") == "TTDE")
    return times.select(
        patient="USUBJID", dermatologic_day="AVAL", dermatologic_cnsr=pl.col("CNSR").cast(pl.Int64)
    )


def read_transport(path: Path) -> pl.DataFrame:
    """Return a SAS transport file (version 5) as a frame of text and ``Float64``; blank text is null.

    Dates are days since 1960. pandas decodes the zero of this format, which is IBM hexadecimal, as 16^-65; no number
    that the format can hold is nearer to zero than that.
    """
    import pandas as pd

    table = pd.read_sas(path, format="xport", encoding="latin-1")
    columns = {}
    for name in table.columns:
        values = table[name].to_numpy()
        if values.dtype.kind == "f":
            column = pl.Series(name, values).fill_nan(None)
            columns[name] = column.set((column.abs() <= 16.0**-65).fill_null(False), 0.0)
        else:
            text = pl.Series(name, [str(value).strip() for value in values], dtype=pl.String)
            columns[name] = text.set(text == "", None)
    return pl.DataFrame(columns)
