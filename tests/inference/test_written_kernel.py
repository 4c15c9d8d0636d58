"""Densities that are written out: those of PyMC's graphs, to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.trial import flagship, trial
from medresponse.families import Bernoulli, Gaussian, Ordinal, PiecewiseExponential, Poisson, Weibull
from medresponse.inference import Nuts, compiled
from medresponse.inference.graphs import log_units, start_of
from medresponse.inference.kernels import Kernel
from medresponse.inference.written_density import log_of_product
from medresponse.inference.written_kernel import written_kernel
from medresponse.model import ModelSpec, Prepared, build_model, prepare, with_outcome, written_out
from medresponse.priors import HalfNormal, Horseshoe, LogNormal, Normal
from tests.hand_made import trial_of

ROOT = Path(__file__).resolve().parents[2]
SPECS = {
    "three arms": ModelSpec(
        family=Gaussian(residual=HalfNormal(sigma=0.7)),
        blocks={
            "history": Horseshoe(expected_nonzero=0.5, local_df=3.0, global_df=1.5, slab_df=1.5, slab_scale=0.3),
            "genomic": Normal(sigma=0.4, pooled=True), "lifestyle": Normal(sigma=0.3),
        },
        modifiers={"lifestyle": Normal(sigma=0.2, pooled=True), "history": Horseshoe(expected_nonzero=2.0)},
        interactions=(("age", "sex"),), pooling=("site",), pooling_scale=HalfNormal(sigma=0.6),
    ),
    "one arm": ModelSpec(family=Gaussian(scale="log"), blocks={"history": Normal(sigma=0.5)}),
    "binary": replace(flagship("bernoulli"), modifiers={"genomic": Normal(pooled=True)}),
    "counts": ModelSpec(
        family=Poisson(), blocks={"genomic": Normal(), "history": Horseshoe(expected_nonzero=2)}, pooling=("site",)
    ),
    "coarse binary": ModelSpec(family=Bernoulli(), blocks={"genomic": Horseshoe(expected_nonzero=1)}),
    "coarse counts": ModelSpec(family=Poisson(), blocks={"genomic": Normal(pooled=True)}),
    "grades": replace(
        flagship("ordinal"), family=Ordinal(concentration=0.7), blocks={"genomic": Normal(pooled=True)}
    ),
    "intervals": replace(
        flagship("piecewise_exponential"), blocks={"genomic": Normal(pooled=True)},
        family=PiecewiseExponential(
            intervals=5, baseline_step=HalfNormal(sigma=0.7), treatment_step=HalfNormal(sigma=0.4)
        ),
    ),
    "late intervals": ModelSpec(
        family=PiecewiseExponential(baseline="exchangeable", time_varying=False, cuts=(4.0, 9.0)),
        blocks={"genomic": Normal(pooled=True)}, pooling=("site",),
    ),
    "late entry": replace(
        flagship("weibull", horseshoe=False), family=Weibull(shape=LogNormal(mu=0.2, sigma=0.4))
    ),
}  # fmt: skip
ARMS = {"three arms": ("A", "B", "C"), "one arm": ("A",)}
KINDS = {
    "binary": "bernoulli", "counts": "poisson", "coarse binary": "bernoulli", "coarse counts": "poisson",
    "grades": "ordinal", "late entry": "weibull",
    "intervals": "piecewise_exponential", "late intervals": "piecewise_exponential",
}  # fmt: skip


@cache
def prepared_of(name: str, n: int = 120, seed: int = 1) -> Prepared:
    if name in KINDS:  # more than twice as many patients as coefficients
        cohort = trial(2 * n + 20, family=KINDS[name], genomic=3, seed=seed)
        prepared = prepare(SPECS[name], cohort, outcome="y", seed=1)
        if not name.startswith("late"):
            return prepared
        observed, rng = cohort.outcome("y"), np.random.default_rng(seed)
        entry = observed["time"] * rng.uniform(0.1, 0.9, cohort.n) * (rng.random(cohort.n) < 0.3)
        return with_outcome(SPECS[name], prepared, cohort, {**observed, "entry": entry}, seed=1)
    return prepare(SPECS[name], trial_of(n, arms=ARMS[name], seed=seed), outcome="score", seed=1)


@pytest.fixture(scope="module", params=sorted(SPECS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def kernel(name: str) -> Kernel:
    model = written_out(SPECS[name], prepared_of(name).design)
    assert model is not None
    return written_kernel(model)


@pytest.fixture(scope="module")
def model(name: str) -> Any:
    return build_model(SPECS[name], prepared_of(name).design)


def in_one_vector(model: Any, names: list[str]) -> Callable[[np.ndarray], list[Any]]:
    """PyMC's log density, its gradient, the log density of the priors and variables by name, as a function of the parameters."""
    import pytensor.tensor as pt

    def joined(terms: list[Any]) -> Any:
        return pt.concatenate(
            [term.ravel() for term in terms]
        ).sum()  # PyTensor's Python adds 32 things at most

    values = [model.rvs_to_values[variable] for variable in model.free_RVs]
    density = joined(model.logp(sum=False))
    gradient = pt.concatenate([part.ravel() for part in pt.grad(density, values)])
    units, *quantities = model.replace_rvs_by_values([log_units(model), *(model[name] for name in names)])
    prior = joined(model.logp(vars=model.free_RVs, jacobian=False, sum=False)) + units
    outputs = [density, gradient, prior, *quantities]
    function = model.compile_fn(outputs, inputs=values, on_unused_input="ignore", mode="FAST_COMPILE")
    start = start_of(model)
    shapes = {value.name: np.shape(start[value.name]) for value in values}
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]

    def at(x: np.ndarray) -> list[Any]:
        parts = zip(shapes.items(), np.split(x, ends), strict=True)
        return list(function({name: part.reshape(shape) for (name, shape), part in parts}))

    return at


def test_density_gradient_and_quantities_are_those_of_the_graph_for_any_data(
    name: str, kernel: Kernel, model: Any
) -> None:
    names = [str(variable.name) for variable in (*model.free_RVs, *model.deterministics)]
    function = in_one_vector(model, names)
    rng, densities = np.random.default_rng(1), []
    for prepared in (prepared_of(name), prepared_of(name, 150, 2)):
        data = prepared.data[0]
        for shared in model.data_vars:
            shared.set_value(np.asarray(data[shared.name], dtype=shared.dtype))
        for width in (0.0, 0.3, 1.0, 2.0):
            x = rng.normal(scale=width, size=kernel.facts.n_parameters)
            value, slope, log_prior, *expected = function(x)
            density, gradient = kernel.log_density(data, x)
            lost = 1e-14 * np.abs(slope).max()  # where terms of the largest size cancel
            np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-8 + lost)
            found = kernel.quantities(data, x)
            assert list(found) == [*names, "log_prior"]
            for what, values in zip(names, expected, strict=True):
                np.testing.assert_allclose(found[what], values, rtol=1e-11, atol=1e-11)
            densities.append([[density, value], [found["log_prior"], log_prior]])
    (ours, theirs), rounding = np.moveaxis(densities, 2, 0), 1e-12 * np.abs(densities)[..., 1]
    off = ours - theirs
    assert (np.abs(off) <= 1e-4 + rounding).all()  # PyMC rounds constants in the ninth digit
    assert (np.abs(off - off[0]) <= 1e-8 + rounding).all()


def test_chains_start_where_the_graphs_do(kernel: Kernel, model: Any) -> None:
    start = start_of(model)
    expected = [start[model.rvs_to_values[variable].name] for variable in model.free_RVs]
    np.testing.assert_allclose(kernel.facts.start, np.concatenate([np.ravel(v) for v in expected]), atol=1e-6)


def test_a_point_without_a_finite_density_is_refused(kernel: Kernel, name: str) -> None:
    x = np.full(kernel.facts.n_parameters, -800.0)
    data = prepared_of(name).data[0]
    words, arrays = kernel.pack(data)
    value, gradient = np.empty(1), np.empty(len(x))
    assert kernel._call(0, x, value, gradient, words) == 3
    assert kernel._call(0, np.zeros(len(x)), value, gradient, words) == 0
    del arrays


def test_the_default_engine_samples_what_is_written_out(name: str) -> None:
    startable: Any = compiled(SPECS[name], prepared_of(name).design, Nuts())
    assert startable._kernel.arrange is not None
    assert startable.notes == ("density written out by hand, not compiled from PyMC's graph",)


LOAD = """
import sys
from medresponse.inference import Nuts, compiled
from tests.inference.test_written_kernel import SPECS, prepared_of
compiled(SPECS["one arm"], prepared_of("one arm").design, Nuts())
print("pymc" in sys.modules, "pytensor" in sys.modules)
"""


def test_neither_pymc_nor_its_graphs_are_loaded_for_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, cwd=ROOT, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "factors", [[], [7.0], 90 * [1e10], 90 * [1e-10], 40 * [1e200], 33 * [1e-200], 70 * [1.5]]
)
def test_a_sum_of_logarithms_is_that_of_the_product_also_where_no_number_holds_it(
    factors: list[float],
) -> None:
    expected = np.log(np.array(factors)).sum()
    assert log_of_product(np.array(factors)) == pytest.approx(expected, rel=1e-14)
    assert log_of_product(np.array([*factors, np.inf])) == np.inf
    assert np.isnan(log_of_product(np.array([*factors, np.nan])))
