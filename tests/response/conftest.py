"""Hand-made fits whose responses can be worked out on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.families import Gaussian, Weibull
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from tests.hand_made import hand_made_fit, trial_of

ARMS = ("A", "B", "C")
BLOCKS = {"lifestyle": Normal(), "history": Normal()}


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """Sixty patients, three arms, three sites, nothing missing."""
    return trial_of(60, arms=ARMS)


@pytest.fixture(scope="session")
def linear(cohort: Cohort) -> Fit:
    """A Gaussian fit in which every coefficient is drawn at random: responses are intercept + eta."""
    rng, draws = np.random.default_rng(0), 12
    spec = ModelSpec(
        family=Gaussian(), blocks=BLOCKS, interactions=(("smoking", "age"),), pooling=("site",), slopes={"site": ("stage", "smoking")},
        modifiers={"history": Normal(), "lifestyle": Normal()},
    )  # fmt: skip
    labels = hand_made_fit(
        spec, cohort, outcome="score", coefficients={}, intercept=0.0, sigma=1.0
    ).layout.coefficient_labels
    return hand_made_fit(
        spec, cohort, outcome="score", draws=draws, coefficients={label: rng.normal(size=draws) for label in labels},
        intercept=rng.normal(50, 1, draws), sigma=2.0, site_scale=0.5, site_treatment_scale=0.3,
        site_slope_scale=np.full((draws, 3), 0.2),
    )  # fmt: skip


@pytest.fixture(scope="session")
def survival(cohort: Cohort) -> Fit:
    """A Weibull fit: arm B is better than A, arm C worse."""
    rng, draws = np.random.default_rng(1), 400
    spec = ModelSpec(family=Weibull(), blocks=BLOCKS)
    contrasts = hand_made_fit(
        spec, cohort, outcome="os", coefficients={}, log_scale=0.0, shape=1.0
    ).layout.contrast_matrix
    effect = np.linalg.pinv(contrasts) @ np.array([0.0, 0.6, -0.6])
    coefficients: dict[str, Any] = {
        f"contrast {j + 1}": effect[j] + rng.normal(0, 0.1, draws) for j in range(2)
    }
    coefficients |= {"age": rng.normal(-0.3, 0.05, draws), "smoking=current": -0.4, "contrast 1 x age": 0.2}
    return hand_made_fit(
        spec, cohort, outcome="os", draws=draws, coefficients=coefficients, log_scale=rng.normal(2.5, 0.1, draws),
        shape=rng.normal(1.2, 0.05, draws),
    )  # fmt: skip
