"""Hand-made fits: posterior arrays drawn by numpy, for tests of what comes after sampling. No PyMC, no MCMC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.rng import stream
from medresponse.families import Gaussian, PiecewiseExponential
from medresponse.inference import Diagnostics, Fit
from medresponse.inference.fitting import make_provenance, make_support
from medresponse.model import ModelSpec, prepare
from medresponse.priors import Normal

PASSED = Diagnostics(
    rhat=1.004, rhat_parameter="coefficients[0]", ess_bulk=1523.0, ess_bulk_parameter="coefficients[1]", ess_tail=1210.0,
    ess_tail_parameter="coefficients[2]", ess_p5=1600.0, divergences=0, bfmi=0.9, chains=2, chains_asked=2,
)  # fmt: skip


def trial_schema(**changes: Any) -> Schema:
    """A made-up two-arm trial: age, CD4 count, sex and smoking; time to event in days."""
    plain = {
        "name": "made-up trial", "source": "invented", "id": "patient",
        "treatment": {
            "column": "arm", "reference": "0", "assignment": "randomised",
            "levels": {"0": {"label": "Usual care"}, "1": {"label": "Treatment A"}},
        },
        "outcomes": {
            "os": {
                "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False,
                "unit": "day", "event_label": "relapse", "free_label": "free of relapse",
            }
        },
        "features": {
            "history": {
                "age": {"type": "continuous", "unit": "year", "label": "Age"},
                "cd4": {"type": "continuous", "unit": "cells/mm3", "transform": "sqrt", "label": "CD4 count"},
                "sex": {"type": "binary", "levels": ["f", "m"], "labels": {"f": "female", "m": "male"}, "label": "Sex"},
            },
            "lifestyle": {"smoking": {"type": "categorical", "levels": ["never", "former", "current"], "label": "Smoking"}},
        },
    }  # fmt: skip
    return from_plain(Schema, plain | changes)


def trial_frame(n: int = 60, *, prefix: str = "T", seed: int = 3) -> pl.DataFrame:
    """Rows of the made-up trial, nothing missing."""
    rng = stream(seed, "trial", prefix)
    return pl.DataFrame(
        {
            "patient": [f"{prefix}-{i:03d}" for i in range(1, n + 1)],
            "arm": [str(i % 2) for i in range(n)],
            "time": np.round(rng.uniform(20, 400, n), 1),
            "event": rng.random(n) < 0.5,
            "age": np.round(rng.normal(50, 10, n), 0),
            "cd4": np.round(rng.uniform(1, 400, n), 0),
            "sex": rng.choice(["f", "m"], n),
            "smoking": rng.choice(["never", "former", "current"], n),
        }
    )


def dose_schema(**changes: Any) -> Schema:
    """A made-up single-arm cohort: a weekly dose, with no better direction."""
    plain = {
        "name": "made-up dosing", "source": "invented", "id": "patient",
        "outcomes": {
            "dose": {
                "kind": "continuous", "column": "dose", "unit": "mg/week", "label": "weekly warfarin dose", "direction": "neither",
            }
        },
        "features": {
            "genomic": {"vkorc1": {"type": "dosage", "label": "VKORC1 -1639 A alleles"}},
            "history": {"age": {"type": "continuous", "unit": "year", "label": "Age"}},
        },
    }  # fmt: skip
    return from_plain(Schema, plain | changes)


def dose_frame(n: int = 60, *, seed: int = 3) -> pl.DataFrame:
    """Rows of the made-up dosing cohort."""
    rng = stream(seed, "dose")
    return pl.DataFrame(
        {
            "patient": [f"D-{i:03d}" for i in range(1, n + 1)],
            "dose": np.round(rng.uniform(14, 63, n), 1),
            "vkorc1": rng.integers(0, 3, n),
            "age": np.round(rng.normal(60, 10, n), 0),
        }
    )


def fake_survival_fit(
    cohort: Cohort | None = None, *, benefit: float = 0.9, diagnostics: Diagnostics = PASSED
) -> Fit:
    """A piecewise-exponential fit; `benefit` is the average log hazard ratio in favour of later arms."""
    cohort = cohort or cohort_from_frame(trial_frame(), trial_schema())
    priors = {block: Normal(sigma=0.5) for block in cohort.schema.features}
    spec = ModelSpec(family=PiecewiseExponential(intervals=3), blocks=priors)
    return _fake_fit(spec, cohort, benefit=benefit, diagnostics=diagnostics)


def fake_gaussian_fit(
    cohort: Cohort | None = None, *, benefit: float = 0.9, diagnostics: Diagnostics = PASSED
) -> Fit:
    """A Gaussian fit on the square-root scale."""
    cohort = cohort or cohort_from_frame(dose_frame(), dose_schema())
    priors = {block: Normal(sigma=0.5) for block in cohort.schema.features}
    spec = ModelSpec(family=Gaussian(scale="sqrt"), blocks=priors)
    return _fake_fit(spec, cohort, benefit=benefit, diagnostics=diagnostics)


def _fake_fit(spec: ModelSpec, cohort: Cohort, *, benefit: float, diagnostics: Diagnostics) -> Fit:
    outcome = next(iter(cohort.schema.outcomes))
    prepared = prepare(spec, cohort, outcome=outcome, seed=1)
    rng, shape = stream(1, "fake posterior"), (2, 250)
    layout = prepared.layout
    coefficients = rng.normal(0.15, 0.15, (*shape, layout.n_coefficients))
    coefficients[..., layout.slices["treatment"]] += -benefit * np.sqrt(2.0) / 2.0
    variables: dict[str, Any] = {"coefficients": (("chain", "draw", "coefficient"), coefficients)}
    if isinstance(spec.family, PiecewiseExponential):
        intervals = len(prepared.constants["edges"]) - 1
        hazard = (
            np.log(0.0015)
            + rng.normal(0, 0.15, (*shape, 1, 1))
            + np.zeros((len(layout.contrasts), intervals))
        )
        variables["log_hazard"] = (("chain", "draw", "treatment", "interval"), hazard)
    else:
        variables["intercept"] = (("chain", "draw"), 5.9 + rng.normal(0, 0.08, shape))
        variables["sigma"] = (("chain", "draw"), 1.0 + rng.normal(0, 0.03, shape))
    coords = {"imputation": ("chain", [0, 0])}
    stats = {
        "diverging": (("chain", "draw"), np.zeros(shape, dtype=bool)),
        "energy": (("chain", "draw"), rng.normal(size=shape)),
    }
    provenance = make_provenance(
        spec, cohort, identity="ab" * 32, seed=1, engine={"kind": "nuts"}, sampler="by hand", imputations=1
    )
    fixed = {"medresponse": "0.0.0", "numpy": "0.0.0"}
    return Fit(
        spec=spec, outcome=outcome, schema=cohort.schema, encoding=prepared.encoding, layout=layout, constants=prepared.constants,
        imputer=prepared.imputer, support=make_support(prepared), posterior=xr.Dataset(variables, coords),
        sample_stats=xr.Dataset(stats, coords), diagnostics=diagnostics,
        diagnostics_table=pl.DataFrame({"parameter": ["coefficients[0]"], "rhat": [1.004], "ess_bulk": [1523.0], "ess_tail": [1210.0]}),
        provenance=replace(provenance, versions=fixed, created_utc="2026-01-02T03:04:05+00:00"),
    )  # fmt: skip
