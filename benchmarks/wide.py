"""Wide genomics: 5,000 allele dosages in 1,000 patients of two arms. `make bench-wide`, kept in benchmarks/wide.json.

Two priors: a stated scale of coefficients, 0.02 residual standard deviations each (prognosis and benefit both with a prior
standard deviation over patients of about ``0.02 sqrt(5000) = 1.4``), and a scale to be estimated.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import medresponse as mr
from medresponse.cohort import Cohort, Continuous, Feature, Level, Schema, Treatment, cohort_from_frame
from medresponse.core.atomic import write_text
from medresponse.core.codec import to_plain
from medresponse.core.machine import described
from medresponse.core.provenance import versions
from medresponse.families import Gaussian
from medresponse.priors import Normal

CAUSAL, MODIFYING = 15, 5
PRIORS = {"normal": Normal(sigma=0.02), "pooled": Normal(sigma=0.1, pooled=True)}


def made_up_cohort(patients: int, variants: int, *, seed: int) -> tuple[Cohort, np.ndarray, np.ndarray]:
    """Return a randomised cohort, and the true effects of the variants on outcome and benefit, a standard deviation each.

    Dosages of neighbouring variants are correlated (blocks of ten share half their haplotypes); 15 variants move the
    outcome by 0.35 residual standard deviations, five of them modify the effect of treatment by 0.5.
    """
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.05, 0.5, variants)
    shared = np.repeat(rng.random((2, patients, -(-variants // 10))), 10, axis=2)[:, :, :variants]
    own = rng.random((2, patients, variants))
    dosage = (np.where(rng.random(own.shape) < 0.5, shared, own) < frequency).sum(axis=0)
    spread = np.where(dosage.std(axis=0) > 0, dosage.std(axis=0), 1.0)
    standard = (dosage - dosage.mean(axis=0)) / spread
    prognostic, modifying = np.zeros(variants), np.zeros(variants)
    chosen = rng.choice(variants, CAUSAL, replace=False)
    prognostic[chosen] = 0.35 * rng.choice([-1, 1], CAUSAL)
    modifying[chosen[:MODIFYING]] = 0.5 * rng.choice([-1, 1], MODIFYING)
    arm = np.arange(patients) % 2
    benefit = 0.3 + standard @ modifying
    outcome = standard @ prognostic + arm * benefit + rng.normal(size=patients)
    names = [f"rs{j:05d}" for j in range(variants)]
    columns = {"id": [f"P{i:05d}" for i in range(patients)], "arm": arm, "outcome": outcome}
    frame = pl.DataFrame(columns | {name: dosage[:, j] for j, name in enumerate(names)})
    schema = Schema(
        name="wide", source="made up", id="id", synthetic=True,
        treatment=Treatment(
            column="arm", levels={"0": Level(), "1": Level()}, reference="0", assignment="randomised"
        ),
        outcomes={"outcome": Continuous(column="outcome", unit="1", label="outcome", direction="higher_is_better")},
        features={"genomic": {name: Feature(type="dosage") for name in names}},
    )  # fmt: skip
    return cohort_from_frame(frame, schema), benefit, standard


def measured(prior: str, patients: int, variants: int, engine: mr.Nuts) -> dict[str, Any]:
    """Fit once and return what it took and what it found."""
    started = time.perf_counter()
    cohort, benefit, _ = made_up_cohort(patients, variants, seed=1)
    read = time.perf_counter() - started
    blocks = {"genomic": PRIORS[prior]}
    spec = mr.ModelSpec(family=Gaussian(), blocks=blocks, modifiers=blocks)
    fitted = mr.fit(spec, cohort, seed=1, engine=engine)
    total = time.perf_counter() - started - read
    responses = mr.respond(fitted, cohort, draws=1000)
    found = mr.contrast(responses)
    scored = time.perf_counter() - started - read - total
    truth = benefit[np.argsort([f"P{i:05d}" for i in range(patients)])]
    covered = (found["lower"].to_numpy() <= truth) & (truth <= found["upper"].to_numpy())
    error = found["benefit"].to_numpy() - truth
    return {
        "patients": patients, "variants": variants, "prior": to_plain(PRIORS[prior]), "formulation": fitted.provenance.formulation,
        "coefficients": fitted.layout.n_coefficients, "chains x (tune + draws)": f"4 x ({engine.tune} + {engine.draws})",
        "seconds": {
            "making and checking the cohort": round(read, 1), "compiling": fitted.provenance.compile_seconds,
            "sampling": fitted.provenance.sample_seconds, "fit in all": round(total, 1),
            "responses and contrasts": round(scored, 1),
        },
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "leapfrog_steps_mean": float(fitted.sample_stats["n_steps"].mean()),
        "diagnostics": {k: v for k, v in asdict(fitted.diagnostics).items() if k != "limits"},
        "failures": list(fitted.diagnostics.failures),
        "benefit": {
            "true sd over patients": float(benefit.std()), "root mean squared error": float(np.sqrt((error**2).mean())),
            "coverage of 95% intervals": float(covered.mean()),
        },
    }  # fmt: skip


def main() -> None:
    """Fit under each prior with the engine's defaults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--variants", type=int, default=5000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=1000)
    parser.add_argument("--out", default=str(Path(__file__).with_name("wide.json")))
    options = parser.parse_args()
    engine = mr.Nuts(draws=options.draws, tune=options.tune)
    # Memory is the process's peak so far, so that of the second fit is the larger of both.
    results = {prior: measured(prior, options.patients, options.variants, engine) for prior in PRIORS}
    facts = {"hardware": described(), "versions": versions()}
    print(json.dumps(results, indent=1))
    file = Path(options.out)
    write_text(
        file, json.dumps({"command": "make bench-wide", "fits": results, "machine": facts}, indent=1) + "\n"
    )
    file.chmod(0o644)


if __name__ == "__main__":
    main()
