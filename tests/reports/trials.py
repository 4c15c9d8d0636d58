"""The two made-up cohorts whose pages are reviewed, and fits to them whose draws are fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema
from medresponse.core.codec import from_plain
from medresponse.core.rng import stream
from medresponse.families import Family, Gaussian, PiecewiseExponential
from medresponse.inference import Diagnostics, Fit
from medresponse.model import ModelSpec, prepare
from medresponse.priors import Normal
from tests.hand_made import PASSED, hand_made_fit

_DRAWS = (2, 250)  # chains, draws of each


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


def spanish_trial_schema() -> Schema:
    """The same trial with its labels in Spanish."""
    arms = {"0": {"label": "Atención habitual"}, "1": {"label": "Tratamiento A"}}
    outcome = {
        "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False, "unit": "day",
        "event_label": "recaída", "free_label": "libres de recaída",
    }  # fmt: skip
    sex = {
        "type": "binary",
        "levels": ["f", "m"],
        "labels": {"f": "mujer", "m": "hombre"},
        "label": "Sexo",
    }
    cd4 = {"type": "continuous", "unit": "cells/mm3", "transform": "sqrt", "label": "Recuento de CD4"}
    smoking = {
        "type": "categorical", "levels": ["never", "former", "current"], "label": "Tabaquismo",
        "labels": {"never": "nunca", "former": "exfumador", "current": "fumador"},
    }  # fmt: skip
    return trial_schema(
        name="ensayo inventado", source="datos inventados", outcomes={"os": outcome},
        treatment={"column": "arm", "reference": "0", "assignment": "randomised", "levels": arms},
        features={
            "history": {"age": {"type": "continuous", "unit": "year", "label": "Edad"}, "cd4": cd4, "sex": sex},
            "lifestyle": {"smoking": smoking},
        },
    )  # fmt: skip


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


def fake_survival_fit(cohort: Cohort, *, benefit: float = 0.9, diagnostics: Diagnostics = PASSED) -> Fit:
    """A piecewise-exponential fit; `benefit` is the average log hazard ratio in favour of later arms."""
    arms, intervals = max(len(cohort.treatments), 1), 3

    def parameters(rng: np.random.Generator) -> dict[str, np.ndarray]:
        level = np.log(0.0015) + rng.normal(0, 0.15, (*_DRAWS, 1, 1)) + np.zeros((arms, intervals))
        return {"log_hazard": level}

    return _fake_fit(PiecewiseExponential(intervals=intervals), cohort, parameters, benefit, diagnostics)


def fake_gaussian_fit(cohort: Cohort, *, benefit: float = 0.9, diagnostics: Diagnostics = PASSED) -> Fit:
    """A Gaussian fit on the square-root scale."""

    def parameters(rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"intercept": 5.9 + rng.normal(0, 0.08, _DRAWS), "sigma": 1.0 + rng.normal(0, 0.03, _DRAWS)}

    return _fake_fit(Gaussian(scale="sqrt"), cohort, parameters, benefit, diagnostics)


def _fake_fit(
    family: Family,
    cohort: Cohort,
    parameters: Callable[[np.random.Generator], dict[str, np.ndarray]],
    benefit: float,
    diagnostics: Diagnostics,
) -> Fit:
    treatment = cohort.schema.treatment
    chosen = treatment is not None and treatment.assignment == "observational"
    spec = ModelSpec(
        family=family, blocks={block: Normal(sigma=0.5) for block in cohort.schema.features}, confounding="measured" if chosen else None
    )  # fmt: skip
    outcome = next(iter(cohort.schema.outcomes))
    layout = prepare(spec, cohort, outcome=outcome, seed=1).layout
    rng = stream(1, "fake posterior")
    coefficients = rng.normal(0.15, 0.15, (*_DRAWS, layout.n_coefficients))
    coefficients[..., layout.slices["treatment"]] += -benefit * np.sqrt(2.0) / 2.0
    flat = {
        name: value.reshape(_DRAWS[0] * _DRAWS[1], *value.shape[2:])
        for name, value in parameters(rng).items()
    }
    fit = hand_made_fit(
        spec, cohort, outcome=outcome, draws=_DRAWS[0] * _DRAWS[1], imputation=(0,) * _DRAWS[0],
        coefficients=dict(zip(layout.coefficient_labels, coefficients.reshape(-1, layout.n_coefficients).T, strict=True)),
        **flat,
    )  # fmt: skip
    fixed = replace(
        fit.provenance, versions={"medresponse": "0.0.0", "numpy": "0.0.0"}, created_utc="2026-01-02T03:04:05+00:00",
        spec_hash="ab" * 32,
    )  # fmt: skip
    return replace(fit, diagnostics=diagnostics, provenance=fixed)
