"""The International Stroke Trial (aspirin and heparin in acute ischaemic stroke) as one frame."""

from __future__ import annotations

from pathlib import Path

import polars as pl

OUTCOME = {1: "dead", 2: "dependent", 3: "not_recovered", 4: "recovered"}  # OCCODE; 0 and 9 are not known
HEPARIN = {
    "N": "none",
    "L": "low",
    "M": "medium",
    "H": "medium",
}  # the pilot's "high" is the medium dose, 12,500 IU
CONSCIOUSNESS = {"U": "unconscious", "D": "drowsy", "F": "alert"}
DEFICITS = {
    "RDEF1": "face",
    "RDEF2": "arm",
    "RDEF3": "leg",
    "RDEF4": "dysphasia",
    "RDEF5": "hemianopia",
    "RDEF6": "visuospatial",
    "RDEF7": "brainstem",
    "RDEF8": "other_deficit",
}
YES_NO = {
    "RSLEEP": "on_waking",
    "RATRIAL": "atrial_fibrillation",
    "RASP3": "aspirin_before",
    "RHEP24": "heparin_before",
    "RCT": "ct_before",
    "RVISINF": "infarct_visible",
}


def build_frame(folder: Path) -> pl.DataFrame:
    """Return all 19,435 patients, one row each, named after their row in the file, which has no ids.

    Atrial fibrillation and earlier aspirin were not asked in the pilot phase (984 patients), earlier heparin not in a
    part of it (344): null. Deficits may have been impossible to assess, a level of its own. Not read: prognosis as
    the trialists computed it from these features, and everything after randomisation but outcomes.
    """
    raw = pl.read_parquet(folder / "IST.parquet").with_row_index("row", offset=1)

    def text(name: str) -> pl.Expr:
        return pl.col(name).replace("", None)

    return raw.select(
        patient=pl.format("IST-{}", pl.col("row").cast(pl.String).str.zfill(5)),
        aspirin=pl.col("RXASP").replace_strict({"N": "no", "Y": "yes"}),
        country="COUNTRY",
        hospital=pl.format("hospital_{}", pl.col("HOSPNUM").cast(pl.String).str.zfill(3)),
        outcome_6_months=pl.col("OCCODE").replace_strict(OUTCOME, default=None, return_dtype=pl.String),
        dead_or_dependent=pl.when(pl.col("OCCODE").is_in(list(OUTCOME))).then(pl.col("OCCODE") <= 2),
        dead_14_days=pl.col("ID14") == 1,
        heparin=pl.col("RXHEP").replace_strict(HEPARIN),
        age=pl.col("AGE").cast(pl.Float64),
        sex=pl.col("SEX").replace_strict({"F": "female", "M": "male"}),
        delay=pl.col("RDELAY") / 24,
        systolic=pl.col("RSBP").cast(pl.Float64),
        consciousness=pl.col("RCONSC").replace_strict(CONSCIOUSNESS),
        stroke_type=pl.col("STYPE").str.to_lowercase(),
        **{
            name: pl.col(code).replace_strict({"N": "no", "Y": "yes", "C": "not_assessable"})
            for code, name in DEFICITS.items()
        },
        **{name: text(code).replace_strict({"N": "no", "Y": "yes"}) for code, name in YES_NO.items()},
    )
