"""One pass over patients' rows: log-likelihoods and derivatives of numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from medresponse.inference.row_kernels import canonical, exponentials
from medresponse.model.row_tiles import BLOCK, HELD, Blocks

N = 2 * BLOCK + 7  # a whole block and parts of blocks


def made_rows(seed: int) -> dict[str, np.ndarray]:
    """Rows of three treatments, the second of which nobody has, with seven columns, nine codes and two groupings."""
    rng, first = np.random.default_rng(seed), BLOCK + 9
    return {
        "columns": rng.normal(size=(N, 7)),
        "codes": rng.integers(-127, 128, (N, 9)).astype(np.int8),
        "starts": np.array([0, first, first, N]),
        "cells": rng.integers(0, 8, (N, 2)),
        "events": rng.integers(0, 3, N).astype(float),
        "weight": rng.uniform(0, 2, N),
        "theta": rng.normal(size=(3, 16)) / np.repeat([1.0, 100.0], [7, 9]),
        "level": rng.normal(size=3),
        "table": rng.normal(size=8),
    }


def found(law: str, made: dict[str, np.ndarray]) -> list[np.ndarray]:
    by = [np.full_like(made[name], np.nan) for name in ("theta", "level", "table")]
    blocks = Blocks(made["starts"])
    rows = {name: blocks.of(made[name]) for name in ("columns", "codes", "cells", "events")}
    weight = blocks.of(made["weight"]) if len(made["weight"]) else np.empty((0, BLOCK))
    value = canonical(
        law == "logit", rows["columns"], rows["codes"], np.full((HELD + 9, BLOCK), np.nan), blocks.first, blocks.filled, rows["cells"], rows["events"], weight,
        made["theta"], made["level"], made["table"], *by,
    )  # fmt: skip
    return [np.array(value), *by]


def expected(law: str, made: dict[str, np.ndarray]) -> list[np.ndarray]:
    arm, columns = (
        np.repeat(np.arange(3), np.diff(made["starts"])),
        np.hstack([made["columns"], made["codes"]]),
    )
    eta = (
        (columns * made["theta"][arm]).sum(axis=1)
        + made["level"][arm]
        + made["table"][made["cells"]].sum(axis=1)
    )
    weight = made["weight"] if len(made["weight"]) else 1.0
    spent, mean = (np.logaddexp(0, eta), expit(eta)) if law == "logit" else (np.exp(eta), np.exp(eta))
    slope = made["events"] - weight * mean
    theta = np.stack([slope[arm == k] @ columns[arm == k] for k in range(3)])
    table = np.bincount(made["cells"].ravel(), np.repeat(slope, 2), minlength=8)
    return [(made["events"] * eta - weight * spent).sum(), theta, np.bincount(arm, slope, minlength=3), table]


@pytest.mark.parametrize("law", ["logit", "log"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_a_pass_gives_what_numpy_does_however_far_predictors_lie(
    law: str, weighted: bool, scale: float
) -> None:
    made = made_rows(1)
    made |= {"theta": scale * made["theta"]} if law == "logit" else {}
    made |= {} if weighted else {"weight": np.empty(0)}
    for a, b in zip(found(law, made), expected(law, made), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("law", ["logit", "log"])
def test_what_is_not_a_number_stays_so_and_overflow_is_infinite(law: str) -> None:
    made = made_rows(2)
    assert np.isnan(found(law, made | {"level": np.array([np.nan, 0.0, 0.0])})[0])
    assert found("log", made | {"level": np.array([800.0, 0.0, 0.0])})[0] == -np.inf


def test_exponentials_are_numpys_to_the_last_bits_and_overflow_as_they_do() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [rng.uniform(-700, 700, 200_000), rng.normal(size=200_000), [0.0, -0.0, 1e-300, 709.0, -708.0]]
    )
    out, *work = (np.empty_like(x) for _ in range(3))
    exponentials(x, out, *work, len(x))
    np.testing.assert_allclose(out, np.exp(x), rtol=1e-15)
    odd = np.array([710.0, np.inf, -710.0, -np.inf, np.nan, 0.0])
    exponentials(odd, out, *work, len(odd))
    np.testing.assert_array_equal(out[: len(odd)], [np.inf, np.inf, 0.0, 0.0, np.nan, 1.0])
