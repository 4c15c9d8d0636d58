"""The files of OAK and POPLAR (atezolizumab or docetaxel in lung cancer) as one frame a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from experiments.sources import cohort_of, schema_of, source_folder
from medresponse.cohort import Cohort

DRIVERS = ("known", "likely")
RESPONDED = ("CR", "PR")


def read_trial(
    source: Mapping[str, Any], data_root: Path, trial: str, *, analysis: str | None = None
) -> Cohort:
    """Return one trial's patients; the genes are those that the schema declares."""
    # Reports name the trial that was learned from, so each cohort bears its own trial's name.
    schema = replace(schema_of(source, analysis), name=trial.upper())
    genes = [name for name in schema.feature_columns if name.startswith("mut_")]
    return cohort_of(build_frame(source_folder(source, data_root), trial, genes), schema)


def build_frame(folder: Path, trial: str, genes: Sequence[str]) -> pl.DataFrame:
    """Return all patients of ``poplar`` or ``oak``, one row each, with a column for each of `genes` (``mut_tp53``).

    `response` is the best confirmed response (RECIST 1.1) as the file writes it: PD, SD, PR or CR; NE, assessed but
    not evaluable; null, no assessment after baseline. `responded` counts both of the latter as no response, as the
    trials' response rates do.
    """
    raw = pl.read_csv(folder / f"{trial}_clinical.csv", infer_schema=False, null_values=["."])

    def number(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Float64)

    frame = raw.rename({"PRIORTX": "PRIORTXC"}, strict=False).select(
        patient=pl.concat_str(pl.lit(f"{trial.upper()}-"), pl.col("PtID").str.zfill(4)),
        source_id=pl.col("PtID").cast(pl.Int64),
        arm=pl.col("TRT01P").replace_strict({"MPDL3280A": "atezolizumab", "Docetaxel": "docetaxel"}),
        os_months=number("OS"),
        os_event=pl.col("OS.CNSR") == "0",
        pfs_months=number("PFS"),
        pfs_event=pl.col("PFS.CNSR") == "0",
        response="BCOR",
        responded=pl.col("BCOR").is_in(RESPONDED).fill_null(False),
        age=number("BAGE"),
        sex=pl.col("SEX").replace_strict({"M": "male", "F": "female"}),
        race=pl.col("race2").str.to_lowercase(),
        ecog=pl.col("ECOGGR"),
        histology=pl.col("HIST").replace_strict({"SQUAMOUS": "squamous", "NON-SQUAMOUS": "non_squamous"}),
        prior_lines=pl.col("PRIORTXC"),
        metastatic_sites=number("METSITES"),
        baseline_sld=number("blSLD"),
        smoking=pl.col("TOBHX").str.to_lowercase(),
        # "POSITIVE" and "T790M" are mutated; null where not tested.
        kras_mutant=pl.col("KRASMUT") != "NEGATIVE",
        egfr_mutant=pl.col("EGFRMUT") != "NEGATIVE",
        btmb=number("btmb"),
        msaf=number("MSAF"),
        blood_evaluable=pl.col("BEP") == "Y",
        ctdna_measured=pl.col("MSAF").is_not_null(),
        kras_tested=pl.col("KRASMUT").is_not_null(),
        egfr_tested=pl.col("EGFRMUT").is_not_null(),
    )
    return _with_genes(frame, folder, trial, genes).drop("source_id")


def _with_genes(frame: pl.DataFrame, folder: Path, trial: str, genes: Sequence[str]) -> pl.DataFrame:
    """Add mutated / not for each gene; null for a patient without an evaluable blood sample."""
    variants = pl.read_parquet(folder / "btmb_variants.parquet").filter(
        (pl.col("Study") == trial.upper())
        & (pl.col("effect") != "synonymous")
        & pl.col("status").is_in(DRIVERS)
    )
    columns = []
    for column in genes:
        carriers = variants.filter(pl.col("gene_name") == column.removeprefix("mut_").upper())["PtID"].cast(
            pl.Int64
        )
        carried = pl.col("source_id").is_in(carriers.unique().to_list())
        columns.append(pl.when(pl.col("blood_evaluable")).then(carried).otherwise(None).alias(column))
    return frame.with_columns(columns)
