"""A made-up observational cohort whose treatment depends on age as strongly as asked, and fits to it by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec, PropensityScore
from medresponse.priors import Normal
from tests.hand_made import hand_made_fit


def smokers(
    n: int = 600, *, by_age: float = 0.0, arms: tuple[str, ...] = ("stay", "quit"), missing: int = 0, seed: int = 2
) -> Cohort:  # fmt: skip
    """`by_age` is the log odds ratio of each further treatment for ten years of age; weight depends on age and treatment."""
    plain: dict[str, Any] = {
        "name": "made-up smokers", "source": "invented", "id": "patient", "synthetic": True,
        "treatment": {
            "column": "arm", "reference": arms[0], "assignment": "observational",
            "levels": {arm: {"label": f"{arm} label"} for arm in arms},
        },
        "outcomes": {
            "weight": {"kind": "continuous", "column": "weight", "unit": "kg", "label": "weight", "direction": "neither"}
        },
        "features": {
            "history": {
                "age": {"type": "continuous", "unit": "year"},
                "sex": {"type": "binary", "levels": ["f", "m"]},
                "stage": {"type": "categorical", "levels": ["I", "II", "III"]},
            }
        },
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 10, n)
    utility = by_age * np.arange(len(arms)) * (age[:, None] - 50) / 10 + rng.gumbel(size=(n, len(arms)))
    received = utility.argmax(axis=1)
    shown = pl.Series(age).set(pl.Series(np.arange(n) < missing), None)
    frame = pl.DataFrame(
        {
            "patient": [f"S{i:04d}" for i in range(n)],
            "arm": [arms[k] for k in received],
            "weight": 3.0 * received + 0.2 * (age - 50) + rng.normal(0, 5, n),
            "age": shown,
            "sex": rng.choice(["f", "m"], n),
            "stage": rng.choice(["I", "II", "III"], n),
        }
    )
    return cohort_from_frame(frame, from_plain(Schema, plain))


def fit_of(
    cohort: Cohort, *, draws: Mapping[str, np.ndarray] | None = None, score: bool = False, n_draws: int = 40
) -> Fit:
    """A Gaussian fit whose difference between treatments is `draws` of ``contrast 1`` (the coefficient)."""
    spec = ModelSpec(
        family=Gaussian(), blocks={"history": Normal()}, modifiers={}, confounding=PropensityScore(curve=None) if score else "measured",
    )  # fmt: skip
    return hand_made_fit(
        spec,
        cohort,
        outcome="weight",
        coefficients=dict(draws or {}),
        draws=n_draws,
        intercept=50.0,
        sigma=5.0,
    )
