import numpy as np
import pytest

from benchmarks.peers.effects import kept, split_rhat
from benchmarks.scenarios import FILE, TIMES, other_crps, page, settings


def test_the_page_is_what_its_command_prints():
    kept_page = FILE.parents[1] / "docs" / "peers.md"
    assert kept_page.read_text(encoding="utf-8") == page()


def test_every_setting_has_two_treatments_and_one_effect():
    for name, scenario in settings().items():
        assert len(scenario.treatments) == 2 and len(scenario.effect.magnitude) == 1, name


def test_a_survival_curve_that_drops_when_the_event_comes_scores_nothing():
    data = {"z": np.array([0, 1]), "outcomes": np.array([[3.0, 6.0], [24.0, 3.0]])}
    certain = np.stack([TIMES < 6.0, TIMES < 24.0]).astype(float)
    assert other_crps({"other_survival": certain}, data) == 0.0
    late = np.ones_like(certain)  # the first patient's event at 6 months was not foreseen
    assert other_crps({"other_survival": late}, data) == pytest.approx((24.0 - 6.0) / 2)


def test_an_effect_that_differs_from_the_average_is_told_from_one_that_is_uncertain_with_it():
    common = np.random.default_rng(1).standard_normal((1, 2, 500))  # uncertain for all patients alike
    found = kept(np.concatenate([common + 0.0, common + 0.0, common + 3.0]))
    assert found["differs"].tolist() == [True, True, True]
    assert not kept(np.concatenate([common, common]))["differs"].any()
    assert found["lower"][0] < 0 < found["upper"][0]


def test_chains_that_stay_apart_have_a_large_r_hat():
    draws = np.random.default_rng(1).standard_normal((2, 4, 400))
    draws[1, 0] += 3.0
    same, apart = split_rhat(draws)
    assert same < 1.02 < 1.3 < apart
