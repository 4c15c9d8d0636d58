from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from medresponse.response import prior_part
from tests.reports.trials import fake_survival_fit, trial_frame, trial_schema


@pytest.fixture(scope="module")
def fit():
    from medresponse.cohort import cohort_from_frame

    made = fake_survival_fit(cohort_from_frame(trial_frame(), trial_schema()))
    shape = (made.posterior.sizes["chain"], made.posterior.sizes["draw"])
    position = np.linspace(-1, 1, made.n_draws).reshape(shape)
    names = ("log_weight_weaker_priors", "log_weight_stronger_priors")
    weights = {name: (("chain", "draw"), sign * position) for name, sign in zip(names, (1, -1), strict=True)}
    diagnostics = replace(made.diagnostics, prior_k=0.3)
    return replace(made, sample_stats=made.sample_stats.assign(weights), diagnostics=diagnostics)


def test_means_are_weighted_draws(fit):
    draws = np.linspace(-1, 1, fit.n_draws)
    part = prior_part(fit, draws)
    expected = (np.exp(draws) * draws).sum() / np.exp(draws).sum()
    assert part.weaker == pytest.approx(expected)
    assert part.fitted == pytest.approx(0.0, abs=1e-12)
    assert part.stronger == pytest.approx(-expected)


def test_thinned_draws_keep_their_own_weights(fit):
    few = fit.thinned(max(fit.n_draws // 2, 2))
    draws = fit.kept(draw=slice(0, None)).sample_stats["log_weight_weaker_priors"]
    assert prior_part(few, few.sample_stats["log_weight_weaker_priors"].values.ravel()) is not None
    assert few.sample_stats["log_weight_weaker_priors"].sizes["draw"] < draws.sizes["draw"]


@pytest.mark.parametrize("k", [None, 0.71, float("nan")])
def test_weights_that_cannot_be_relied_on_say_nothing(fit, k):
    doubtful = replace(fit, diagnostics=replace(fit.diagnostics, prior_k=k))
    assert prior_part(doubtful, np.zeros(fit.n_draws)) is None


def test_a_fit_without_weights_says_nothing(fit):
    blank = replace(fit, sample_stats=xr.Dataset(), diagnostics=replace(fit.diagnostics, prior_k=None))
    assert prior_part(blank, np.zeros(fit.n_draws)) is None
