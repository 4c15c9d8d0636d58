"""Sums of trees by this package and another library: `python -m benchmarks.trees`. Printed, and kept in benchmarks/trees.json.

A randomised trial with a stepped prognosis and a stepped effect, 15 features, 300 and 2,000 patients. This package runs
with its defaults, pymc-bart by PyMC with one BART term for prognosis and one for the effect. Errors and intervals are those of the
conditional effect of the training patients. Needs pip install pymc-bart. Each run is a process of its own;
``python -m benchmarks.trees <library> <patients>`` repeats one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medresponse.core.atomic import write_text
from medresponse.core.machine import described
from medresponse.core.provenance import versions

PATIENTS = (300, 2000)
FEATURES = 15
SHOWN = (
    "cpu_seconds",
    "root_pehe",
    "coverage",
    "width",
    "mean_rhat",
    "mean_ess",
    "patient_rhat_95",
    "patient_ess_5",
    "memory_mb",
)


def main() -> None:
    """Run every library on every size."""
    for library in RUNS:
        for n in PATIENTS:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.trees", library, str(n)]
            subprocess.run(command, check=True)


def record(measured: dict[str, Any]) -> None:
    """Print one run and put it in the file, in the place of an earlier one of its library and size."""
    print(measured["library"], measured["patients"], {name: measured[name] for name in SHOWN}, flush=True)
    file = Path(__file__).with_name("trees.json")
    runs = json.loads(file.read_text(encoding="utf-8"))["runs"] if file.exists() else []
    own = (measured["library"], measured["patients"])
    runs = [*(entry for entry in runs if (entry["library"], entry["patients"]) != own), measured]
    facts = {"hardware": described(), "versions": versions()}
    plain = {"command": "python -m benchmarks.trees", "runs": runs, "machine": facts}
    write_text(file, json.dumps(plain, indent=1) + "\n")
    file.chmod(0o644)


def run(library: str, n: int) -> dict[str, Any]:
    """Fit one trial with one library and return what is to be known of it."""
    from arviz_stats.base import array_stats

    x, contrast, effect, y = simulate(n, seed=1)
    started = time.perf_counter()
    draws, facts = RUNS[library](x, contrast, y)  # (chain, draw, patient)
    seconds = time.perf_counter() - started
    low, high = np.quantile(draws, [0.025, 0.975], axis=(0, 1))
    axes = {"chain_axis": 0, "draw_axis": 1}
    mean, some = draws.mean(axis=2), draws[..., :200]
    measured = {
        "seconds": seconds,
        "cpu_seconds": sum(os.times()[:4]),  # of this process and its chains, imports included
        "root_pehe": np.sqrt(((draws.mean(axis=(0, 1)) - effect) ** 2).mean()),
        "spread_of_true_effects": effect.std(),
        "coverage": ((low <= effect) & (effect <= high)).mean(),
        "width": (high - low).mean(),
        "mean_rhat": array_stats.rhat(mean, **axes),
        "mean_ess": array_stats.ess(mean, method="bulk", **axes),
        "patient_rhat_95": np.quantile(array_stats.rhat(some, **axes), 0.95),
        "patient_rhat_max": array_stats.rhat(some, **axes).max(),
        "patient_ess_5": np.quantile(array_stats.ess(some, method="bulk", **axes), 0.05),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return (
        {"library": library, "version": version(library), "patients": n}
        | {k: round(float(v), 3) for k, v in measured.items()}
        | facts
    )


def simulate(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return features, treatment contrast, conditional effect and outcome; ten features are normal, five binary."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, FEATURES))
    x[:, 10:] = x[:, 10:] > 0
    contrast = rng.permutation(n) % 2 - 0.5
    prognosis = 2.0 * (x[:, 0] > 0) - 1.5 * (x[:, 1] > 0.5) + 1.0 * (x[:, 2] > 0) * x[:, 10]
    effect = 0.5 + 1.0 * (x[:, 3] > 0) + 1.0 * (x[:, 0] > 0) * x[:, 11]
    return x, contrast, effect, prognosis + contrast * effect + rng.standard_normal(n)


def by_medresponse(x: np.ndarray, contrast: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit with this package, save, load and score the loaded fit."""
    import medresponse as mr
    from medresponse.cohort import Schema, cohort_from_frame
    from medresponse.core.codec import from_plain
    from medresponse.inference import load_fit, save_fit
    from medresponse.model import Trees

    names = [f"x{j}" for j in range(FEATURES)]
    plain = {
        "name": "simulated", "source": "numpy", "id": "patient", "synthetic": True,
        "treatment": {"column": "arm", "reference": "A", "assignment": "randomised", "levels": {"A": {}, "B": {}}},
        "outcomes": {"y": {"kind": "continuous", "column": "y", "unit": "points", "label": "y", "direction": "higher_is_better"}},
        "features": {"history": {name: {"type": "continuous", "unit": "1"} for name in names}},
    }  # fmt: skip
    columns = {
        "patient": [f"P{i:05d}" for i in range(len(y))],
        "arm": np.where(contrast > 0, "B", "A"),
        "y": y,
    }
    frame = pl.DataFrame(columns | dict(zip(names, x.T, strict=True)))
    cohort = cohort_from_frame(frame, from_plain(Schema, plain))
    spec = mr.ModelSpec(family=mr.families.Gaussian(), blocks={}, trees=Trees(blocks=("history",)))
    fits = [mr.fit(spec, cohort, seed=1)]
    with tempfile.TemporaryDirectory() as folder:
        path = save_fit(fits[0], Path(folder) / "trees.fit")
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        started = time.perf_counter()
        means = mr.respond(load_fit(path), cohort).draws().values  # (patient, treatment, draw)
        scored = time.perf_counter() - started
    chains = fits[0].posterior.sizes["chain"]
    effects = (means[:, 1] - means[:, 0]).T.reshape(chains, -1, len(y))
    facts = {
        "failures": list(fits[0].diagnostics.failures),
        "saved_mb": round(size / 1e6, 2),
        "seconds_to_load_and_score": round(scored, 2),
    }
    return effects, facts


def by_pymc_bart(x: np.ndarray, contrast: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit with PyMC and score the training patients again from the stored trees."""
    import pymc as pm
    import pymc_bart as pmb
    from pymc_bart.utils import _get_posterior_sampler

    chains, draws, sd = 4, 2000, y.std()
    standard = (y - y.mean()) / sd
    with pm.Model():
        prognosis = pmb.BART("prognosis", x, standard, m=200)
        effect = pmb.BART("effect", x, 0.5 * standard, m=50)
        average = pm.Normal("average", 0.0, 1 / sd)
        sigma = pm.HalfNormal("sigma", 1.0)
        pm.Normal("y", prognosis + contrast * (average + effect), sigma, observed=standard)
        trace = pm.sample(
            tune=1000, draws=draws, chains=chains, cores=2, random_seed=1, progressbar=False,
            compute_convergence_checks=False,
        )  # fmt: skip
    first = trace.posterior["effect"].values
    stored = _get_posterior_sampler(effect.owner.op)
    again = stored.sample_posterior(np.ascontiguousarray(x), list(range(chains * draws)), None)[:, 0]
    differs = np.abs(again.reshape(chains, draws, -1) - first).max(axis=(1, 2))
    facts = {"scored_from_stored_differs_by": [round(float(d), 3) for d in differs]}  # chain by chain
    return (first + trace.posterior["average"].values[..., None]) * sd, facts


RUNS: dict[str, Callable[..., tuple[np.ndarray, dict[str, Any]]]] = {
    "medresponse": by_medresponse,
    "pymc-bart": by_pymc_bart,
}

if __name__ == "__main__":
    if len(sys.argv) == 3:
        record(run(sys.argv[1], int(sys.argv[2])))
    else:
        main()
