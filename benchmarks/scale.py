"""Time scores of a population beside PyMC's predictive path: `make bench-scale`; kept in benchmarks/scale.json.

Each row is a process of its own, so that its peak memory is its own. CPU seconds are of all threads; wall seconds count only on
a machine that does nothing else.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("scale.json")
ARMS, HISTORY, GENOMIC, SITES = ("A", "B", "C"), 10, 50, 20
# Family and estimand, with its horizon (months) where it has one.
FAMILIES = {
    "gaussian mean": ("gaussian", "mean", None),
    "bernoulli probability": ("bernoulli", "probability", None),
    "ordinal at least": ("ordinal", "at_least", None),
    "ordinal category": ("ordinal", "category", None),
    "poisson rate": ("poisson", "rate", None),
    "weibull survival": ("weibull", "survival", 12.0),
    "weibull rmst": ("weibull", "rmst", 12.0),
    "lognormal survival": ("lognormal", "survival", 12.0),
    "loglogistic rmst": ("loglogistic", "rmst", 12.0),
    "piecewise exponential survival": ("piecewise_exponential", "survival", 12.0),
    "piecewise exponential rmst": ("piecewise_exponential", "rmst", 12.0),
    "competing risks incidence": ("competing_risks", "cumulative_incidence", 12.0),
    "cure survival": ("cure", "survival", 12.0),
}


def main(arguments: list[str]) -> None:
    """Without arguments run every row and keep the results; with a row's settings run it and print them."""
    if arguments:
        print(json.dumps(_row(**json.loads(arguments[0]))))
        return
    from medresponse.core.atomic import write_text
    from medresponse.core.provenance import versions

    rows = [_in_process(settings) for settings in _plan()]
    facts = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0], "versions": versions()}
    write_text(
        FILE, json.dumps({"command": "make bench-scale", "machine": facts, "rows": rows}, indent=1) + "\n"
    )
    FILE.chmod(0o644)


def _plan() -> list[dict[str, Any]]:
    base = {
        "name": "bernoulli probability",
        "patients": 100_000,
        "draws": 1000,
        "quantiles": False,
        "missing": 0.0,
    }
    plan = [base | {"patients": n} for n in (10_000, 100_000, 1_000_000)]
    plan += [base | {"draws": s} for s in (250, 4000)]
    plan += [base | {"quantiles": True}, base | {"patients": 1_000_000, "quantiles": True}]
    plan += [base | {"patients": 10_000, "missing": share} for share in (0.1, 0.5)]
    plan += [base | {"patients": 20_000, "name": name} for name in FAMILIES]
    plan += [base | {"patients": 10_000, "draws": 500, "peer": peer} for peer in ("score", "memory", "pymc")]
    return plan


def _in_process(settings: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", json.dumps(settings)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{settings} cpu {found['cpu']:.2f} wall {found['wall']:.2f} s, {found['megabytes']:.0f} MB more",
        flush=True,
    )
    return found


def _row(
    *, name: str, patients: int, draws: int, quantiles: bool, missing: float, peer: str | None = None
) -> dict[str, Any]:
    from medresponse.response import score

    settings = {
        "name": name,
        "patients": patients,
        "draws": draws,
        "quantiles": quantiles,
        "missing": missing,
        "peer": peer,
    }
    if peer == "pymc":
        return settings | _predictive(patients, draws)
    kind, estimand, horizon = FAMILIES[name]
    fit = _fit(kind, draws)
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "patients.parquet", Path(folder) / "scores"
        _write_patients(file, patients, missing)
        score(
            fit, _first(file), out, horizon=horizon, estimand=estimand, part=_part(estimand), draws=draws
        )  # loads machine code
        part = _part(estimand)
        if peer == "memory":
            return settings | _in_memory(fit, file, draws)
        return settings | _measured(
            lambda: score(
                fit, file, Path(folder) / "result", horizon=horizon, estimand=estimand, part=part, draws=draws,
                worthwhile=0.02, level=0.95 if quantiles else None,
            )
        )  # fmt: skip


def _in_memory(fit: Any, file: Path, draws: int) -> dict[str, float]:
    """Scoring alone, of a checked cohort, nothing read or written: what PyMC's path is held against."""
    from medresponse.readers import read
    from medresponse.response import respond
    from medresponse.response.predict import encode_patients
    from medresponse.response.scoring.predictors import tiles
    from medresponse.response.scoring.summaries import Summaries

    cohort = read(file, fit.schema, for_prediction=True)
    asked = respond(fit, cohort, draws=draws)
    losses = np.zeros((len(ARMS), draws), dtype=np.float32)

    def work() -> None:
        summaries = Summaries(asked=asked, reference=0, worthwhile=0.02, losses=losses, level=None)
        summaries.prepare()
        for tile in tiles(asked.fit, encode_patients(asked.fit, cohort)):
            summaries.of(tile)

    return _measured(work)


def _part(estimand: str) -> str | None:
    return {"at_least": "2", "category": "2", "cumulative_incidence": "first"}.get(estimand)


def _measured(work: Callable[[], object]) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return spent | {"megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def _schema(kind: str) -> Any:
    from medresponse.cohort import Schema
    from medresponse.core.codec import from_plain

    outcomes: dict[str, dict[str, Any]] = {
        "continuous": {"column": "y", "unit": "points", "label": "score", "direction": "higher_is_better"},
        "binary": {
            "column": "y", "event_value": "1", "other_value": "0", "event_label": "event", "free_label": "none",
            "direction": "event_is_worse",
        },
        "ordinal": {"column": "y", "levels": ["1", "2", "3"], "label": "grade", "direction": "higher_is_better"},
        "count": {"column": "y", "label": "attacks", "direction": "lower_is_better"},
        "time_to_event": {
            "time": "y", "event": "d", "event_value": 1, "censored_value": 0, "unit": "month", "event_label": "death",
            "free_label": "alive",
        },
        "competing_risks": {
            "time": "y", "event": "d", "causes": {"first": 1, "second": 2}, "censored_value": 0, "unit": "month",
            "cause_labels": {"first": "first cause", "second": "second cause"}, "free_label": "alive",
        },
    }  # fmt: skip
    return from_plain(
        Schema,
        {
            "name": "made-up population", "source": "invented", "id": "patient", "synthetic": True, "sites": ["site"],
            "treatment": {
                "column": "arm", "levels": {arm: {} for arm in ARMS}, "reference": "A", "assignment": "randomised"
            },
            "outcomes": {"y": {"kind": kind, **outcomes[kind]}},
            "features": {
                "history": {f"h{i}": {"type": "continuous", "unit": "year"} for i in range(HISTORY)},
                "genomic": {f"g{i}": {"type": "dosage"} for i in range(GENOMIC)},
            },
        },
    )  # fmt: skip


def _features(n: int, rng: np.random.Generator) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "patient": [f"P{i:08d}" for i in range(n)],
        "site": [f"S{i % SITES}" for i in range(n)],
    }
    columns |= {f"h{i}": rng.normal(size=n) for i in range(HISTORY)}
    return columns | {f"g{i}": rng.integers(0, 3, n).astype(np.int8) for i in range(GENOMIC)}


def _write_patients(file: Path, n: int, missing: float) -> None:
    """Write patients, of whom a share lack two features; in another process, whose memory is not ours."""
    code = f"from benchmarks.scale import write_patients as w; w({str(file)!r}, {n}, {missing})"
    subprocess.run([sys.executable, "-c", code], check=True)


def write_patients(file: str, n: int, missing: float) -> None:
    import polars as pl

    rng = np.random.default_rng(1)
    frame = pl.DataFrame(_features(n, rng))
    lacking = pl.Series(rng.random(n) < missing)
    frame.with_columns(
        pl.when(lacking).then(None).otherwise(pl.col(name)).alias(name) for name in ("h0", "g0")
    ).write_parquet(file)


def _first(file: Path) -> Path:
    import polars as pl

    pl.scan_parquet(file).head(64).collect().write_parquet(file.with_name("few.parquet"))
    return file.with_name("few.parquet")


def _fit(family: str, draws: int) -> Any:
    """A fit whose posterior is written down: what scoring costs does not depend on how draws came about."""
    import polars as pl

    from medresponse.cohort import cohort_from_frame
    from medresponse.core.codec import from_plain
    from medresponse.families import Family
    from medresponse.model import ModelSpec
    from medresponse.priors import Normal
    from tests.hand_made import hand_made_fit

    rng, n, part = np.random.default_rng(2), 600, from_plain(Family, {"kind": family})
    y: dict[str, Any] = {
        "continuous": rng.normal(50, 10, n), "binary": rng.integers(0, 2, n), "ordinal": rng.integers(1, 4, n),
        "count": rng.poisson(2.0, n), "time_to_event": rng.uniform(1, 24, n), "competing_risks": rng.uniform(1, 24, n),
    }  # fmt: skip
    frame = pl.DataFrame(
        _features(n, rng)
        | {"arm": [ARMS[i % 3] for i in range(n)], "y": y[part.outcome_kind], "d": rng.integers(0, 2, n)}
    )
    if part.outcome_kind == "competing_risks":
        frame = frame.with_columns(d=pl.Series(rng.integers(0, 3, n)))
    schema = _schema(part.outcome_kind)
    if part.outcome_kind not in ("time_to_event", "competing_risks"):
        frame = frame.drop("d")
    blocks = {"history": Normal(), "genomic": Normal()}
    spec = ModelSpec(family=part, blocks=blocks, modifiers=dict(blocks), pooling=("site",))
    cohort = cohort_from_frame(frame, schema)
    fixed = {"site_scale": 0.3, "site_treatment_scale": 0.1}
    parameters = _parameters(family, draws, rng)
    blank = hand_made_fit(spec, cohort, outcome="y", coefficients={}, draws=draws, **parameters, **fixed)
    labels, several = blank.layout.coefficient_labels, len(blank.predictors)
    table = 0.05 * rng.normal(size=(1, draws, len(labels))) + 0.1 * rng.normal(size=len(labels))
    dims = ("chain", "draw", "coefficient", "predictor")
    if several > 1:
        table = np.repeat(table[..., None], several, axis=-1)
    posterior = blank.posterior.drop_vars("coefficients").assign(coefficients=(dims[: table.ndim], table))
    return replace(blank, posterior=posterior)


def _parameters(family: str, draws: int, rng: np.random.Generator) -> dict[str, Any]:
    level, positive = rng.normal(0.0, 0.1, draws), np.exp(rng.normal(0.0, 0.05, draws))
    intervals = np.arange(8) * 0.05
    return {
        "gaussian": {"intercept": 50 + level, "sigma": 10 * positive},
        "bernoulli": {"intercept": level - 1},
        "ordinal": {"cuts": np.column_stack([level - 0.5, level + 0.5])},
        "poisson": {"intercept": level},
        "weibull": {"log_scale": 2.5 + level, "shape": 1.2 * positive},
        "lognormal": {"log_median": 2.5 + level, "sigma": positive},
        "loglogistic": {"log_scale": 2.5 + level, "shape": 1.2 * positive},
        "piecewise_exponential": {"log_hazard": (level[:, None, None] - 3) + np.zeros((draws, 3, 10))},
        "competing_risks": {
            "log_hazard": (level[:, None, None, None] - 3.5) + np.zeros((draws, 2, 3, 1)) + intervals
        },
        "cure": {"incidence_intercept": level, "log_scale": 2.5 + level, "shape": 1.2 * positive},
    }[family]


def _predictive(patients: int, draws: int) -> dict[str, Any]:
    """What one does without us: `set_data` and `sample_posterior_predictive` once an arm, then numpy."""
    import pymc as pm
    import xarray as xr

    rng, p = np.random.default_rng(3), HISTORY + GENOMIC
    with pm.Model(coords={"feature": range(p), "arm": ARMS}) as model:
        x = pm.Data("x", rng.normal(size=(500, p)))
        arm = pm.Data("arm_idx", rng.integers(0, 3, 500).astype("int32"))
        theta = pm.Normal("theta", 0.0, 0.1, shape=(3, p))
        level = pm.Normal("level", 0.0, 1.0, shape=3)
        probability = pm.Deterministic(
            "probability", pm.math.sigmoid(level[arm] + (x * theta[arm]).sum(axis=1))
        )
        pm.Bernoulli("y", probability, observed=rng.integers(0, 2, 500), shape=probability.shape)
    posterior = {"theta": (("chain", "draw", "a", "f"), rng.normal(0, 0.1, (2, draws // 2, 3, p)))}
    posterior |= {"level": (("chain", "draw", "a"), rng.normal(size=(2, draws // 2, 3)))}
    tree, new = xr.DataTree.from_dict({"posterior": xr.Dataset(posterior)}), rng.normal(size=(patients, p))

    def ask() -> None:
        arms = []
        with model:
            for k in range(3):
                pm.set_data({"x": new, "arm_idx": np.full(patients, k, dtype="int32")})
                found = pm.sample_posterior_predictive(
                    tree, var_names=["probability"], predictions=True, progressbar=False
                )
                arms.append(found["predictions"]["probability"].values.reshape(draws, patients))
        values = np.stack(arms, axis=1)
        _ = values.mean(axis=0), values.std(axis=0, ddof=1), np.bincount(values.argmin(axis=1).ravel())
        _ = (values[:, 1:] < values[:, :1]).mean(axis=0)

    first = _measured(ask)
    return first | {f"warm_{name}": value for name, value in _measured(ask).items()}


if __name__ == "__main__":
    main(sys.argv[1:])
