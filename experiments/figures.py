"""Figures of the experiments, without pyplot; line styles, not colours alone, tell treatments apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from matplotlib.figure import Figure

from medresponse.cohort import Cohort
from medresponse.core.small_cells import FLOOR
from medresponse.core.small_groups import hide_small_groups
from medresponse.validation import kaplan_meier

COLOURS = ("#1b4f72", "#9c4a00", "#4a4a4a", "#5b2c6f")
STYLES = ("-", "--", "-.", ":")


def survival_figure(
    curves: xr.DataArray, cohort: Cohort, outcome: str, *, xlabel: str, ylim: tuple[float, float] = (0.0, 1.0)
) -> Figure:
    """Draw model curves (treatment, time, draw) with 95% bands over each arm's Kaplan-Meier steps."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    times, observed = curves["time"].values, cohort.outcome(outcome)
    for k, treatment in enumerate(cohort.treatments):
        label = cohort.schema.treatment.label(treatment) if cohort.schema.treatment else treatment
        values = curves.sel(treatment=treatment).values
        low, high = np.quantile(values, [0.025, 0.975], axis=-1)
        axes.fill_between(times, low, high, color=COLOURS[k], alpha=0.15, linewidth=0)
        axes.plot(times, values.mean(axis=-1), color=COLOURS[k], linestyle=STYLES[k], label=f"{label}: model")
        received = cohort.treatment_idx == k
        if received.sum() < FLOOR:
            continue
        part = {name: v[received] for name, v in observed.items()}
        fine = np.linspace(0, times.max(), 400)
        axes.step(
            fine,
            kaplan_meier(part, fine)[0],
            where="post",
            color=COLOURS[k],
            linewidth=0.8,
            label=f"{label}: Kaplan-Meier",
        )
    axes.set(xlabel=xlabel, ylabel="event-free probability", ylim=ylim)
    axes.legend(frameon=False, fontsize=8)
    return figure


def calibration_figure(table: pl.DataFrame, *, label: str) -> Figure:
    """Draw observed against predicted in groups, with 95% intervals and the line of equality.

    Groups in which fewer than 11 patients had the outcome, or had not, are left out; `table` has `n` and `events`.
    """
    table = shown_groups(table).drop_nulls()
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.subplots()
    predicted, observed = table["predicted"].to_numpy(), table["observed"].to_numpy()
    errors = np.vstack([observed - table["lower"].to_numpy(), table["upper"].to_numpy() - observed])
    ends = np.concatenate([predicted, table["lower"].to_numpy(), table["upper"].to_numpy()])
    low, high = (ends.min() - 0.02, ends.max() + 0.02) if len(ends) else (0.0, 1.0)
    axes.plot([low, high], [low, high], color="#777777", linewidth=0.8, label="equality")
    axes.errorbar(
        predicted, observed, yerr=np.maximum(errors, 0), fmt="o", color=COLOURS[0], capsize=2, label="groups"
    )
    axes.set(xlabel=f"predicted: {label}", ylabel="observed", xlim=(low, high), ylim=(low, high))
    axes.legend(frameon=False, fontsize=8)
    return figure


def shown_groups(table: pl.DataFrame) -> pl.DataFrame:
    """Return a calibration table without what speaks of fewer than 11 patients."""
    derived = [name for name in ("observed", "lower", "upper") if name in table.columns]
    return hide_small_groups(
        table, n="n", events="events" if "events" in table.columns else None, derived=derived
    )


def bars(rows: list[tuple[str, float, float, float]], *, xlabel: str, reference: float | None = None) -> Any:
    """Draw labelled points with intervals, one line a row, first row on top."""
    figure = Figure(figsize=(6.4, 0.45 * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots()
    for i, (_, value, lower, upper) in enumerate(rows):
        axes.plot([lower, upper], [-i, -i], color=COLOURS[0], linewidth=1.5)
        axes.plot(value, -i, "o", color=COLOURS[0])
    if reference is not None:
        axes.axvline(reference, color="#777777", linewidth=0.8)
    axes.set(xlabel=xlabel, yticks=[-i for i in range(len(rows))], yticklabels=[row[0] for row in rows])
    return figure
