"""Heterogeneous effects on the ten ACIC 2016 instances of causallib 0.10: `make bench-acic`, or

    .venv-peers/bin/python benchmarks/peers/run.py outputs/acic
    .venv-peers/bin/python benchmarks/peers/run.py outputs/acic bcf_x5 bart_s_x5 bart_t_x5 6
    .venv/bin/python -m benchmarks.acic run outputs/acic [spec ...]
    .venv/bin/python -m benchmarks.acic converge outputs/acic 6
    .venv/bin/python -m benchmarks.acic table outputs/acic
    .venv/bin/python -m benchmarks.acic page > docs/acic.md

Covariates of 4,802 pregnancies, simulated treatments and outcomes (Dorie, Hill, Shalit, Scott & Cervone 2019, Stat Sci
34:43), scored in sample. The first line, in an environment of the peers' own, writes the data and what the peers find; the
second runs five times as long what has chains; the third fits this package's specs; the fourth looks at how well chains of hinges
agree on patients' effects; the fifth scores everything against the truth, prints the table and keeps it in benchmarks/acic.json. No spec sees the truth: only `table` reads it. What is there already is not run again.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import logging
import math
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.peers.effects import split_rhat
from benchmarks.tables import markdown

FILE = Path(__file__).with_suffix(".json")
INSTANCES = tuple(range(1, 11))
STACK = ("linear", "trees", "hinges")
_FLAT = 1e-6  # a standard deviation of true effects below this is rounding


def main(arguments: list[str]) -> None:
    """Run specs or print the table."""
    if arguments == ["page"]:
        from benchmarks.acic_page import page

        print(page(json.loads(FILE.read_text(encoding="utf-8"))), end="")
        return
    action, folder, names = arguments[0], Path(arguments[1]), arguments[2:]
    logging.disable(logging.WARNING)
    if action == "run":
        for i in INSTANCES:
            for name in names or [*specs(), "stacked"]:
                if not (folder / name / f"{i}.npz").exists():
                    run(folder, name, i)
    elif action == "converge":
        for i in map(int, names):
            converge(folder, i)
    else:
        table(folder)


def specs() -> dict[str, tuple[Any, Any]]:
    """Return name -> spec and engine."""
    import medresponse as mr
    from medresponse.model import Hinges, PropensityScore, Trees
    from medresponse.priors import HalfNormal, Horseshoe, Normal
    from medresponse.terms import Spline

    gaussian = mr.families.Gaussian()
    # Scales of priors are the outcome's: its standard deviation is about five units in every instance.
    linear = mr.ModelSpec(
        family=gaussian, blocks={"history": Horseshoe(expected_nonzero=10, slab_scale=2.5)},
        treatment=Normal(sigma=5.0), confounding="measured",
    )  # fmt: skip
    score = PropensityScore(prior=Normal(sigma=5.0), curve=Spline(scale=HalfNormal(sigma=2.5)))
    scored = replace(linear, confounding=score)
    trees = mr.ModelSpec(
        family=gaussian, blocks={}, trees=Trees(blocks=("history",)), confounding=PropensityScore()
    )
    hinges = mr.ModelSpec(
        family=gaussian, blocks={}, hinges=Hinges(blocks=("history",)), confounding="measured"
    )
    return {
        "linear": (linear, mr.Nuts(draws=500, tune=500, chains=2)),
        "linear_propensity": (scored, mr.Nuts(draws=500, tune=500, chains=2)),
        "trees": (trees, mr.Gibbs(draws=90, tune=150, thin=2)),
        "hinges": (hinges, mr.Gibbs(draws=250, tune=450, thin=3)),
    }


def run(folder: Path, name: str, i: int) -> None:
    """Fit one spec to one instance and keep what is scored."""
    import medresponse as mr
    from medresponse.inference.diagnostics import psis_loo
    from medresponse.inference.fitting import pointwise_log_likelihood

    data = np.load(folder / "data" / f"{i}.npz")
    path = folder / name / f"{i}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == "stacked":
        stack(folder, i, path)
        return
    cohort = read(data)
    spec, engine = specs()[name]
    started = sum(os.times()[:4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = mr.fit(spec, cohort, engine=engine, seed=i)
        draws = mr.respond(fitted, cohort, draws=1000).draws().values  # (patient, treatment, draw)
    seconds = sum(os.times()[:4]) - started
    pointwise, _ = psis_loo(pointwise_log_likelihood(fitted, cohort, imputation=0))
    sigma = mr.respond(fitted, cohort, draws=1000).fit.draws("sigma")
    effects = (draws[:, 1] - draws[:, 0]).reshape(len(draws), fitted.posterior.sizes["chain"], -1)
    found = from_draws(draws, sigma, data["z"], i) | {
        "effect_rhat": split_rhat(effects), "average_rhat": split_rhat(effects.mean(axis=0)[None])[0],
        "cpu_seconds": np.asarray(seconds), "pointwise": pointwise, "rhat": np.asarray(fitted.diagnostics.rhat),
    }  # fmt: skip
    np.savez_compressed(path, **found)
    np.savez_compressed(path.with_suffix(".draws.npz"), means=draws.astype(np.float32), sigma=sigma)
    print(name, i, f"{seconds:.1f} s", flush=True)


def converge(folder: Path, i: int) -> None:
    """Run hinges for twice as many draws and keep how well chains agree on effects after half of them and all."""
    from arviz_stats.base import array_stats

    import medresponse as mr
    from medresponse.core.atomic import write_text

    data = np.load(folder / "data" / f"{i}.npz")
    cohort = read(data)
    spec, engine = specs()["hinges"]
    engine = replace(engine, draws=2 * engine.draws)
    started = sum(os.times()[:4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = mr.fit(spec, cohort, engine=engine, seed=i)
        draws = mr.respond(fitted, cohort).draws().values
    seconds = sum(os.times()[:4]) - started
    effects = (draws[:, 1] - draws[:, 0]).reshape(len(draws), fitted.posterior.sizes["chain"], -1)
    rows = []
    for kept in (engine.draws // 2, engine.draws):
        rhat = split_rhat(effects[:, :, :kept])
        some = effects[
            :: len(effects) // 200, :, :kept
        ]  # effective sizes of all would take longer than the chains
        ess = array_stats.ess(np.moveaxis(some, 0, -1), method="bulk", chain_axis=0, draw_axis=1)
        sweeps = engine.tune + kept * engine.thin
        rows.append({
            "instance": i, "sweeps a chain": sweeps,
            "CPU s": seconds * sweeps / (engine.tune + engine.draws * engine.thin),
            "R-hat of effects, median": float(np.median(rhat)), "worst": float(rhat.max()),
            "patients at most 1.01": float((rhat <= 1.01).mean()),
            "bulk ESS of effects, median": float(np.median(ess)), "least": float(ess.min()),
        })  # fmt: skip
    write_text(folder / f"convergence-{i}.json", json.dumps(rows))
    print(rows, flush=True)


def stack(folder: Path, i: int, path: Path) -> None:
    """Mix the predictive laws of fitted specs by stacking weights of their leave-one-out densities."""
    from medresponse.comparison import stacking_weights

    started = sum(os.times()[:4])
    data = np.load(folder / "data" / f"{i}.npz")
    parts = [np.load(folder / name / f"{i}.npz") for name in STACK]
    held = [np.load(folder / name / f"{i}.draws.npz") for name in STACK]
    weights = stacking_weights(np.column_stack([part["pointwise"] for part in parts]))
    rng = np.random.default_rng(i)
    counts = np.floor(weights * 1000 + 0.5).astype(int)
    means, sigma = [], []
    for own, count in zip(held, counts, strict=True):
        every = own["sigma"].shape[0]
        chosen = rng.choice(every, size=count, replace=count > every)
        means.append(own["means"][..., chosen])
        sigma.append(own["sigma"][chosen])
    found: dict[str, Any] = from_draws(
        np.concatenate(means, axis=-1).astype(float), np.concatenate(sigma), data["z"], i
    )
    seconds = sum(os.times()[:4]) - started + sum(float(part["cpu_seconds"]) for part in parts)
    np.savez_compressed(path, cpu_seconds=seconds, weights=weights, **found)
    print("stacked", i, dict(zip(STACK, weights.round(2).tolist(), strict=True)), flush=True)


def from_draws(means: np.ndarray, sigma: np.ndarray, z: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return what is scored of draws (patient, treatment, draw), and draws of the outcome under the other treatment."""
    rng = np.random.default_rng(seed)
    benefit = means[:, 1] - means[:, 0]
    lower, upper = np.quantile(benefit, [0.025, 0.975], axis=1)
    other = means[np.arange(len(z)), 1 - z]
    return {
        "benefit": benefit.mean(axis=1), "lower": lower, "upper": upper,
        "average": np.quantile(benefit.mean(axis=0), [0.025, 0.975]),
        "other": (other + sigma * rng.standard_normal(other.shape)).astype(np.float32),
    }  # fmt: skip


def read(data: Mapping[str, np.ndarray]) -> Any:
    """Return the cohort of one instance; columns ``x_2_B``, ... are levels of the categorical feature ``x_2``."""
    from medresponse.cohort import Schema, cohort_from_frame
    from medresponse.core.codec import from_plain

    x, names = data["x"], [str(name) for name in data["names"]]
    columns: dict[str, Any] = {"patient": [f"P{i:04d}" for i in range(len(x))], "y": data["y"]}
    columns["arm"] = np.where(data["z"] == 1, "treated", "control")
    features: dict[str, Any] = {}
    for stem in dict.fromkeys("_".join(name.split("_")[:2]) for name in names):
        own = [j for j, name in enumerate(names) if name == stem or name.startswith(f"{stem}_")]
        if len(own) == 1 and names[own[0]] == stem:
            columns[stem], features[stem] = x[:, own[0]], {"type": "continuous", "unit": "1"}
            continue
        levels = np.array(["A", *(names[j].removeprefix(f"{stem}_") for j in own)])
        columns[stem] = levels[(x[:, own] @ np.arange(1.0, len(own) + 1)).astype(int)]
        features[stem] = {"type": "categorical", "levels": levels.tolist()}
    plain = {
        "name": "acic2016", "source": "causallib 0.10", "id": "patient", "synthetic": True,
        "treatment": {
            "column": "arm", "reference": "control", "assignment": "observational",
            "levels": {"control": {}, "treated": {}},
        },
        "outcomes": {
            "y": {"kind": "continuous", "column": "y", "unit": "1", "label": "outcome", "direction": "higher_is_better"}
        },
        "features": {"history": features},
    }  # fmt: skip
    return cohort_from_frame(pl.DataFrame(columns), from_plain(Schema, plain))


def table(folder: Path) -> None:
    """Score everything found, print the table and write it; what is not in the folder keeps its recorded row."""
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions

    rows = []
    for path in sorted(folder.glob("*/*.npz")):
        if path.parent.name == "data" or path.name.endswith(".draws.npz"):
            continue
        rows.append(score(path, np.load(folder / "data" / path.name)))
    found = {(row["method"], row["instance"]) for row in rows}
    recorded = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    before = {
        (row["method"], row["instance"]): row
        for row in [*recorded.get("instances", []), *recorded.get("longer", [])]
    }
    rows = [quickest(row, before.get((row["method"], row["instance"]))) for row in rows]
    kept = [row for cell, row in before.items() if cell not in found]
    rows += kept
    others = sorted({row["method"] for row in kept})
    scored = pl.DataFrame(rows, infer_schema_length=None).sort("method", "instance")
    longer = pl.col("method").str.contains(r"_x\d+$")
    every = scored.filter(~longer)
    shown = summary(every)
    print(markdown(shown))
    agreement = [
        row for path in sorted(folder.glob("convergence-*.json")) for row in json.loads(path.read_text())
    ]
    plain = {
        "command": "make bench-acic",
        "convergence": agreement or recorded.get("convergence", []),
        "before": f"Recorded earlier than the other rows: {', '.join(others)}." if others else "",
        "machine": described(),
        "versions": versions(),
        "summary": shown.to_dicts(),
        "instances": every.to_dicts(),
        "longer": scored.filter(longer).to_dicts(),
    }
    write_text(FILE, json.dumps(plain, indent=1) + "\n")
    FILE.chmod(0o644)


def quickest(row: dict[str, Any], recorded: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the row with the fewer seconds of two runs that found the same: what else a machine does only adds to them."""
    if recorded is None or not all(
        math.isclose(row[name], recorded[name], rel_tol=1e-9) for name in ("root_pehe", "ate_error")
    ):
        return row
    return row | {"cpu_seconds": min(row["cpu_seconds"], recorded["cpu_seconds"])}


def score(path: Path, data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the scores of one method on one instance."""
    from medresponse.validation import crps

    found = np.load(path)
    effect, z = data["mean"][:, 1] - data["mean"][:, 0], data["z"]
    other = data["outcomes"][np.arange(len(z)), 1 - z]
    spread = float(effect.std())
    root = float(np.sqrt(((found["benefit"] - effect) ** 2).mean()))
    row: dict[str, Any] = {
        "method": path.parent.name, "instance": int(path.stem), "spread": spread if spread > _FLAT else 0.0,
        "root_pehe": root, "relative": root / spread if spread > _FLAT else None,
        "ate_error": float(abs(found["benefit"].mean() - effect.mean())),
        "coverage": None, "width": None, "other_coverage": None, "other_crps": None,
        "cpu_seconds": float(found["cpu_seconds"]),
    }  # fmt: skip
    row["rhat"] = float(found["rhat"]) if "rhat" in found else None
    row["weights"] = dict(zip(STACK, found["weights"].tolist(), strict=True)) if "weights" in found else None
    row["effect_rhat"] = row["effect_rhat_95"] = row["average_rhat"] = None
    if "effect_rhat" in found:
        row["effect_rhat"] = float(found["effect_rhat"].max())
        row["effect_rhat_95"] = float(np.quantile(found["effect_rhat"], 0.95))
        row["average_rhat"] = float(found["average_rhat"])
    if "lower" in found:
        row["coverage"] = float(((found["lower"] <= effect) & (effect <= found["upper"])).mean())
        row["width"] = float((found["upper"] - found["lower"]).mean())
    if "other" in found:
        low, high = np.quantile(found["other"], [0.025, 0.975], axis=1)
        row["other_coverage"] = float(((low <= other) & (other <= high)).mean())
        row["other_crps"] = float(crps(found["other"].astype(float), other).mean())
    elif "other_crps" in found:
        row["other_coverage"] = float(
            ((found["other_lower"] <= other) & (other <= found["other_upper"])).mean()
        )
        row["other_crps"] = float(found["other_crps"].mean())
    return row


def summary(every: pl.DataFrame) -> pl.DataFrame:
    """Return one row a method: heterogeneous instances, those of one effect, and all."""
    varied, flat = pl.col("spread") > 0, pl.col("spread") == 0
    return (
        every.group_by("method")
        .agg(
            pl.len().alias("instances"),
            pl.col("root_pehe").mean().alias("sqrt(PEHE) mean"),
            pl.col("root_pehe").median().alias("median"),
            pl.col("relative").filter(varied).median().alias("over sd(tau), median of varied"),
            pl.col("coverage").filter(varied).mean().alias("coverage, varied"),
            pl.col("width").filter(varied).mean().alias("width, varied"),
            pl.col("root_pehe").filter(flat).max().alias("sqrt(PEHE), one effect, worse of two"),
            pl.col("coverage").filter(flat).mean().alias("coverage, one effect"),
            pl.col("ate_error").mean().alias("ATE error, mean"),
            pl.col("other_coverage").mean().alias("coverage of outcome"),
            pl.col("other_crps").mean().alias("CRPS of outcome"),
            pl.col("cpu_seconds").mean().alias("CPU s"),
            pl.col("rhat").max().alias("R-hat"),
            pl.col("effect_rhat_95").max().alias("R-hat of 95% of effects"),
            pl.col("effect_rhat").max().alias("of all"),
            pl.col("average_rhat").max().alias("of average"),
        )
        .sort("sqrt(PEHE) mean")
    )


if __name__ == "__main__":
    main(sys.argv[1:])
