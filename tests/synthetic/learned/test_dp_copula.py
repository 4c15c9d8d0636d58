"""Differential privacy: accounting against the textbook's formulas, and nothing taken from the data but noisy sums."""

import importlib.util
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize_scalar

from medresponse.core.errors import DataError, SpecError
from medresponse.core.registry import registered
from medresponse.synthetic.learned import DPCopula, Generator, learn
from medresponse.synthetic.learned import dp_copula as module
from tests.validation.observational import smokers

needs_opendp = pytest.mark.skipif(
    importlib.util.find_spec("opendp") is None, reason="opendp is not installed"
)
BOUNDS = {"age": (0.0, 120.0), "weight": (-50.0, 50.0)}


@pytest.fixture(scope="module")
def real():
    return smokers(800, by_age=0.5, missing=80)


@needs_opendp
@pytest.mark.parametrize(("rho", "delta"), [(0.02, 1e-6), (0.5, 1e-5)])
def test_the_conversion_is_that_of_the_tight_formula(rho, delta):
    # Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), proposition 12: the least over the order alpha.
    def epsilon(log_order):
        a = 1 + np.exp(log_order)
        return a * rho + np.log(1 / (a * delta)) / (a - 1) + np.log1p(-1 / a)

    best = minimize_scalar(epsilon, bounds=(-3, 8), method="bounded").fun
    assert module.epsilon_of(rho, delta) == pytest.approx(best, rel=1e-3)


@needs_opendp
def test_the_loss_of_both_steps_adds_up_to_what_was_asked_for(real, monkeypatch):
    spent = []
    release = module._release
    monkeypatch.setattr(
        module, "_release", lambda exact, s, rho: (spent.append(rho), release(exact, s, rho))[1]
    )
    learn(DPCopula(epsilon=2.0, bounds=BOUNDS, margins=0.3), real, seed=1)
    assert len(spent) == 2 and spent[0] / sum(spent) == pytest.approx(0.3)
    assert module.epsilon_of(sum(spent), 1e-6) == pytest.approx(2.0, rel=1e-6)
    assert module.epsilon_of(sum(spent), 1e-6) <= 2.0


@needs_opendp
def test_one_patient_moves_the_sums_by_no_more_than_the_sensitivity(monkeypatch):
    seen = []
    monkeypatch.setattr(
        module, "_release", lambda exact, s, rho: (seen.append((exact, s)), exact.astype(float))[1]
    )
    rng = np.random.default_rng(1)
    for d in (2, 5, 12):
        scores = rng.normal(size=(200, d)) * rng.exponential(3, size=(200, 1))
        for one in (scores, scores[1:], np.vstack([scores, np.full(d, 9.0)])):
            module.noisy_products(one, rho=1.0)
        (whole, s), (less, _), (more, _) = seen[-3:]
        assert np.linalg.norm(whole - less) <= s and np.linalg.norm(more - whole) <= s
        assert np.linalg.norm(more - whole) > 0.95 * s  # equal scores are the worst case


@needs_opendp
def test_noise_has_the_planned_size(real):
    exact = [np.array([100, 200, 300]), np.array([400, 200])]
    drawn = np.array([np.concatenate(module.noisy_counts(exact, rho=0.02)) for _ in range(300)])
    assert drawn.std() == pytest.approx(np.sqrt(2 / 0.04 + np.concatenate(exact).std() ** 2), rel=0.2)
    errors = drawn - np.concatenate(exact)
    assert errors.std() == pytest.approx(np.sqrt(2 / (2 * 0.02)), rel=4 / np.sqrt(2 * errors.size))


@needs_opendp
def test_with_a_loss_that_hides_nothing_shares_and_correlations_are_recovered(real):
    made = learn(DPCopula(epsilon=1e4, bounds=BOUNDS, bins=24), real, seed=1).draw(6000, seed=1)
    assert made.table["age"].null_count() / 6000 == pytest.approx(0.1, abs=0.02)
    for name in ("arm", "sex"):
        shares = [
            c.table[name].cast(pl.String).value_counts(normalize=True).sort(name)["proportion"]
            for c in (real, made)
        ]
        np.testing.assert_allclose(shares[1], shares[0], atol=0.03)
    r = []
    for cohort in (real, made):
        both = cohort.table.drop_nulls("age")
        r.append(np.corrcoef(both["age"], both["weight"])[0, 1])
    assert r[1] == pytest.approx(r[0], abs=0.08)


@needs_opendp
def test_values_lie_in_the_bounds_whatever_the_data(real):
    wild = replace(
        real,
        table=real.table.with_columns(
            weight=pl.when(pl.int_range(pl.len()) == 0).then(1e6).otherwise("weight")
        ),
    )
    made = learn(DPCopula(epsilon=1.0, bounds=BOUNDS), wild, seed=1).draw(2000, seed=1)
    assert (
        made.table["weight"].is_between(-50, 50).all()
        and made.table["age"].drop_nulls().is_between(0, 120).all()
    )


def test_bounds_that_only_the_data_could_give_are_refused_in_one_message(real):
    with pytest.raises(
        DataError, match="column age: give a range in the schema, or bounds; column weight: give"
    ) as caught:
        DPCopula(epsilon=1.0).fit({}, learn(registered(Generator)["gaussian_copula"](sweeps=10), real, seed=1)._layout, np.random.default_rng(1))  # fmt: skip
    assert caught.value.code == "unbounded_column"


def test_settings_out_of_range_are_refused():
    for settings, message in [
        ({"epsilon": 0.0}, r"epsilon: 0 found; legal is \(0, inf\)"), ({"epsilon": 1.0, "delta": 0.0}, "delta: 0 found; legal is"),
        ({"epsilon": 1.0, "bins": 1}, "bins: 1 found; legal is"),
    ]:  # fmt: skip
        with pytest.raises(SpecError, match=message):
            DPCopula(**settings)


def test_without_the_library_one_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opendp.prelude", None)
    with pytest.raises(SpecError, match=r"pip install 'medresponse\[privacy\]'"):
        module.opendp()
