"""The sampler of products of hinges against its prior, and against all models of a small problem counted out."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medresponse.features import HingeSum
from medresponse.features.hinges import LINE, PRODUCT
from medresponse.inference.hinge_algebra import inflation_without, left_out, put, take_out, weigh
from medresponse.inference.hinge_arrays import DEGREES, LAW, ROOM, SPARSE, STATE, TABLE
from medresponse.inference.hinge_factors import Factors
from medresponse.inference.hinge_law import Law, Product, order_counts
from medresponse.inference.hinge_state import State
from medresponse.inference.hinges import HingeSampler
from medresponse.inference.prior_hinges import prior_hinges
from medresponse.model import Hinges, SumOfHinges


def law_of(columns: np.ndarray, arm: np.ndarray, prior: Hinges, *, score: int | None = None) -> Law:
    p = columns.shape[1]
    factors = Factors(columns, np.arange(p), np.arange(p), knots=prior.knots, min_patients=prior.min_patients)
    only = np.array([] if score is None else [score], dtype=int)
    return Law(prior, factors=factors, only_prognostic=only, contrasts=arm[:, None] - 0.5, unit=1.0)


def batch_error(values: np.ndarray, batches: int = 25) -> np.ndarray:
    """Standard error of the mean over the first axis by batch means."""
    means = np.array([part.mean(axis=0) for part in np.array_split(values, batches)])
    return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(batches))


def state_of(fixed: np.ndarray, precision: np.ndarray) -> State:
    """A state whose columns are put in by hand."""
    nothing = Factors(np.ones_like(fixed), np.arange(1), np.arange(1), knots=1, min_patients=1)
    return State(fixed, precision, table=nothing.table, order=1)


def weighed(state: State, row: np.ndarray, precision: float, *, beside: int | None = None) -> SimpleNamespace:
    """What a column does to the state, or to the state without the column `beside`."""
    own, room = state.arrays, state.room
    k, residual, inflation = len(state), own.residual, 1.0
    room.inverse[:], room.solution[:] = 0.0, 0.0
    room.inverse[:k, :k], room.solution[:k] = own.inverse[:k, :k], own.solution[:k]
    if beside is not None:
        inflation = inflation_without(own, beside)
        left_out(own, beside, room)
        residual = own.target - room.solution[:k] @ state.rows
    room.values[:] = row
    log, schur, coefficient, safe = weigh(
        own, room.inverse, room.solution, residual, precision, inflation, room
    )
    return SimpleNamespace(log=log, schur=schur, coefficient=coefficient, precision=precision, safe=safe)


def add(state: State, gain: SimpleNamespace, *, place: int | None = None) -> None:
    """Put in what was just weighed, as moves do."""
    k = len(state)
    state.arrays.filled[0] += place is None
    put(state.arrays, k if place is None else place, gain.schur, gain.coefficient, gain.precision, state.room)
    if not gain.safe:
        state.solve()


def remove(state: State, place: int) -> None:
    left_out(state.arrays, place, state.room)
    if not take_out(state.arrays, place, state.room):
        state.solve()


def worth(state: State, place: int) -> float:
    own = state.arrays
    variance = own.inverse[place, place]
    return float(0.5 * np.log(variance * own.precision[place]) + 0.5 * own.solution[place] ** 2 / variance)


def test_columns_put_in_taken_out_and_replaced_leave_what_a_fresh_solution_gives() -> None:
    rng = np.random.default_rng(1)
    fixed, extra = rng.standard_normal((40, 2)), rng.standard_normal((4, 40))
    target, weight = rng.standard_normal(40), rng.uniform(0.5, 2.0, 40)
    state = state_of(fixed, np.array([0.1, 0.2]))
    state.aim(target, weight)

    def evidence(columns: np.ndarray, precision: np.ndarray) -> float:
        covariance = np.diag(1 / weight) + columns.T @ (columns / precision[:, None])
        return float(
            -0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * target @ np.linalg.solve(covariance, target)
        )

    def now() -> float:
        return evidence(state.rows, state.arrays.precision[: len(state)])

    def check() -> None:
        k, own = len(state), state.arrays
        fresh = np.linalg.inv((state.rows * weight) @ state.rows.T + np.diag(own.precision[:k]))
        solution = fresh @ state.rows @ (weight * target)
        np.testing.assert_allclose(own.inverse[:k, :k], fresh, atol=1e-10)
        np.testing.assert_allclose(own.solution[:k], solution, atol=1e-10)
        np.testing.assert_allclose(own.residual, target - solution @ state.rows, atol=1e-10)
        np.testing.assert_allclose(own.gram[:k, :k], (state.rows * weight) @ state.rows.T, atol=1e-10)
        np.testing.assert_allclose(own.right[:k], state.rows @ (weight * target), atol=1e-10)
        # Draws are the solution and a linear map of standard normal numbers, whose square is the covariance.
        units: list[Any] = [
            SimpleNamespace(standard_normal=lambda size, unit=unit: unit) for unit in np.eye(k)
        ]
        moved = np.array([state.draw(unit) - own.solution[:k] for unit in units])
        np.testing.assert_allclose(moved.T @ moved, fresh, atol=1e-10)

    before = now()
    for k, row in enumerate(extra[:3]):
        gain = weighed(state, row, 0.5 + k)
        assert gain.safe
        add(state, gain)
        assert gain.log == pytest.approx(now() - before, rel=1e-9)
        before = now()
        check()
    instead = weighed(state, extra[3], 1.5, beside=3)
    others = [0, 1, 2, 4]
    assert instead.log == pytest.approx(
        evidence(np.vstack([state.rows[others], extra[3]]), np.append(state.arrays.precision[others], 1.5))
        - evidence(state.rows[others], state.arrays.precision[others]),
        rel=1e-9,
    )
    add(state, instead, place=3)
    check()
    before, own = now(), worth(state, 3)
    remove(state, 3)
    assert own == pytest.approx(before - now(), rel=1e-9)
    np.testing.assert_array_equal(state.arrays.precision[: len(state)], [0.1, 0.2, 0.5, 2.5])
    check()
    state.widen()
    check()


@pytest.mark.parametrize("sigma", [1e-2, 1e-4, 1e-5])
def test_columns_that_nearly_repeat_others_are_weighed_right_however_small_the_residual(sigma: float) -> None:
    """Against the least squares of columns and prior stacked, which never squares their condition."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal(60)
    fixed = np.column_stack([np.ones(60), x])
    extra = [np.maximum(x - knot, 0) for knot in (0.0, 1e-4, -1e-4, 0.2)] + [
        x + 1e-7 * rng.standard_normal(60)
    ]
    target, weight = 2 * extra[0] + sigma * rng.standard_normal(60), np.full(60, sigma**-2)
    state = state_of(fixed, np.array([0.1, 0.2]))
    state.aim(target, weight)

    def evidence(columns: np.ndarray, precision: np.ndarray) -> float:
        root = np.sqrt(weight)
        stacked = np.vstack([root[:, None] * columns.T, np.diag(np.sqrt(precision))])
        aimed = np.concatenate([root * target, np.zeros(len(precision))])
        q, r = np.linalg.qr(stacked)
        rest = aimed - q @ (q.T @ aimed)
        return float(0.5 * np.log(precision).sum() - np.log(np.abs(np.diag(r))).sum() - 0.5 * rest @ rest)

    def now() -> float:
        return evidence(state.rows, state.arrays.precision[: len(state)])

    before = now()
    for row in extra:
        gain = weighed(state, row, 3.0)
        add(state, gain)
        assert gain.schur >= 3.0
        assert gain.log == pytest.approx(now() - before, rel=1e-5, abs=0.02)
        before = now()
    k = len(state)
    assert (np.diag(state.arrays.inverse[:k, :k]) > 0).all()
    assert np.isfinite([worth(state, m) for m in range(2, k)]).all()
    assert np.isfinite(state.draw(rng)).all()
    for _ in extra:
        remove(state, 2)
    assert now() == pytest.approx(evidence(fixed.T, np.array([0.1, 0.2])))


@pytest.mark.parametrize("sigma", [0.3, 1e-3, 1e-5])
def test_what_might_come_in_the_place_of_a_column_that_others_repeat_is_weighed_right(sigma: float) -> None:
    """A line is a hinge less the other at its knot: without one of them, little of the inverse is left but rounding."""
    rng = np.random.default_rng(9)
    n, precision = 100, np.array([1.0, 4.0, 4.0, 4.0])
    x = rng.standard_normal(n)
    rows = [x, np.maximum(x - 0.2, 0), np.maximum(0.2 - x, 0)]
    instead = [np.maximum(k - x, 0) for k in (0.21, 0.3, 1.0)] + [np.maximum(x - 0.25, 0), 1.0 * (x > 0.2)]
    rows, instead = ([(r - r.mean()) / r.std() for r in each] for each in (rows, instead))
    target = rows[1] + 0.5 * rows[0] + sigma * rng.standard_normal(n)
    state = state_of(np.ones((n, 1)), precision[:1])
    state.aim(target, np.full(n, sigma**-2))
    for row in rows:
        add(state, weighed(state, row, 4.0))

    def evidence(columns: np.ndarray) -> float:
        stacked = np.vstack([columns.T / sigma, np.diag(np.sqrt(precision))])
        q, r = np.linalg.qr(stacked)
        aimed = np.concatenate([target / sigma, np.zeros(4)])
        rest = aimed - q @ (q.T @ aimed)
        return float(-np.log(np.abs(np.diag(r))).sum() - 0.5 * rest @ rest)

    for row in instead:
        found = weighed(state, row, 4.0, beside=3).log - worth(state, 3)
        expected = evidence(np.vstack([state.rows[:3], row])) - evidence(state.rows)
        assert found == pytest.approx(expected, rel=1e-4, abs=0.01)


def test_choices_that_can_make_no_product_make_none() -> None:
    rng = np.random.default_rng(2)
    columns, arm = rng.standard_normal((60, 3)), rng.permutation(60) % 2.0
    law = law_of(columns, arm, Hinges(blocks=("history",), min_patients=5), score=2)
    factors = law.factors
    first, second, score = (np.flatnonzero(factors.column == j) for j in range(3))
    assert law.column(Product(0, (int(first[0]), int(first[3])))) is None  # one feature twice
    assert law.column(Product(0, (int(first[0]), int(score[0])))) is not None
    assert law.column(Product(1, (int(score[0]),))) is None  # effects may not use the score
    line = int(second[factors.shape[second] == LINE][0])
    column = law.column(Product(1, (line,)))
    assert column is not None
    np.testing.assert_allclose(column.values / (arm - 0.5) * column.sd + column.mean, factors.values(line))
    one_arm = law_of(np.column_stack([columns[:, 0] * arm]), arm, Hinges(blocks=("history",), min_patients=5))
    line = int(np.flatnonzero(one_arm.factors.shape == LINE)[0])
    assert one_arm.column(Product(0, (line,))) is not None


def test_arrays_are_of_the_kinds_that_moves_are_compiled_for_also_if_whole_numbers_are_expected() -> None:
    """Rates are drawn in place: beside whole numbers they would lose what is behind the point."""
    rng = np.random.default_rng(10)
    columns, arm = rng.standard_normal((60, 2)), rng.permutation(60) % 2.0
    sums = {"prognostic": SumOfHinges(expected=3, scale=1), "predictive": SumOfHinges(expected=1, scale=1)}
    law = law_of(columns, arm, Hinges(blocks=("history",), **sums))
    state = State(np.ones((60, 1)), np.ones(1), table=law.factors.table, order=3)
    given = [(law.factors.table, TABLE), (law.arrays, LAW), (state.arrays, STATE), (state.room, ROOM)]
    for arrays, kinds in given:
        for name, value, kind in zip(arrays._fields, arrays, kinds, strict=True):
            own = f"{value.dtype.str[1:]}[{value.ndim}]" if isinstance(value, np.ndarray) else "i8"
            assert own == kind, name
    law.draw_from_prior(rng)
    assert (law.arrays.rate % 1 > 0).all()


def test_none_at_all_is_as_probable_as_the_prior_says() -> None:
    """One choice or more makes a product where every choice can: ``1 / (1 + expected)`` of draws have none."""
    rng = np.random.default_rng(3)
    columns, arm = 1.0 * (rng.random((60, 4)) < 0.5), rng.permutation(60) % 2.0
    sums = {"prognostic": SumOfHinges(expected=3.0), "predictive": SumOfHinges(expected=0.5, scale=0.3)}
    prior = Hinges(blocks=("history",), order=1, min_patients=5, **sums)
    drawn = prior_hinges(law_of(columns, arm, prior), draws=3000, rng=rng)
    for name, expected in (("prognostic", 3.0), ("predictive_0", 0.5)):
        none = ((drawn[f"{name}_column"] == PRODUCT).sum(axis=1) == 1).mean()  # the constant alone
        chance = 1 / (1 + expected)
        assert none == pytest.approx(chance, abs=4.5 * np.sqrt(chance * (1 - chance) / 3000))
        values = HingeSum(*(drawn[f"{name}_{part}"] for part in ("column", "value", "shape"))).values(columns)
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-10)


def _statistics(parts: np.ndarray, sizes: np.ndarray, features: list[np.ndarray], law: Law) -> list[float]:
    """Numbers of products and of their factors, shares of features, and what the law has drawn of itself."""
    used = np.bincount(np.concatenate([np.zeros(0, dtype=int), *features]), minlength=len(law.arrays.weights))
    counts = np.bincount(parts, minlength=2)
    pairs = float((sizes == 2).sum())
    logs = np.log([*law.arrays.rate, *law.arrays.scale]).tolist()
    weights = [
        float(law.arrays.weights[0]),
        float((law.arrays.weights**2).sum()),
        float(law.arrays.orders[0]),
    ]
    return [*counts.tolist(), *(counts == 0).tolist(), pairs, *used.tolist(), *logs, *weights]


def test_without_data_the_sampler_draws_from_the_prior() -> None:
    """Few factors, so that choices coincide; one feature is a score, and one too rare for most products."""
    rng = np.random.default_rng(4)
    n = 40
    columns = np.column_stack(
        [rng.standard_normal(n), rng.random(n) < 0.5, np.arange(n) < 6, rng.standard_normal(n)]
    )
    arm = rng.permutation(n) % 2.0
    sums = {"prognostic": SumOfHinges(expected=3.0), "predictive": SumOfHinges(expected=1.5, scale=0.3)}
    prior = Hinges(blocks=("history",), order=2, knots=2, min_patients=4, **sums)
    law, own = (law_of(columns.astype(float), arm, prior, score=3) for _ in range(2))
    expected = []
    for _ in range(6000):
        law.draw_from_prior(rng)
        made = list(
            dict.fromkeys(choice.product for choice in law.choices(rng) if choice.product is not None)
        )
        expected.append(_of_products(made, law))
    sampler = HingeSampler(own, fixed=np.ones((n, 1)), fixed_precision=np.ones(1), rng=rng)
    found = []
    for _ in range(6000):
        sampler.sweep(np.zeros(n), np.full(n, 1e-12), np.ones(1), 8)
        found.append(_of_products(sampler.products, own))
    theory, drawn = np.array(expected), np.array(found)
    error = np.hypot(batch_error(drawn), theory.std(axis=0) / np.sqrt(len(theory)))
    assert (np.abs(drawn.mean(axis=0) - theory.mean(axis=0)) < 4.5 * error).all()
    assert (error < 0.1 * theory.std(axis=0)).all()  # enough draws to see a difference


def _of_products(products: list[Product], law: Law) -> list[float]:
    parts = np.array([p.part for p in products], dtype=int)
    sizes = np.array([len(p.factors) for p in products], dtype=int)
    return _statistics(parts, sizes, [law.factors.feature[list(p.factors)] for p in products], law)


def test_models_are_as_probable_as_when_all_are_counted_out() -> None:
    """Two binary features make three products in each of two parts, 64 models; all they leave unknown is integrated.

    The posterior probability of a model is proportional to the mean over the prior of its prior probability times its
    marginal likelihood, the mean being over draws of what is unknown of the law and of the coefficients' own variances.
    """
    rng = np.random.default_rng(5)
    n, sigma = 48, 1.0
    x = np.column_stack([np.arange(n) % 2, np.arange(n) // 2 % 2]).astype(float)
    arm = (np.arange(n) // 4 % 2).astype(float)
    y = 0.3 + 0.5 * x[:, 0] + (arm - 0.5) * 0.8 * x[:, 1] + sigma * rng.standard_normal(n)
    fixed, precision = np.column_stack([np.ones(n), arm - 0.5]), np.array([0.25, 1.0])
    sums = {
        "prognostic": SumOfHinges(expected=1.5, scale=0.4),
        "predictive": SumOfHinges(expected=1.0, scale=0.3),
    }
    prior = Hinges(blocks=("history",), order=2, min_patients=2, **sums)

    def z(values: np.ndarray) -> np.ndarray:
        return (values - values.mean()) / values.std()

    functions = [z(x[:, 0]), z(x[:, 1]), z(x[:, 0] * x[:, 1])]
    design = np.column_stack([*functions, *((arm - 0.5) * f for f in functions)])
    inverse = np.linalg.inv(sigma**2 * np.eye(n) + fixed @ (fixed.T / precision[:, None]))
    gram, right = design.T @ inverse @ design, design.T @ inverse @ y
    draws = 12_000
    weights = rng.dirichlet([SPARSE, SPARSE], draws)
    orders = rng.dirichlet(order_counts(2), draws)
    rate = np.array([1.5, 1.0]) * rng.standard_exponential((draws, 2))
    scale = np.array([0.4, 0.3]) * np.sqrt(DEGREES / 2 / rng.standard_gamma(DEGREES / 2, (draws, 2)))
    local = DEGREES / 2 / rng.standard_gamma(DEGREES / 2, (draws, 6))
    chance = np.column_stack([orders[:, :1] * weights, 2 * orders[:, 1] * weights.prod(axis=1)])
    odds = np.concatenate(
        [rate[:, :1] * chance, rate[:, 1:] * chance], axis=1
    )  # expected choices of each product
    sd = np.repeat(scale, 3, axis=1) * np.sqrt(local)
    models = [m for q in range(7) for m in combinations(range(6), q)]
    log_joint = np.empty((draws, len(models)))
    for k, model in enumerate(models):
        own = list(model)
        log_prior = -odds.sum(axis=1) + np.log(np.expm1(odds[:, own])).sum(axis=1)
        d = sd[:, own]
        inner = np.eye(len(own)) + d[:, :, None] * gram[np.ix_(own, own)] * d[:, None, :]
        slope = d * right[own]
        quadratic = (slope * np.linalg.solve(inner, slope[:, :, None])[:, :, 0]).sum(axis=1) if own else 0.0
        log_joint[:, k] = log_prior - 0.5 * np.linalg.slogdet(inner)[1] + 0.5 * quadratic
    joint = np.exp(log_joint - log_joint.max())
    expected = joint.mean(axis=0) / joint.mean(axis=0).sum()
    influence = (joint - expected * joint.sum(axis=1, keepdims=True)) / joint.mean(axis=0).sum()
    expected_error = influence.std(axis=0) / np.sqrt(draws)

    law = law_of(x, arm, prior)
    assert len(law.factors) == 2
    sampler = HingeSampler(law, fixed=fixed, fixed_precision=precision, rng=rng)
    names = [Product(part, factors) for part in range(2) for factors in ((0,), (1,), (0, 1))]
    number = {frozenset(names[i] for i in model): k for k, model in enumerate(models)}
    visited = np.zeros((20_000, len(models)))
    for s in range(len(visited)):
        sampler.sweep(y, np.full(n, 1 / sigma**2), precision, 6)
        visited[s, number[frozenset(sampler.products)]] = 1
    error = np.hypot(batch_error(visited), expected_error)
    common = expected > 0.01
    assert common.sum() > 10 and expected[common].sum() > 0.7
    assert (np.abs(visited.mean(axis=0) - expected)[common] < 4.5 * error[common]).all()
    included = np.array([[product in model for model in number] for product in names], dtype=float)
    error = np.hypot(batch_error(visited @ included.T), (influence @ included.T).std(axis=0) / np.sqrt(draws))
    assert (np.abs(included @ (visited.mean(axis=0) - expected)) < 4.5 * error).all()
    assert (error < 0.015).all()
