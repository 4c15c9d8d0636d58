"""What `benchmarks.fits` measures in processes of their own; prints one line of JSON."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.fits import _compiled, _data, _nutpie, _p5, effects_of
from benchmarks.plain import bambi, plain_model
from benchmarks.trial import flagship, outcome, trial

STARTED = time.perf_counter()
SHORT = {"draws": 300, "tune": 300, "chains": 2}


def compile_alone() -> dict[str, float]:
    """From nothing to a compiled model: imports, preparing, compiling, and the functions by which nutpie calls it."""
    from medresponse.inference.kernels import callbacks

    _compiled(500, 1)
    callbacks()
    return {"compile": time.process_time(), "wall": time.perf_counter() - STARTED}


def refits(count: int) -> dict[str, Any]:
    """Fit `count` simulated outcomes of one design."""
    import numpy as np

    from benchmarks.trial import numbers
    from medresponse.inference import Nuts, compiled, sample_chains
    from medresponse.model import prepare
    from medresponse.model.prepare import with_outcome

    spec, cohort = flagship(), trial(500)
    prepared = prepare(spec, cohort, outcome="y", seed=1)
    model = compiled(spec, prepared.design, Nuts())
    compile_cpu, eta, each = time.process_time(), numbers(500, genomic=50, seed=1)["eta"], []
    for i in range(count):
        began = time.process_time()
        observed = {"value": outcome("continuous", eta, np.random.default_rng(i))["y"]}
        data = with_outcome(spec, prepared, cohort, observed, seed=i).data
        sample_chains(model, data, engine=Nuts(**SHORT, target_accept=0.9), seed=i)
        each.append(time.process_time() - began)
    return {"compile": compile_cpu, "sample": sum(each), "each": each}


def plain(seed: int) -> dict[str, float]:
    """Compile and fit the plain model once."""
    import nutpie

    model = plain_model(*_data(500, seed))
    began = time.process_time()
    compiled = nutpie.compile_pymc_model(model)
    compile_cpu = time.process_time() - began
    cpu, *_ = _nutpie(compiled, seed, SHORT)
    return {"compile": compile_cpu, "sample": cpu}


def whole(seed: int) -> dict[str, float]:
    """Everything of a fit in a new process, and its sampling alone."""
    from medresponse.inference import Nuts, sample_chains

    prepared, model = _compiled(500, seed)
    began = time.perf_counter()
    sampled = sample_chains(model, prepared.data, engine=Nuts(draws=400, tune=400, chains=2), seed=seed)
    sampling, wall = time.perf_counter() - began, time.perf_counter() - STARTED
    cpu = time.process_time()
    return {
        "wall": wall, "sample_wall": sampling, "cpu": cpu, "p5": _p5(effects_of(prepared.layout, sampled.chains)),
    }  # fmt: skip


def whole_bambi(seed: int) -> dict[str, float]:
    """Everything of bambi's fit in a new process; empty where the package is absent."""
    draws = bambi(*_data(500, seed), draws=400, seed=seed)
    cpu = time.process_time()
    return {} if draws is None else {"cpu": cpu, "p5": _p5(draws)}


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    works: dict[str, Callable[..., object]] = {
        "compile": compile_alone, "refits": refits, "plain": plain, "whole": whole, "bambi": whole_bambi,
    }  # fmt: skip
    print(json.dumps(works[what](*map(int, rest))))
