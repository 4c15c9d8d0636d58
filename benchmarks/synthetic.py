"""Made-up cohorts with their truth: `make bench-synthetic`, kept in benchmarks/synthetic.json.

CPU seconds of 100,000 patients for every scenario, after its world is made; seconds of that; and, for scenarios with
variants, the mean r^2 of neighbours within blocks in one population.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medresponse.core.atomic import write_text
from medresponse.core.provenance import versions
from medresponse.synthetic.mechanisms.genomes import BaldingNichols
from medresponse.synthetic.scenario import Scenario, scenarios
from medresponse.synthetic.simulation import simulate

PATIENTS, SEEDS = 100_000, range(1, 6)


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
        if isinstance(value.genome, BaldingNichols):
            found[name]["neighbours_r2"] = _linkage(value)
        print(name, json.dumps(found[name]), flush=True)
    kept = {
        "command": "python -m benchmarks.synthetic", "patients": PATIENTS, "seeds": len(SEEDS), "scenarios": found,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores", "versions": versions(),
    }  # fmt: skip
    file = Path(__file__).with_suffix(".json")
    write_text(file, json.dumps(kept, indent=1) + "\n")
    file.chmod(0o644)


def _seconds(value: Scenario, seed: int) -> float:
    started = time.process_time()
    simulate(value, seed=seed)
    return round(time.process_time() - started, 3)


def _linkage(value: Scenario) -> float:
    """Return the mean squared correlation of neighbouring allele counts within blocks, in one population."""
    assert isinstance(value.genome, BaldingNichols)
    one = replace(
        value,
        n=5_000,
        genome=replace(value.genome, shares=(1.0,)),
        confounding=replace(value.confounding, ancestry=0.0),
    )
    table = (
        simulate(one, seed=1)
        .cohort.table.select(pl.col("^variant_.*$").to_physical())
        .to_numpy()
        .astype(float)
    )
    width = value.genome.block
    r = [
        np.corrcoef(table[:, j], table[:, j + 1])[0, 1] for j in range(table.shape[1] - 1) if (j + 1) % width
    ]
    return round(float(np.mean(np.square(r))), 3)


if __name__ == "__main__":
    main()
