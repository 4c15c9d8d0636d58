"""Scenarios over seeds and sizes: recovery, coverage, power, regret, and how many patients an answer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments import gbsg2
from experiments.metrics import with_error
from experiments.side_by_side import side_by_side
from experiments.simulation_figures import draw
from experiments.simulation_scored import Scored
from experiments.study import Study, require_whole
from medresponse.cohort import Cohort
from medresponse.core.atomic import write_text
from medresponse.core.codec import from_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean, name_of
from medresponse.core.rng import derive_seed
from medresponse.inference import Fit, fit_many
from medresponse.model import ModelSpec
from medresponse.readers import read, read_example
from medresponse.reports import IndexFigure, IndexTable, write_index
from medresponse.response import respond
from medresponse.synthetic.scenario import Scenario
from medresponse.synthetic.simulation import Trial, simulate
from medresponse.validation import Estimate, known, over_seeds, recovery

IN_UNITS = ("root_pehe", "ate_bias", "regret", "gain", "width", "average_width")
SHARES = ("relative_root_pehe", "coverage", "average_coverage", "power", "false_heterogeneity")
BENEFITS = {
    "coverage": "coverage", "width": "width", "root_pehe": "error", "relative_root_pehe": "error / SD",
    "false_heterogeneity": "false heterogeneity",
}  # fmt: skip
AVERAGES = {"ate_bias": "bias", "average_coverage": "coverage", "average_width": "width", "power": "power"}
POLICY = {
    "regret": "regret",
    "gain": "gain over best single",
    "policy_value": "value",
    "oracle_value": "oracle",
}
VARIED = (
    "family",
    "treatment",
    "prognostic",
    "modifier",
    "pooling_scale",
    "spec",
)  # what a variant may state
NEW_SITES = "new sites"  # stratum of patients at sites that were left out of the fit


@dataclass(frozen=True)
class Cell:
    """One scenario at one size, under one model.

    Parameters
    ----------
    label : str
        Of scenario and model in the study; empty where there is one of each.
    scenario : Scenario
    changes : mapping
        What of the model for its outcome is another; see `variants_of`.
    """

    label: str
    scenario: Scenario
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Fitted:
    """One cell: its scores, and what the study keeps of its cohorts and fits.

    Parameters
    ----------
    scored : Scored
    cohort, fingerprint : str
        Name and fingerprint of the first seed's cohort.
    sampler : str
    failed : int
        Fits that fail a diagnostic.
    """

    scored: Scored
    cohort: str
    fingerprint: str
    sampler: str
    failed: int


def run(study: Study) -> None:
    """Fit and score every seed of every scenario at every size under every model; write tables, curves and metrics."""
    size = checked_size(study.config)
    variants, found = variants_of(study.config), scenarios_of(study.config)
    real = real_cohort(study)
    cells = [
        Cell(_joined(label, variant), replace(scenario, n=n), changes)
        for label, scenario in found.items()
        for variant, changes in variants.items()
        for n in study.config["patients"][size]
    ]
    work = partial(_fitted, study.config, study.folder, real)
    scored, failed = [], 0
    for one in side_by_side(work, cells, workers=study.config.get("workers", 1)):
        study.cohorts[one.cohort] = one.fingerprint
        study.samplers.add(one.sampler)
        study.record(f"{one.scored.prefix}.fits_that_fail_diagnostics", float(one.failed))
        record(study, one.scored)
        scored.append(one.scored)
        failed += one.failed
    groups = study.config.get("groups") or {study.config["name"]: list(found)}
    for name, labels in groups.items():
        own = [_joined(label, variant) for label in labels for variant in variants]
        together = [one for label in own for one in scored if one.label == label]
        draw(study, name, together, needed(study, together))
    tables(study, scored)
    write_index(
        [], study.folder, title=f"Simulation: {study.config['title']}",
        intro="A model fitted to made-up patients whose true responses are known. Scores are means over seeds, in brackets and "
        "bars with their Monte Carlo standard errors, without where all seeds gave one value; those by subgroup, site and decile of the propensity are in scores.csv. "
        f"Fits that fail a diagnostic, and are scored all the same: {failed} of {len(cells) * study.config['seeds'][size]}.",
        overwrite=True,
        figures=[IndexFigure(title=t, caption=c, svg=svg, alt=alt) for t, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables],
    )  # fmt: skip


def tables(study: Study, scored: list[Scored]) -> None:
    """Write every score as ``scores.csv``, and keep the main ones of all patients together for the page."""
    size = study.config["size"]["name"]
    head = "model" if study.config.get("variants") and "scenarios" not in study.config else "scenario"
    frames = [
        one.table.select(pl.lit(one.label or study.config["title"]).alias("scenario"), pl.lit(one.n).alias("patients"), pl.all())
        for one in scored
    ]  # fmt: skip
    write_text(study.folder / "scores.csv", pl.concat(frames).write_csv())
    for what, shown, stratum in (
        ("Each patient's benefit, with 95% intervals", BENEFITS, "all"),
        ("The average benefit, with 95% intervals", AVERAGES, "all"),
        ("Treatment chosen by posterior mean", POLICY, "all"),
        ("Each patient's benefit at sites that were left out of the fit", BENEFITS, NEW_SITES),
    ):
        first = next(iter(shown))
        there = {k: words for k, words in shown.items() if any(s.of(k, stratum) for s in scored)}
        rows = [
            {head: one.label.replace("_", " "), "patients": one.n, "of": of.replace(" - ", " − "), "unit": one.unit}
            | {words: _text(one, score, of, stratum) for score, words in there.items()}
            for one in scored
            for of in one.of(first, stratum)
            if (" - " in of) == (shown is not POLICY)
        ]  # fmt: skip
        if not rows:
            continue
        # What all rows share stands in the caption: a page has room for nine narrow columns.
        alike = [name for name in ("patients", "unit") if len({row[name] for row in rows}) == 1]
        alone = [head] if len({one.label for one in scored}) == 1 else []
        study.table(
            pl.DataFrame(rows).drop([*alike, *alone, *(["of"] if shown is POLICY else [])]),
            caption=f"{what}: means over {study.config['seeds'][size]} seeds (Monte Carlo standard errors)"
            + (f"; {rows[0]['patients']} patients" if "patients" in alike else "")
            + (f"; in {rows[0]['unit']}" if "unit" in alike else ""),
        )


def _text(one: Scored, score: str, of: str, stratum: str) -> str:
    found = one.of(score, stratum).get(of)
    return "–" if found is None else with_error(*found)


def checked_size(config: Mapping[str, Any]) -> str:
    """Return the name of the configured size, for which patients and seeds are stated.

    Raises
    ------
    SpecError
        If they are not, no number of patients is given, or fewer than two seeds: one says nothing of its own error.
    """
    size = str(config["size"]["name"])
    for knob, legal in (("patients", "a list of whole numbers from 1"), ("seeds", "a whole number from 2")):
        found = config[knob].get(size)
        if knob == "patients":
            enough = isinstance(found, list) and bool(found) and all(type(n) is int and n >= 1 for n in found)
        else:
            enough = type(found) is int and found >= 2
        if not enough:
            raise SpecError(f"{knob}.{size}: {found!r} found; legal is {legal}", code="knob_out_of_range")
    return size


def scenarios_of(config: Mapping[str, Any]) -> dict[str, Scenario]:
    """Return label -> scenario: the study's ``scenarios``, or its one ``scenario`` under no label."""
    if "scenarios" in config:
        return {
            label: from_plain(Scenario, plain, path=f"scenarios.{label}")
            for label, plain in config["scenarios"].items()
        }
    return {"": from_plain(Scenario, config["scenario"], path="scenario")}


def variants_of(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return label -> what of the model is another: the study's ``variants``, or nothing under no label.

    A variant states entries of conf/models anew, each whole (``modifier: null`` for effects that do not vary), or fields of
    `ModelSpec` under ``spec``, in place of those made of the entries.

    Raises
    ------
    SpecError
        If it states anything else.
    """
    variants = config.get("variants") or {"": {}}
    for label, changes in variants.items():
        if not isinstance(changes, Mapping):
            raise SpecError(f"variants.{label}: {changes!r} found; legal are entries of a model")
        for name in changes:
            if name not in VARIED:
                raise SpecError(f"variants.{label}: no entry {name!r}; {did_you_mean(name, VARIED)}")
    return dict(variants)


def _joined(label: str, variant: str) -> str:
    return "_".join(filter(None, (label, variant)))


def real_cohort(study: Study) -> Cohort | None:
    """Return the real cohort that patients are made after, None where the study has none.

    Its configuration ``cohort`` is one of conf/source: GBSG-2, an example that the package brings, or ``file``, a table of
    one's own with its schema, both seen from ``data_root``.
    """
    source = study.config.get("cohort")
    if source is None:
        return None
    if source["kind"] == "gbsg2":
        cohort = gbsg2.load(replace(study, config={**study.config, "source": source}))
    elif source["kind"] == "file":
        folder = study.data_folder()
        cohort = read(folder / Path(source["file"]), schema=folder / Path(source["schema_file"]))
    else:
        cohort = read_example(source["kind"])
    study.cohorts[f"{cohort.schema.name}, real"] = cohort.fingerprint
    return cohort


def _model(study: Study, cell: Cell) -> Mapping[str, Any]:
    models, kind = study.config["models"], str(name_of(type(cell.scenario.outcome)))
    if kind not in models:
        raise SpecError(f"models: none for outcome {kind}; {did_you_mean(kind, models)}")
    model = {**models[kind], **cell.changes}
    if not isinstance(model["worthwhile"], int | float) or not 0 < model["worthwhile"] < float("inf"):
        raise SpecError(
            f"models.{kind}.worthwhile: {model['worthwhile']!r} found; legal is (0, inf)",
            code="knob_out_of_range",
        )
    return model


def spec_for(model: Mapping[str, Any], trial: Trial) -> ModelSpec:
    """Return the model of the experiment for a trial: every block of features, pooled sites where there are any."""
    schema = trial.cohort.schema
    assert schema.treatment is not None
    blocks = [block for block, columns in schema.features.items() if columns]
    plain = {
        "family": model["family"], "treatment": model["treatment"],
        "blocks": {block: model["prognostic"] for block in blocks},
        "modifiers": {block: model["modifier"] for block in blocks if model["modifier"] is not None},
    }  # fmt: skip
    if schema.sites:
        plain |= {"pooling": list(schema.sites), "pooling_scale": model["pooling_scale"]}
    if schema.treatment.assignment == "observational":
        plain["confounding"] = "measured"
    return from_plain(ModelSpec, plain | model.get("spec", {}), path="models")


def _fitted(config: Mapping[str, Any], folder: Path, real: Cohort | None, cell: Cell) -> Fitted:
    """Return scores over seeds of one scenario at one size under one model."""
    study, label, scenario = Study(config, folder), cell.label, cell.scenario
    model = _model(study, cell)
    n_seeds = study.config["seeds"][study.config["size"]["name"]]
    trials = [
        simulate(scenario, seed=derive_seed(study.seed, "simulation", i), cohort=real) for i in range(n_seeds)
    ]
    outcomes = trials[0].cohort.schema.outcomes
    outcome = model["endpoint"] if model["endpoint"] in outcomes else next(iter(outcomes))
    cohorts = [
        t.cohort.where(pl.all_horizontal(pl.col(list(outcomes[outcome].reads)).is_not_null())) for t in trials
    ]
    spec = spec_for(model, trials[0])
    fits = fit_many(
        spec, cohorts, outcome=outcome, engine=study.engine_for(spec), seed=study.seed,
        checkpoint=study.folder / ".chains",
    )  # fmt: skip
    require_whole(fits, len(trials))
    found = [_recovery(model, trial, one) for trial, one in zip(trials, fits, strict=True)]
    table = over_seeds([t for t, _ in found])
    scored = Scored(label, scenario.n, n_seeds, found[0][1], float(model["worthwhile"]), table)
    return Fitted(
        scored, f"{label or scenario.name}, n = {scenario.n}", cohorts[0].fingerprint, fits[-1].provenance.sampler,
        sum(not one.diagnostics.passed for one in fits),
    )  # fmt: skip


def _recovery(model: Mapping[str, Any], trial: Trial, fitted: Fit) -> tuple[pl.DataFrame, str]:
    """Return one fit's scores against the truth, and the unit of its responses; patients at held-out sites are a stratum."""
    table, unit = _against_truth(model, trial, fitted)
    if trial.held_out is None:
        return table, unit
    new, _ = _against_truth(model, trial.held_out, fitted)
    new = new.filter(pl.col("stratum") == "all").with_columns(stratum=pl.lit(NEW_SITES))
    return pl.concat([table, new]), unit


def _against_truth(model: Mapping[str, Any], trial: Trial, fitted: Fit) -> tuple[pl.DataFrame, str]:
    endpoint, schema = str(model["endpoint"]), trial.cohort.schema
    ask: dict[str, Any] = {}
    where: dict[str, Any] = {}
    if "horizon" in model:
        where = {"horizon": model["horizon"]}
        ask = {"horizon": model["horizon"], "unit": "month", "estimand": endpoint, **model.get("ask", {})}
    groups = {g: trial.cohort.table[g].cast(pl.String).to_numpy() for g in (*schema.groups, *schema.sites)}
    truth = known(trial.truth, endpoint=endpoint, received=trial.cohort.treatment_idx, groups=groups, **where)
    responses = respond(fitted, trial.cohort, **ask)
    return recovery(responses, truth), responses.unit


def record(study: Study, one: Scored) -> None:
    """Record the scores of all patients together and of those at new sites, with their units."""
    for stratum, prefix in (("all", one.prefix), (NEW_SITES, f"{one.prefix}.new_sites")):
        for score in (*IN_UNITS, *SHARES):
            for of, (value, mcse) in one.of(score, stratum).items():
                name = f"{prefix}.{score}.{of.replace(' - ', '_minus_')}"
                study.record(name, Estimate(value, mcse, one.unit if score in IN_UNITS else "1"))


def needed(study: Study, together: list[Scored]) -> list[str]:
    """Record, and return in words, how many patients make intervals as narrow as a worthwhile benefit."""
    words = []
    for label in dict.fromkeys(one.label for one in together):
        own = [one for one in together if one.label == label]
        for score, what in (("width", "one patient's benefit"), ("average_width", "the average benefit")):
            for of in own[0].of("root_pehe"):
                sizes, (widths, errors) = (
                    [one.n for one in own],
                    zip(*(one.of(score)[of] for one in own), strict=True),
                )
                patients, text = patients_needed(sizes, widths, own[0].worthwhile), ""
                if isinstance(patients, int):
                    name = f"{label}.patients_for_{score}" if label else f"patients_for_{score}"
                    mcse = error_of_patients_needed(sizes, widths, errors, own[0].worthwhile)
                    study.record(
                        f"{name}.{of.replace(' - ', '_minus_')}", Estimate(patients, mcse, "patients")
                    )
                    text = with_error(patients, mcse, digits=6)
                words.append(f"{f'{label}, ' if label else ''}{what} of {of}: {text or patients}")
    return words


def patients_needed(sizes: list[int], widths: Any, worthwhile: float) -> int | str:
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


def error_of_patients_needed(sizes: list[int], widths: Any, errors: Any, worthwhile: float) -> float:
    """Return the Monte Carlo standard error of `patients_needed` from those of the widths.

    By the delta method for the log of the number: where sizes are few and errors large, numbers for widths drawn anew
    have no spread to speak of, since some of the lines through them are level.
    """
    line = np.linalg.pinv(
        np.column_stack([np.log(sizes), np.ones(len(sizes))])
    )  # logs of widths -> slope, level
    slope, level = line @ np.log(widths)
    log_number = (np.log(worthwhile) - level) / slope
    gradient = np.array([-log_number, -1.0]) / slope @ line
    relative = np.asarray(errors) / np.asarray(widths)
    return float(np.exp(log_number) * np.sqrt(np.sum((gradient * relative) ** 2)))
