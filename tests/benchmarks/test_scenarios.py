import json

import numpy as np
import polars as pl
import pytest

from benchmarks.peers.effects import kept, split_rhat
from benchmarks.scenarios import FILE, TIMES, other_crps, plain_data, settings, simulated
from benchmarks.scenarios_page import page, summary
from medresponse.families import Gaussian
from medresponse.inference import Nuts, fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import respond


def test_the_page_is_what_its_command_prints():
    kept_page = FILE.parents[1] / "docs" / "peers.md"
    assert kept_page.read_text(encoding="utf-8") == page(json.loads(FILE.read_text(encoding="utf-8")))


def test_every_score_of_outcomes_is_by_outcomes_that_no_method_could_have_learnt():
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rows"]
    assert all(row["outcomes_anew"] for row in rows if row["other_crps"] is not None)


def test_a_row_is_the_median_over_seeds_with_its_monte_carlo_error_and_the_worst_r_hat():
    errors, rhats = (1.0, 2.0, 6.0), (1.01, 1.02, 1.2)
    rows = [
        {
            "setting": "s", "method": "m", "seed": i, "root_pehe": e, "relative": e, "ate_error": e, "coverage": 0.5, "width": 3.0,
            "false_heterogeneity": None, "other_crps": None, "cpu_seconds": 1.0, "effect_rhat": r, "effect_rhat_95": r,
            "average_rhat": 1.0, "passed": None,
        }
        for i, (e, r) in enumerate(zip(errors, rhats, strict=True))
    ]  # fmt: skip
    (row,) = summary(pl.DataFrame(rows, infer_schema_length=None)).to_dicts()
    assert row["sqrt(PEHE)"] == f"2.00 ({np.std(errors, ddof=1) / np.sqrt(3):.2f})"
    assert (row["R-hat of 95%"], row["converged"], row["fits that pass"]) == (1.2, 2, None)


def test_competing_events_become_the_first_of_any_cause():
    outcome = simulated("s09_competing_informative", 1).cohort
    ((name, kind),) = outcome.schema.outcomes.items()
    assert kind.kind == "time_to_event" and 0.3 < outcome.outcome(name)["event"].mean() < 0.9


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
    still = np.repeat([[[0.0], [0.0]], [[0.0], [1.0]]], 100, axis=2)
    assert split_rhat(still).tolist() == [1.0, np.inf]


@pytest.mark.sampling
def test_a_linear_spec_that_does_not_shrink_finds_what_least_squares_finds():
    """So that what the linear specs miss on a linear scenario is their priors' doing and no error of design or of prediction."""
    cohort, data = simulated("s02_linear_rct", 1).cohort, plain_data("s02_linear_rct", 1)
    wide = Normal(sigma=50.0)
    spec = ModelSpec(
        family=Gaussian(), blocks={b: wide for b, columns in cohort.schema.features.items() if columns},
        modifiers={b: wide for b, columns in cohort.schema.features.items() if columns}, treatment=wide,
    )  # fmt: skip
    fitted = fit(spec, cohort, engine=Nuts(draws=500, tune=300, chains=2), seed=1)
    draws = respond(fitted, cohort).draws().values
    effects = draws[:, 1] - draws[:, 0]
    x = np.column_stack([np.ones(cohort.n), data["x"]])
    both = np.column_stack([x, x * data["z"][:, None]])
    inverse = np.linalg.inv(both.T @ both)
    coefficients = inverse @ both.T @ data["y"]
    variance = ((data["y"] - both @ coefficients) ** 2).sum() / (cohort.n - both.shape[1])
    p = x.shape[1]
    error = np.sqrt(variance * np.einsum("ij,jk,ik->i", x, inverse[p:, p:], x))
    assert np.abs((effects.mean(axis=1) - x @ coefficients[p:]) / error).max() < 0.3
    np.testing.assert_allclose(effects.std(axis=1), error, rtol=0.15)
