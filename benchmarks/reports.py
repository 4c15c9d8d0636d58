"""Reports of 500 patients of ACTG 320 as HTML and as PDF: `make bench-reports`, kept in benchmarks/reports.json.

Each run is a fresh process from a saved fit to the index page, its worker processes and their start included. With
``--patients`` it prints a smaller run and keeps nothing. Rules of abstention are switched off, so that every page is a full one.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENTS = 500
NOTHING_WITHHELD: dict[str, Any] = {
    "name": "none", "most_beyond": 1e9, "most_distance": 1e9, "fewest_similar": 0.0, "least_propensity": 0.0,
    "most_missing": 1.0, "widest": 1e9, "least_alike": 0.0,
}  # fmt: skip
LIMITS = {"html": 15.0, "pdf": 120.0}  # seconds of wall time on two idle cores
FILE = Path(__file__).with_suffix(".json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Time both formats and keep the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.reports")
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--fit", type=Path, help="a saved fit of ACTG 320, instead of one made for this run")
    parser.add_argument("--make", nargs=2, metavar=("FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.make:
        _make(options.fit, options.patients, *options.make)
        return
    with tempfile.TemporaryDirectory() as folder:
        fit = options.fit or _fitted(Path(folder) / "trial.fit")
        found = {form: _timed(form, fit, options.patients, Path(folder) / form) for form in LIMITS}
    if options.patients == PATIENTS:
        _keep(found)


def _fitted(folder: Path) -> Path:
    import medresponse as mr
    from medresponse.families import PiecewiseExponential
    from medresponse.inference import save_fit
    from medresponse.priors import Normal

    spec = mr.ModelSpec(
        family=PiecewiseExponential(cuts=(28, 56, 84, 112, 168, 224, 280)),
        blocks={"history": Normal(pooled=True), "lifestyle": Normal(pooled=True)},
    )
    return save_fit(mr.fit(spec, mr.read_example("actg320"), seed=1), folder)


def _timed(form: str, fit: Path, patients: int, folder: Path) -> dict[str, Any]:
    command = [
        "benchmarks.reports",
        "--make",
        form,
        str(folder),
        "--fit",
        str(fit),
        "--patients",
        str(patients),
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], check=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    pages = list((folder / "patients").glob(f"*.{form}"))
    assert len(pages) == patients, f"{len(pages)} of {patients} pages"
    found = {
        "wall_seconds": round(seconds, 1), "limit_seconds": LIMITS[form], "cpu_seconds": round(cpu, 1),
        "kilobytes_a_page": round(sum(page.stat().st_size for page in pages) / len(pages) / 1000, 1),
    }  # fmt: skip
    print(form, json.dumps(found), f"{1000 * cpu / patients:.0f} ms of CPU a page", flush=True)
    return found


def _make(fit: Path, patients: int, form: str, folder: str) -> None:
    import medresponse as mr
    from medresponse.decisions import AbstentionRules
    from medresponse.inference.store import load_fit
    from medresponse.reports import write_index, write_reports
    from medresponse.response import respond

    cohort = mr.read_example("actg320")
    responses = respond(load_fit(fit), cohort, horizon=300, unit="day")
    chosen = [cohort.patients[i * cohort.n // patients] for i in range(patients)]
    batch = write_reports(
        responses, cohort, folder, patients=chosen, formats=[form], worthwhile=0.02, override="a benchmark", rules=AbstentionRules(**NOTHING_WITHHELD),
    )  # fmt: skip
    write_index(batch.entries, folder, title="ACTG 320", intro=f"{patients} patients")


def _keep(found: dict[str, Any]) -> None:
    from medresponse.core.atomic import write_text
    from medresponse.core.machine import described
    from medresponse.core.provenance import versions
    from medresponse.reports.pdf import weasyprint

    kept = {
        "command": "make bench-reports", "patients": PATIENTS, "formats": found,
        "machine": described(),
        "versions": {**versions(), "weasyprint": weasyprint().__version__},
    }  # fmt: skip
    write_text(FILE, json.dumps(kept, indent=1) + "\n")
    FILE.chmod(0o644)


if __name__ == "__main__":
    main()
