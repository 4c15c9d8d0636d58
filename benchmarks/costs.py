"""Measure what fits cost and fit the law that `plan` predicts by: `make bench-costs`; kept in medresponse/inference/costs.json.

Each row is a process of its own: CPU seconds of preparing, compiling, redrawing imputed values, sampling and finishing, microseconds
of one gradient, and the peak of memory beyond what a process holds once it has imported everything. `load` is how many processes
wanted the machine: CPU seconds are a little more where others share its caches. Rows marked as checks take no part in the law. Rows that are kept in benchmarks/costs.json are not measured again (remove the file to measure all); ``python -m benchmarks.costs
law`` only fits the law to them, and writes the tables of docs/scaling.md.
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
from pathlib import Path
from typing import Any

import numpy as np

ROWS = Path(__file__).with_name("costs.json")
LAW = Path(__file__).resolve().parents[1] / "medresponse" / "inference" / "costs.json"
SHORT = {"draws": 200, "tune": 200, "chains": 2}
# Family, patients, genomic features, kept draws a chain; True where the row only checks the law; share of values that ten features lack.
PLAN = [
    ("gaussian", 1_000, 50, 200, False, 0.0), ("gaussian", 8_000, 50, 1000, False, 0.0), ("gaussian", 3_000, 50, 500, True, 0.0),
    ("bernoulli", 500, 50, 200, False, 0.0), ("bernoulli", 3_000, 50, 200, False, 0.0), ("bernoulli", 1_000, 50, 400, True, 0.0),
    ("gaussian", 1_000, 10, 200, False, 0.0), ("weibull", 500, 50, 200, False, 0.0), ("weibull", 3_000, 50, 200, False, 0.0),
    ("weibull", 1_000, 50, 400, True, 0.0), ("poisson", 1_000, 50, 200, False, 0.0),
    ("piecewise_exponential", 1_000, 50, 200, False, 0.0), ("ordinal", 1_000, 10, 200, False, 0.0),
    ("student_t", 1_000, 10, 200, False, 0.0), ("negative_binomial", 1_000, 10, 200, False, 0.0),
    ("lognormal", 1_000, 10, 200, False, 0.0), ("loglogistic", 1_000, 10, 200, False, 0.0), ("cure", 1_000, 10, 200, False, 0.0),
    ("competing_risks", 1_000, 10, 200, False, 0.0),
    ("gaussian", 1_000, 10, 200, False, 0.04), ("gaussian", 2_000, 30, 200, False, 0.15), ("bernoulli", 500, 10, 200, False, 0.15),
    ("bernoulli", 2_000, 10, 200, False, 0.04), ("weibull", 500, 30, 200, False, 0.04), ("weibull", 1_000, 10, 200, False, 0.15),
    ("gaussian", 1_500, 20, 400, True, 0.1), ("bernoulli", 1_000, 30, 200, True, 0.08), ("weibull", 800, 20, 200, True, 0.06),
]  # fmt: skip


def main(arguments: list[str]) -> None:
    """Measure every row that is not there yet, then fit the law; with a row's settings measure it and print it."""
    from medresponse.core.atomic import write_text

    if arguments and arguments != ["law"]:
        print(json.dumps(_row(*json.loads(arguments[0]))))
        return
    rows = json.loads(ROWS.read_text(encoding="utf-8"))["rows"] if ROWS.is_file() else []
    known = [tuple(row["asked"]) for row in rows]
    with tempfile.TemporaryDirectory() as empty:  # of what earlier processes compiled
        environment = os.environ | {
            "MEDRESPONSE_CACHE_DIR": f"{empty}/ours", "PYTENSOR_FLAGS": f"base_compiledir={empty}/pytensor",
        }  # fmt: skip
        for asked in [] if arguments else [one for one in PLAN if one not in known]:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.costs", json.dumps(asked)],
                capture_output=True, text=True, check=False, env=environment,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            _keep(rows, json.loads(done.stdout.splitlines()[-1]))
    from benchmarks.costs_docs import write
    from benchmarks.costs_law import fit_law

    law = fit_law(rows)
    write_text(LAW, json.dumps(law, indent=1) + "\n")
    LAW.chmod(0o644)
    write(rows, law)
    print(json.dumps(law["checks"], indent=1))


def _keep(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions

    rows.append(row)
    print(row, flush=True)
    facts = {"hardware": described(), "versions": versions()}
    write_text(
        ROWS, json.dumps({"command": "make bench-costs", "machine": facts, "rows": rows}, indent=1) + "\n"
    )
    ROWS.chmod(0o644)


def _row(family: str, n: int, genomic: int, draws: int, check: bool, missing: float) -> dict[str, Any]:
    from benchmarks.fits import _kernel_time
    from benchmarks.trial import flagship, lacking, trial
    from medresponse.families import Compressing
    from medresponse.inference import Nuts, compiled, fitting, sample_chains
    from medresponse.inference.planning import most_imputed
    from medresponse.inference.redrawing import redraw
    from medresponse.model import prepare
    from medresponse.model.prepare import imputed_cells

    spec, engine = flagship(family), Nuts(**SHORT | {"draws": draws})
    cohort = lacking(trial(n, family=family, genomic=genomic), missing)
    small = trial(400, family=family, genomic=genomic)
    fitting.make_support(prepare(spec, small, outcome="y", seed=1))  # imports
    import arviz_stats.base  # noqa: F401
    import nutpie  # noqa: F401

    clock, before = [time.process_time()], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    prepared = prepare(spec, cohort, outcome="y", seed=1)
    clock.append(time.process_time())
    model: Any = compiled(spec, prepared.design, engine)
    clock.append(time.process_time())
    gradient = _kernel_time(model._kernel, prepared.data[0])["median"]
    clock.append(time.process_time())
    after_compiling = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    short: list[tuple[float, int]] = []

    def sample(*asked: Any) -> Any:
        began, found = time.process_time(), fitting._sample(spec, *asked, chains=1)
        short.append((time.process_time() - began, len(found.chains) * (asked[3].draws + asked[3].tune)))
        return found

    observed = cohort.outcome("y")
    prepared = redraw(
        spec, prepared, cohort, observed, sample, engine=engine, seed=1, checkpoint=None
    ).prepared
    clock.append(time.process_time())
    sampled = sample_chains(model, prepared.data, engine=engine, seed=1)
    clock.append(time.process_time())
    fitted = fitting._assemble(spec, cohort, "y", engine, 1, prepared, sampled, None, "0")
    fitted = fitting._with_influence(fitted, cohort)
    clock.append(time.process_time())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps = float(fitted.sample_stats["n_steps"].mean())
    spent, spent_short = np.diff(clock), sum(seconds for seconds, _ in short)
    layout, m, redrawing = prepared.layout, len(prepared.data), sum(many for _, many in short)
    return {
        "asked": [family, n, genomic, draws, check, missing], "check": check, "family": family, "n": n, "columns": len(layout.columns),
        "coefficients": layout.n_coefficients * len(prepared.predictors), "contrasts": layout.n_contrasts, "compressed": isinstance(spec.family, Compressing),
        "imputations": m, "cycles": len(short), "redrawing": redrawing, "imputed": int(imputed_cells(prepared.encoding, cohort).sum()),
        "most_imputed": most_imputed(prepared.encoding, cohort),
        "iterations": m * (engine.draws + engine.tune) * engine.chains + redrawing, "kept": m * engine.draws * engine.chains,
        "quantities": sum(int(np.prod(a.shape[2:])) for a in fitted.posterior.data_vars.values()),
        "prepare": spent[0], "compile": spent[1], "redraw": spent[3] - spent_short, "gradient_us": gradient,
        "sample": spent[4] + spent_short, "finish": spent[5], "steps": steps, "load": round(os.getloadavg()[0], 1),
        "megabytes": (peak - before) / 1024, "megabytes_after_compiling": (after_compiling - before) / 1024,
    }  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
