"""Simulation-based calibration of families under priors: `make bench-sbc`, kept in benchmarks/sbc.json.

400 replicates of each pair on the design of a small made-up trial: three features, two arms, sixty patients. What is in the
file already is not run again; --replace starts afresh.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

import medresponse as mr
from medresponse.core.atomic import write_text
from medresponse.core.errors import MedresponseError
from medresponse.core.provenance import versions
from medresponse.priors import R2D2, Horseshoe, Normal, Prior, StudentT
from medresponse.sbc import sbc
from medresponse.synthetic.mechanisms.censoring import Administrative
from medresponse.synthetic.mechanisms.covariates import GaussianCopula
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.outcomes import BinaryOutcome, CompetingOutcome, WeibullOutcome
from medresponse.synthetic.scenario import scenario
from medresponse.synthetic.simulation import simulate

REPLICATES, PATIENTS = 400, 60
FILE = Path(__file__).with_suffix(".json")
_SMALL: dict[str, Any] = {
    "n": PATIENTS, "treatments": ("control", "drug_a"), "covariates": GaussianCopula(p=3),
    "effect": Modifiers(magnitude=(0.3,)),
}  # fmt: skip
_BY_12: dict[str, Any] = {"horizon": 12.0, "unit": "month"}
# Family -> what its trial is like, and the estimand whose benefit is ranked.
FAMILIES: Mapping[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "gaussian": (mr.families.Gaussian(), {}, {}),
    "bernoulli": (mr.families.Bernoulli(), {"outcome": BinaryOutcome()}, {}),
    "student_t": (mr.families.StudentT(), {}, {}),
    "weibull": (mr.families.Weibull(), {"outcome": WeibullOutcome()}, {**_BY_12, "estimand": "survival"}),
    "lognormal": (mr.families.Lognormal(), {"outcome": WeibullOutcome()}, {**_BY_12, "estimand": "rmst"}),
    "loglogistic": (mr.families.Loglogistic(), {"outcome": WeibullOutcome()}, {**_BY_12, "estimand": "survival"}),
    "piecewise_exponential": (
        mr.families.PiecewiseExponential(), {"outcome": WeibullOutcome()}, {**_BY_12, "estimand": "survival"},
    ),
    "competing_risks": (
        mr.families.CompetingRisks(), {"outcome": CompetingOutcome()}, {**_BY_12, "estimand": "cumulative_incidence", "part": "progression"},
    ),
}  # fmt: skip
PRIORS: Mapping[str, Prior] = {
    "normal": Normal(sigma=0.5), "student_t": StudentT(), "horseshoe": Horseshoe(expected_nonzero=2), "r2d2": R2D2(),
}  # fmt: skip


def main() -> None:
    """Run what is missing, and keep each result as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="*", help="family/prior; all by default")
    parser.add_argument("--replace", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    kept: dict[str, Any] = {}
    if FILE.is_file() and not options.replace:
        kept = json.loads(FILE.read_text(encoding="utf-8"))["pairs"]
    for pair in options.pairs or [f"{family}/{prior}" for prior in PRIORS for family in FAMILIES]:
        if pair not in kept:
            try:
                kept[pair] = one(*pair.split("/"))
            except MedresponseError as error:
                print(pair, error, flush=True)
                continue
            print(pair, json.dumps({k: v for k, v in kept[pair].items() if k != "table"}), flush=True)
            write(kept)


def one(family: str, prior: str) -> dict[str, Any]:
    """Calibrate one family under one prior."""
    law, changes, ask = FAMILIES[family]
    if "outcome" in changes:
        own = changes | ({"censoring": Administrative()} if changes["outcome"].is_time else {})
    else:
        own = changes
    cohort = simulate(scenario("s02_linear_rct", **{**_SMALL, **own}), seed=1).cohort
    spec = mr.ModelSpec(family=law, blocks={"history": PRIORS[prior]}, treatment=Normal(sigma=0.5))
    started = sum(os.times()[:4])
    found = sbc(spec, cohort, replicates=REPLICATES, seed=1, **ask)
    seconds = sum(os.times()[:4]) - started
    table = found.table.with_columns(pl.selectors.float().round(4))
    return {
        "passed": found.passed, "failures": list(found.failures), "quantities": table.height,
        "least_holm": float(table["holm"].min()), "replicates": REPLICATES,  # type: ignore[arg-type]
        "unmixed": len(found.unmixed), "divergences": found.divergences,
        "cpu_seconds": round(seconds, 1), "table": table.to_dicts(),
    }  # fmt: skip


def write(kept: Mapping[str, Any]) -> None:
    """Keep what was found, with the command and versions."""
    plain = {
        "command": "python -m benchmarks.sbc", "patients": PATIENTS, "pairs": dict(kept),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores", "versions": versions(),
    }  # fmt: skip
    write_text(FILE, json.dumps(plain, indent=1) + "\n")
    FILE.chmod(0o644)


if __name__ == "__main__":
    main()
