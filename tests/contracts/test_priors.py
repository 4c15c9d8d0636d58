"""What every registered prior must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.registry import registered
from medresponse.priors import Normal, Prior, ScalePrior

# Arguments of the parts that cannot be made without any.
ARGUMENTS: dict[str, dict[str, Any]] = {"horseshoe": {"expected_nonzero": 3.0}}
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


def coefficients(prior: Any, *, size: int) -> Any:
    """A model with one block of coefficients named b."""
    import pymc as pm

    with pm.Model(coords={"term": [f"t{i}" for i in range(size)]}) as model:
        returned = prior.coefficients(
            "b", size=size, dims="term", unit_information_sd=pm.Data("unit_sd", 0.05)
        )
        assert returned is model["b"]
    return model


def spread(prior: Any) -> float:
    """Median |coefficient| over many joint draws: a scale that heavy tails do not upset."""
    import pymc as pm

    draws = pm.draw(coefficients(prior, size=40)["b"], draws=500, random_seed=1, mode="FAST_COMPILE")
    assert draws.shape == (500, 40) and np.isfinite(draws).all()
    return float(np.median(np.abs(draws)))


def test_is_a_prior_and_survives_plain_data(prior: Any) -> None:
    assert isinstance(prior, Prior)
    assert from_plain(Prior, to_plain(prior)) == prior


def test_coefficients_are_labelled_and_centred_on_zero(prior: Any) -> None:
    import pymc as pm

    model = coefficients(prior, size=40)
    assert model.named_vars_to_dims["b"] == ("term",)
    draws = pm.draw(model["b"], draws=500, random_seed=2, mode="FAST_COMPILE")
    positive = (draws > 0).mean()  # coefficients are symmetric about zero and, given their scale, independent
    assert positive == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(draws.size))


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
