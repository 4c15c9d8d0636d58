"""Effects in mechanistic scenarios and in patients of GBSG-2, beside other tools: `make bench-peers`, or

    .venv/bin/python -m benchmarks.scenarios data outputs/scenarios [seed ...]
    .venv-peers/bin/python benchmarks/peers/scenarios.py outputs/scenarios
    .venv/bin/python -m benchmarks.scenarios run outputs/scenarios [spec ...]
    .venv/bin/python -m benchmarks.scenarios table outputs/scenarios
    .venv/bin/python -m benchmarks.scenarios page > docs/peers.md

The second line runs in an environment of the peers' own. No method sees the truth: only `table` reads it, prints its table and
keeps it in benchmarks/scenarios.json. What is there already is not run again.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import logging
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.peers.effects import kept
from benchmarks.tables import markdown

FILE = Path(__file__).with_suffix(".json")
PATIENTS = 500
SEEDS = (1, 2, 3)
HORIZON = 24.0  # months
TIMES = np.arange(0.25, HORIZON, 0.5)  # middles of half months
_FLAT = 1e-6  # a standard deviation of true effects below this is rounding
_ENDPOINTS = {"gaussian": "score", "binary": "event", "time": "rmst"}


def main(arguments: list[str]) -> None:
    """Write data, run specs, or print the table or the page."""
    if arguments == ["page"]:
        from benchmarks.scenarios_page import page

        print(page(json.loads(FILE.read_text(encoding="utf-8"))), end="")
        return
    action, folder, names = arguments[0], Path(arguments[1]), arguments[2:]
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    if action == "table":
        table(folder)
        return
    if action == "data":
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for number in map(int, names or SEEDS):
            for setting in settings():
                np.savez_compressed(
                    folder / "data" / f"{setting}-{number}.npz", **plain_data(setting, number)
                )
        return
    for path in sorted((folder / "data").glob("*.npz"), key=lambda path: path.stem.split("-")[::-1]):
        setting, seed = path.stem.split("-")
        known = (*specs(str(np.load(path)["kind"])), "stacked")
        for name in names or known:
            if name in known and not (folder / name / path.name).exists():
                run(folder, name, setting, int(seed))


def settings() -> dict[str, Any]:
    """Return name -> scenario of two treatments: the named ones without their third, and patients of GBSG-2."""
    from medresponse.synthetic.mechanisms.assignments import Observational
    from medresponse.synthetic.mechanisms.censoring import Administrative
    from medresponse.synthetic.mechanisms.covariates import RealResample
    from medresponse.synthetic.mechanisms.effects import Modifiers
    from medresponse.synthetic.mechanisms.outcomes import GaussianOutcome, WeibullOutcome
    from medresponse.synthetic.scenario import Confounding, Scenario, scenario

    named = (
        "s01_null_rct", "s02_linear_rct", "s03_step_confounded", "s04_exp_poor_overlap", "s05_hidden_confounder",
        "s06_pgx_ancestry", "s08_survival_nonph", "s09_competing_informative", "s11_sites_shift",
    )  # fmt: skip
    found = {}
    for name in named:
        own = scenario(name)
        outcome: Any = own.outcome
        if len(getattr(outcome, "shapes", ())) > 1:
            outcome = replace(outcome, shapes=outcome.shapes[:2])
        effect: Any = own.effect
        effect = replace(effect, magnitude=effect.magnitude[:1])
        found[name] = replace(own, n=PATIENTS, treatments=own.treatments[:2], effect=effect, outcome=outcome)
    patients: dict[str, Any] = {
        "n": PATIENTS, "treatments": ("control", "drug"), "covariates": RealResample(),
        "assignment": Observational(model="polynomial"), "confounding": Confounding(alignment=0.5),
    }  # fmt: skip
    found["gbsg2_score"] = Scenario(
        name="gbsg2_score", outcome=GaussianOutcome(surface="polynomial"),
        effect=Modifiers(magnitude=(0.4,), heterogeneity="high"), **patients,
    )  # fmt: skip
    found["gbsg2_survival"] = Scenario(
        name="gbsg2_survival", outcome=WeibullOutcome(surface="polynomial"),
        effect=Modifiers(magnitude=(0.4,), heterogeneity="high"),
        censoring=Administrative(accrual=12.0, follow_up=24.0), **patients,
    )  # fmt: skip
    return found


def simulated(setting: str, seed: int) -> Any:
    """Return the trial of one setting and seed."""
    from medresponse.synthetic.simulation import simulate

    scenario = settings()[setting]
    trial = simulate(scenario, seed=seed, cohort=gbsg2() if setting.startswith("gbsg2") else None)
    if next(iter(trial.cohort.schema.outcomes.values())).kind == "competing_risks":
        return replace(trial, cohort=any_event(trial.cohort))
    return trial


def any_event(cohort: Any) -> Any:
    """Return a cohort of competing risks with its first event of any cause as the outcome: what the peers can model."""
    from medresponse.cohort import TimeToEvent, cohort_from_frame

    ((name, outcome),) = cohort.schema.outcomes.items()
    frame = cohort.table.with_columns(pl.col(outcome.event).cast(pl.String) != outcome.censored_value)
    first = TimeToEvent(
        time=outcome.time, event=outcome.event, event_value=True, censored_value=False, unit=outcome.unit,
        event_label="event of any cause", free_label=outcome.free_label,
    )  # fmt: skip
    return cohort_from_frame(frame, replace(cohort.schema, outcomes={name: first}))


def gbsg2() -> Any:
    """Return the 686 patients of GBSG-2 that scikit-survival brings."""
    import yaml

    from medresponse.cohort import Schema, cohort_from_frame
    from medresponse.core.codec import from_plain

    source = Path(__file__).parents[1] / "conf" / "source" / "gbsg2.yaml"
    schema = from_plain(Schema, yaml.safe_load(source.read_text(encoding="utf-8"))["schema"])
    from sksurv.datasets import load_gbsg2

    features, outcome = load_gbsg2(output_type="polars")
    enums = [name for name, dtype in features.schema.items() if dtype == pl.Enum]
    frame = features.with_columns(
        pl.col(enums).cast(pl.String),
        pl.Series("patient", [f"GBSG2-{i + 1:03d}" for i in range(len(features))]),
        pl.Series("time", outcome["time"]),
        pl.Series("cens", outcome["cens"]),
    )
    return cohort_from_frame(frame, schema)


def plain_data(setting: str, seed: int) -> dict[str, Any]:
    """Return what every method gets, and the truth."""
    trial = simulated(setting, seed)
    cohort, truth = trial.cohort, trial.truth
    outcome = next(iter(cohort.schema.outcomes))
    kind = {"continuous": "gaussian", "binary": "binary"}.get(cohort.schema.outcomes[outcome].kind, "time")
    x, names = matrix(cohort)
    observed = cohort.outcome(outcome)
    where = {"endpoint": _ENDPOINTS[kind]} | ({"horizon": HORIZON} if kind == "time" else {})
    found = {
        "x": x, "names": np.array(names), "z": cohort.treatment_idx.astype(int), "kind": kind,
        "mean": truth.data["mu_x"].sel(where).values, "outcomes": truth.data["y_new"].sel(where).values.astype(float),
        "anew": True,  # outcomes' noise is none that a method could have learnt
    }  # fmt: skip
    if kind == "time":
        return found | {"time": observed["time"], "event": observed["event"], "times": TIMES}
    return found | {"y": observed["value"].astype(float)}


def matrix(cohort: Any) -> tuple[np.ndarray, list[str]]:
    """Return features as numbers, (patient, column): transformed as the schema says, levels and sites one-hot."""
    from medresponse.cohort.feature import TRANSFORMS

    columns: dict[str, np.ndarray] = {}
    for name, feature in cohort.schema.feature_columns.items():
        series = cohort.table[name]
        if feature.type == "continuous":
            columns[name] = TRANSFORMS[feature.transform](series.to_numpy())
        elif feature.type in ("dosage", "ordinal"):
            columns[name] = series.to_physical().cast(pl.Float64).to_numpy()
        else:
            for level in feature.level_names[1:]:
                columns[f"{name}_{level}"] = (series.cast(pl.String) == level).cast(pl.Float64).to_numpy()
    for site in cohort.schema.sites:
        labels = cohort.table[site].cast(pl.String)
        for label in sorted(labels.unique())[1:]:
            columns[f"{site}_{label}"] = (labels == label).cast(pl.Float64).to_numpy()
    varying = [name for name, values in columns.items() if np.ptp(values) > 0]
    return np.column_stack([columns[name] for name in varying]), varying


def specs(kind: str) -> dict[str, Any]:
    """Return name -> function of the cohort's blocks that returns a spec, for one kind of outcome.

    Priors are on the outcome's own scale: points of a score whose standard deviation is 10, log odds, log times.
    """
    import medresponse as mr
    from medresponse.families import Lognormal, PiecewiseExponential
    from medresponse.model import Hinges, Trees
    from medresponse.priors import HalfNormal, Horseshoe, Normal

    unit = 10.0 if kind == "gaussian" else 1.0
    family: Any = {
        "gaussian": mr.families.Gaussian(), "binary": mr.families.Bernoulli(), "time": mr.families.Weibull(),
    }[kind]  # fmt: skip
    searched: Any = Lognormal() if kind == "time" else family
    common: dict[str, Any] = {
        "treatment": Normal(sigma=0.5 * unit), "pooling_scale": HalfNormal(sigma=0.3 * unit),
        "pooling_treatment_scale": HalfNormal(sigma=0.15 * unit), "confounding": "measured",
    }  # fmt: skip
    shrunk = Horseshoe(expected_nonzero=5, slab_scale=0.5 * unit)

    def linear(blocks: tuple[str, ...], law: Any = family) -> Any:
        return mr.ModelSpec(family=law, blocks=dict.fromkeys(blocks, shrunk), **common)

    found: dict[str, Any] = {"linear": linear}
    if kind == "time":
        found["linear_over_time"] = lambda blocks: linear(blocks, PiecewiseExponential(intervals=8))
    else:  # the model of experiment=simulation
        found["linear_pooled"] = lambda blocks: mr.ModelSpec(
            family=family, blocks=dict.fromkeys(blocks, Normal(sigma=0.5 * unit, pooled=True, centred=True)),
            modifiers=dict.fromkeys(blocks, Normal(sigma=0.25 * unit, pooled=True)), **common,
        )  # fmt: skip
    found["trees"] = lambda blocks: mr.ModelSpec(
        family=searched, blocks={}, trees=Trees(blocks=blocks), **common
    )
    found["hinges"] = lambda blocks: mr.ModelSpec(
        family=searched, blocks={}, hinges=Hinges(blocks=blocks), **common
    )
    return found


def engines() -> dict[str, Any]:
    """Return name of a spec -> engine of four chains, as long as the R-hat that the page asks for takes; others get 1,000 draws."""
    import medresponse as mr

    return {
        "trees": mr.Gibbs(draws=200, tune=100, thin=1),
        "hinges": mr.Gibbs(draws=500, tune=600, thin=2),
    }


def run(folder: Path, name: str, setting: str, seed: int) -> None:
    """Fit one spec, or mix those that are fitted, and keep what is scored."""
    import medresponse as mr
    from medresponse.inference.diagnostics import psis_loo
    from medresponse.inference.fitting import pointwise_log_likelihood
    from medresponse.model import PropensityScore
    from medresponse.response import own_curves

    path = folder / name / f"{setting}-{seed}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.load(folder / "data" / path.name)
    kind, z = str(data["kind"]), data["z"]
    if name == "stacked":
        np.savez_compressed(path, **stacked(folder, kind, path.name))
        print(name, path.stem, flush=True)
        return
    cohort = simulated(setting, seed).cohort
    schema = cohort.schema
    spec = specs(kind)[name](tuple(block for block, columns in schema.features.items() if columns))
    if schema.sites:
        spec = replace(spec, pooling=tuple(schema.sites))
    if schema.treatment.assignment == "observational" and name == "trees":
        spec = replace(spec, confounding=PropensityScore())
    if not spec.searches:
        compile_once(spec, cohort, seed)
    started = sum(os.times()[:4])
    fitted = mr.fit(spec, cohort, engine=engines().get(name), seed=seed)
    ask: dict[str, Any] = {"horizon": HORIZON, "unit": "month", "estimand": "rmst"} if kind == "time" else {}
    responses = mr.respond(fitted, cohort, **ask)
    means = responses.draws().values  # (patient, treatment, draw), chain after chain
    seconds = sum(os.times()[:4]) - started
    effects = (means[:, 1] - means[:, 0]).reshape(len(z), fitted.posterior.sizes["chain"], -1)
    most = np.linspace(0, means.shape[2] - 1, min(1000, means.shape[2])).astype(int)
    found: dict[str, Any] = kept(effects)
    found |= predicted(means, z, kind, fitted, seed)
    if kind == "time":
        few = mr.respond(fitted, cohort, draws=400, **ask)
        found["other_survival"] = own_curves(
            few, times=TIMES.tolist(), treatment_idx=1 - z, summarise=lambda values: values.mean(axis=-1)
        )
    thin = fitted.thinned(1000)
    pointwise, _ = psis_loo(pointwise_log_likelihood(thin, cohort, imputation=0))
    np.savez_compressed(
        path, cpu_seconds=seconds, pointwise=pointwise, rhat=fitted.diagnostics.rhat,
        passed=fitted.diagnostics.passed, effects=(means[:, 1] - means[:, 0])[:, most].astype(np.float32), **found,
    )  # fmt: skip
    print(name, path.stem, f"{seconds:.1f} s", f"R-hat {fitted.diagnostics.rhat:.3f}", flush=True)


def compile_once(spec: Any, cohort: Any, seed: int) -> None:
    """Compile a model, so that what is timed does not depend on which data set was the first: it is kept on disk."""
    import medresponse as mr
    from medresponse.inference.fitting import compiled, only_outcome
    from medresponse.model import prepare, rotate

    design = prepare(spec, cohort, outcome=only_outcome(cohort), seed=seed).design
    rotation = rotate(spec, design)
    compiled(spec, design if rotation is None else rotation.design, mr.Nuts())


def predicted(means: np.ndarray, z: np.ndarray, kind: str, fitted: Any, seed: int) -> dict[str, np.ndarray]:
    """Return the predictive law of the outcome under the other treatment, where it is not a time."""
    other = means[np.arange(len(z)), 1 - z]
    if kind == "binary":
        return {"other_probability": other.mean(axis=1)}
    if kind == "time":
        return {}
    most = np.linspace(0, other.shape[1] - 1, min(1000, other.shape[1])).astype(int)
    noise = np.random.default_rng(seed).standard_normal((len(z), len(most)))
    return {"other": (other[:, most] + fitted.draws("sigma")[most] * noise).astype(np.float32)}


def stacked(folder: Path, kind: str, file: str) -> dict[str, Any]:
    """Mix the laws of fitted specs by stacking weights of their leave-one-out densities."""
    from medresponse.comparison import stacking_weights

    started = sum(os.times()[:4])
    parts = [np.load(folder / name / file) for name in specs(kind)]
    weights = stacking_weights(np.column_stack([part["pointwise"] for part in parts]))
    rng = np.random.default_rng(1)
    counts = np.floor(weights * 1000 + 0.5).astype(int)
    chosen = [rng.integers(part["effects"].shape[1], size=m) for part, m in zip(parts, counts, strict=True)]

    def mix(what: str) -> np.ndarray:
        return np.concatenate([part[what][:, own] for part, own in zip(parts, chosen, strict=True)], axis=1)

    effects = mix("effects").astype(float)
    found: dict[str, Any] = kept(effects[:, None, :])
    del found["effect_rhat"], found["average_rhat"]  # draws of a mixture are no chain
    if kind == "gaussian":
        found["other"] = mix("other")
    else:
        law = {"binary": "other_probability", "time": "other_survival"}[kind]
        found[law] = sum(w * part[law] for w, part in zip(weights, parts, strict=True))
    seconds = sum(os.times()[:4]) - started + sum(float(part["cpu_seconds"]) for part in parts)
    return found | {"weights": weights, "cpu_seconds": seconds}


def score(path: Path, data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the scores of one method on one data set."""
    found = np.load(path)
    setting, seed = path.stem.rsplit("-", 1)
    effect = data["mean"][:, 1] - data["mean"][:, 0]
    spread = float(effect.std())
    flat = spread < _FLAT
    root = float(np.sqrt(((found["benefit"] - effect) ** 2).mean()))
    row: dict[str, Any] = {
        "setting": setting, "method": path.parent.name, "seed": int(seed), "spread": 0.0 if flat else spread,
        "root_pehe": root, "relative": None if flat else root / spread,
        "ate_error": float(abs(found["benefit"].mean() - effect.mean())),
        "coverage": None, "width": None, "false_heterogeneity": None,
        "other_crps": other_crps(found, data), "outcomes_anew": "anew" in data, "cpu_seconds": float(found["cpu_seconds"]),
        "effect_rhat": None, "effect_rhat_95": None, "average_rhat": None,
        "passed": bool(found["passed"]) if "passed" in found else None,
    }  # fmt: skip
    if "effect_rhat" in found:
        row["effect_rhat"] = float(found["effect_rhat"].max())
        row["effect_rhat_95"] = float(np.quantile(found["effect_rhat"], 0.95))
        row["average_rhat"] = float(found["average_rhat"])
    if "lower" in found:
        row["coverage"] = float(((found["lower"] <= effect) & (effect <= found["upper"])).mean())
        row["width"] = float((found["upper"] - found["lower"]).mean())
    if flat and "differs" in found:
        row["false_heterogeneity"] = float(found["differs"].mean())
    return row


def other_crps(found: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> float | None:
    """Return the mean continuous ranked probability score of an outcome under the treatment not received.

    Its random part is drawn anew: in the scenarios that of a patient's own outcomes is the same under every treatment, and methods
    scored on the patients they were fitted to would be the better for having learnt it. In points; of an event, the Brier score; of a time, of event-free months by the horizon. None without a law.
    """
    from medresponse.validation import crps

    truth = data["outcomes"][np.arange(len(data["z"])), 1 - data["z"]]
    if "other" in found:
        return float(crps(found["other"].astype(float), truth).mean())
    if "other_probability" in found:
        return float(((found["other_probability"] - truth) ** 2).mean())
    if "other_survival" in found:
        ended = truth[:, None] <= TIMES
        squares = (1 - found["other_survival"] - ended) ** 2
        return float(squares.sum(axis=1).mean() * (TIMES[1] - TIMES[0]))
    return None


def table(folder: Path) -> None:
    """Score what was found, print the table and write it.

    Specs of this package are scored on data sets that all of them have been fitted to. What is not in the folder keeps its
    recorded rows.
    """
    from benchmarks.scenarios_page import OURS, summary
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions

    paths = [path for path in sorted(folder.glob("*/*.npz")) if path.parent.name != "data"]
    complete = {path.name for path in paths if path.parent.name == "stacked"}
    paths = [path for path in paths if path.name in complete or path.parent.name not in OURS]
    rows = [score(path, np.load(folder / "data" / path.name)) for path in paths]
    found = {(row["setting"], row["seed"], row["method"]) for row in rows}
    recorded: dict[str, Any] = (
        json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"patients": PATIENTS, "rows": []}
    )
    before = recorded["rows"] if recorded["patients"] == PATIENTS else []
    rows += [row for row in before if (row["setting"], row["seed"], row["method"]) not in found]
    every = pl.DataFrame(rows, infer_schema_length=None).sort("setting", "method", "seed")
    print(markdown(summary(every)))
    plain = {
        "command": "make bench-peers", "patients": PATIENTS, "machine": described(), "versions": versions(),
        "rows": every.to_dicts(),
    }  # fmt: skip
    write_text(FILE, json.dumps(plain, indent=1) + "\n")
    FILE.chmod(0o644)


if __name__ == "__main__":
    main(sys.argv[1:])
