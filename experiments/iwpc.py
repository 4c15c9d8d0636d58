"""The IWPC warfarin files as one frame, and the dosing formula published from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

DIPLOTYPES = ("*1/*1", "*1/*2", "*1/*3", "*2/*2", "*2/*3", "*3/*3")
RACE = {
    "White": "white",
    "Asian": "asian",
    "Black or African American": "black",
    "Unknown": "missing_or_mixed",
}
TO_RS9923231 = {  # another VKORC1 SNP's genotype -> the rs9923231 genotype it tags, in the order of precedence
    "VKORC1 2255 consensus": ({"C/C": "G/G", "C/T": "A/G", "T/T": "A/A"}, True),  # rs2359612
    "VKORC1 1173 consensus": ({"C/C": "G/G", "C/T": "A/G", "T/T": "A/A"}, False),  # rs9934438
    "VKORC1 1542 consensus": ({"G/G": "G/G", "C/G": "A/G", "C/C": "A/A"}, True),  # rs8050894
}  # True: only where the race is neither Black nor missing/mixed
BINARY = {
    "diabetes": "Diabetes",
    "heart_failure": "Congestive Heart Failure and/or Cardiomyopathy",
    "valve_replacement": "Valve Replacement",
    "aspirin": "Aspirin",
    "amiodarone": "Amiodarone (Cordarone)",
    "smoker": "Current Smoker",
}
INDUCERS = ("Carbamazepine (Tegretol)", "Phenytoin (Dilantin)", "Rifampin or Rifampicin")
STATINS = (
    "Simvastatin (Zocor)",
    "Atorvastatin (Lipitor)",
    "Fluvastatin (Lescol)",
    "Lovastatin (Mevacor)",
    "Pravastatin (Pravachol)",
    "Rosuvastatin (Crestor)",
)
INDICATION = {
    "1": "dvt",
    "2": "pe",
    "3": "afib",
    "4": "valve",
    "5": "cardiomyopathy",
    "6": "stroke",
    "7": "orthopedic",
    "8": "other",
}


def _n_listed(column: str) -> pl.Expr:
    """How many entries a semicolon list affirms ("not aspirin", "no cancer" and "none" are not counted); null = no list."""
    entries = pl.col(column).str.to_lowercase().str.split(";").list.eval(pl.element().str.strip_chars())
    negated = pl.element().str.contains(r"^(?:$|not |no |none)")
    return entries.list.eval((~negated).cast(pl.Int16)).list.sum().cast(pl.Int16)


def build_frame(folder: Path) -> pl.DataFrame:
    """Return all patients of the file, one row each; null is not recorded.

    Nothing is imputed but VKORC1, by the published rules from linked SNPs. Columns that only eligibility reads
    (`stable_dose`, `body_size`, `cyp2c9_named`) say who is evaluable; nobody is left out here.
    """
    raw = pl.read_csv(folder / "iwpc_5700.csv.gz", infer_schema=False, null_values=["NA", ""])
    raw = raw.filter(pl.col("PharmGKB Subject ID").is_not_null())
    site = pl.read_csv(folder / "project_site.csv", infer_schema=False)
    raw = raw.join(site, on="PharmGKB Subject ID", how="left", validate="1:1", maintain_order="left")
    indication = pl.col("Indication for Warfarin Treatment")
    cyp2c9 = pl.col("CYP2C9 consensus")
    sized = pl.col("Height (cm)").is_not_null() | pl.col("Weight (kg)").is_not_null()
    target = pl.col("Target INR").cast(pl.Float64)
    bounds = (
        pl.col("Estimated Target INR Range Based on Indication")
        .str.split("-")
        .list.eval(pl.element().cast(pl.Float64))
    )
    band = pl.col("Age").str.head(1)  # "60 - 69" is 6, "90+" is 9
    return raw.select(
        pl.col("PharmGKB Subject ID").alias("patient"),
        pl.format("site_{}", pl.col("Project Site").str.zfill(2)).alias("site"),
        pl.col("Therapeutic Dose of Warfarin").cast(pl.Float64).alias("dose"),
        pl.col("Subject Reached Stable Dose of Warfarin").alias("stable_dose"),
        pl.when(sized).then(pl.lit("known")).otherwise(pl.lit("unknown")).alias("body_size"),
        pl.when(cyp2c9.is_null() | cyp2c9.is_in(DIPLOTYPES))
        .then(pl.lit("yes"))
        .otherwise(pl.lit("no"))
        .alias("cyp2c9_named"),
        band.cast(pl.Float64).alias("age"),
        band.alias("age_band"),
        pl.col("Gender").alias("sex"),
        pl.col("Height (cm)").cast(pl.Float64).alias("height"),
        pl.col("Weight (kg)").cast(pl.Float64).alias("weight"),
        pl.col("Race").replace_strict(RACE).alias("race"),
        _vkorc1().alias("vkorc1"),
        pl.when(cyp2c9.is_in(DIPLOTYPES)).then(cyp2c9).alias("cyp2c9"),
        *[pl.col(column).alias(name) for name, column in BINARY.items()],
        *[
            indication.str.contains(code).cast(pl.Int8).alias(f"indication_{name}")
            for code, name in INDICATION.items()
        ],
        pl.max_horizontal(pl.col(INDUCERS).cast(pl.Int8)).alias("enzyme_inducer"),
        pl.max_horizontal(pl.col(STATINS).cast(pl.Int8)).alias("statin"),
        pl.coalesce(target, bounds.list.mean()).alias("target_inr"),
        _n_listed("Medications").alias("listed_medications"),
    )


def _vkorc1() -> pl.Expr:
    """Return rs9923231, read off a linked SNP where it is missing (README of the data; first match wins)."""
    not_limited = pl.col("Race").replace_strict(RACE).is_in(["white", "asian"])
    vkorc1 = pl.col("VKORC1 -1639 consensus")
    for column, (mapping, limited) in TO_RS9923231.items():
        tagged = pl.col(column).replace_strict(mapping, default=None, return_dtype=pl.String)
        vkorc1 = pl.coalesce(vkorc1, pl.when(not_limited).then(tagged) if limited else tagged)
    return vkorc1


def nejm_2009_dose(frame: pl.DataFrame) -> np.ndarray:
    """Return the published pharmacogenetic dose, mg/week (NEJM 2009;360:753, supplement).

    An unrecorded drug counts as not taken, and a missing height or weight is filled by regression on sex, race
    and the other one over this frame.
    """
    race = frame["race"].cast(pl.String).to_numpy()
    known_sex = frame["sex"].is_not_null().to_numpy()
    base = np.column_stack(
        [np.ones(len(race)), (frame["sex"] == "male").fill_null(False).to_numpy(), ~known_sex]
        + [race == r for r in list(RACE.values())[1:]]
    ).astype(float)
    height = frame["height"].to_numpy().astype(float).copy()
    weight = frame["weight"].to_numpy().astype(float).copy()
    seen = ~np.isnan(height) & ~np.isnan(weight)
    filled = []
    for values, other in ((height, weight), (weight, height)):
        design = np.column_stack([base, other])
        coefficients = np.linalg.lstsq(design[seen], values[seen], rcond=None)[0]
        filled.append(np.where(np.isnan(values), design @ coefficients, values))
    height, weight = filled

    def points(column: str, table: dict[str, float], missing: float = 0.0) -> np.ndarray:
        levels = frame[column].cast(pl.String).to_list()
        return np.array([missing if v is None else table.get(v, 0.0) for v in levels])

    root = (
        5.6044
        - 0.2614 * frame["age"].to_numpy()
        + 0.0087 * height
        + 0.0128 * weight
        + points("vkorc1", {"A/G": -0.8677, "A/A": -1.6974}, -0.4854)
        + points(
            "cyp2c9",
            {"*1/*2": -0.5211, "*1/*3": -0.9357, "*2/*2": -1.0616, "*2/*3": -1.9206, "*3/*3": -2.3312},
            -0.2188,
        )
        + points("race", {"asian": -0.1092, "black": -0.2760, "missing_or_mixed": -0.1032})
        + 1.1816 * frame["enzyme_inducer"].fill_null(0).to_numpy()
        - 0.5503 * frame["amiodarone"].cast(pl.Float64).fill_null(0).to_numpy()
    )
    return root**2
