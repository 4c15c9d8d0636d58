"""Time scores of a population beside PyMC's predictive path; every row is kept in benchmarks/scale.json as it comes.

make bench-scale                        every row (eight minutes on two idle cores)
make bench-scale ARGS="peer million"    rows whose name holds one of these words
python -m benchmarks.scale --list       names of rows
python -m benchmarks.scale --docs       write the tables of docs/scaling.md from what is kept, as each of the above does

Each row is a process of its own, so that its peak memory is its own. CPU seconds are of all threads, wall seconds stand beside what
the rest of the machine did in that time: they count only where that is next to nothing.
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

from benchmarks import scale_tables

FILE = Path(__file__).with_name("scale.json")
ARMS, HISTORY, GENOMIC, SITES = ("A", "B", "C"), 10, 50, 20
REPEATS = 7
# Family and estimand, with its horizon (months) where it has one.
FAMILIES = {
    "gaussian mean": ("gaussian", "mean", None),
    "student t mean": ("student_t", "mean", None),
    "bernoulli probability": ("bernoulli", "probability", None),
    "ordinal at least": ("ordinal", "at_least", None),
    "ordinal category": ("ordinal", "category", None),
    "poisson rate": ("poisson", "rate", None),
    "negative binomial rate": ("negative_binomial", "rate", None),
    "weibull survival": ("weibull", "survival", 12.0),
    "weibull rmst": ("weibull", "rmst", 12.0),
    "lognormal survival": ("lognormal", "survival", 12.0),
    "loglogistic survival": ("loglogistic", "survival", 12.0),
    "loglogistic rmst": ("loglogistic", "rmst", 12.0),
    "piecewise exponential survival": ("piecewise_exponential", "survival", 12.0),
    "piecewise exponential rmst": ("piecewise_exponential", "rmst", 12.0),
    "competing risks incidence": ("competing_risks", "cumulative_incidence", 12.0),
    "cure survival": ("cure", "survival", 12.0),
}


def main(arguments: list[str]) -> None:
    """Run rows and keep their results; see the module."""
    if arguments[:1] == ["--row"]:
        print(json.dumps(_row(**json.loads(arguments[1]))))
    elif arguments == ["--list"]:
        print("\n".join(_plan()))
    elif arguments == ["--docs"]:
        scale_tables.write_docs()
    else:
        for name, settings in _plan().items():
            if not arguments or any(word in name for word in arguments):
                _keep(name, _in_process(name, settings))
        scale_tables.write_docs()


def _plan() -> dict[str, dict[str, Any]]:
    """Return the settings of each row by its name, the soonest done first."""
    base: dict[str, Any] = {
        "name": "bernoulli probability",
        "draws": 1000,
        "quantiles": False,
        "missing": 0.0,
    }
    few = base | {"patients": 10_000}
    plan = {
        f"peer {peer}": few | {"draws": 500, "peer": peer} for peer in ("score", "memory", "parts", "pymc")
    }
    plan["ten thousand"] = few
    plan |= {f"family {name}": base | {"patients": 20_000, "name": name} for name in FAMILIES}
    many = base | {"patients": 100_000}
    plan |= {f"hundred thousand, {draws} draws": many | {"draws": draws} for draws in (250, 1000, 4000)}
    plan["hundred thousand, quantiles"] = many | {"quantiles": True}
    plan["missing in a tenth"] = few | {"missing": 0.1}
    plan["million"] = base | {"patients": 1_000_000}
    plan["missing in half"] = few | {"missing": 0.5}
    plan["million, quantiles"] = base | {"patients": 1_000_000, "quantiles": True}
    return plan


def _in_process(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--row", json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{name}: cpu {found['cpu']:.2f} wall {found['wall']:.2f} others {found['others']:.2f} s, "
        f"{found['megabytes']:.0f} MB more",
        flush=True,
    )
    return found


def _keep(name: str, found: dict[str, Any]) -> None:
    """Put a row in its place among those that are kept, with what it was measured on."""
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions

    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"rows": {}}
    kept["rows"][name] = found | {"machine": described(), "cores": os.cpu_count(), "versions": versions()}
    kept["rows"] = {row: kept["rows"][row] for row in _plan() if row in kept["rows"]}
    write_text(FILE, json.dumps(kept, indent=1) + "\n")
    FILE.chmod(0o644)


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
        if peer == "memory":
            return settings | _in_memory(fit, file, draws)
        score(
            fit, _first(file), out, horizon=horizon, estimand=estimand, part=_part(estimand), draws=draws
        )  # loads machine code
        part = _part(estimand)
        if peer == "parts":
            return settings | _by_part(fit, file, draws)
        return settings | _measured(
            lambda: score(
                fit, file, Path(folder) / "result", horizon=horizon, estimand=estimand, part=part, draws=draws,
                worthwhile=0.02, level=0.95 if quantiles else None,
            )
        )  # fmt: skip


def _in_memory(fit: Any, file: Path, draws: int) -> dict[str, Any]:
    """Scoring alone, of a checked cohort, nothing read or written: what PyMC's path is held against.

    The first pass is kept apart: it imports numba and loads the machine code that earlier rows left on disk.
    """
    from medresponse.core.machine import available_cores
    from medresponse.readers import read
    from medresponse.response import respond
    from medresponse.response.predict import encode_patients
    from medresponse.response.scoring.summaries import Summaries
    from medresponse.response.scoring.workers import threads

    cohort = read(file, fit.schema, for_prediction=True)
    asked = respond(fit, cohort, draws=draws)
    losses = np.zeros((len(ARMS), draws), dtype=np.float32)

    def work() -> None:
        summaries = Summaries(asked=asked, reference=0, worthwhile=0.02, losses=losses, level=None)
        with threads(summaries, available_cores()) as workers:
            workers.submit(encode_patients(asked.fit, cohort))()

    first = _measured(work)
    return _repeated(work) | {f"first_{name}": value for name, value in first.items()}


def _by_part(fit: Any, file: Path, draws: int) -> dict[str, Any]:
    """CPU seconds of the parts of `_in_memory`, one after the other in one thread."""
    from medresponse.core.machine import one_blas_thread
    from medresponse.readers import read
    from medresponse.response import respond
    from medresponse.response.predict import encode_patients
    from medresponse.response.scoring.kernels import reductions
    from medresponse.response.scoring.predictors import Line, tile_size, tiles
    from medresponse.response.scoring.summaries import Summaries
    from medresponse.response.scoring.values import values_at

    cohort = read(file, fit.schema, for_prediction=True)
    asked, losses = respond(fit, cohort, draws=draws), np.zeros((len(ARMS), draws), dtype=np.float32)
    patients, size = encode_patients(asked.fit, cohort), tile_size(asked.fit)
    every = list(tiles(asked.fit, patients, size))
    line = Line(fit=asked.fit, predictor=0, shift=np.zeros(draws), factor=np.ones(draws), seed=asked.seed)
    line.prepare(completes=False)
    made = line.at(every[0])  # costs of what follows do not depend on whose draws they are
    values = values_at("logit", replace(made, center=made.center.copy(), deviation=made.deviation.copy()))
    slopes = np.ones((len(asked.fit.layout.columns) + 1, len(ARMS) * draws), dtype=np.float32)
    padded, out = (
        np.ones((size, len(slopes)), dtype=np.float32),
        np.empty((size, slopes.shape[1]), np.float32),
    )

    def prepare() -> None:
        Summaries(asked=asked, reference=0, worthwhile=0.02, losses=losses, level=None).prepare(patients)

    def by_tile(work: Callable[[Any], object]) -> Callable[[], None]:
        def all_tiles() -> None:
            for tile in every:
                work(tile)

        return all_tiles

    parts: dict[str, Callable[[], object]] = {
        "slopes and effects of sites": prepare,
        "encoding": lambda: list(tiles(asked.fit, encode_patients(asked.fit, cohort), size)),
        "products of matrices": by_tile(lambda _: np.matmul(padded, slopes, out=out)),
        "predictors, products among them": by_tile(line.at),
        "sites and link": by_tile(lambda _: values_at("logit", made)),
        "summaries": by_tile(
            lambda _: reductions(values, losses, reference=0, worthwhile=0.02, direction=-1)
        ),
    }
    with one_blas_thread():
        spent = {name: _repeated(work) for name, work in parts.items()}
        square = np.ones((1024, 1024), dtype=np.float32)
        largest = _repeated(lambda: square @ square)["cpu"]
    gigaflops = 2 * padded.size * slopes.shape[1] * len(every) / spent["products of matrices"]["cpu"] / 1e9
    all_of_it = sum(one["cpu"] for name, one in spent.items() if name != "products of matrices")
    found: dict[str, Any] = {
        "parts": {name: one["cpu"] for name, one in spent.items()},
        "gigaflops": gigaflops,
        "peak_gigaflops": 2 * square.size * len(square) / largest / 1e9,
    }
    return (
        found
        | {key: sum(one[key] for one in spent.values()) for key in ("wall", "others", "megabytes")}
        | {"cpu": all_of_it}
    )


def _part(estimand: str) -> str | None:
    return {"at_least": "2", "category": "2", "cumulative_incidence": "first"}.get(estimand)


def _measured(work: Callable[[], object]) -> dict[str, Any]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    busy, wall, cpu = _busy(), time.perf_counter(), time.process_time()
    work()
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    others = max(0.0, _busy() - busy - spent["cpu"])
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return spent | {"others": others, "megabytes": megabytes}


def _repeated(work: Callable[[], object]) -> dict[str, Any]:
    """Measure several times: medians, and every time."""
    each = [_measured(work) for _ in range(REPEATS)]
    found: dict[str, Any] = {key: float(np.median([one[key] for one in each])) for key in ("wall", "cpu")}
    found |= {"others": float(np.mean([one["others"] for one in each])), "megabytes": each[0]["megabytes"]}
    return found | {f"every_{key}": [one[key] for one in each] for key in ("wall", "cpu")}


def _busy() -> float:
    """Return the CPU seconds that all processes of the machine have used (Linux; 0 elsewhere)."""
    try:
        own = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = (int(ticks) for ticks in own[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


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

    rng, n, part = np.random.default_rng(2), 600, from_plain(Family, {"kind": family})  # type: ignore[type-abstract]
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
    fixed: dict[str, Any] = {"site_scale": 0.3, "site_treatment_scale": 0.1}
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
        "student_t": {"intercept": 50 + level, "sigma": 10 * positive, "nu": 4 * positive},
        "bernoulli": {"intercept": level - 1},
        "ordinal": {"cuts": np.column_stack([level - 0.5, level + 0.5])},
        "poisson": {"intercept": level},
        "negative_binomial": {"intercept": level, "overdispersion": 0.5 * positive},
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
    posterior: dict[str, Any] = {
        "theta": (("chain", "draw", "a", "f"), rng.normal(0, 0.1, (2, draws // 2, 3, p)))
    }
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
    return first | {f"warm_{name}": value for name, value in _repeated(ask).items()}


if __name__ == "__main__":
    main(sys.argv[1:])
