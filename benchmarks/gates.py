"""How often the gates of a validation fail clean models, and how often broken ones: `make bench-gates`, kept in benchmarks/gates.json.

Made-up randomised trials of 1,000 patients, two features, one of which modifies the effect; each is cross-validated in five folds by
refits by NUTS, compiled once. Chains are short and their limits wide: the error of a posterior mean is then about 5% of its
standard deviation. What is in the file already is not run again; with another number of replicates it prints, and keeps nothing.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

import medresponse as mr
from benchmarks.recovery import TRUTHS, made_up
from medresponse.cohort import Cohort, random_folds
from medresponse.core.atomic import write_text
from medresponse.core.machine import described
from medresponse.core.provenance import versions
from medresponse.core.registry import registered
from medresponse.families import Family
from medresponse.inference import fit_many
from medresponse.inference.diagnostics import Limits
from medresponse.priors import Normal
from medresponse.validation import ValidationRecord, held_out, make_record

PATIENTS, FOLDS = 1000, 5
CLEAN, BROKEN = {"bernoulli": 40, "gaussian": 20, "weibull": 20}, 5  # replicates
ENGINE = mr.Nuts(chains=2, draws=300, tune=300)
DIAGNOSTICS = Limits(max_rhat=1.05, min_ess=100.0)
FILE = Path(__file__).with_suffix(".json")
# Family -> smallest worthwhile benefit: 5 of 100 patients; a quarter of the score's standard deviation.
WORTHWHILE = {"bernoulli": 0.05, "gaussian": 0.3, "weibull": 0.05}
WORDS = {
    "clean": "as the trials were made",
    "arms exchanged": "learned with the names of the arms exchanged",
    "too tight priors": "every coefficient of a feature within 0.1 of zero",
    "no modifier": "the feature that modifies the effect does not",
}


@dataclass(frozen=True)
class Model:
    """One way to model the trials: its spec, and what is done to the patients that it learns from."""

    spec: mr.ModelSpec
    learned: Callable[[Cohort], Cohort] = lambda cohort: cohort


def models(family: str) -> dict[str, Model]:
    """Return the clean model of a family's trials, and what is broken on purpose."""
    clean = mr.ModelSpec(
        family=registered(Family)[family](), blocks={"history": Normal(sigma=1.0)}, modifiers={"history": Normal(sigma=0.5)}
    )  # fmt: skip
    tight = Normal(sigma=0.05)
    return {
        "clean": Model(clean),
        "arms exchanged": Model(clean, exchanged),
        "too tight priors": Model(replace(clean, blocks={"history": tight}, modifiers={"history": tight})),
        "no modifier": Model(replace(clean, modifiers={})),
    }


def exchanged(cohort: Cohort) -> Cohort:
    """Return the patients with the names of their arms exchanged, as a wrong coding would."""
    kind = cohort.table.schema["arm"]
    other = pl.when(pl.col("arm").cast(pl.String) == "0").then(pl.lit("1")).otherwise(pl.lit("0"))
    return replace(cohort, table=cohort.table.with_columns(other.cast(kind).alias("arm")))


def validated(family: str, model: Model, seed: int) -> ValidationRecord:
    """Return the record of one model of one trial."""
    cohort, _ = made_up(TRUTHS[family], PATIENTS, seed)
    fold = random_folds(cohort, folds=FOLDS, seed=seed)
    masks = [fold == k for k in range(FOLDS)]
    learned = [model.learned(part) for part in (cohort, *(cohort.where(~mask) for mask in masks))]
    whole, *refits = fit_many(model.spec, learned, engine=ENGINE, limits=DIAGNOSTICS, seed=seed)
    responses = mr.respond(whole, cohort, **TRUTHS[family].ask)
    held = held_out(responses, refits, cohort, masks, method="five-fold cross-validation", seed=seed)
    return make_record(held, worthwhile=WORTHWHILE[family])


def count(family: str, model: Model, replicates: int) -> dict[str, Any]:
    """Return how many of some records failed, by which gates and why."""
    records, started = [], time.process_time()
    for seed in range(replicates):
        records.append(validated(family, model, seed))
    reasons = [{(g.name, g.reason) for g in record.gates if not g.passed} for record in records]
    by_gate = Counter(f"{name}: {reason}" for found in reasons for name, reason in found)
    return {
        "replicates": replicates, "failed": sum(not record.passed for record in records),
        "gates": dict(sorted(by_gate.items())), "cpu_seconds": round(time.process_time() - started, 1),
    }  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """Return the failures as a Markdown table, a row a model."""
    lines = ["| model | " + " | ".join(WORTHWHILE) + " |", "|---" * (len(WORTHWHILE) + 1) + "|"]
    for name, words in WORDS.items():
        cells = [results[family][name] for family in WORTHWHILE]
        row = " | ".join(f"{cell['failed']} of {cell['replicates']}" for cell in cells)
        lines.append(f"| {name}: {words} | {row} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Count failures of every model of every family."""
    parser = argparse.ArgumentParser(prog="benchmarks.gates", description=__doc__)
    parser.add_argument("--replicates", type=int, help="of each model, in place of the full numbers")
    parser.add_argument("--families", nargs="*", default=list(WORTHWHILE), choices=list(WORTHWHILE))
    options = parser.parse_args(arguments)
    whole = options.replicates is None
    results: dict[str, Any] = {}
    if whole and FILE.is_file():
        results = json.loads(FILE.read_text(encoding="utf-8"))["families"]
    for family in options.families:
        found = results.setdefault(family, {})
        for name, model in models(family).items():
            replicates = options.replicates or (CLEAN[family] if name == "clean" else BROKEN)
            if name in found and found[name]["replicates"] == replicates:
                continue
            found[name] = count(family, model, replicates)
            print(family, name, json.dumps(found[name]), flush=True)
            if whole:
                _keep(results)
    if set(results) == set(WORTHWHILE):
        print(table(results))


def _keep(results: dict[str, Any]) -> None:
    kept = {
        "command": "make bench-gates", "patients": PATIENTS, "folds": FOLDS, "families": results,
        "machine": described(), "versions": versions(),
    }  # fmt: skip
    write_text(FILE, json.dumps(kept, indent=1) + "\n")
    FILE.chmod(0o644)


if __name__ == "__main__":
    main()
