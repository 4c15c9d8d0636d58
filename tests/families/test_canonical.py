"""Rough estimates from rows of canonical form: the penalised likelihood's maximum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from medresponse.families import CanonicalRows, Ordinal, canonical_estimates


def rows_of(law: Any, design: np.ndarray, seed: int = 1) -> CanonicalRows:
    rng = np.random.default_rng(seed)
    eta = 0.4 + design @ np.array([0.8, -0.5, 0.0])
    weight = rng.uniform(0.5, 2.0, len(design))
    events = rng.binomial(1, 1 / (1 + np.exp(-eta))) if law == "logit" else rng.poisson(weight * np.exp(eta))
    return CanonicalRows(law, events.astype(float), np.ones(len(design)) if law == "logit" else weight, 0.3)


@pytest.mark.parametrize("law", ["logit", "log"])
def test_estimates_maximise_the_penalised_likelihood(law: Any) -> None:
    design = np.random.default_rng(2).normal(size=(300, 3)) * [1.0, 0.5, 3.0]
    rows = rows_of(law, design)

    def loss(b: np.ndarray) -> float:
        eta = rows.centre + b[0] + design @ b[1:]
        spent = np.logaddexp(0, eta) if law == "logit" else np.exp(eta)
        return float(rows.weight @ spent - rows.events @ eta + (b[1:] ** 2).sum() / 2)

    best = minimize(loss, np.zeros(4), tol=1e-12)
    estimate, error = canonical_estimates(design, rows)
    np.testing.assert_allclose(estimate, best.x[1:], atol=1e-3)
    eta = rows.centre + best.x[0] + design @ best.x[1:]
    mean = 1 / (1 + np.exp(-eta)) if law == "logit" else np.exp(eta)
    curvature = rows.weight * (mean * (1 - mean) if law == "logit" else mean)
    np.testing.assert_allclose(error, 1 / np.sqrt(curvature @ design**2), rtol=1e-2)


def test_separated_outcomes_columns_of_zeros_and_no_events_give_finite_estimates() -> None:
    x = np.random.default_rng(3).normal(size=(50, 1))
    design = np.column_stack([x, 0 * x])
    for events in ((x[:, 0] > 0).astype(float), np.zeros(50)):
        for law in ("logit", "log"):
            estimate, error = canonical_estimates(design, CanonicalRows(law, events, np.ones(50), -1.0))
            assert np.isfinite(estimate).all() and np.isfinite(error).all() and (error > 0).all()


def test_a_first_step_to_rates_beyond_floats_is_halved_in_silence() -> None:
    rows = CanonicalRows(
        "log", np.full(4, 710.6), np.ones(4), 0.0
    )  # to exp(709.6) a patient, their sum overflows
    estimate, error = canonical_estimates(np.zeros((4, 1)), rows)
    assert np.isfinite(estimate).all() and np.isfinite(error).all()


def test_ordinal_estimates_maximise_the_likelihood_with_cut_points() -> None:
    rng = np.random.default_rng(4)
    design = rng.normal(size=(400, 2)) * [1.0, 0.5]
    latent = design @ [0.8, -0.5] + rng.logistic(size=400)
    outcome = {"value": (latent[:, None] > [-0.5, 1.0]).sum(axis=1), "n_levels": np.asarray(3)}
    family, idx = Ordinal(), np.zeros(400, int)

    def loss(b: np.ndarray) -> float:
        cuts = {"cuts": np.array([[b[2], b[2] + np.exp(b[3])]])}
        return -float(family.log_likelihood((design @ b[:2])[:, None], outcome, idx, cuts, {}).sum())

    best = minimize(loss, np.zeros(4), tol=1e-10)
    estimate, error = family.rows(family.observe(outcome, idx, family.learn(outcome))).estimates(design)
    assert (np.abs(estimate - best.x[:2]) < error / 4).all()
