"""Made-up cohorts with their truth: `make bench-synthetic`, kept in benchmarks/synthetic.json.

CPU seconds of 100,000 patients for every scenario, after its world is made, and of what comes before; and, of genomes with
variants, the CPU seconds of 500 of them in as many patients, the mean r^2 of neighbours within regions, and Fst.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import time
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.linkage import fst, neighbours_r2
from medresponse.core.atomic import write_text
from medresponse.core.machine import described
from medresponse.core.provenance import versions
from medresponse.core.rng import stream
from medresponse.synthetic.mechanisms.genomes import BaldingNichols, Coalescent
from medresponse.synthetic.scenario import Scenario, scenario, scenarios
from medresponse.synthetic.simulation import simulate

PATIENTS, SEEDS = 100_000, range(1, 6)
LINKED = 5_000  # variants, and people, by which linkage is measured
FILE = Path(__file__).with_suffix(".json")


def main() -> None:
    """Time every scenario and keep the figures."""
    found: dict[str, Any] = {}
    for name, value in scenarios().items():
        started = time.process_time()
        simulate(value, seed=0)
        first = time.process_time() - started
        seconds = [_seconds(replace(value, n=PATIENTS), seed) for seed in SEEDS]
        found[name] = {
            "first_cpu_seconds": round(first, 2),
            "cpu_seconds": {"median": float(np.median(seconds)), "least": min(seconds), "most": max(seconds)},
        }
        print(name, json.dumps(found[name]), flush=True)
    genomes = {"bn_ar1": _genome(BaldingNichols()), "msprime": _genome(Coalescent())}
    print("genomes", json.dumps(genomes), flush=True)
    kept = {
        "command": "python -m benchmarks.synthetic", "patients": PATIENTS, "seeds": len(SEEDS), "scenarios": found,
        "genomes": genomes,
        "machine": described(), "versions": versions(),
    }  # fmt: skip
    write_text(FILE, json.dumps(kept, indent=1) + "\n")
    FILE.chmod(0o644)


def _seconds(value: Scenario, seed: int) -> float:
    started = time.process_time()
    simulate(value, seed=seed)
    return round(time.process_time() - started, 3)


def _genome(genome: BaldingNichols | Coalescent) -> dict[str, Any]:
    """Return CPU seconds, and linkage and drift where populations have equal shares: means and errors over worlds."""
    seconds = [
        _seconds(replace(scenario("s07_polygenic_ld"), n=PATIENTS, genome=genome), seed)
        for seed in (0, *SEEDS)
    ]
    k = len(genome.shares)
    equal: Any = replace(genome, variants=LINKED, shares=(1 / k,) * k)  # type: ignore[arg-type]
    if isinstance(equal, Coalescent):
        equal = replace(equal, block=1_000)  # whole regions
    names = next(iter(equal.columns(lambda: stream(1, "benchmark", "world")))).feature.level_names
    linkage: dict[str, list[float]] = {name: [] for name in names}
    drift: dict[str, list[float]] = {", ".join(pair): [] for pair in combinations(names, 2)}
    for seed in SEEDS:
        world = partial(stream, seed, "benchmark", "world")
        ancestry, *variants = equal.columns(world)
        drawn = equal.draw(LINKED, stream(seed, "benchmark", "people"), world)
        counts = np.column_stack([drawn[column.name] for column in variants]).astype(float)
        within = [counts[drawn[ancestry.name] == j] for j in range(k)]
        region = [column.feature.path for column in variants]
        for name, own in zip(names, within, strict=True):
            linkage[name].append(neighbours_r2(own, region))
        for (name, i), (other, j) in combinations(zip(names, range(k), strict=True), 2):
            drift[f"{name}, {other}"].append(fst(within[i].mean(axis=0) / 2, within[j].mean(axis=0) / 2))
    return {
        "first_cpu_seconds": round(seconds[0], 2), "cpu_seconds": float(np.median(seconds[1:])),
        "neighbours_r2": {name: _mean(values) for name, values in linkage.items()},
        "fst": {pair: _mean(values) for pair, values in drift.items()},
    }  # fmt: skip


def _mean(values: list[float]) -> dict[str, float]:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(np.mean(values)), 3), "se": round(float(error), 3)}


if __name__ == "__main__":
    main()
