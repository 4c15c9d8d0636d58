"""`fit` and `fit_many` with the sampler mocked: shapes, labels, provenance, what is compiled and what is sampled again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.families import Gaussian, Weibull
from medresponse.inference import Fit, Limits, Nuts, PymcNuts, engines, fit, fit_many, fitting
from medresponse.inference.diagnostics import pareto_k
from medresponse.inference.fitting import fit_identity
from medresponse.inference.prior import prior_fit
from medresponse.model import ModelSpec, MultipleImputation
from medresponse.priors import Normal
from tests.hand_made import frame_of, schema_of, trial_of
from tests.inference.fake_engine import FakeCompiled, Handle, noise, trace_of

BLOCKS = {"history": Normal(), "lifestyle": Normal()}
SPEC = ModelSpec(family=Weibull(), blocks=BLOCKS, missing=MultipleImputation(imputations=3, cycles=0))
ENGINE = Nuts(draws=10, tune=5, chains=2, cores=2)
Interrupt = Callable[[int], None]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, no_waiting: Interrupt) -> list[FakeCompiled]:
    """Every model "compiled" during the test, in order; chains are noise of the model's own shapes."""
    made: list[FakeCompiled] = []

    def compile_model(make_model: Any, identity: str, written: Any) -> FakeCompiled:
        n = len(make_model().coords["coefficient"])
        shapes: dict[str, tuple[int, ...]] = {"coefficients": (n,), "log_scale": (), "shape": ()}

        def chain(i: int, data: Any, engine: Nuts, seed: int) -> Handle:
            return Handle(noise(seed, engine.draws, shapes), polls=1)

        made.append(FakeCompiled(chain))
        return made[-1]

    monkeypatch.setattr(engines, "Compiled", compile_model)
    monkeypatch.setattr(fitting, "_COMPILED", {})
    return made


def started(compiled: list[FakeCompiled]) -> int:
    return sum(len(model.handles) for model in compiled)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(60)


@pytest.fixture(scope="module")
def incomplete() -> Cohort:
    return trial_of(60, missing={"age": 12})


def test_a_fit_has_labelled_draws_of_every_chain_and_imputation(
    compiled: list[FakeCompiled], incomplete: Cohort
) -> None:
    result = fit(SPEC, incomplete, outcome="os", engine=ENGINE, seed=3)
    assert isinstance(result, Fit)
    assert result.posterior.sizes["chain"] == 6 and result.posterior.sizes["draw"] == 10
    assert list(result.posterior["coefficient"].values) == list(result.layout.coefficient_labels)
    assert result.posterior["imputation"].values.tolist() == [0, 0, 1, 1, 2, 2]
    assert result.sample_stats["diverging"].dims == ("chain", "draw")
    assert result.n_draws == 60 and result.draws("coefficients").shape == (60, result.layout.n_coefficients)
    assert result.draw_imputation.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    np.testing.assert_array_equal(result.draws("shape")[10:20], result.posterior["shape"].values[1])
    assert result.provenance.imputations == 3 and result.imputer.imputations == 3
    assert result.diagnostics.chains == result.diagnostics.chains_asked == 6
    assert result.codes is not None and result.codes.shape == (3, 60, 4)


def test_each_imputation_is_sampled_with_its_own_completed_data(
    compiled: list[FakeCompiled], incomplete: Cohort
) -> None:
    result = fit(SPEC, incomplete, outcome="os", engine=ENGINE, seed=3)
    assert result.codes is not None
    age = result.encoding.column_labels.index("age")
    for i, (data, _) in enumerate(compiled[0].given):
        np.testing.assert_array_equal(data["columns"][:, age], result.codes[i // 2, :, 0])


def test_the_provenance_says_what_was_done(compiled: list[FakeCompiled], cohort: Cohort) -> None:
    result = fit(SPEC, cohort, outcome="os", engine=ENGINE, seed=3)
    provenance = result.provenance
    assert provenance.cohort_fingerprint == cohort.fingerprint and provenance.n_patients == 60
    assert provenance.seed == 3 and provenance.sampler == "fake 1.0" and provenance.imputations == 1
    assert provenance.kernels == "off"
    assert provenance.engine == to_plain(ENGINE) and provenance.synthetic
    assert provenance.versions["pymc"] != "absent"
    json.dumps(to_plain(provenance))


def test_a_shortcut_that_does_not_apply_is_said(compiled: list[FakeCompiled]) -> None:
    """A normal outcome with fewer patients than coefficients is neither compressed nor sampled around estimates."""
    spec = replace(SPEC, family=Gaussian(), pooling=("site",))
    few, many = (
        fit(spec, trial_of(n), outcome="score", engine=ENGINE, seed=3).provenance.formulation
        for n in (15, 90)
    )
    assert "not compressed: no more patients than coefficients" in few[0] and "as they are" in few[1]
    assert "compressed exactly" in many[0] and "suit their estimates" in many[1]


@pytest.mark.usefixtures("compiled")
def test_blas_takes_one_thread_while_chains_run(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    seen: list[int] = []
    looked = fitting.prepare

    def look(*args: Any, **options: Any) -> Any:
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return looked(*args, **options)

    monkeypatch.setattr(fitting, "prepare", look)
    with threadpool_limits(2, user_api="blas"):
        fit(SPEC, cohort, outcome="os", engine=ENGINE, seed=3)
    assert set(seen) == {1}


def test_pytensor_in_another_precision_is_refused(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytensor import config

    monkeypatch.setattr(fitting, "_COMPILED", {})
    engine = PymcNuts(draws=10, tune=5, chains=2)
    with config.change_flags(floatX="float32"), pytest.raises(SpecError, match="floatX=float32"):
        fit(SPEC, cohort, outcome="os", engine=engine, seed=3)


def test_a_fit_that_fails_its_limits_says_so_in_the_log(
    compiled: list[FakeCompiled], cohort: Cohort, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="medresponse.inference"):
        result = fit(SPEC, cohort, outcome="os", engine=ENGINE, seed=3)
    assert not result.diagnostics.passed  # twenty draws are too few
    assert [r.message for r in caplog.records] == [
        f"diagnostics: {failure}" for failure in result.diagnostics.failures
    ]
    easy = Limits(max_rhat=9.0, min_ess=1.0, min_bfmi=0.01)
    assert fit(SPEC, cohort, outcome="os", engine=ENGINE, seed=3, limits=easy).diagnostics.passed


def test_several_outcomes_need_a_name(compiled: list[FakeCompiled], cohort: Cohort) -> None:
    with pytest.raises(SpecError, match="os, score"):
        fit(SPEC, cohort, engine=ENGINE, seed=3)


def test_folds_of_one_layout_are_compiled_once_and_give_the_draws_of_a_fit_of_their_own(
    compiled: list[FakeCompiled], cohort: Cohort
) -> None:
    folds = [cohort.where(np.arange(60) % 3 != f) for f in range(3)]
    together = fit_many(SPEC, folds, outcome="os", engine=ENGINE, seed=3)
    assert len(compiled) == 1 and len(together) == 3
    alone = fit(SPEC, folds[2], outcome="os", engine=ENGINE, seed=3)
    np.testing.assert_array_equal(alone.draws("coefficients"), together[2].draws("coefficients"))
    assert alone.provenance.spec_hash == together[2].provenance.spec_hash


@pytest.mark.parametrize(
    "change", ["another spec", "another arm", "another order of blocks", "a level never seen"]
)
def test_another_graph_is_compiled_anew(compiled: list[FakeCompiled], cohort: Cohort, change: str) -> None:
    fit(SPEC, cohort, outcome="os", engine=ENGINE, seed=3)
    spec, other = SPEC, cohort
    if change == "another spec":
        spec = replace(SPEC, treatment=Normal(sigma=0.1))
    elif change == "another arm":
        other = trial_of(60, arms=("A", "B", "C"))
    elif change == "another order of blocks":
        spec = replace(SPEC, blocks=dict(reversed(BLOCKS.items())))
    else:
        other = cohort_from_frame(frame_of(60).with_columns(pl.lit(2).alias("stage")), schema_of())
    fit(spec, other, outcome="os", engine=ENGINE, seed=3)
    assert len(compiled) == 2


def test_the_cache_of_compiled_models_is_bounded(compiled: list[FakeCompiled], cohort: Cohort) -> None:
    for i in range(fitting._COMPILED_LIMIT + 2):
        fit(replace(SPEC, treatment=Normal(sigma=1.0 + i)), cohort, outcome="os", engine=ENGINE, seed=3)
    assert len(fitting._COMPILED) == fitting._COMPILED_LIMIT


def test_an_interrupted_fit_keeps_its_chains_and_its_diagnostics_fail(
    compiled: list[FakeCompiled], incomplete: Cohort, no_waiting: Interrupt
) -> None:
    no_waiting(3)
    fits = fit_many(SPEC, [incomplete, incomplete], outcome="os", engine=ENGINE, seed=3)
    assert len(fits) == 1  # the second was not begun
    assert 0 < fits[0].diagnostics.chains < fits[0].diagnostics.chains_asked == 6
    assert any("chains finished" in failure for failure in fits[0].diagnostics.failures)


def test_a_fit_interrupted_while_its_first_imputation_runs_is_kept(
    monkeypatch: pytest.MonkeyPatch, incomplete: Cohort, no_waiting: Interrupt
) -> None:
    """With more cores than chains an imputation, a later imputation can be the only one that finished."""

    def compile_model(make_model: Any, identity: str, written: Any) -> FakeCompiled:
        n = len(make_model().coords["coefficient"])

        def chain(i: int, data: Any, engine: Nuts, seed: int) -> Handle:
            rng, draws = np.random.default_rng(seed), engine.draws
            posterior = {
                "coefficients": 0.2 * rng.standard_normal((draws, n)),
                "log_scale": rng.normal(3.0, 0.1, draws),
                "shape": rng.normal(1.2, 0.1, draws),
            }
            stats = {"diverging": np.zeros(draws, bool), "energy": rng.standard_normal(draws)}
            return Handle(trace_of(posterior, stats), polls=0 if i in (2, 3) else None)

        return FakeCompiled(chain)

    monkeypatch.setattr(engines, "Compiled", compile_model)
    monkeypatch.setattr(fitting, "_COMPILED", {})
    no_waiting(4)
    result = fit(SPEC, incomplete, outcome="os", engine=replace(ENGINE, draws=60, cores=4), seed=3)
    assert result.posterior["imputation"].values.tolist() == [1, 1]
    assert not result.diagnostics.passed
    # Who the posterior leans on, by scipy's Weibull on the completed rows of that imputation.
    assert result.codes is not None
    columns = result.encoding.columns(result.codes[1])
    design = result.layout.matrix(columns, incomplete.treatment_idx, {})
    scale = np.exp(result.draws("log_scale") + design @ result.draws("coefficients").T)
    law = stats.weibull_min(result.draws("shape"), scale=scale)
    time, event = (incomplete.table[name].to_numpy()[:, None] for name in ("time", "event"))
    shapes = pareto_k(np.where(event, law.logpdf(time), law.logsf(time)))
    assert result.diagnostics.pareto_k == pytest.approx(shapes.max(), rel=1e-6)
    assert np.isfinite(shapes).all() and result.diagnostics.influential == (shapes > 0.7).sum()


def test_an_influence_that_cannot_be_computed_counts_as_large(
    compiled: list[FakeCompiled], cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "pareto_k", lambda pointwise: np.array([np.nan, 0.71, 0.7, 0.1]))
    found = fit(SPEC, cohort, outcome="os", engine=replace(ENGINE, draws=60), seed=3).diagnostics
    assert found.pareto_k is not None and np.isnan(found.pareto_k) and found.influential == 2


# --- checkpoints: finished chains are used again only where they would come out the same ----------------------------


def test_a_fit_goes_on_from_its_checkpoint(
    compiled: list[FakeCompiled], incomplete: Cohort, tmp_path: Path, no_waiting: Interrupt
) -> None:
    no_waiting(3)
    options: dict[str, Any] = {"outcome": "os", "engine": ENGINE, "seed": 3, "checkpoint": tmp_path}
    part = fit(SPEC, incomplete, **options)
    done, kept = started(compiled), part.diagnostics.chains
    no_waiting(-1)
    whole = fit(SPEC, incomplete, **options)
    assert started(compiled) - done == 6 - kept
    reference = fit(SPEC, incomplete, outcome="os", engine=ENGINE, seed=3)
    np.testing.assert_array_equal(whole.draws("coefficients"), reference.draws("coefficients"))
    assert whole.posterior["imputation"].values.tolist() == [0, 0, 1, 1, 2, 2]
    before = started(compiled)
    fit(SPEC, incomplete, **options)
    assert started(compiled) == before


def columns_in_another_order() -> Cohort:
    """The same rows under a schema that lists the same features in another order."""
    plain = to_plain(schema_of())
    plain["features"]["history"] = dict(reversed(plain["features"]["history"].items()))
    return cohort_from_frame(frame_of(60), from_plain(Schema, plain))


def treatments_in_another_order() -> Cohort:
    """The same rows under a schema that lists the treatments in another order: contrasts change their sign."""
    plain = to_plain(schema_of())
    plain["treatment"]["levels"] = dict(reversed(plain["treatment"]["levels"].items()))
    return cohort_from_frame(frame_of(60), from_plain(Schema, plain))


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "seed": lambda: {"seed": 4},
    "draws": lambda: {"engine": replace(ENGINE, draws=11)},
    "acceptance": lambda: {"engine": replace(ENGINE, target_accept=0.9)},
    "spec": lambda: {"spec": replace(SPEC, treatment=Normal(sigma=0.5))},
    "order of blocks": lambda: {"spec": replace(SPEC, blocks=dict(reversed(BLOCKS.items())))},
    "modifiers": lambda: {"spec": replace(SPEC, modifiers={})},
    "data": lambda: {"cohort": trial_of(60, seed=2)},
    "fewer patients": lambda: {"cohort": trial_of(60).where(np.arange(60) < 59)},
    "order of features": lambda: {"cohort": columns_in_another_order()},
    "order of treatments": lambda: {"cohort": treatments_in_another_order()},
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_chains_of_another_configuration_are_not_taken_for_its_own(
    compiled: list[FakeCompiled], cohort: Cohort, tmp_path: Path, change: str
) -> None:
    """An order counts too: it decides which coefficient is which in a stored chain."""
    options: dict[str, Any] = {"spec": SPEC, "cohort": cohort, "engine": ENGINE, "seed": 3}
    fit(outcome="os", checkpoint=tmp_path, **options)
    before = started(compiled)
    fit(outcome="os", checkpoint=tmp_path, **(options | CHANGES[change]()))
    assert started(compiled) - before == 2


def test_the_number_of_cores_does_not_make_another_fit(
    compiled: list[FakeCompiled], cohort: Cohort, tmp_path: Path
) -> None:
    for cores in (2, 1, None):
        fit(SPEC, cohort, outcome="os", engine=replace(ENGINE, cores=cores), seed=3, checkpoint=tmp_path)
    assert started(compiled) == 2


def test_the_identity_of_a_fit_is_a_sha256_and_the_same_for_any_order_of_rows(cohort: Cohort) -> None:
    shuffled = cohort_from_frame(frame_of(60).sample(fraction=1.0, shuffle=True, seed=1), schema_of())
    one, other = (fit_identity(SPEC, c, "os", to_plain(ENGINE), 3) for c in (cohort, shuffled))
    assert one == other and len(one) == 64


# --- thinning and prior draws ----------------------------------------------------------------------------------------


def test_a_thinned_fit_keeps_evenly_spaced_draws_of_every_chain(
    compiled: list[FakeCompiled], incomplete: Cohort
) -> None:
    result = fit(SPEC, incomplete, outcome="os", engine=ENGINE, seed=3)
    thin = result.thinned(30)
    assert thin.n_draws == 30 and thin.draw_imputation.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    np.testing.assert_array_equal(thin.posterior["shape"].values, result.posterior["shape"].values[:, 1::2])
    assert thin.diagnostics == result.diagnostics
    assert result.thinned(60) is result
    assert result.thinned(25).n_draws == 18  # every third draw of each chain


def test_prior_draws_come_in_the_shape_of_a_fit_that_never_passes(cohort: Cohort) -> None:
    import pytensor

    spec = replace(SPEC, pooling=("site",), slopes={"site": ("age",)}, family=Gaussian())
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        first, again = (prior_fit(spec, cohort, outcome="score", draws=50, seed=5) for _ in range(2))
    assert first.n_draws == 50 and not first.diagnostics.passed
    assert first.draws("coefficients").shape == (50, first.layout.n_coefficients)
    assert first.draws("site_slope_scale").shape == (50, 1)
    assert set(first.family_draws()) == {"intercept", "sigma"}
    np.testing.assert_array_equal(first.draws("coefficients"), again.draws("coefficients"))
    # Joint draws: site intercepts over their scale are standard normal.
    ratio = (
        first.draws("coefficients")[:, first.layout.slices["site.intercept"]]
        / first.draws("site_scale")[:, None]
    )
    assert ratio.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * ratio.size))
