"""What every scenario promises: its truth is that of its own draws, and its knobs do what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.synthetic.mechanisms.effects import RATIOS, Modifiers
from medresponse.synthetic.scenario import Scenario, scenario, scenarios
from medresponse.synthetic.simulation import Trial, simulate
from medresponse.validation.truths import known

N = 40_000  # a bias of 0.05 SD of the outcome is ten standard errors, within a fifth of the patients four and more
NAMES = tuple(scenarios())


@pytest.fixture(scope="module", params=NAMES)
def trial(request: pytest.FixtureRequest) -> Trial:
    return simulate(replace(scenario(request.param), n=N), seed=20)


@pytest.mark.parametrize(("outcome", "mean"), [("y_po", "mu_x"), ("y_po", "mu_full"), ("y_new", "mu_x")])
def test_means_are_those_of_the_realised_outcomes(trial: Trial, outcome: str, mean: str) -> None:
    """Overall and in fifths of the mean itself, under every treatment: z-scores below 4.5 in some hundred comparisons."""
    data = trial.truth.data
    gap = (data[outcome] - data[mean]).values.reshape(N, -1)
    own = data[mean].values.reshape(N, -1)
    for j in range(gap.shape[1]):
        fifth = np.searchsorted(np.quantile(own[:, j], [0.2, 0.4, 0.6, 0.8]), own[:, j])
        for rows in [np.ones(N, dtype=bool), *(fifth == f for f in np.unique(fifth))]:
            part = gap[rows, j]
            assert abs(part.mean()) < 4.5 * part.std() / np.sqrt(rows.sum()) + 1e-9


def test_outcomes_of_others_share_nothing_random_with_the_patients_own(trial: Trial) -> None:
    """Neither noise nor what is unseen: what one's own outcome has by chance says nothing of theirs."""
    data = trial.truth.data
    own, others = ((data[name] - data["mu_x"]).values.reshape(N, -1) for name in ("y_po", "y_new"))
    assert own.shape == others.shape
    for j in range(own.shape[1]):
        assert abs(np.corrcoef(own[:, j], others[:, j])[0, 1]) < 4.5 / np.sqrt(N)


def test_new_patients_like_these_have_their_means(trial: Trial) -> None:
    table = trial.cohort.table
    for name in (
        trial.truth.data.get("column", np.array([])).values if "p_missing" in trial.truth.data else []
    ):
        full = trial.truth.data[f"full_{name}"].values
        table = table.with_columns(pl.Series(str(name), full, dtype=pl.Float64))
    found = trial.truth.cate(table[:200])
    np.testing.assert_allclose(found.values, trial.truth.data["mu_x"].values[:200], rtol=1e-10)


def test_treatments_come_at_their_propensities(trial: Trial) -> None:
    data = trial.truth.data
    propensity, received = data["propensity"].values, data["received"].values
    np.testing.assert_allclose(propensity.sum(axis=1), 1.0)
    for k in range(propensity.shape[1]):
        tenth = np.searchsorted(np.quantile(propensity[:, k], np.arange(0.1, 1, 0.1)), propensity[:, k])
        for rows in (tenth == t for t in np.unique(tenth)):
            p = propensity[rows, k]
            error = np.sqrt((p * (1 - p)).sum()) / rows.sum()
            assert abs((received[rows] == k).mean() - p.mean()) <= 4.5 * error + 1e-9


def test_what_is_observed_is_the_outcome_of_the_treatment_received(trial: Trial) -> None:
    outcome = trial.truth.scenario.outcome
    if outcome.is_time:
        pytest.skip("times are censored; see tests/synthetic/mechanisms")
    name = next(iter(outcome.endpoints))
    column = trial.cohort.table[name].cast(pl.Float64)
    own = trial.truth.data["y_po"].values[np.arange(N), trial.truth.data["received"].values, 0]
    seen = column.is_not_null().to_numpy()
    np.testing.assert_array_equal(column.to_numpy()[seen], own[seen])


def test_effects_spread_as_heterogeneity_says(trial: Trial) -> None:
    """Where predictors are the outcome's own scale; without sites, whose effects are drawn anew."""
    value = trial.truth.scenario
    if not isinstance(value.effect, Modifiers) or set(value.outcome.endpoints) != {"score"}:
        pytest.skip("effects are stated on another scale")
    if value.sites.treatment_sd:
        pytest.skip("site effects come on top")
    benefit = trial.truth.benefit().values / 10.0
    wanted = np.abs(value.effect.magnitude) * RATIOS[value.effect.heterogeneity]
    np.testing.assert_allclose(benefit.std(axis=0), wanted, rtol=0.05, atol=1e-12)
    np.testing.assert_allclose(benefit.mean(axis=0), value.effect.magnitude, atol=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_cohort_passes_the_checks_of_any_cohort(name: str) -> None:
    made = simulate(scenario(name), seed=3).cohort
    for outcome in made.schema.outcomes.values():  # those who left have none; without drop-out nobody did
        if not scenario(name).dropout.target:
            break
        made = made.where(pl.all_horizontal(pl.col(list(outcome.reads)).is_not_null()))
    checked = cohort_from_frame(made.table, made.schema)
    assert checked.fingerprint == made.fingerprint
    assert made.schema.synthetic


@pytest.mark.parametrize("name", NAMES)
def test_scenario_is_plain_data(name: str) -> None:
    value = scenario(name)
    assert from_plain(Scenario, to_plain(value)) == value


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_trial_another_seed_another(name: str) -> None:
    first, again, other = (simulate(scenario(name, n=60), seed=seed) for seed in (4, 4, 5))
    assert first.truth.data.identical(again.truth.data)
    assert first.cohort.table.equals(again.cohort.table)
    assert not first.cohort.table.equals(other.cohort.table)


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_what_scores_take(name: str) -> None:
    trial = simulate(scenario(name, n=80), seed=4)
    endpoint, sign = next(iter(trial.truth.signs.items()))
    where = {"horizon": trial.truth.data["horizon"].values[0]} if "horizon" in trial.truth.data.dims else {}
    truth = known(
        trial.truth, endpoint=endpoint, received=trial.cohort.treatment_idx, direction=sign, **where
    )
    assert truth.mean.shape == (80, len(trial.cohort.treatments))
