"""What every registered prior must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.registry import registered
from medresponse.priors import Column, Normal, Prior, ScalePrior
from tests.priors.graph import block_model

# Arguments of the parts that cannot be made without any.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "horseshoe": {"expected_nonzero": 3.0},
    "grouped": {"expected_nonzero": 3.0},
}
# Every prior as it comes, and forms of it that take another way through the code.
FORMS: dict[str, Any] = {
    name: part(**ARGUMENTS.get(name, {})) for name, part in sorted(registered(Prior).items())
} | {
    "normal, pooled": Normal(pooled=True),
    "normal, pooled and centred": Normal(pooled=True, centred=True),
}


@pytest.fixture(params=FORMS)
def prior(request: pytest.FixtureRequest) -> Any:
    return FORMS[request.param]


@pytest.fixture(params=sorted(registered(ScalePrior)))
def scale_prior(request: pytest.FixtureRequest) -> Any:
    return registered(ScalePrior)[request.param]()


def coefficients(prior: Any, *, size: int, positive: bool = False) -> Any:
    """A model with one block of coefficients named b; a third of the columns in no group."""
    paths = [("gene 1", "pathway"), (f"gene {size}", "other pathway"), ()]
    columns = tuple(Column(f"t{i}", paths[i % 3]) for i in range(size))
    return block_model(prior, columns, positive=positive)


def draws_of(prior: Any, *, seed: int, positive: bool = False) -> np.ndarray:
    """Joint draws of forty coefficients, shape (draw, coefficient)."""
    import pymc as pm

    model = coefficients(prior, size=40, positive=positive)
    draws = pm.draw(model["b"], draws=500, random_seed=seed, mode="FAST_COMPILE")
    assert draws.shape == (500, 40) and np.isfinite(draws).all()
    return draws


def spread(prior: Any) -> float:
    """Median |coefficient| over many joint draws: a scale that heavy tails do not upset."""
    return float(np.median(np.abs(draws_of(prior, seed=1))))


def test_is_a_prior_and_survives_plain_data(prior: Any) -> None:
    assert isinstance(prior, Prior)
    assert from_plain(Prior, to_plain(prior)) == prior


def test_coefficients_are_labelled_and_centred_on_zero(prior: Any) -> None:
    assert coefficients(prior, size=4).named_vars_to_dims["b"] == ("term",)
    draws = draws_of(prior, seed=2)
    positive = (draws > 0).mean()  # coefficients are symmetric about zero and, given their scale, independent
    assert positive == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(draws.size))


def test_positive_coefficients_have_the_law_of_the_absolute_values(prior: Any) -> None:
    positive = draws_of(prior, seed=3, positive=True)
    assert (positive >= 0).all()
    signed = draws_of(prior, seed=4)
    assert stats.ks_2samp(positive[:, 0], np.abs(signed[:, 0])).pvalue > 1e-3


@pytest.mark.parametrize("size", [1, 7])
def test_density_and_gradient_are_finite_at_the_start(prior: Any, size: int) -> None:
    model = coefficients(prior, size=size)
    evaluate = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")
    value, gradient = evaluate(model.initial_point())
    assert np.isfinite(value) and np.isfinite(gradient).all() and len(gradient) >= size


def test_harder_is_the_same_prior_and_shrinks_more(prior: Any) -> None:
    assert type(prior.harder()) is type(prior)
    assert spread(prior.harder()) < 0.75 * spread(prior)


def test_a_scale_prior_gives_one_positive_parameter_and_survives_plain_data(scale_prior: Any) -> None:
    import pymc as pm

    assert isinstance(scale_prior, ScalePrior)
    assert from_plain(ScalePrior, to_plain(scale_prior)) == scale_prior
    with pm.Model() as model:
        returned = scale_prior.sample("s")
    assert returned is model["s"] and returned.ndim == 0
    assert (pm.draw(returned, draws=200, random_seed=1, mode="FAST_COMPILE") > 0).all()
    evaluate = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")
    value, gradient = evaluate(model.initial_point())
    assert np.isfinite(value) and np.isfinite(gradient).all()
