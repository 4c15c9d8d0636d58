"""PyMC's own NUTS and NumPyro's: the same posterior as nutpie's, the same `Fit`, stopped when told."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arviz_stats.base import array_stats

from medresponse.cohort import Cohort
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import FitError
from medresponse.core.registry import registered
from medresponse.families import Gaussian
from medresponse.inference import Engine, Fit, Limits, Numpyro, Nuts, PymcNuts, fit
from medresponse.inference.background import Chain
from medresponse.inference.compiled import Trace
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from tests.hand_made import trial_of

SPEC = ModelSpec(family=Gaussian(), blocks={"history": Normal(pooled=True)}, pooling=("site",))
LENGTH = {"draws": 500, "tune": 500, "chains": 2, "target_accept": 0.9}
CHECKS = {"pymc": PymcNuts, "numpyro": Numpyro}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(60)


@pytest.fixture(scope="module")
def by_nutpie(cohort: Cohort) -> Fit:
    return fit(SPEC, cohort, outcome="score", engine=Nuts(**LENGTH), seed=1)


@pytest.fixture(scope="module", params=sorted(CHECKS))
def checked(request: pytest.FixtureRequest, cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A fit by the engine, the engine, and the folder of its chains."""
    if request.param == "numpyro":
        pytest.importorskip("numpyro", reason="the extra 'numpyro' is not installed")
    folder, engine = tmp_path_factory.mktemp(request.param), CHECKS[request.param](**LENGTH)
    return fit(SPEC, cohort, outcome="score", engine=engine, seed=2, checkpoint=folder), engine, folder


@pytest.mark.sampling
def test_the_posterior_is_nutpies_within_monte_carlo_error(checked: Any, by_nutpie: Fit) -> None:
    found = checked[0]
    assert set(found.posterior.data_vars) == set(by_nutpie.posterior.data_vars)
    largest, axes = [], {"chain_axis": 0, "draw_axis": 1}
    for name in by_nutpie.posterior.data_vars:
        one, other = (f.posterior[name].values.reshape(2, 500, -1) for f in (by_nutpie, found))
        for method, of in (("mean", np.mean), ("sd", np.std)):
            errors = [array_stats.mcse(draws, method=method, **axes) for draws in (one, other)]
            moved = of(one, axis=(0, 1)) - of(other, axis=(0, 1))
            largest.append(np.max(np.abs(moved) / np.hypot(*errors)))
    # Some 40 means and as many sds, correlated: the largest of 80 normals exceeds 4.5 once in 1,800 times.
    assert max(largest) < 4.5


@pytest.mark.sampling
def test_its_fit_is_whole_and_held_to_the_same_diagnostics(checked: Any, by_nutpie: Fit) -> None:
    found, engine, _ = checked
    assert set(found.sample_stats.data_vars) == set(by_nutpie.sample_stats.data_vars)
    assert found.diagnostics.prior_k is not None and found.diagnostics.bfmi > 0.3
    loose = replace(found.diagnostics, limits=Limits(max_rhat=1.05, min_ess=100, max_divergences=5))
    assert loose.failures == ()
    assert replace(found.diagnostics, limits=Limits(min_ess=1e6)).failures
    assert found.provenance.sampler.startswith("pymc" if isinstance(engine, PymcNuts) else "numpyro")
    assert found.provenance.formulation[-1] == engine.notes[0] and found.provenance.kernels == "off"
    assert from_plain(Engine, found.provenance.engine) == engine  # type: ignore[type-abstract]
    # Equal up to no constant, within Monte Carlo error: it varies by some ten units from draw to draw.
    one, other = (f.sample_stats["log_prior"].values for f in (found, by_nutpie))
    errors = [array_stats.mcse(draws, method="mean", chain_axis=0, draw_axis=1) for draws in (one, other)]
    assert abs(one.mean() - other.mean()) < 4.0 * np.hypot(*errors), (one.mean(), other.mean(), errors)


@pytest.mark.sampling
def test_chains_that_are_kept_are_not_sampled_again_and_a_lost_one_comes_out_the_same(
    checked: Any, cohort: Cohort
) -> None:
    found, engine, folder = checked
    (lost,) = folder.glob("*/imputation-00-chain-01.npz")
    lost.unlink()
    again = fit(SPEC, cohort, outcome="score", engine=engine, seed=2, checkpoint=folder)
    for name, values in found.posterior.data_vars.items():
        np.testing.assert_array_equal(again.posterior[name].values, values.values)


def test_a_chain_that_is_told_to_stop_does() -> None:
    def endless(look: Any) -> Trace:
        while True:
            look(7)
            time.sleep(0.001)

    chain = Chain(endless)
    assert not chain.is_finished
    chain.cancel()
    assert chain.is_finished and chain.done == 7


def test_a_failure_of_a_chain_is_that_of_who_waits_for_it() -> None:
    def failing(look: Any) -> Trace:
        raise RuntimeError("bad initial energy")

    with pytest.raises(RuntimeError, match="bad initial energy"):
        Chain(failing).wait()


def test_without_numpyro_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(FitError, match=r"medresponse\[numpyro\]") as caught:
        Numpyro().compile(lambda: None, "")
    assert caught.value.code == "missing_extra"


@pytest.mark.parametrize("kind", sorted(CHECKS))
def test_an_engine_survives_plain_data_and_refuses_what_cannot_work(kind: str) -> None:
    engine = registered(Engine)[kind](draws=10)
    assert from_plain(Engine, to_plain(engine)) == engine  # type: ignore[type-abstract]
    with pytest.raises(ValueError, match="at least 2"):
        registered(Engine)[kind](chains=1)


def test_every_engine_has_a_configuration() -> None:
    folder = Path(__file__).resolve().parents[2] / "conf" / "engine"
    kinds = {
        file.read_text(encoding="utf-8").split("\n")[0].removeprefix("kind: ")
        for file in folder.glob("*.yaml")
    }
    assert kinds == set(registered(Engine))
