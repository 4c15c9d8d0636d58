"""Time fits beside peers: `make bench-fits`; kept in benchmarks/fits.json, row by row.

``python -m benchmarks.fits [--quick] [row ...]`` measures some rows, or all, each in a process of its own, keeps each as soon
as it is there, and prints the table of docs/scaling.md; ``--docs`` alone only prints. Ratios are of medians within one row, whose sides take turns. CPU seconds are of all threads; wall seconds count
only on a machine that does nothing else. ``--quick`` takes two seeds and fewer draws, and is kept in a file of its own.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import ctypes
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fits_docs import FILE, write_docs
from benchmarks.plain import compressed_model, plain_model, rstanarm
from benchmarks.trial import flagship, numbers, outcome, trial

LENGTH = {"draws": 500, "tune": 500, "chains": 2}


def main(arguments: list[str]) -> None:
    """Measure rows and keep them; with ``run ROW`` measure one here and print it."""
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions

    quick, names = "--quick" in arguments, [a for a in arguments if not a.startswith("--")]
    if names[:1] == ["run"]:
        print(json.dumps(ROWS[names[1]](quick)))
        return
    if unknown := sorted(set(names) - set(ROWS)):
        raise SystemExit(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    file = Path(tempfile.gettempdir()) / "fits-quick.json" if quick else FILE
    for name in names or ([] if "--docs" in arguments else ROWS):
        started = time.perf_counter()
        row = _in_process(["-m", "benchmarks.fits", "run", name, *(["--quick"] if quick else [])])
        row |= {
            "versions": versions(), "machine": described(),
            "load": round(os.getloadavg()[1], 1), "took": round(time.perf_counter() - started),
        }  # fmt: skip
        kept = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.is_file() else {}
        write_text(
            file, json.dumps({"command": "make bench-fits", "rows": kept | {name: row}}, indent=1) + "\n"
        )
        file.chmod(0o644)
        print(f"{name} ({row['took']} s, load {row['load']})")
        for what, value in row.items():
            if isinstance(value, dict) and "median" in value:
                print(f"  {what:52} {value['median']:10.4g}   {value['min']:.4g} to {value['max']:.4g}")
            elif what.startswith("ratio") or what == "skipped":
                print(f"  {what:52} {value if isinstance(value, str) else round(value, 1)}", flush=True)
    if not quick:
        write_docs()


def effects_5000(quick: bool) -> dict[str, Any]:
    """Effects' ESS p5 per CPU second, 5,000 patients x 60 features, beside PyMC and nutpie on the plain model."""
    return _effects(5_000, quick, computed=False)


def effects_50000(quick: bool) -> dict[str, Any]:
    """The same for 50,000 patients; the peer's seconds are its gradients times the measured seconds of one."""
    return _effects(50_000, quick, computed=True)


def _effects(n: int, quick: bool, *, computed: bool) -> dict[str, Any]:
    """Compare at the same target acceptances, and both sides at their defaults: ours 0.95, the peer's 0.8."""
    import nutpie

    length = {"draws": 100, "tune": 200, "chains": 2} if quick else LENGTH
    ours: dict[float, list[tuple[float, int]]] = {0.8: [], 0.9: [], 0.95: []}
    theirs: dict[float, list[tuple[float, int]]] = {0.8: [], 0.9: []}
    prepared_cpu, peer, one = [], None, 0.0
    for seed in range(1, 3 if quick else 6):
        made, y = _data(n, seed)
        prepared, cpu = _prepared(n, seed)
        prepared_cpu.append(cpu)
        model = (compressed_model if computed else plain_model)(made, y)
        if peer is None:
            peer = nutpie.compile_pymc_model(model)
        else:
            names = [shared.name for shared in model.data_vars]
            peer = peer.with_data(**{name: model[name].get_value() for name in names})
        if computed:
            one = one or _gradient_time(plain_model(made, y), 20)["median"] / 1e6
        for target, kept in ours.items():
            cpu, effects, diverged = _sampled(prepared, seed, length | {"target_accept": target})
            kept.append((_p5(effects) / cpu, diverged))
        for target, kept in theirs.items():
            cpu, effects, gradients, diverged = _nutpie(peer, seed, length, target)
            kept.append((_p5(effects) / (gradients * one if computed else cpu), diverged))
    found: dict[str, Any] = {
        "CPU s of preparing": _spread(prepared_cpu),
        "length": length,
        "peer_seconds": "gradients x seconds of one" if computed else "measured",
    }
    for side, by_target in (("", ours), ("peer: ", theirs)):
        for target, kept in by_target.items():
            found[f"{side}ESS p5 per CPU s of sampling, target {target}"] = _spread(
                [rate for rate, _ in kept]
            )
            found[f"{side}divergences, target {target}"] = [diverged for _, diverged in kept]
    for name, target, other in (("0.9", 0.9, 0.9), ("0.8", 0.8, 0.8), ("0.95, the peer's 0.8", 0.95, 0.8)):
        rates = [statistics.median(rate for rate, _ in kept) for kept in (ours[target], theirs[other])]
        found[f"ratio, target {name}"] = rates[0] / rates[1]
    return found


def refits_200(quick: bool) -> dict[str, Any]:
    """200 fits of simulated outcomes, 500 patients: one compilation and swapped data, beside one compilation a fit."""
    count = 10 if quick else 200
    ours = {
        state: _in_process(["-m", "benchmarks.fits_apart", "refits", str(count)], cache=cache)
        for state, cache in _states()
    }
    cold: list[float] = []
    warm: list[float] = []
    for seed in range(1, 2 if quick else 4):
        for state, cache in _states():
            spent = _in_process(["-m", "benchmarks.fits_apart", "plain", str(seed)], cache=cache)
            (cold if state == "empty" else warm).append(spent["compile"] + spent["sample"])
    scaled = {state: (found["compile"] + found["sample"] * 200 / count) for state, found in ours.items()}
    return {
        "CPU s of 200 refits, empty cache": scaled["empty"],
        "CPU s of 200 refits, warm cache": scaled["warm"],
        "CPU s of one refit": _spread(ours["warm"]["each"]),
        "peer: CPU s of a fit, empty cache": _spread(cold),
        "peer: CPU s of a fit, warm cache": _spread(warm),
        "ratio, empty cache": 200 * statistics.median(cold) / scaled["empty"],
        "ratio, warm cache": 200 * statistics.median(warm) / scaled["warm"],
    }


def compilation(quick: bool) -> dict[str, Any]:
    """From nothing to a compiled model of 500 patients and 60 features in a new process, with and without a cache."""
    cpu: dict[str, list[float]] = {"empty": [], "warm": []}
    wall: dict[str, list[float]] = {"empty": [], "warm": []}
    for _ in range(1 if quick else 3):
        for state, cache in _states():
            spent = _in_process(["-m", "benchmarks.fits_apart", "compile"], cache=cache)
            cpu[state].append(spent["compile"])
            wall[state].append(spent["wall"])
    return {
        f"{what} s, {state} cache": _spread(values[state])
        for what, values in (("CPU", cpu), ("wall", wall))
        for state in values
    }


def rstanarm_500(quick: bool) -> dict[str, Any]:
    """Seconds to effects' ESS p5 of 400, 500 patients, beside rstanarm's horseshoe; scaled by p5 / 400."""
    ours, refit, theirs, sampling = [], [], [], []
    for seed in range(1, 2 if quick else 4):
        made, y = _data(500, seed)
        peer = rstanarm(made, y, iterations=50 if quick else 500, seed=seed)
        if peer is None:
            return {"skipped": "no R with rstanarm"}
        share = 400 / _p5(peer["draws"])
        theirs.append(peer["wall"] * share)
        sampling.append(peer["sampling"] * share)
        spent = _in_process(["-m", "benchmarks.fits_apart", "whole", str(seed)], cache=None)
        ours.append(spent["wall"] * max(400 / spent["p5"], 1.0))
        refit.append(spent["sample_wall"] * 400 / spent["p5"])
    return {
        "wall s, whole process": _spread(ours), "wall s, refit": _spread(refit), "peer: wall s": _spread(theirs),
        "peer: wall s of sampling": _spread(sampling),
        "ratio, whole process": statistics.median(theirs) / statistics.median(ours),
        "ratio, refits": statistics.median(sampling) / statistics.median(refit),
    }  # fmt: skip


def bambi_500(quick: bool) -> dict[str, Any]:
    """CPU seconds to effects' ESS p5 of 400, whole processes, 500 patients, beside bambi's own priors."""
    ours, theirs = [], []
    for seed in range(1, 2 if quick else 6):
        peer = _in_process(["-m", "benchmarks.fits_apart", "bambi", str(seed)])
        if not peer:
            return {"skipped": "no bambi"}
        theirs.append(peer["cpu"] * max(400 / peer["p5"], 1.0))
        spent = _in_process(["-m", "benchmarks.fits_apart", "whole", str(seed)])
        ours.append(spent["cpu"] * max(400 / spent["p5"], 1.0))
    return {
        "CPU s, whole process": _spread(ours), "peer: CPU s, whole process": _spread(theirs),
        "ratio": statistics.median(theirs) / statistics.median(ours),
    }  # fmt: skip


def engines_500(quick: bool) -> dict[str, Any]:
    """CPU seconds and effects' ESS p5 of the three engines on one model of ours, 500 patients, compilation included."""
    from medresponse.inference import Numpyro, Nuts, PymcNuts

    found: dict[str, Any] = {}
    length = {"draws": 50, "tune": 50, "chains": 2} if quick else LENGTH
    for engine in (Nuts, Numpyro, PymcNuts):
        columns: dict[str, list[float]] = {
            "CPU s of sampling": [],
            "CPU s": [],
            "ESS p5": [],
            "divergences": [],
        }
        for seed in range(1, 3 if quick else 6):
            started = time.process_time()
            cpu, effects, diverged = _sampled(_prepared(500, seed)[0], seed, length, engine=engine)
            every = time.process_time() - started
            for values, value in zip(columns.values(), (cpu, every, _p5(effects), diverged), strict=True):
                values.append(value)
        found[engine.__name__] = {name: _spread(values) for name, values in columns.items()}
    return found


def gradients(quick: bool) -> dict[str, Any]:
    """Microseconds of a log density with gradient, 5,000 patients x 60 features, beside PyMC's numba functions."""
    found: dict[str, Any] = {}
    for family in ("bernoulli",) if quick else ("bernoulli", "weibull", "piecewise_exponential"):
        prepared, compiled = _compiled(5_000, 1, family)
        found[f"{family}: microseconds"] = _kernel_time(compiled._kernel, prepared.data[0])
    made = numbers(5_000, genomic=50, seed=1)
    y = outcome("binary", made["eta"], np.random.default_rng(1))["y"]
    theirs = _gradient_time(plain_model(made, y, binary=True), 200)
    ratio = theirs["median"] / found["bernoulli: microseconds"]["median"]
    return found | {"peer: bernoulli: microseconds": theirs, "ratio": ratio}


def _kernel_time(kernel: Any, data: Any) -> dict[str, float]:
    words, arrays = kernel.pack(data)
    found = _call_time(kernel.function, 0, kernel.facts.n_parameters, words)
    del arrays  # alive until here
    return found


def _call_time(function: Any, first: int, size: int, data: np.ndarray, times: int = 200) -> dict[str, float]:
    """Return microseconds of a C function of a log density and its gradient, called as nutpie calls it."""
    point = np.random.default_rng(1).normal(0, 0.1, size)
    numbers = [
        array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (point, *np.empty((2, size)))
    ]
    call = function.ctypes
    place = data.ctypes.data_as(call.argtypes[-1])
    return _repeated(lambda: call(first, *numbers, place), times=times)


def starts(quick: bool) -> dict[str, Any]:
    """Seconds of `import medresponse` and of `medresponse --help`, in processes of their own."""
    runs = {
        "import medresponse": ["-c", "import medresponse"],
        "medresponse --help": ["-m", "medresponse.cli", "--help"],
        "python alone": ["-c", "pass"],
    }
    found: dict[str, Any] = {}
    for name, arguments in runs.items():
        cpu, wall = [], []
        for _ in range(2 if quick else 7):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall.append(time.perf_counter() - started)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        found |= {f"{name}: CPU s": _spread(cpu), f"{name}: wall s": _spread(wall)}
    return found


ROWS: dict[str, Callable[[bool], dict[str, Any]]] = {
    row.__name__: row
    for row in (
        starts,
        gradients,
        compilation,
        effects_5000,
        effects_50000,
        refits_200,
        engines_500,
        rstanarm_500,
        bambi_500,
    )
}


def _data(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the features and the outcome of `trial`."""
    made = numbers(n, genomic=50, seed=seed)
    return made, outcome("continuous", made["eta"], np.random.default_rng([seed, 2]))["y"]


def _compiled(n: int, seed: int, family: str = "gaussian", engine: Any = None) -> tuple[Any, Any]:
    from medresponse.inference import Nuts, compiled
    from medresponse.model import prepare

    spec = flagship(family)
    prepared = prepare(spec, trial(n, family=family, seed=seed), outcome="y", seed=seed)
    return prepared, compiled(spec, prepared.design, engine or Nuts())


def _prepared(n: int, seed: int) -> tuple[Any, float]:
    """Return what is fitted, and CPU seconds of preparing it."""
    from medresponse.model import prepare

    spec, cohort = flagship(), trial(n, seed=seed)
    prepare(spec, trial(100, seed=seed), outcome="y", seed=seed)  # what it imports
    started = time.process_time()
    prepared = prepare(spec, cohort, outcome="y", seed=seed)
    return prepared, time.process_time() - started


def _sampled(
    prepared: Any, seed: int, settings: dict[str, Any], engine: Any = None
) -> tuple[float, np.ndarray, int]:
    """Return CPU seconds of sampling, the effects' draws, and divergences."""
    from medresponse.inference import Nuts, compiled, sample_chains

    engine = (engine or Nuts)(**settings)
    model = compiled(flagship(), prepared.design, engine)
    started = time.process_time()
    sampled = sample_chains(model, prepared.data, engine=engine, seed=seed)
    cpu = time.process_time() - started
    diverged = sum(int(run.stats["diverging"].sum()) for run in sampled.chains)
    return cpu, effects_of(prepared.layout, sampled.chains), diverged


def effects_of(layout: Any, chains: Any) -> np.ndarray:
    """Return every arm's level and coefficients, shape (chain, draw, effect)."""
    parts, contrast = layout.slices, layout.contrast_matrix
    every = []
    for run in chains:
        b = run.posterior["coefficients"]
        level = run.posterior["intercept"][:, None] + b[:, parts["treatment"]] @ contrast.T
        modifier = b[:, parts["modifier"]].reshape(len(b), layout.n_contrasts, -1)
        theta = b[:, None, parts["prognostic"]] + np.einsum("kr,srp->skp", contrast, modifier)
        every.append(np.column_stack([level, theta.reshape(len(b), -1)]))
    return np.stack(every)


def _nutpie(
    peer: Any, seed: int, length: dict[str, int], target_accept: float = 0.9
) -> tuple[float, np.ndarray, int, int]:
    """Sample a peer's model; CPU seconds, effects, gradients with those of warm-up, divergences."""
    import nutpie

    started = time.process_time()
    tree = nutpie.sample(
        peer, draws=length["draws"], tune=length["tune"], chains=length["chains"], cores=2, seed=seed, progress_bar=False,
        target_accept=target_accept, save_warmup=True,
    )  # fmt: skip
    cpu = time.process_time() - started
    posterior = tree["posterior"]
    shape = (length["chains"], length["draws"], -1)
    effects = [posterior[name].values.reshape(shape) for name in ("level", "theta")]
    statistics_of = [tree[group] for group in ("sample_stats", "warmup_sample_stats")]
    gradients = sum(int(group["n_steps"].values.sum()) for group in statistics_of)
    return cpu, np.concatenate(effects, axis=2), gradients, int(statistics_of[0]["diverging"].values.sum())


def _gradient_time(model: Any, times: int) -> dict[str, float]:
    """Return microseconds of a log density with gradient of a peer's model, as nutpie has PyMC compile it with numba."""
    import nutpie

    peer = nutpie.compile_pymc_model(model)
    return _call_time(peer.compiled_logp_func, peer.n_dim, peer.n_dim, peer.user_data, times)


def _repeated(work: Callable[[], object], *, times: int = 200, rounds: int = 5) -> dict[str, float]:
    """Return microseconds of CPU of one call, over rounds."""
    work()
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(times):
            work()
        spent.append((time.process_time() - started) / times * 1e6)
    return _spread(spent)


def _p5(effects: np.ndarray) -> float:
    from arviz_stats.base import array_stats

    return float(np.quantile(array_stats.ess(effects, method="bulk", chain_axis=0, draw_axis=1), 0.05))


def _states() -> Any:
    """Yield an empty cache, and then the same one."""
    with tempfile.TemporaryDirectory() as cache:
        yield "empty", cache
        yield "warm", cache


def _in_process(arguments: list[str], cache: str | None = None) -> dict[str, Any]:
    environment = dict(os.environ)
    if cache is not None:
        environment |= {"MEDRESPONSE_CACHE_DIR": cache, "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


if __name__ == "__main__":
    main(sys.argv[1:])
