"""Intercepts, which are sampled together with the mean predictor: their prior is the one that they had alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from medresponse.families import Gaussian, Predictor
from medresponse.families.hazards import graph_log_hazards
from medresponse.inference.graphs import start_of
from medresponse.priors import HalfNormal
from tests.families.forms import design, model_of

# Form -> standard deviation of its intercepts' prior and what is before their names.
FORMS: dict[str, tuple[float, tuple[str, ...]]] = {
    "bernoulli": (2.0, ("",)),
    "weibull": (2.0, ("",)),
    "piecewise_exponential, exchangeable": (1.0, ("",)),
    "competing_risks": (1.0, ("cause_1_", "cause_2_")),
    "cure": (1.0, ("incidence_", "latency_")),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_intercept_has_its_prior_whatever_the_mean_predictor(form: str) -> None:
    model: Any = model_of(form, "plain", 1)
    sd, stems = FORMS[form]
    means, alphas = ([f"{stem}{name}" for stem in stems] for name in ("mean", "alpha"))
    rng = np.random.default_rng(1)
    point = {name: rng.normal(size=np.shape(value)) for name, value in model.initial_point().items()}
    prior = model.logp(vars=[model[name] for name in means], sum=False)
    outputs = model.replace_rvs_by_values([model[name] for name in alphas]) + prior
    found = model.compile_fn(outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE")(
        point
    )
    # Densities to eight digits: PyMC rounds constants in the ninth.
    predictor = (design() @ point["b"]).reshape(len(design()), -1)
    for q, mean in enumerate(means):
        alpha = float(point[mean]) - predictor[:, q].mean()
        assert float(found[q]) == pytest.approx(alpha, rel=1e-12)
        assert float(found[len(means) + q]) == pytest.approx(stats.norm.logpdf(alpha, 0.0, sd), rel=1e-8)


def test_levels_of_exchangeable_intervals_vary_around_the_intercept() -> None:
    model: Any = model_of("piecewise_exponential, exchangeable", "plain", 1)
    rng = np.random.default_rng(2)
    point = {name: rng.normal(size=np.shape(value)) for name, value in model.initial_point().items()}
    names = ("alpha", "baseline_level", "baseline_step")
    outputs = model.replace_rvs_by_values([model[name] for name in names])
    outputs += model.logp(vars=[model["baseline_means"]], sum=False)
    function = model.compile_fn(
        outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE"
    )
    alpha, level, step, density = function(point)
    np.testing.assert_allclose(density, stats.norm.logpdf(level, alpha, step), rtol=1e-9)


def test_chains_start_where_no_data_are_read() -> None:
    """A start is kept with the machine code: were it of the data, draws would depend on which data were fitted first."""
    x, rng = np.linspace(0.0, 1.0, 7), np.random.default_rng(3)
    with pm.Model() as hazard:
        eta = x * pm.HalfNormal("b", 1.0)
        nothing: Any = None
        graph_log_hazards(
            0.0, eta, 3, np.zeros((1, 0)), stem="", baseline="exchangeable", baseline_step=HalfNormal(), coordinates=nothing,
            treatment_step=None,
        )  # fmt: skip
    family, outcome = Gaussian(), {"value": rng.normal(size=7)}
    arms, constants = np.zeros(7, dtype=int), family.learn(outcome)
    with pm.Model() as normal:
        data = {
            name: pm.Data(name, v)
            for name, v in family.compress(x[:, None], outcome, arms, constants).items()
        }
        family.likelihood(
            Predictor(pm.HalfNormal("b", 1.0, shape=1), lambda: None), data, contrasts=np.zeros((1, 0))
        )
    for model, names in ((hazard, ("mean", "baseline_means")), (normal, ("mean",))):
        start = start_of(model)
        for name in names:
            np.testing.assert_array_equal(start[name], np.zeros_like(start[name]))
