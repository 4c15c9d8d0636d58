"""Made-up trials with a known law, and fits to them whose posterior is known in closed form (or nearly): nothing is sampled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.families import Bernoulli, Family, Gaussian
from medresponse.features import group_indices
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from tests.hand_made import hand_made_fit

DRAWS = 800


def trial(
    n: int, *, kind: str = "continuous", seed: int = 1, effect: float = 0.8, modification: float = 0.4,
    observational: bool = False,
) -> Cohort:  # fmt: skip
    """Patients with a prognostic feature x that modifies the effect of B, and a second one that does nothing.

    The linear predictor is ``0.6 x + effect B + modification B x``; the outcome has standard deviation 1, or is an event
    with that log odds. Observational patients with high x get B far more often.
    """
    rng = np.random.default_rng(seed)
    x, other = rng.normal(size=(2, n))
    b = rng.random(n) < (expit(1.5 * x) if observational else 0.5)
    eta = 0.6 * x + b * (effect + modification * x)
    outcome = eta + rng.normal(size=n) if kind == "continuous" else (rng.random(n) < expit(eta)).astype(int)
    frame = pl.DataFrame(
        {
            "patient": [f"P{i:05d}" for i in range(n)],
            "arm": np.where(b, "B", "A"),
            "y": outcome,
            "x": x,
            "other": other,
        }
    )
    return cohort_from_frame(frame, schema(kind, observational=observational))


def schema(kind: str, *, observational: bool) -> Schema:
    """One outcome, two features, one of them in a block of its own."""
    outcome: dict[str, Any] = {
        "kind": "continuous", "column": "y", "unit": "points", "label": "score", "direction": "higher_is_better",
    }  # fmt: skip
    if kind == "binary":
        outcome = {
            "kind": "binary", "column": "y", "event_value": 1, "other_value": 0, "event_label": "response",
            "free_label": "no response", "direction": "event_is_better",
        }  # fmt: skip
    plain = {
        "name": "made-up trial", "source": "invented", "id": "patient", "synthetic": True,
        "treatment": {
            "column": "arm", "reference": "A", "levels": {"A": {}, "B": {}},
            "assignment": "observational" if observational else "randomised",
        },
        "outcomes": {"y": outcome},
        "features": {
            "history": {"x": {"type": "continuous", "unit": "1"}},
            "lifestyle": {"other": {"type": "continuous", "unit": "1"}},
        },
    }  # fmt: skip
    return from_plain(Schema, plain)


def fitted(
    cohort: Cohort, *, blocks: tuple[str, ...] = ("history", "lifestyle"), prior_sd: float = 0.5,
    prior_mean: float = 0.0, narrow: float = 1.0, sigma: float = 1.0, seed: int = 0,
) -> Fit:  # fmt: skip
    """Fit by conjugacy (Gaussian, known standard deviation) or by the mode and curvature (Bernoulli).

    Parameters
    ----------
    blocks
        Features in the model.
    prior_sd, prior_mean
        Of every coefficient but the intercept.
    narrow
        What the deviations of the draws from their mean are multiplied by: 0.5 for intervals of half their width.
    sigma
        Residual standard deviation that the model claims.
    """
    binary, blank = cohort.schema.outcomes["y"].kind == "binary", _blank(cohort, blocks)
    layout, y, codes = blank.layout, cohort.outcome("y")["value"], blank.codes
    assert codes is not None
    groups = group_indices(layout, cohort)
    design = layout.matrix(blank.encoding.columns(codes[0]), cohort.treatment_idx, groups)
    design = np.column_stack([np.ones(cohort.n), design])
    mean = np.array([0.0, *[prior_mean] * layout.n_coefficients])
    precision = np.diag([1e-6, *[prior_sd**-2] * layout.n_coefficients])
    mode, covariance = (_bernoulli if binary else _gaussian)(design, y, mean, precision)
    draws = np.random.default_rng(seed).multivariate_normal(mode, covariance, size=DRAWS)
    draws = (mode + narrow * (draws - draws.mean(axis=0))).reshape(2, -1, len(mode))
    posterior = blank.posterior.assign(
        coefficients=(("chain", "draw", "coefficients_0"), draws[..., 1:]),
        intercept=(("chain", "draw"), draws[..., 0]),
    )
    if not binary:
        posterior = posterior.assign(sigma=(("chain", "draw"), np.full(draws.shape[:2], sigma)))
    return replace(blank, posterior=posterior)


_BLANK: dict[tuple[str, tuple[str, ...]], Fit] = {}  # what is learned of the features, which costs most


def _blank(cohort: Cohort, blocks: tuple[str, ...]) -> Fit:
    """Return a fit to the cohort with an empty posterior."""
    key = (cohort.fingerprint, blocks)
    if key not in _BLANK:
        binary = cohort.schema.outcomes["y"].kind == "binary"
        family: Family = Bernoulli() if binary else Gaussian()
        assert cohort.schema.treatment is not None
        observational = cohort.schema.treatment.assignment == "observational"
        spec = ModelSpec(
            family=family, blocks={b: Normal(sigma=0.5) for b in blocks}, modifiers={b: Normal(sigma=0.5) for b in blocks},
            confounding="measured" if observational else None,
        )  # fmt: skip
        parameters = {"intercept": 0.0} | ({} if binary else {"sigma": 1.0})
        fit = hand_made_fit(
            spec, cohort, outcome="y", coefficients={}, draws=DRAWS, imputation=(0, 0), **parameters
        )
        _BLANK[key] = replace(fit, provenance=replace(fit.provenance, spec_hash="ab" * 32))
    return _BLANK[key]


def _gaussian(design: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> tuple[Any, Any]:
    covariance = np.linalg.inv(design.T @ design + precision)
    return covariance @ (design.T @ y + precision @ mean), covariance


def _bernoulli(design: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> tuple[Any, Any]:
    at = mean.copy()
    for _ in range(30):
        p = expit(design @ at)
        covariance = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]) + precision)
        at = at + covariance @ (design.T @ (y - p) - precision @ (at - mean))
    return at, covariance


def swapped(cohort: Cohort) -> Cohort:
    """The same patients with the names of their arms exchanged, as a wrong coding would."""
    other = pl.when(pl.col("arm").cast(pl.String) == "A").then(pl.lit("B")).otherwise(pl.lit("A"))
    return replace(
        cohort, table=cohort.table.with_columns(other.cast(cohort.table.schema["arm"]).alias("arm"))
    )
