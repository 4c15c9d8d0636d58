import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medresponse.synthetic.learned import FEWEST
from medresponse.synthetic.learned.marginal import marginal_of

heaped = st.lists(st.sampled_from([0.0, 0.5, 3.0, 20.0]), min_size=0, max_size=120)
single = st.lists(st.floats(-1e4, 1e4).map(lambda v: round(v, 2)), min_size=0, max_size=120)


tails = st.lists(st.sampled_from([21.0, 22.0, 23.0, 25.0, -7.0, -8.0, -9.0]), min_size=0, max_size=60)


@given(heaped, st.one_of(single, tails), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_no_value_below_or_above_eleven_patients_is_reproduced(shared, own, seed):
    values = np.array([*shared, *own, *np.linspace(-5, 5, 11), *[20.0] * 33])
    marginal, rng = marginal_of(values), np.random.default_rng(seed)
    made = np.concatenate([
        marginal.quantile(np.linspace(0, 1, 400)), marginal.near(rng.integers(0, marginal.n, 400), rng.uniform(size=400))
    ])  # fmt: skip
    for extreme, beyond in ((made.min(), values <= made.min()), (made.max(), values >= made.max())):
        assert beyond.sum() >= FEWEST, extreme
    rare_ends = [v for v in (values.min(), values.max()) if (values == v).sum() < FEWEST]
    assert not np.isin(made, rare_ends).any()


def test_heaps_are_kept_and_the_rest_is_smoothed():
    rng = np.random.default_rng(1)
    rest = rng.normal(50, 5, 400)
    marginal = marginal_of(np.concatenate([np.zeros(300), rest]))
    made = marginal.quantile(rng.uniform(size=7000))
    assert (made == 0).mean() == pytest.approx(300 / 700, abs=0.02)
    assert not np.isin(made[made != 0], rest).any()
    assert made[made != 0].mean() == pytest.approx(rest.mean(), abs=0.2)
    assert made[made != 0].std() == pytest.approx(rest.std(), rel=0.1)


def test_smoothed_values_keep_the_decimals_of_the_recorded_ones():
    rng = np.random.default_rng(2)
    made = marginal_of(rng.normal(0, 10, 300).round(1)).quantile(rng.uniform(size=500))
    np.testing.assert_array_equal(made, made.round(1))
    assert not np.array_equal(made, made.round(0))


def test_few_rare_values_join_the_nearest_heap_and_a_tail_of_eleven_its_mean():
    values = np.concatenate([np.zeros(50), np.ones(50), [7.0] * 3])
    assert set(marginal_of(values).quantile(np.linspace(0, 1, 500))) == {0.0, 1.0}
    values = np.concatenate([np.zeros(50), np.ones(50), [4.0] * 6, [6.0] * 9, [8.0] * 6])
    assert set(marginal_of(values).quantile(np.linspace(0, 1, 500))) == {0.0, 1.0, 6.0}


def test_quantiles_never_fall():
    values = np.concatenate([np.random.default_rng(3).gamma(1.0, 50, 500).round(), np.full(60, 30.0)])
    made = marginal_of(values).quantile(np.linspace(0, 1, 2000))
    inner = (made != 30) & (np.abs(made - 30) > 1)
    assert (np.diff(made[inner]) >= 0).all()


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e-6, 1e9])
@pytest.mark.parametrize("heaps", [0, 60])
def test_a_change_of_unit_changes_values_alike(scale, heaps):
    values = np.concatenate(
        [np.random.default_rng(4).gamma(4.0, 1.0, 300), np.zeros(heaps), np.full(20, 40.1234567891)]
    )
    values = np.concatenate([values, 50 + np.random.default_rng(5).gamma(4.0, 1.0, 20)])
    share = np.linspace(0, 1, 500)
    np.testing.assert_allclose(
        marginal_of(values * scale).quantile(share) / scale, marginal_of(values).quantile(share), rtol=1e-9
    )
