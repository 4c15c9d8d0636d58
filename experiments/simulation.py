"""One scenario over seeds and sizes: recovery, coverage, regret, and how many patients an answer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from experiments.figures import COLOURS
from experiments.study import Study
from medresponse.core.codec import from_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean, name_of
from medresponse.core.rng import derive_seed
from medresponse.inference import fit_many
from medresponse.model import ModelSpec
from medresponse.reports import IndexFigure, IndexTable, write_index
from medresponse.response import respond
from medresponse.synthetic.scenario import Scenario
from medresponse.synthetic.simulation import Trial, simulate
from medresponse.validation import Estimate, known, over_seeds, recovery

RECORDED = ("root_pehe", "relative_root_pehe", "ate_bias", "regret", "gain")
LEVEL = 0.95


def run(study: Study) -> None:
    """Fit every seed at every size, score against the truth, and write tables, curves and metrics."""
    scenario = from_plain(Scenario, study.config["scenario"], path="scenario")
    model, size = _model(study, scenario), study.config["size"]["name"]
    scores = {n: _scores(study, replace(scenario, n=n), model) for n in study.config["patients"][size]}
    for n, table in scores.items():
        _record(study, n, table)
    _draw(study, scores, float(model["worthwhile"]))
    shown = [
        table.filter(pl.col("stratum") == "all").with_columns(pl.selectors.float().round(4))
        for table in scores.values()
    ]
    for n, table in zip(scores, shown, strict=True):
        study.table(
            table,
            caption=f"{n} patients, {study.config['seeds'][size]} seeds: scores with Monte Carlo errors",
        )
    write_index(
        [], study.folder, title=f"Simulation: {scenario.name}",
        intro="A model fitted to made-up patients whose true responses are known. Scores are means over seeds, in brackets and "
        "bars with their Monte Carlo standard errors.",
        overwrite=True,
        figures=[IndexFigure(title=t, caption=c, svg=svg, alt=alt) for t, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables],
    )  # fmt: skip


def _model(study: Study, scenario: Scenario) -> Mapping[str, Any]:
    models, kind = study.config["models"], str(name_of(type(scenario.outcome)))
    if kind not in models:
        raise SpecError(f"models: none for outcome {kind}; {did_you_mean(kind, models)}")
    return dict(models[kind])


def spec_for(model: Mapping[str, Any], trial: Trial) -> ModelSpec:
    """Return the model of the experiment for a trial: every block of features, pooled sites where there are any."""
    schema = trial.cohort.schema
    assert schema.treatment is not None
    blocks = [block for block, columns in schema.features.items() if columns]
    plain = {
        "family": model["family"], "treatment": model["treatment"],
        "blocks": {block: model["prognostic"] for block in blocks},
        "modifiers": {block: model["modifier"] for block in blocks},
    }  # fmt: skip
    if schema.sites:
        plain |= {"pooling": list(schema.sites), "pooling_scale": model["pooling_scale"]}
    if schema.treatment.assignment == "observational":
        plain["confounding"] = "measured"
    return from_plain(ModelSpec, plain, path="models")


def _scores(study: Study, scenario: Scenario, model: Mapping[str, Any]) -> pl.DataFrame:
    """Return scores over seeds at one size."""
    seeds = [
        derive_seed(study.seed, "simulation", i)
        for i in range(study.config["seeds"][study.config["size"]["name"]])
    ]
    trials = [simulate(scenario, seed=seed) for seed in seeds]
    endpoint = str(model["endpoint"])
    sign = trials[0].truth.signs[endpoint]
    outcomes = trials[0].cohort.schema.outcomes
    outcome = endpoint if endpoint in outcomes else next(iter(outcomes))
    cohorts = [
        t.cohort.where(pl.all_horizontal(pl.col(list(outcomes[outcome].reads)).is_not_null())) for t in trials
    ]
    fits = fit_many(
        spec_for(model, trials[0]), cohorts, outcome=outcome, engine=study.engine, seed=study.seed,
        checkpoint=study.folder / ".chains",
    )  # fmt: skip
    if len(fits) < len(trials):
        raise KeyboardInterrupt
    study.cohorts[f"{scenario.name}, n = {scenario.n}"] = cohorts[0].fingerprint
    study.fits[f"{scenario.n}"] = fits[-1]
    failed = sum(not one.diagnostics.passed for one in fits)
    study.record(f"n{scenario.n}.fits_that_fail_diagnostics", float(failed))
    ask: dict[str, Any] = {}
    where: dict[str, Any] = {}
    if "horizon" in model:
        where = {"horizon": model["horizon"]}
        ask = {"horizon": model["horizon"], "unit": "month", "estimand": endpoint, **model.get("ask", {})}
    tables = []
    for trial, one in zip(trials, fits, strict=True):
        truth = known(
            trial.truth, endpoint=endpoint, received=trial.cohort.treatment_idx, direction=sign,
            groups={g: trial.cohort.table[g].cast(pl.String).to_numpy() for g in trial.cohort.schema.groups}, **where,
        )  # fmt: skip
        responses = respond(one, trial.cohort, **ask)
        tables.append(recovery(responses, truth))
    return over_seeds(tables)


def _record(study: Study, n: int, table: pl.DataFrame) -> None:
    keep = table.filter(
        (pl.col("stratum") == "all")
        & (pl.col("score").is_in(RECORDED) | (pl.col("level") == LEVEL))
        & ~pl.col("score").str.starts_with("counterfactual")
    )
    for row in keep.iter_rows(named=True):
        of = row["of"].replace(" - ", "_minus_")
        study.record(f"n{n}.{row['score']}.{of}", Estimate(row["value"], row["mcse"], "1"))


def _draw(study: Study, scores: Mapping[int, pl.DataFrame], worthwhile: float) -> None:
    """Draw coverage and width against size, with the size at which an interval is as narrow as what is worthwhile."""
    contrasts = [of for of in next(iter(scores.values()))["of"].unique(maintain_order=True) if " - " in of]
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    found = []
    for of, colour in zip(contrasts, COLOURS, strict=False):
        for axis, score in zip(axes, ("coverage", "width"), strict=True):
            rows = [
                t.row(
                    by_predicate=(pl.col("score") == score) & (pl.col("of") == of) & (pl.col("level") == LEVEL)
                    & (pl.col("stratum") == "all"), named=True,
                )
                for t in scores.values()
            ]  # fmt: skip
            values, errors = [r["value"] for r in rows], [r["mcse"] for r in rows]
            axis.errorbar(
                list(scores), values, yerr=[2 * e for e in errors], label=of, color=colour, marker="o"
            )
            if score == "width":
                patients = patients_needed(list(scores), values, worthwhile)
                found.append(f"{of}: {patients}")
                if isinstance(patients, int):
                    study.record(f"patients_for_worthwhile.{of.replace(' - ', '_minus_')}", float(patients))
    axes[0].axhline(LEVEL, color="0.5", linewidth=1, linestyle="--")
    axes[0].set(xlabel="patients", ylabel="coverage of 95% intervals for benefit", ylim=(0.5, 1.0))
    axes[1].axhline(worthwhile, color="0.5", linewidth=1, linestyle="--")
    axes[1].set(xlabel="patients", ylabel="mean width of these intervals")
    axes[1].legend(frameon=False)
    words = "; ".join(found)
    study.figure(
        "patients", figure, caption=f"Bars are two Monte Carlo standard errors. Patients until intervals are as narrow as a "
        f"worthwhile difference of {worthwhile:g}: {words}.",
        alt=f"Coverage and width of 95% intervals for benefit against the number of patients. {words}.",
    )  # fmt: skip


def patients_needed(sizes: list[int], widths: list[float], worthwhile: float) -> int | str:
    """Return how many patients make intervals `worthwhile` wide, by a line through the logs of sizes and widths.

    In words if fewer than two sizes were run, intervals do not narrow, or the answer lies beyond ten times the largest.
    """
    if len(sizes) < 2:
        return "not told by one size"
    slope, level = np.polyfit(np.log(sizes), np.log(widths), 1)
    if slope >= 0:
        return "intervals do not narrow"
    needed = float(np.exp((np.log(worthwhile) - level) / slope))
    if needed > 10 * max(sizes):
        return f"more than {10 * max(sizes)}"
    return round(needed)
