from types import SimpleNamespace

import numpy as np

from experiments.pairs import average_effects, interval_text, pairs, record_differences, record_ratios
from experiments.study import Study
from medresponse.features import Layout
from medresponse.features.design import treatment_contrasts


def test_every_pair_is_named_once_with_the_later_treatment_first():
    assert pairs(["a", "b", "c"]) == [(1, 0, "b_vs_a"), (2, 0, "c_vs_a"), (2, 1, "c_vs_b")]


def test_differences_and_ratios_have_intervals_of_the_draws(tmp_path):
    draws = np.random.default_rng(1).normal(size=20_000)
    study, values = Study({}, tmp_path), np.stack([np.zeros(20_000), 1 + 2 * draws])
    record_differences(study, "d", values, ["a", "b"], unit="points")
    record_ratios(study, "r", values, ["a", "b"])
    found = {name: metric.value for name, metric in study.metrics.items()}
    sample = 1 + 2 * draws
    assert found["d.b_vs_a"] == sample.mean() and found["d.b_vs_a_sd"] == sample.std(ddof=1)
    np.testing.assert_allclose(found["r.b_vs_a"], np.exp(np.median(sample)))
    assert interval_text(study, "d.b_vs_a", 0) == "1 (-3 to 5)"
    assert all(metric.mcse > 0 for metric in study.metrics.values())


def test_average_effects_differ_as_the_contrasts_say():
    contrasts = treatment_contrasts(3)
    layout = Layout(columns=("age",), modifiers=(), contrasts=tuple(map(tuple, contrasts.tolist())))
    wanted = np.array([0.0, -0.5, 2.0])
    own = np.append(7.0, np.linalg.pinv(contrasts) @ wanted)  # the feature's coefficient does not enter
    effects = average_effects(SimpleNamespace(layout=layout, draws=lambda name: np.tile(own, (4, 1))))
    np.testing.assert_allclose(effects - effects[0], np.tile(wanted[:, None], 4))
