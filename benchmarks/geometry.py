"""How the flagship fits mix at the default draws: `make bench-geometry`; kept in benchmarks/geometry.json, fit by fit.

``python -m benchmarks.geometry [family:patients[:seed] ...]`` fits some, or all, each in a process of its own; ``--docs`` prints the
table, with ranges over seeds. R-hat is the largest, effective sample sizes are the smallest and the 5th percentile, over every parameter and every
quantity that is kept, scales included. CPU seconds are those of sampling, all chains together.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trial import FAMILIES, flagship, trial

FILE = Path(__file__).with_name("geometry.json")
SIZES, SEEDS = (500, 5_000), (1, 2, 3)


def main(arguments: list[str]) -> None:
    """Fit and keep; with ``run FIT`` fit here and print."""
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions

    if "--docs" in arguments:
        print(table(json.loads(FILE.read_text(encoding="utf-8"))["fits"]))
        return
    if arguments[:1] == ["run"]:
        print(json.dumps(measured(*_parsed(arguments[1]))))
        return
    every = [_name(family, n, seed) for family in FAMILIES for n in SIZES for seed in SEEDS]
    for name in arguments or every:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.geometry", "run", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
        fit = json.loads(done.stdout.splitlines()[-1]) | {"machine": described(), "versions": versions()}
        kept = json.loads(FILE.read_text(encoding="utf-8"))["fits"] if FILE.is_file() else {}
        kept = {key: (kept | {name: fit})[key] for key in every if key in kept or key == name}
        write_text(FILE, json.dumps({"command": "make bench-geometry", "fits": kept}, indent=1) + "\n")
        FILE.chmod(0o644)
        print(table({name: fit}), flush=True)


def _name(family: str, n: int, seed: int) -> str:
    return f"{family}:{n}" + (f":{seed}" if seed > 1 else "")


def _parsed(name: str) -> tuple[str, int, int]:
    family, *numbers = name.split(":")
    numbers = [*numbers, "1"] if len(numbers) == 1 else numbers
    if family not in FAMILIES or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise SystemExit(
            f"no fit {name}: a family of {', '.join(FAMILIES)}, a colon, a number of patients, and perhaps a colon and a seed"
        )
    return family, int(numbers[0]), int(numbers[1])


def measured(family: str, n: int, seed: int = 1) -> dict[str, Any]:
    """Return the diagnostics of one flagship fit at the default draws, and what it cost."""
    from medresponse.inference import Nuts, compiled, sample_chains
    from medresponse.inference.diagnostics import diagnose
    from medresponse.inference.fitting import to_datasets
    from medresponse.model import prepare

    spec, engine = flagship(family), Nuts()
    prepared = prepare(spec, trial(n, family=family, seed=seed), outcome="y", seed=seed)
    model = compiled(spec, prepared.design, engine)
    started = time.process_time()
    sampled = sample_chains(model, prepared.data, engine=engine, seed=seed)
    cpu = time.process_time() - started
    posterior, stats, _ = to_datasets(sampled.chains, prepared)
    worst, every = diagnose(posterior, stats, chains_asked=engine.chains)
    percentile = every.select("ess_bulk", "ess_tail").quantile(0.05).row(0)
    return {
        "rhat": worst.rhat, "rhat of": worst.rhat_parameter,
        "ess_bulk": worst.ess_bulk, "ess_bulk of": worst.ess_bulk_parameter, "ess_bulk p5": percentile[0],
        "ess_tail": worst.ess_tail, "ess_tail of": worst.ess_tail_parameter, "ess_tail p5": percentile[1],
        "divergences": worst.divergences, "bfmi": worst.bfmi, "passed": worst.passed, "cpu": cpu,
        "steps an iteration": float(np.mean(stats["n_steps"].values)), "quantities": len(every),
    }  # fmt: skip


def table(fits: dict[str, dict[str, Any]]) -> str:
    """Return a Markdown table of fits, those of a family and size in one row: from the least to the largest over seeds."""
    head = (
        "family", "patients", "largest R-hat", "bulk ESS: min", "p5", "tail ESS: min", "p5", "divergences",
        "steps", "CPU s", "passed",
    )  # fmt: skip
    figures = {
        "rhat": ".3f", "ess_bulk": ",.0f", "ess_bulk p5": ",.0f", "ess_tail": ",.0f", "ess_tail p5": ",.0f",
        "divergences": "d", "steps an iteration": ".0f", "cpu": ".0f",
    }  # fmt: skip
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for name, fit in fits.items():
        cells.setdefault(_parsed(name)[:2], []).append(fit)
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for (family, n), own in cells.items():
        passed = sum(fit["passed"] for fit in own)
        row = [family.replace("_", " "), f"{n:,}"]
        row += [_range([fit[name] for fit in own], form) for name, form in figures.items()]
        lines.append(f"| {' | '.join([*row, f'{passed} of {len(own)}'])} |")
    return "\n".join(lines)


def _range(values: list[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


if __name__ == "__main__":
    main(sys.argv[1:])
