"""Scores against a known truth: closed forms and cases made by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import xarray as xr
from scipy.stats import norm

from medresponse.core.errors import DataError, SpecError
from medresponse.synthetic.scenario import scenario as named
from medresponse.synthetic.simulation import simulate
from medresponse.validation import Known, crps, known, over_seeds, recovery
from tests.response_kinds import responses_of

ARMS = ("A", "B")


def pick(
    table: pl.DataFrame, score: str, of: str = "B - A", stratum: str = "all", level: float | None = None
) -> float:
    rows = table.filter(
        (pl.col("score") == score) & (pl.col("of") == of) & (pl.col("stratum") == stratum),
        pl.col("level").is_null() if level is None else pl.col("level") == level,
    )
    assert rows.height == 1
    return float(rows["value"][0])


def normal_means(mean: np.ndarray, sd: float, draws: int = 4001) -> np.ndarray:
    """Draws at the normal law's quantiles, in an order of their own for each patient and treatment."""
    grid = norm.ppf((np.arange(draws) + 0.5) / draws)
    rng = np.random.default_rng(3)
    return mean[..., None] + sd * rng.permuted(np.broadcast_to(grid, (*mean.shape, draws)), axis=-1)


def test_crps_of_a_normal_ensemble_is_the_closed_form():
    """Gneiting & Raftery (2007), equation 21 and the display below it."""
    observed, sd = np.array([-1.3, 0.0, 0.4, 2.5]), 1.7
    z = observed / sd
    expected = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    draws = normal_means(np.zeros(4), sd, draws=20001)
    np.testing.assert_allclose(crps(draws, observed), expected, atol=1e-3)


def test_crps_of_one_draw_is_the_absolute_error():
    np.testing.assert_allclose(crps(np.array([[2.0], [5.0]]), np.array([3.5, 5.0])), [1.5, 0.0])


def test_errors_of_benefit_by_hand():
    truth = Known(mean=np.array([[0.0, 1.0], [0.0, 3.0]]), treatments=ARMS)
    means = np.array([[0.0, 2.0], [1.0, 3.0]])[..., None] + np.array(
        [-0.5, 0.5]
    )  # benefits 2, 2 against 1, 3
    table = recovery(means, truth)
    assert pick(table, "root_pehe") == pytest.approx(1.0)
    assert pick(table, "relative_root_pehe") == pytest.approx(1.0)
    assert pick(table, "ate_bias") == pytest.approx(0.0)
    assert "false_heterogeneity" not in table["score"].to_list()


def test_the_average_benefits_interval_by_hand():
    """Draws of the average are 1.5 + t, t evenly over (-1, 1): its 80% interval is (0.7, 2.3), its 95% one (0.55, 2.45)."""
    t = np.linspace(-1.0, 1.0, 4001)
    means = np.zeros((2, 2, t.size))
    means[0, 1], means[1, 1] = 1.0 + t, 2.0 + t
    table = recovery(means, Known(mean=np.array([[0.0, 2.0], [0.0, 3.0]]), treatments=ARMS))
    assert pick(table, "average_width", level=0.8) == pytest.approx(1.6)
    assert [pick(table, "average_coverage", level=level) for level in (0.8, 0.95)] == [0.0, 0.0]
    assert pick(table, "power", level=0.95) == 1.0
    near = recovery(means - np.array([[0.0], [1.5]]), Known(mean=np.zeros((2, 2)), treatments=ARMS))
    assert pick(near, "average_coverage", level=0.5) == 1.0 and pick(near, "power", level=0.5) == 0.0


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_width_and_coverage_of_normal_draws(level):
    rng = np.random.default_rng(1)
    mean = rng.standard_normal((2000, 2))
    truth = Known(mean=mean + 0.3 * rng.standard_normal(mean.shape), treatments=ARMS)
    table = recovery(normal_means(mean, 0.3, draws=1000), truth)
    width = 2 * norm.ppf((1 + level) / 2) * 0.3
    error = 4 * np.sqrt(level * (1 - level) / 2000)
    assert pick(table, "width", of="A", level=level) == pytest.approx(width, rel=0.01)
    assert pick(table, "width", level=level) == pytest.approx(np.sqrt(2) * width, rel=0.01)
    assert pick(table, "coverage", of="A", level=level) == pytest.approx(level, abs=error)
    assert pick(table, "coverage", level=level) == pytest.approx(level, abs=error)


def test_intervals_half_as_wide_as_they_should_be_are_seen():
    rng = np.random.default_rng(1)
    mean = rng.standard_normal((2000, 2))
    truth = Known(mean=mean + 0.3 * rng.standard_normal(mean.shape), treatments=ARMS)
    table = recovery(normal_means(mean, 0.15, draws=1000), truth)
    assert pick(table, "coverage", level=0.95) == pytest.approx(2 * norm.cdf(1.96 / 2) - 1, abs=0.04)


def test_equal_effects_give_a_rate_of_false_heterogeneity_and_no_relative_error():
    truth = Known(mean=np.column_stack([np.arange(4.0), np.arange(4.0) + 2]), treatments=ARMS)
    base = np.linspace(-1, 1, 201)
    shift = np.array([0.0, 0.0, 4.0, -4.0])[
        :, None
    ]  # the third and fourth are taken to differ from the average
    noise = np.stack([np.roll(base, k * 50) for k in range(4)])
    means = np.stack(
        [np.arange(4.0)[:, None] + 0 * base, np.arange(4.0)[:, None] + 2 + shift + noise], axis=1
    )
    table = recovery(means, truth)
    assert pick(table, "false_heterogeneity", level=0.95) == pytest.approx(0.5)
    assert "relative_root_pehe" not in table["score"].to_list()
    assert pick(table, "root_pehe") == pytest.approx(np.sqrt(8.0))


def test_heterogeneity_is_judged_contrast_by_contrast():
    """B's effect is the same for all, C's is not: one gets a false rate, the other an error over its spread."""
    base = np.arange(6.0)
    truth = Known(mean=np.column_stack([base, base + 1, 2 * base]), treatments=("A", "B", "C"))
    means = truth.mean[..., None] + np.linspace(-1.0, 1.0, 41)
    table = recovery(means, truth)
    assert pick(table, "false_heterogeneity", of="B - A", level=0.95) == 0.0
    assert pick(table, "relative_root_pehe", of="C - A") == pytest.approx(0.0)
    scores = table.filter(pl.col("score").is_in(["false_heterogeneity", "relative_root_pehe"]))
    assert set(scores.select("score", "of").unique().rows()) == {
        ("false_heterogeneity", "B - A"),
        ("relative_root_pehe", "C - A"),
    }


def test_benefits_have_a_crps_of_their_own():
    """Responses that move together leave no doubt of the benefit: its score is the absolute error."""
    truth = Known(mean=np.array([[0.0, 1.0], [0.0, 3.0]]), treatments=ARMS)
    means = np.array([[0.0, 2.0], [0.0, 2.5]])[..., None] + np.linspace(-3.0, 3.0, 7)
    table = recovery(means, truth)
    assert pick(table, "crps") == pytest.approx((1.0 + 0.5) / 2)
    assert pick(table, "crps", of="A") == pytest.approx(crps(means[:, 0], truth.mean[:, 0]).mean())


@pytest.mark.parametrize("direction", [1, -1])
def test_policy_value_and_regret_by_hand(direction):
    mean = direction * np.array([[1.0, 3.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 4.0]])
    guess = direction * np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 1.0], [0.0, 5.0, 4.0]])  # chooses 3, 1, 1
    table = recovery(
        guess[..., None] + np.zeros(2), Known(mean=mean, treatments=("A", "B", "C"), direction=direction)
    )
    found = {
        score: pick(table, score, of="all") for score in ("policy_value", "best_single_value", "oracle_value")
    }
    assert found == pytest.approx(
        {
            "policy_value": direction * 5 / 3,
            "best_single_value": direction * 5 / 3,
            "oracle_value": direction * 3.0,
        }
    )
    assert pick(table, "regret", of="all") == pytest.approx(4 / 3)
    assert pick(table, "gain", of="all") == pytest.approx(0.0)


def test_coverage_by_propensity_decile_and_by_group():
    n = 100
    mean, p = np.zeros((n, 2)), np.linspace(0.01, 0.99, n)
    mean[p > 0.9, 1] = 5.0  # out of reach of every interval where B is likely
    site = np.repeat(["X", "Y"], 50)
    truth = Known(mean=mean, treatments=ARMS, propensity=np.column_stack([1 - p, p]), groups={"site": site})
    table = recovery(normal_means(np.zeros((n, 2)), 1.0, draws=200), truth)
    deciles = [pick(table, "coverage", stratum=f"propensity decile {d}", level=0.95) for d in range(1, 11)]
    np.testing.assert_allclose(deciles, [1.0] * 9 + [0.1], atol=0.1)
    assert pick(table, "coverage", stratum="site = X", level=0.95) == 1.0
    assert pick(table, "coverage", stratum="site = Y", level=0.95) == pytest.approx(0.8)


def test_patients_whose_group_is_not_known_are_in_no_group():
    sex = np.array(["f", None, "m", "f"], dtype=object)
    truth = Known(mean=np.zeros((4, 2)), treatments=ARMS, groups={"sex": sex})
    means = normal_means(np.zeros((4, 2)), 1.0, draws=50)
    means[[0, 1]] += 9.0  # one woman, and the one whose sex is not known
    table = recovery(means, truth)
    assert set(table["stratum"]) == {"all", "sex = f", "sex = m"}
    assert pick(table, "coverage", of="A", stratum="sex = f", level=0.95) == 0.5
    assert pick(table, "coverage", of="A", stratum="sex = m", level=0.95) == 1.0


def test_counterfactual_outcomes_are_those_of_treatments_not_received():
    n = 3000
    rng = np.random.default_rng(2)
    received = rng.integers(2, size=n)
    outcomes = rng.standard_normal((n, 2))
    outcomes[np.arange(n), received] = 99.0  # the received one must not be looked at
    truth = Known(mean=np.zeros((n, 2)), treatments=ARMS, received=received, outcomes=outcomes)
    table = recovery(np.zeros((n, 2, 4)), truth, predictive=normal_means(np.zeros((n, 2)), 1.0, draws=400))
    assert pick(table, "counterfactual_coverage", of="all", level=0.95) == pytest.approx(0.95, abs=0.016)
    assert pick(table, "counterfactual_crps", of="all") == pytest.approx(1 / np.sqrt(np.pi), abs=0.03)


def test_having_learnt_patients_own_outcomes_is_no_help_with_the_others():
    """A scenario's noise is one patient's under every treatment: draws around own outcomes score worse than the true law."""
    trial = simulate(replace(named("s02_linear_rct"), n=2000), seed=3)
    received = trial.truth.data["received"].values
    truth = known(trial.truth, received=received)
    own = trial.truth.data["y_po"].values[np.arange(2000), received, 0]
    noise = (own - truth.mean[np.arange(2000), received])[:, None, None]
    spread = float(noise.std()) * np.random.default_rng(1).standard_normal((1, 1, 200))
    found = {
        name: pick(
            recovery(truth.mean[..., None], truth, predictive=truth.mean[..., None] + draws),
            "counterfactual_crps",
            of="all",
        )
        for name, draws in {"true law": spread, "memory": noise + 0.1 * spread}.items()
    }
    assert found["memory"] > 1.2 * found["true law"]


def test_counterfactual_scores_without_treatments_received_are_refused():
    truth = Known(mean=np.zeros((3, 2)), treatments=ARMS, outcomes=np.zeros((3, 2)))
    with pytest.raises(DataError, match="received"):
        recovery(np.zeros((3, 2, 4)), truth, predictive=np.zeros((3, 2, 4)))


@pytest.mark.parametrize(
    ("estimand", "own"),
    [("survival", lambda t, h: (t > h).astype(float)), ("rmst", np.minimum)],
)
def test_counterfactual_times_are_scored_as_what_they_say_of_the_mean_response(estimand, own):
    """Drawn times, some of them never, against survival or months by the horizon; not against the bare times."""
    responses, cohort = responses_of("cured", estimand=estimand, horizon=1.0, unit="year")
    months = np.concatenate([values for _, values in responses.predictive_chunks()])
    assert np.isinf(months).any()
    draws = own(months / 12, 1.0)
    outcomes = draws[:, :, 7]  # what one draw of each patient's law would be
    truth = Known(
        mean=responses.draws().mean("draw").values, treatments=("A", "B"), outcomes=outcomes, received=cohort.treatment_idx
    )  # fmt: skip
    table = recovery(responses, truth)
    by_hand = recovery(responses.draws().values, truth, predictive=draws)
    for score, level in (
        ("counterfactual_crps", None),
        ("counterfactual_coverage", 0.95),
        ("counterfactual_width", 0.8),
    ):
        assert pick(table, score, "all", level=level) == pytest.approx(
            pick(by_hand, score, "all", level=level)
        )
    assert pick(table, "counterfactual_coverage", "all", level=0.95) > 0.9


def test_incidences_have_no_counterfactual_scores_since_drawn_times_are_of_any_cause():
    responses, cohort = responses_of(
        "competing_risks", estimand="cumulative_incidence", part="relapse", horizon=2.0, unit="month"
    )
    mean = responses.draws().mean("draw").values
    truth = Known(
        mean=mean, treatments=("A", "B"), outcomes=np.zeros_like(mean), received=cohort.treatment_idx, direction=-1
    )  # fmt: skip
    assert not recovery(responses, truth).filter(pl.col("score").str.starts_with("counterfactual")).height


def test_responses_of_patients_in_another_order_or_of_another_direction_are_refused():
    responses, cohort = responses_of("binary")
    mean = responses.draws().mean("draw").values
    truth = Known(mean=mean, treatments=("A", "B"), patients=cohort.patients, direction=responses.direction)
    assert pick(recovery(responses, truth), "root_pehe") == pytest.approx(0.0, abs=1e-12)
    turned = replace(truth, patients=tuple(reversed(cohort.patients)))
    with pytest.raises(DataError, match=f"in another order; the first that differs: {cohort.patients[0]}"):
        recovery(responses, turned)
    with pytest.raises(DataError, match="which side is better"):
        recovery(responses, replace(truth, direction=-responses.direction))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_draws_that_are_not_finite_are_refused(broken):
    means = np.zeros((3, 2, 4))
    means[1, 0, 2] = broken
    with pytest.raises(DataError, match="1 of 24 draws are not finite"):
        recovery(means, Known(mean=np.zeros((3, 2)), treatments=ARMS))


def test_levels_and_truths_that_hold_nothing_are_refused():
    with pytest.raises(SpecError, match=r"levels: \(95,\) found; legal is \(0, 1\)"):
        recovery(np.zeros((3, 2, 4)), Known(mean=np.zeros((3, 2)), treatments=ARMS), levels=(95,))
    with pytest.raises(DataError, match="no patients"):
        Known(mean=np.zeros((0, 2)), treatments=ARMS)


@pytest.mark.parametrize("rows", [np.array([3, 1]), np.array([False, True, False, True])])
def test_the_truth_of_some_patients_keeps_all_that_is_known_of_them(rows):
    each = np.arange(8.0).reshape(4, 2)
    truth = Known(
        mean=each, treatments=("a", "b"), patients=("w", "x", "y", "z"), received=np.array([0, 1, 1, 0]),
        propensity=each / 8, outcomes=-each, groups={"sex": np.array(["f", "m", None, "f"])}, direction=-1,
    )  # fmt: skip
    some, kept = truth.of(rows), np.arange(4)[rows]
    assert some.patients == tuple("wxyz"[i] for i in kept) and some.direction == -1
    np.testing.assert_array_equal(some.mean, each[kept])
    np.testing.assert_array_equal(some.propensity, each[kept] / 8)
    np.testing.assert_array_equal(some.outcomes, -each[kept])
    np.testing.assert_array_equal(some.received, truth.received[kept])
    assert some.groups["sex"].tolist() == truth.groups["sex"][kept].tolist()
    bare = Known(mean=each, treatments=("a", "b")).of(rows)
    assert bare.patients is None and bare.outcomes is None and bare.n == 2


def test_means_of_other_patients_are_refused():
    with pytest.raises(DataError, match="do not fit"):
        recovery(np.zeros((4, 2, 5)), Known(mean=np.zeros((3, 2)), treatments=ARMS))


def scenario(**attrs: str) -> xr.Dataset:
    mu = np.arange(12.0).reshape(2, 3, 2)  # treatment, patient, endpoint
    coords = {"treatment": list(ARMS), "patient": ["p", "q", "r"], "endpoint": ["score", "harm"]}
    return xr.Dataset(
        {"mu_x": (("treatment", "patient", "endpoint"), mu), "propensity": (("patient", "treatment"), np.full((3, 2), 0.5))},
        coords=coords, attrs=attrs,
    )  # fmt: skip


def test_a_scenarios_truth_is_read_by_label_in_any_order_of_dimensions():
    read = known(scenario(), endpoint="harm")
    np.testing.assert_array_equal(read.mean, [[1, 7], [3, 9], [5, 11]])
    assert read.treatments == ARMS and read.patients == ("p", "q", "r") and read.direction == 1


def test_a_scenarios_truth_knows_which_side_is_better():
    truth = SimpleNamespace(data=scenario(), signs={"score": 1, "harm": -1})
    assert [known(truth, endpoint=name).direction for name in ("score", "harm")] == [1, -1]
    assert known(truth, endpoint="harm", direction=1).direction == 1


def test_truth_that_is_missing_fitted_or_ambiguous_is_refused():
    with pytest.raises(DataError, match="without truth"):
        known(None)
    with pytest.raises(DataError, match="'fitted'"):
        known(scenario(kind="fitted"), endpoint="harm")
    with pytest.raises(DataError, match="'fitted'"):
        known(SimpleNamespace(source={"kind": "fitted"}))
    with pytest.raises(DataError, match="DataFrame holds no mu_x"):
        known(pl.DataFrame({"mu_x": [1.0]}))
    for nothing in (None, scenario()):
        with pytest.raises(DataError, match=r"truth: \w+ found; scores need validation\.known"):
            recovery(np.zeros((3, 2, 4)), nothing)
    with pytest.raises(DataError, match="mu_x"):
        known(scenario().drop_vars("mu_x"), endpoint="harm")
    with pytest.raises(SpecError, match="which endpoint"):
        known(scenario())
    with pytest.raises(SpecError, match="no endpoint 'survival'"):
        known(scenario(), endpoint="survival")
    with pytest.raises(SpecError, match="one treatment"):
        Known(mean=np.zeros((3, 1)), treatments=("A",))


def test_scores_over_seeds_carry_the_standard_error_of_their_mean():
    truth = Known(mean=np.array([[0.0, 1.0], [0.0, 3.0]]), treatments=ARMS)
    tables = [
        recovery((truth.mean + np.array([0.0, shift]))[..., None] + np.zeros(2), truth)
        for shift in (0.0, 1.0, 5.0)
    ]
    pooled = over_seeds(tables)
    row = pooled.filter(pl.col("score") == "ate_bias").row(0, named=True)
    assert row["value"] == pytest.approx(2.0)
    assert row["mcse"] == pytest.approx(np.std([0, 1, 5], ddof=1) / np.sqrt(3))
    assert row["seeds"] == 3


def test_one_seed_has_no_standard_error():
    with pytest.raises(DataError, match="at least two seeds"):
        over_seeds([])
