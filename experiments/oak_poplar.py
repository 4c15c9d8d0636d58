"""OAK predicted from POPLAR: overall and progression-free survival under atezolizumab and docetaxel."""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.crossing import check_crossing
from experiments.figures import calibration_figure, survival_figure
from experiments.oak_poplar_data import read_trial
from experiments.reporting import calibration_evidence, in_new_patients, write_reports
from experiments.statistics import interval_metrics
from experiments.study import Study
from experiments.survival import HeldOut, compare_survival
from medresponse.cohort import Cohort
from medresponse.core.small_cells import FLOOR, shown
from medresponse.reports import Evidence
from medresponse.response import Responses, mean_survival, respond
from medresponse.validation import calibration_at, restricted_mean


def run(study: Study) -> None:
    """Fit on POPLAR, score on OAK beside the baselines, look at subgroups and crossing, report patients."""
    poplar, oak = (
        read_trial(study.config["source"], study.data_folder(), trial) for trial in ("poplar", "oak")
    )
    responses = {}
    for outcome, times in study.config["outcomes"].items():
        fit = study.fit(outcome, study.spec(outcome), poplar, outcome=outcome)
        responses[outcome] = respond(fit, oak, horizon=times["horizon"], unit="month")
        _score(study, responses[outcome], poplar, oak, outcome, times)
        benefit = _benefit(responses[outcome], times["rmst"])
        _arms(study, responses[outcome], benefit, oak, outcome, times)
        _subgroups(study, benefit, oak, outcome, times)
    _burden(study, benefit, poplar, oak)
    proportional = study.fit("pfs_proportional", study.spec("pfs_proportional"), poplar, outcome="pfs")
    fits = {"time_varying": study.fits["pfs"], "proportional": proportional}
    for trial, cohort in (("poplar", poplar), ("oak", oak)):
        check_crossing(study, trial, fits, cohort)
    horizon = float(study.config["outcomes"]["os"]["horizon"])
    evidence = _calibration(study, responses["os"], oak, "os", horizon)
    method = "prediction of OAK by a model of POPLAR"
    record = in_new_patients(study, responses["os"], oak, method=method)
    write_reports(
        study, responses["os"], oak, evidence=evidence, validation=record, reference=poplar,
        title="OAK predicted from POPLAR: atezolizumab or docetaxel in lung cancer",
        intro="Patients of the OAK trial, spread evenly over its file, as a model fitted to the POPLAR trial alone "
        "sees them. Reports are of overall survival at 12 months; figures and scores are of all 850 patients.",
    )  # fmt: skip


def _score(
    study: Study, responses: Responses, poplar: Cohort, oak: Cohort, outcome: str, times: dict[str, float]
) -> None:
    grid = np.arange(1.0, times["grid_end"] + 1.0)
    split = HeldOut(responses.fit, poplar, oak, np.arange(oak.n))
    compare_survival(
        study, f"{outcome}.", oak, [split], outcome=outcome, grid=grid, horizon=float(times["horizon"])
    )


def _benefit(responses: Responses, horizon: float) -> np.ndarray:
    """Return each patient's benefit in restricted mean months, (patient, draw)."""
    return responses.at(horizon=horizon, kind="rmst").reduce(lambda values: values[:, 1] - values[:, 0])


def _arms(
    study: Study,
    responses: Responses,
    benefit: np.ndarray,
    oak: Cohort,
    outcome: str,
    times: dict[str, float],
) -> None:
    """Record the predicted RMST benefit of OAK beside Kaplan-Meier's, and draw the curves by arm."""
    months = np.append([0.25], np.arange(0.5, times["grid_end"] + 0.5, 0.5))
    received = np.eye(2)[oak.treatment_idx]
    curves = mean_survival(responses, times=months.tolist(), weights=received)
    study.figure(
        f"{outcome}_by_arm", survival_figure(curves, oak, outcome, xlabel="months since randomisation"),
        caption=f"{outcome.upper()} in OAK: prediction from POPLAR (line, 95% band) and Kaplan-Meier (steps).",
        alt=f"{outcome.upper()} curves by arm: predictions with bands over OAK's Kaplan-Meier steps.",
    )  # fmt: skip
    interval_metrics(
        study,
        f"{outcome}.rmst_{times['rmst']}.benefit",
        benefit.mean(axis=0),
        clusters=responses.fit.provenance.imputations,
        unit="month",
    )
    value, error = _observed_benefit(oak, outcome, times["rmst"])
    study.record(f"{outcome}.rmst_{times['rmst']}.kaplan_meier_benefit", value, unit="month")
    study.record(f"{outcome}.rmst_{times['rmst']}.kaplan_meier_benefit_se", error, unit="month")


def _observed_benefit(cohort: Cohort, outcome: str, horizon: float) -> tuple[float, float]:
    """Return the Kaplan-Meier difference in restricted mean time, atezolizumab minus docetaxel, and its error."""
    observed, parts = cohort.outcome(outcome), []
    for k in (0, 1):
        arm = cohort.treatment_idx == k
        parts.append(restricted_mean({name: values[arm] for name, values in observed.items()}, horizon))
    return parts[1][0] - parts[0][0], float(np.hypot(parts[0][1], parts[1][1]))


def _subgroups(study: Study, benefit: np.ndarray, oak: Cohort, outcome: str, times: dict[str, float]) -> None:
    """Show predicted and observed RMST benefit by subgroup; results of groups with a small arm are not shown."""
    horizon, rows = times["rmst"], []
    for column in oak.schema.groups:
        levels = oak.schema.feature_columns[column].level_names
        every = [(oak.table[column].cast(pl.String) == level).fill_null(False).to_numpy() for level in levels]
        sizes = [int(members.sum()) for members in every]
        texts = shown([*sizes, oak.n - sum(sizes)])
        for level, members, size in zip(levels, every, texts, strict=False):
            group = oak.where(members)
            label = f"{column}: {oak.schema.feature_columns[column].labels.get(level, level)}"
            if min(np.bincount(group.treatment_idx, minlength=2)) < FLOOR:
                rows.append((label, size, "not shown", "not shown"))
                continue
            mean = benefit[members].mean(axis=0)
            low, high = np.quantile(mean, [0.025, 0.975])
            value, error = _observed_benefit(group, outcome, horizon)
            rows.append((label, size, f"{mean.mean():.1f} ({low:.1f} to {high:.1f})",
                         f"{value:.1f} ({value - 1.96 * error:.1f} to {value + 1.96 * error:.1f})"))  # fmt: skip
    table = pl.DataFrame(rows, schema=["subgroup", "patients", "predicted", "observed"], orient="row")
    study.table(
        table,
        caption=f"{outcome.upper()} in OAK by subgroup: benefit in restricted mean months up to month {horizon}, predicted from POPLAR and observed (Kaplan-Meier), with 95% intervals",
    )


def _burden(study: Study, benefit: np.ndarray, poplar: Cohort, oak: Cohort) -> None:
    """Show the effect at bTMB >= 16 and below: raw in POPLAR, shrunken by the model, then observed in OAK."""
    horizon, rows = study.config["outcomes"]["pfs"]["rmst"], []
    for name, keep in (("high", pl.col("btmb") >= 16), ("low", pl.col("btmb") < 16)):
        raw, raw_error = _observed_benefit(poplar.where(keep), "pfs", horizon)
        seen, seen_error = _observed_benefit(oak.where(keep), "pfs", horizon)
        members = oak.table.select(keep.fill_null(False)).to_series().to_numpy()
        mean = benefit[members].mean(axis=0)
        interval_metrics(
            study,
            f"pfs.btmb_{name}.shrunken",
            mean,
            clusters=study.fits["pfs"].provenance.imputations,
            unit="month",
        )
        for key, value in {
            "raw_poplar": raw,
            "raw_poplar_se": raw_error,
            "observed_oak": seen,
            "observed_oak_se": seen_error,
        }.items():
            study.record(f"pfs.btmb_{name}.{key}", value, unit="month")
        low, high = np.quantile(mean, [0.025, 0.975])
        rows.append(("bTMB >= 16" if name == "high" else "bTMB < 16", f"{raw:.2f} (SE {raw_error:.2f})",
                     f"{mean.mean():.2f} ({low:.2f} to {high:.2f})", f"{seen:.2f} (SE {seen_error:.2f})"))  # fmt: skip
    table = pl.DataFrame(
        rows, schema=["subgroup", "POPLAR raw", "model, for OAK", "OAK observed"], orient="row"
    )
    study.table(
        table,
        caption=f"PFS benefit in restricted mean months up to month {horizon} by blood tumour mutational burden",
    )


def _calibration(
    study: Study, responses: Responses, oak: Cohort, outcome: str, horizon: float
) -> list[Evidence]:
    own = responses.reduce(lambda values: values.mean(axis=-1))[np.arange(oak.n), oak.treatment_idx]
    table = calibration_at(oak.outcome(outcome), own, horizon=horizon)
    study.figure(
        "calibration", calibration_figure(table, label=f"alive at {horizon:g} months"),
        caption="Calibration in OAK of the predictions from POPLAR, in fifths of prediction.",
        alt="Observed against predicted survival in five groups, with the line of equality.",
    )  # fmt: skip
    detail = f"fifths of prediction, in {oak.n} patients of OAK, which the model never saw"
    return [calibration_evidence(table, name=f"Alive at {horizon:g} months", detail=detail)]
