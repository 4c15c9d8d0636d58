"""Simulation-based calibration of families, priors and missing-data strategies: `make bench-sbc`, kept in benchmarks/sbc.json.

    python -m benchmarks.sbc                        what the design lists and the file lacks
    python -m benchmarks.sbc cure/r2d2/missing      any other cell
    python -m benchmarks.sbc page                   docs/calibration.md from the file

A cell is family/prior/data, 400 replicates on the design of the small trial in `sbc_template`. The design holds every family
under every one of four priors, with features complete and imputed, and of the other kinds of data a cover: each with three kinds
of family or more. What is in the file already is not run again, unless its imputed values were never redrawn (cycles 0);
--replace runs it afresh.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

import medresponse as mr
from benchmarks.sbc_page import Product, page, pooling, power, rejudged
from benchmarks.sbc_template import PATIENTS, template
from medresponse.core.atomic import write_text
from medresponse.core.errors import MedresponseError
from medresponse.core.machine import described
from medresponse.core.provenance import versions
from medresponse.families import Family
from medresponse.inference import Engine
from medresponse.model import Hinges, MultipleImputation, SumOfHinges, SumOfTrees, Trees
from medresponse.priors import R2D2, Grouped, Horseshoe, Normal, Prior, StudentT
from medresponse.sbc import sbc

REPLICATES = 400
ALPHA = 0.01
_SPREAD = ("gaussian/normal/missing", "gaussian/normal/noisy", "weibull/normal/noisy")
_FEW = 20  # replicates, to tell how much of a variance lies between imputations
FILE = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "calibration.md"
_BY_12: dict[str, Any] = {"horizon": 12.0, "unit": "month"}
_SURVIVAL = _BY_12 | {"estimand": "survival"}
# Family -> the family, the outcome of the template, and the estimand whose benefit is ranked.
FAMILIES: Mapping[str, tuple[Family, str, dict[str, Any]]] = {
    "gaussian": (mr.families.Gaussian(), "continuous", {}),
    "student_t": (mr.families.StudentT(), "continuous", {}),
    "bernoulli": (mr.families.Bernoulli(), "binary", {}),
    "ordinal": (mr.families.Ordinal(), "ordinal", {"part": "moderate"}),
    "poisson": (mr.families.Poisson(), "count", {}),
    "negative_binomial": (mr.families.NegativeBinomial(), "count", {}),
    "weibull": (mr.families.Weibull(), "time_to_event", _SURVIVAL),
    "lognormal": (mr.families.Lognormal(), "time_to_event", _BY_12 | {"estimand": "rmst"}),
    "loglogistic": (mr.families.Loglogistic(), "time_to_event", _SURVIVAL),
    "piecewise_exponential": (mr.families.PiecewiseExponential(), "time_to_event", _SURVIVAL),
    "cure": (mr.families.Cure(), "time_to_event", _SURVIVAL),
    "competing_risks": (
        mr.families.CompetingRisks(), "competing_risks", _BY_12 | {"estimand": "cumulative_incidence", "part": "first"},
    ),
}  # fmt: skip
PRIORS: Mapping[str, Prior] = {
    "normal": Normal(sigma=0.5), "student_t": StudentT(), "horseshoe": Horseshoe(expected_nonzero=2), "r2d2": R2D2(),
    "grouped": Grouped(expected_nonzero=2),
}  # fmt: skip
# In the place of a linear block: few trees and hinges, as sixty patients ask for.
SEARCHES: Mapping[str, dict[str, Any]] = {
    "trees": {"trees": Trees(blocks=("history",), prognostic=SumOfTrees(trees=20), predictive=SumOfTrees(trees=10, grow=0.5, scale=0.5))},
    "hinges": {"hinges": Hinges(blocks=("history",), prognostic=SumOfHinges(expected=4.0, scale=0.3))},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is known of the trial, and how the model takes it.

    Parameters
    ----------
    what : str
        In words, for the page.
    cohort : mapping
        Of `template`.
    spec : mapping
        Of `ModelSpec`.
    outcomes : mapping
        Kind of outcome -> the one of the template to take in its place; a kind that is not there has none.
    truth : str
        As for `sbc`.
    """

    what: str
    cohort: Mapping[str, Any]
    spec: Mapping[str, Any]
    outcomes: Mapping[str, str] | None = None
    truth: Literal["prior", "posterior"] = "prior"


_MISSING = {"missing": True}
DATA: Mapping[str, Data] = {
    "complete": Data(what="all features known; times exact or right-censored", cohort={}, spec={}),
    "missing": Data(what="a quarter of one feature and an eighth of another missing at random; 5 imputations, the default", cohort=_MISSING, spec={}),
    "missing_20": Data(what="the same with 20 imputations", cohort=_MISSING, spec={"missing": MultipleImputation(imputations=20)}),
    "shifted": Data(
        what="the same missing not at random: half a standard deviation higher than at random, and the model is told so; 5 imputations",
        cohort=_MISSING, spec={"missing": MultipleImputation(shifts={"marker": 0.5})},
    ),
    "noisy": Data(
        what="one feature read with a standard error of half its standard deviation; 5 imputations",
        cohort={"noise": 0.5}, spec={},
    ),
    "entry": Data(
        what="half of the patients come under observation late (left truncation)", cohort={}, spec={},
        outcomes={"time_to_event": "entry", "competing_risks": "competing_entry"},
    ),
    "interval": Data(
        what="events known up to the visits around them, the first interval being left-censored", cohort={}, spec={},
        outcomes={"time_to_event": "interval"},
    ),
    "many": Data(what="six markers more, of three genes in two pathways: 19 coefficients", cohort={"many": True}, spec={}),
    "posterior": Data(what="around the posterior given the template's outcomes, not the prior", cohort={}, spec={}, truth="posterior"),
}  # fmt: skip
WHAT = {name: data.what for name, data in DATA.items()}
PRODUCT = Product(
    families=tuple(FAMILIES),
    priors=("normal", "student_t", "horseshoe", "r2d2"),
    data=("complete", "missing"),
)
_KINDS = ("gaussian", "bernoulli", "weibull")
DESIGN: tuple[str, ...] = (
    *PRODUCT.cells,
    *(f"{family}/normal/entry" for family in ("weibull", "cure")),
    *(f"{family}/normal/interval" for family in ("weibull", "piecewise_exponential")),
    *(f"{family}/normal/posterior" for family in ("gaussian", "weibull")),
    "gaussian/normal/many",
    *(f"{family}/grouped/many" for family in _KINDS),
    *(f"{family}/normal/noisy" for family in _KINDS),
    *(f"{family}/normal/shifted" for family in _KINDS),
    *(f"{family}/trees/complete" for family in ("gaussian", "bernoulli")),
    *(f"{family}/hinges/complete" for family in ("gaussian", "bernoulli")),
    *(f"{family}/normal/missing_20" for family in _KINDS),
    *(f"{family}/normal/entry" for family in ("competing_risks", "piecewise_exponential")),
    *(f"{family}/normal/interval" for family in ("lognormal", "cure")),
    "bernoulli/normal/posterior", "lognormal/trees/complete",
)  # fmt: skip


def main() -> None:
    """Run what is missing, and keep each result as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cells", nargs="*", help="family/prior/data, or page; the design by default")
    parser.add_argument("--replace", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    stored = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    kept = stored.get("cells", {})
    between = stored.get("between", {})
    for cell in {*_SPREAD, *(cell for cell, found in kept.items() if "log likelihood" in found["failures"])}:
        if cell not in between and _imputes(cell.split("/")[2]):
            between[cell] = kept.get(cell, {}).get("between") or one(cell, replicates=_FEW)["between"]
    seen = {
        "between": between, "power": stored.get("power") or power(ALPHA), "pooling": stored.get("pooling") or pooling(ALPHA),
    }  # fmt: skip
    if options.cells == ["page"]:
        write(kept, seen)
        write_text(PAGE, page(json.loads(FILE.read_text(encoding="utf-8")), WHAT, PRODUCT))
        PAGE.chmod(0o644)
        return
    for cell in options.cells or DESIGN:
        if cell in kept and kept[cell].get("cycles") != 0 and not options.replace:
            continue
        try:
            kept[cell] = one(cell)
        except MedresponseError as error:
            print(cell, error, flush=True)
            continue
        print(
            cell,
            json.dumps({k: v for k, v in kept[cell].items() if k not in ("table", "between")}),
            flush=True,
        )
        write(kept, seen)


def one(cell: str, *, replicates: int = REPLICATES) -> dict[str, Any]:
    """Calibrate one cell."""
    family, prior, name = cell.split("/")
    law, outcome, ask = FAMILIES[family]
    data = DATA[name]
    if data.outcomes is not None:
        outcome = data.outcomes[outcome]
    cohort = template(outcome, **data.cohort)
    parts = SEARCHES.get(prior) or {"blocks": {"history": PRIORS[prior]}}
    given: dict[str, Any] = (
        {"family": law, "blocks": {}, "treatment": Normal(sigma=0.5)} | dict(parts) | dict(data.spec)
    )
    spec = mr.ModelSpec(**given)
    started = sum(os.times()[:4])
    found = sbc(
        spec,
        cohort,
        truth=data.truth,
        replicates=replicates,
        seed=1,
        engine=engine(prior, name),
        alpha=ALPHA,
        **ask,
    )
    seconds = sum(os.times()[:4]) - started
    table = found.table.with_columns(pl.selectors.float().round(5))
    redrawn: dict[str, Any] = {}
    if _imputes(name):
        between = {quantity: round(share, 3) for quantity, share in found.between.items()}
        redrawn = {"cycles": spec.missing.cycles, "latents": "of their own arm", "between": between}
    return redrawn | {
        "passed": found.passed, "failures": list(found.failures), "quantities": table.height,
        "least_holm": float(table["holm"].min()), "replicates": replicates,  # type: ignore[arg-type]
        "unmixed": len(found.unmixed), "divergences": found.divergences,
        "cpu_seconds": round(seconds, 1), "table": table.to_dicts(),
    }  # fmt: skip


def engine(prior: str, data: str) -> Engine:
    """Return the sampler of one replicate, or of one imputation of it: shorter where there are several."""
    if prior in SEARCHES:
        return mr.Gibbs(draws=100, tune=300, thin=4, chains=2, passes=5)
    if _imputes(data):
        return mr.Nuts(draws=50, tune=200, chains=2)
    return mr.Nuts(draws=200, tune=300, chains=2)


def _imputes(data: str) -> bool:
    return bool({"missing", "noise"} & set(DATA[data].cohort))


def write(kept: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
    """Keep what was found, with the command and versions."""
    plain = {
        "command": "python -m benchmarks.sbc", "patients": PATIENTS, "alpha": ALPHA, **seen,
        "cells": {cell: rejudged(found, ALPHA, seen["between"].get(cell, {})) for cell, found in kept.items()},
        "not_run": [cell for cell in DESIGN if cell not in kept],
        "machine": described(), "versions": versions(),
    }  # fmt: skip
    write_text(FILE, json.dumps(plain, indent=1) + "\n")
    FILE.chmod(0o644)


if __name__ == "__main__":
    main()
