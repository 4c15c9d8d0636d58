"""Responses whose draws are given, arm by arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.families import Gaussian
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import Responses, respond
from tests.hand_made import hand_made_fit, trial_of

NAMES = ("A", "B", "C")


def responses_of(
    values: np.ndarray, *, trained_on: Cohort | None = None, cohort: Cohort | None = None, sigma: float = 1.0,
    coefficients: Mapping[str, Any] | None = None, **schema: Any,
) -> Responses:  # fmt: skip
    """Mean scores of every patient, drawn as `values` (treatment, draw), plus what further `coefficients` make of age."""
    arms, draws = values.shape
    training = trained_on or trial_of(30, arms=NAMES[:arms], **schema)
    spec = ModelSpec(family=Gaussian(), blocks={"history": Normal()}, modifiers={"history": Normal()})
    plain = hand_made_fit(spec, training, outcome="score", coefficients={}, intercept=0.0, sigma=1.0)
    middle = values.mean(axis=0)
    contrasts = np.linalg.pinv(plain.layout.contrast_matrix) @ (values - middle)
    named = {f"contrast {j + 1}": contrasts[j] for j in range(arms - 1)} | dict(coefficients or {})
    fit = hand_made_fit(
        spec, training, outcome="score", draws=draws, coefficients=named, intercept=middle, sigma=sigma
    )
    return respond(fit, cohort or training, draws=None)
