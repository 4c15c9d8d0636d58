"""What experiment `abstention` makes of its scores: coverage and error by measure, rule, gaps and width, with errors over worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from experiments.figures import COLOURS
from experiments.study import Study
from medresponse.core.codec import to_plain
from medresponse.decisions import AbstentionRules
from medresponse.validation import Estimate

LEVEL = 0.95
WORDS = {
    "beyond": "SDs outside the central 98%, farthest input",
    "distance": "distance over the 99th percentile",
    "similar": "effective similar patients, fewer of the two options",
    "alike": "the same as a share of those on the option, smaller of the two",
    "propensity": "probability of the rarer of the two options",
}
HIGH_IS_FAR = ("beyond", "distance")
CODES = {
    "beyond": "input_outside", "distance": "jointly_outside", "similar": "few_similar", "alike": "few_alike", "propensity": "rarely_given",
}  # fmt: skip
OTHERS_MET = "coverage, other rules met"
FIELDS = {
    "beyond": "most_beyond", "distance": "most_distance", "similar": "fewest_similar", "alike": "least_alike", "propensity": "least_propensity",
}  # fmt: skip


def pooled(frame: pl.DataFrame, of: pl.Expr, *, root: bool = False) -> Estimate:
    """Return a mean over rows of all worlds (its root if asked), with its error by leaving out one world at a time."""
    by = frame.group_by("world").agg(total=of.sum().cast(pl.Float64), n=pl.len()).sort("world")
    total, n = by["total"].to_numpy(), by["n"].to_numpy().astype(float)
    shape = np.sqrt if root else np.asarray
    value, worlds = float(shape(total.sum() / n.sum())), len(by)
    if worlds < 2:
        return Estimate(value, 0.0, "1")
    left_out = shape((total.sum() - total) / (n.sum() - n))
    error = np.sqrt((worlds - 1) / worlds * ((left_out - left_out.mean()) ** 2).sum())
    return Estimate(value, float(error), "1")


COVERED = ((pl.col("lower") <= pl.col("true")) & (pl.col("true") <= pl.col("upper"))).cast(pl.Float64)
SQUARED = (pl.col("estimate") - pl.col("true")) ** 2


def _summary(study: Study, frame: pl.DataFrame, name: str) -> dict[str, float]:
    """Return coverage and root mean squared error with their errors, and record them."""
    coverage, error = pooled(frame, COVERED), pooled(frame, SQUARED, root=True)
    study.record(f"{name}.coverage", coverage)
    study.record(f"{name}.rmse", replace(error, unit="points"))
    return {
        "coverage": coverage.value, "coverage_se": coverage.mcse, "rmse": error.value, "rmse_se": error.mcse,
    }  # fmt: skip


def by_measure(study: Study, scores: pl.DataFrame, measured: str) -> pl.DataFrame:
    """Return a row a scenario and range of one measure: all patients, and those whom no other rule withholds."""
    edges, rows = study.config["edges"][measured], []
    bins = pl.Series(
        np.searchsorted(
            edges, scores[measured].to_numpy(), side="left" if measured in HIGH_IS_FAR else "right"
        )
    )
    for (name, at), part in scores.with_columns(bin=bins).group_by("scenario", "bin", maintain_order=True):
        if part["world"].n_unique() < 2 or (measured == "propensity" and part[measured].min() == 1.0):
            continue
        label = range_label(edges, int(at), above=measured in HIGH_IS_FAR)
        key = f"{name}.{measured}.{label.replace(' ', '_')}"
        found = _summary(study, part, key)
        others = part.filter(pl.col("codes").list.set_difference(pl.lit([CODES[measured]])).list.len() == 0)
        if others["world"].n_unique() > 1 and others.height >= study.config["fewest"]:
            coverage = pooled(others, COVERED)
            study.record(f"{key}.coverage_others_met", coverage)
            found |= {
                OTHERS_MET: coverage.value,
                "its se": coverage.mcse,
                "its n": others.height,
            }
        rows.append({"scenario": name, "bin": int(at), "range": label, "n": part.height, **found})
    return pl.DataFrame(rows, infer_schema_length=None).sort("scenario", "bin").drop("bin")


def range_label(edges: Sequence[float], at: int, *, above: bool) -> str:
    """Return the words for one range between edges; `above` if a range includes its upper edge, else its lower."""
    if at == 0:
        return f"{'to' if above else 'below'} {edges[0]:g}"
    if at == len(edges):
        return f"{'above' if above else 'from'} {edges[-1]:g}"
    return f"{edges[at - 1]:g} to {edges[at]:g}"


def by_verdict(study: Study, scores: pl.DataFrame) -> pl.DataFrame:
    """Return a row a scenario and shift: the share withheld, and coverage and error of what is shown and what is not."""
    rows = []
    for (name, shift), part in scores.group_by("scenario", "shift", maintain_order=True):
        share = pooled(part, ~pl.col("shown"))
        study.record(f"{name}.shift_{shift:g}.withheld", share)
        row: dict[str, Any] = {
            "scenario": name,
            "shift": shift,
            "withheld": share.value,
            "withheld_se": share.mcse,
        }
        for shown, word in ((True, "shown"), (False, "withheld")):
            some = part.filter(pl.col("shown") == shown)
            found = dict.fromkeys(("coverage", "coverage_se", "rmse", "rmse_se"))
            if some["world"].n_unique() > 1:
                found = _summary(study, some, f"{name}.shift_{shift:g}.{word}")  # type: ignore[assignment]
            row |= {f"{key} if {word}": value for key, value in found.items()}
        rows.append(row)
    return pl.DataFrame(rows)


def by_rule(study: Study, scores: pl.DataFrame) -> pl.DataFrame:
    """Return the share of patients and options like the studied ones that each rule withholds, alone or with others."""
    like, rows = scores.filter(shift=study.config["shifts"][0]), []
    codes = like["codes"].explode().drop_nulls().unique().sort()
    for (name,), part in like.group_by("scenario", maintain_order=True):
        row: dict[str, Any] = {"scenario": name}
        for code in codes:
            share = pooled(part, pl.col("codes").list.contains(code))
            study.record(f"{name}.cost.{code}", share)
            row |= {code: share.value, f"{code}_se": share.mcse}
        rows.append(row)
    return pl.DataFrame(rows)


def by_gaps(study: Study, gapped: pl.DataFrame) -> pl.DataFrame:
    """Return a row a scenario and share of inputs that are missing."""
    rows = []
    for (name, share), part in gapped.group_by("scenario", "gap", maintain_order=True):
        found = _summary(study, part, f"{name}.missing_{share:g}")
        width = pooled(part, pl.col("upper") - pl.col("lower"))
        study.record(f"{name}.missing_{share:g}.width", replace(width, unit="points"))
        rows.append({"scenario": name, "missing": share, **found, "width": width.value})
    return pl.DataFrame(rows)


def by_width(study: Study, scores: pl.DataFrame) -> pl.DataFrame:
    """Return, for several limits, how many intervals are too wide and how often their estimates have the right side."""
    rows, like = [], scores.filter(shift=study.config["shifts"][0])
    right = (pl.col("estimate") > 0) == (pl.col("true") > 0)
    for (name,), part in like.group_by("scenario", maintain_order=True):
        for widest in study.config["widest"]:
            limit = widest * study.config["worthwhile"]
            wide = part.with_columns(wide=(pl.col("lower") < -limit) & (pl.col("upper") > limit))
            share = pooled(wide, pl.col("wide"))
            study.record(f"{name}.widest_{widest:g}.withheld", share)
            row: dict[str, Any] = {
                "scenario": name,
                "widest": widest,
                "withheld": share.value,
                "withheld_se": share.mcse,
            }
            for which, word in ((True, "withheld"), (False, "others")):
                some = wide.filter(pl.col("wide") == which)
                if some["world"].n_unique() < 2:
                    continue
                found = pooled(some, right)
                study.record(f"{name}.widest_{widest:g}.side_right.{word}", found)
                row |= {f"side right, {word}": found.value, f"side right, {word}, se": found.mcse}
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def threshold(
    coverage: Mapping[str, float], edges: Sequence[float], most_lost: float, *, above: bool
) -> float | None:
    """Return the edge beyond which the next range has lost more coverage than is allowed, against the innermost one.

    Parameters
    ----------
    coverage : mapping
        Range, as `range_label` names it -> coverage; without ranges of too few patients.
    edges : sequence of float
        Rising.
    most_lost : float
    above : bool
        Whether a high measure is far (True) or a low one.

    Returns
    -------
    float or None
        None if no range has lost so much, as far out as there are patients.
    """
    order = range(len(edges) + 1) if above else range(len(edges), -1, -1)
    labels = [range_label(edges, at, above=above) for at in order]
    for k, label in enumerate(labels):
        if label not in coverage:
            return None
        if coverage[labels[0]] - coverage[label] > most_lost:
            return edges[k - 1] if above else edges[len(edges) - k]
    return None


def thresholds(study: Study, tables: Mapping[str, pl.DataFrame], rules: AbstentionRules) -> pl.DataFrame:
    """Return for each measure what the stated criterion gives in each scenario, and the default rules."""
    rows, plain, config = [], to_plain(rules), study.config
    for measured, table in tables.items():
        for name in table["scenario"].unique(maintain_order=True):
            row: dict[str, Any] = {"measure": measured, "scenario": name}
            for column in (OTHERS_MET, "coverage"):
                own = table.filter(pl.col(column).is_not_null(), scenario=name)
                coverage = dict(zip(own["range"], own[column], strict=True))
                found = threshold(
                    coverage, config["edges"][measured], config["most_lost"], above=measured in HIGH_IS_FAR
                )
                row[f"by {column}"] = found
            rows.append(row | {"default": plain[FIELDS[measured]]})
    return pl.DataFrame(rows, infer_schema_length=None)


def figure(study: Study, tables: Mapping[str, pl.DataFrame], rules: AbstentionRules) -> None:
    """Draw coverage by each measure, a line a scenario."""
    bounds = {measured: getattr(rules, field) for measured, field in FIELDS.items()}
    drawn = Figure(figsize=(13.0, 6.4), layout="constrained")
    most = max(study.config["patients"]["studied"])
    names = [f"{name}_n{most}" for name in study.config["scenarios"]]
    for axes, (measured, table) in zip(drawn.subplots(2, 3).flat, tables.items(), strict=False):
        edges = study.config["edges"][measured]
        labels = [range_label(edges, i, above=measured in HIGH_IS_FAR) for i in range(len(edges) + 1)]
        for name, colour, mark in zip(names, COLOURS, "os^", strict=False):
            rows = table.filter(scenario=name)
            at = [labels.index(label) for label in rows["range"]]
            axes.errorbar(
                at, rows["coverage"], yerr=2 * rows["coverage_se"].to_numpy(), label=name, color=colour, marker=mark, capsize=2
            )  # fmt: skip
        axes.axhline(LEVEL, color="0.5", linewidth=1)
        if bounds[measured] in edges:
            axes.axvline(edges.index(bounds[measured]) + 0.5, color="0.2", linewidth=1, linestyle=":")
        axes.set(xticks=range(len(labels)), ylim=(0.3, 1.0), xlabel=WORDS[measured], ylabel="coverage")
        axes.set_xticklabels(labels, fontsize=8)
    drawn.axes[-1].set_axis_off()
    drawn.axes[0].legend(frameon=False, fontsize=8)
    study.figure(
        "coverage", drawn,
        caption=f"Coverage of 95% intervals for benefit by each measure, over all new patients, {most} studied; bars are two Monte Carlo standard "
        "errors. Line: 95%. Dotted: the default threshold.",
        alt="Coverage of intervals in ranges of four measures of applicability, one line a scenario; the tables hold the same.",
    )  # fmt: skip


def rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table with three decimals."""
    return frame.with_columns(pl.selectors.float().round(3))
