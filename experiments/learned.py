"""Generators learned from GBSG-2 and NHEFS: fidelity and disclosure of each, between two controls.

The controls are copies of real patients, drawn with replacement (everything is kept, everything leaks), and real values of
each column drawn on their own (nothing between columns is kept, and single columns leak).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from experiments import gbsg2, nhefs
from experiments.figures import COLOURS
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.core.codec import from_plain
from medresponse.core.rng import derive_seed
from medresponse.reports import IndexFigure, IndexTable, write_index
from medresponse.synthetic.learned import Columns, Generator, Layout
from medresponse.validation import Estimate
from medresponse.validation.synthetic_data import Bootstrap, SyntheticReport, assess_generator

WORDS = {
    "copies": "copies of real patients (control)",
    "independent": "each column on its own (control)",
    "gaussian_copula": "Gaussian copula",
    "sequential_cart": "sequential trees",
    "dp_copula_5": "copula, differential privacy, ε = 5",
    "dp_copula_1": "copula, differential privacy, ε = 1",
}
MEASURES = {
    "margins": "mean distance of margins",
    "correlations": "mean distance of correlations",
    "detection": "detection by a forest (AUC)",
}
CHECKS = {
    "closest_record": "distance to closest record",
    "membership": "membership",
    "singling_out_one": "singling out, one column",
    "singling_out_four": "singling out, four columns",
    "small_cells": "small cells",
}


@dataclass(frozen=True, kw_only=True)
class Independent:
    """Draw the real values of each column on their own."""

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> IndependentSampler:
        """Keep all columns as they are."""
        return IndependentSampler(columns)


@dataclass(frozen=True)
class IndependentSampler:
    """Real values."""

    columns: Columns

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        """Return `n` made-up patients."""
        return {name: rng.choice(values, size=n) for name, values in self.columns.items()}


def run(study: Study) -> None:
    """Assess every generator on both cohorts."""
    loaders = {"gbsg2": gbsg2.load, "nhefs": nhefs.load}
    for name, source in study.config["sources"].items():
        cohort = loaders[name](replace(study, config={**study.config, "source": source}))
        study.cohorts[cohort.schema.name] = cohort.fingerprint
        study.record(f"{name}.patients", cohort.n)
        reports = {
            key: assess_generator(
                generator, cohort, seed=derive_seed(study.seed, name), splits=study.config["splits"][study.config["size"]["name"]]
            )
            for key, generator in _generators(study, name).items()
        }  # fmt: skip
        for key, report in reports.items():
            _record(study, f"{name}.{key}", report)
        _tables(study, cohort, reports)
        _draw(study, name, cohort, reports)
    write_index(
        [], study.folder, title="Learned generators",
        intro="Made-up patients learned from halves of two cohorts, held against the other halves. An excess risk is how much "
        "more often an attack succeeds on patients learned from than on others; what is flagged exceeds its limit.",
        overwrite=True,
        figures=[IndexFigure(title=n, caption=c, svg=svg, alt=alt) for n, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables],
    )  # fmt: skip


def _generators(study: Study, name: str) -> dict[str, Generator]:
    bounds = study.config["bounds"][name]
    found: dict[str, Generator] = {"copies": Bootstrap(), "independent": Independent()}
    for key, plain in study.config["generators"].items():
        own = {**plain, "bounds": bounds} if plain["kind"] == "dp_copula" else plain
        found[key] = from_plain(Generator, own, path=f"generators.{key}")  # type: ignore[type-abstract]
    return found


def _record(study: Study, key: str, report: SyntheticReport) -> None:
    """Record means over splits with their Monte Carlo errors."""
    effect = report.effects.row(0, named=True)
    unit = "kg" if effect["scale"] == "difference" else "1"
    study.record(f"{key}.effect_shift", Estimate(effect["difference"], effect["mcse"], unit))
    if key.endswith("copies"):
        real, n = key.removesuffix("copies") + "real_effect", report.splits
        study.record(real, Estimate(effect["real"], effect["real_sd"] / np.sqrt(n), unit))
        study.record(
            f"{real}_sd", Estimate(effect["real_sd"], effect["real_sd"] / np.sqrt(2 * (n - 1)), unit)
        )
    for name, measure in {**MEASURES, "concordance": report.fidelity["measure"][3]}.items():
        row = report.fidelity.row(by_predicate=pl.col("measure") == measure, named=True)
        study.record(f"{key}.{name}", Estimate(row["value"], row["mcse"], "1"))
    for name, check in {**CHECKS, "inference": _worst(report)["check"]}.items():
        row = report.disclosure.row(by_predicate=pl.col("check") == check, named=True)
        study.record(f"{key}.{name}", Estimate(row["risk"], row["mcse"], "1"))


def _worst(report: SyntheticReport) -> dict[str, Any]:
    inference = report.disclosure.filter(pl.col("check").str.starts_with("inference of"))
    return inference.sort("risk", descending=True).row(0, named=True)


def _tables(study: Study, cohort: Cohort, reports: Mapping[str, SyntheticReport]) -> None:
    kept, given = [], []
    for key, report in reports.items():
        effect = report.effects.row(0, named=True)
        values = [report.measure(measure) for measure in MEASURES.values()]
        concordance = report.fidelity.row(3, named=True)
        kept.append((WORDS[key], f"{effect['synthetic']:.2f} (real {effect['real']:.2f}, SD {effect['real_sd']:.2f})",
                     f"{effect['lower']:+.2f} to {effect['upper']:+.2f}", *(f"{v:.3f}" for v in values),
                     f"{concordance['value']:.3f} (real {concordance['real']:.3f})"))  # fmt: skip
        worst = _worst(report)
        risks = [report.risk(check) for check in CHECKS.values()]
        given.append(
            (
                WORDS[key],
                *(f"{risk:.3f}" for risk in risks),
                f"{worst['risk']:.3f} ({worst['check']})",
                report.verdict,
            )
        )
    half = cohort.n // 2
    columns = [
        "generator",
        "effect",
        "shift of one draw, 95%",
        "margins",
        "correlations",
        "forest AUC",
        "concordance",
    ]
    scale = next(iter(reports.values())).effects["scale"][0]
    study.table(pl.DataFrame(kept, schema=columns, orient="row"),
                caption=f"{cohort.schema.name}: what is kept, learned from {half} patients; effect: {scale}")  # fmt: skip
    columns = ["generator", *CHECKS.values(), "inference, worst column", "verdict"]
    study.table(pl.DataFrame(given, schema=columns, orient="row"),
                caption=f"{cohort.schema.name}: excess risk of patients learned from")  # fmt: skip


def _draw(study: Study, name: str, cohort: Cohort, reports: Mapping[str, SyntheticReport]) -> None:
    figure = Figure(figsize=(6.8, 0.45 * len(reports) + 1.2), layout="constrained")
    axes = figure.subplots()
    for i, report in enumerate(reports.values()):
        effect = report.effects.row(0, named=True)
        axes.plot([effect["lower"], effect["upper"]], [-i, -i], color=COLOURS[0], linewidth=1.5)
        axes.plot(effect["difference"], -i, "o", color=COLOURS[0])
    sd = next(iter(reports.values())).effects["real_sd"][0]
    axes.axvspan(-sd, sd, color="#dddddd", zorder=0)
    axes.axvline(0, color="#777777", linewidth=0.8)
    axes.set(yticks=[-i for i in range(len(reports))], yticklabels=[WORDS[key] for key in reports])
    axes.set_xlabel("shift of the treatment effect from that of the patients learned from")
    study.figure(
        f"{name}_effects", figure,
        caption=f"{cohort.schema.name}: shift of the adjusted treatment effect, mean over splits and middle 95% of single draws; "
        "grey: one standard deviation of the real effect between halves.",
        alt="Points with intervals by generator around zero; the control without links between columns lies far off.",
    )  # fmt: skip
