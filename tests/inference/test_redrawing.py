"""Imputations redrawn given the outcome's own model: what is fitted in between, what is refused, what is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import FitError
from medresponse.families import Arrays, Cure, Family, Gaussian, Weibull
from medresponse.features import group_indices
from medresponse.inference import ChainRun, Engine, Gibbs, Nuts, fit, redrawing
from medresponse.inference.collapsing import CANDIDATES
from medresponse.inference.engines import Sampled
from medresponse.inference.redrawing import APART, TUNE, Redrawn, redraw
from medresponse.model import (
    ModelSpec,
    MultipleImputation,
    Prepared,
    SumOfTrees,
    Trees,
    complete_patients,
    prepare,
)
from medresponse.priors import Normal
from tests.hand_made import trial_of
from tests.inference.test_collapsing import read_with_error

SPEC = ModelSpec(
    family=Weibull(), blocks={"history": Normal()}, missing=MultipleImputation(imputations=3, cycles=2)
)
ENGINE = Nuts(draws=100, tune=1000, chains=2)


@pytest.fixture(scope="module")
def incomplete() -> Cohort:
    return trial_of(90, missing={"age": 20, "sex": 12})


class Sampler:
    """In the place of a sampler: draws that depend on the seed, and a record of what was asked."""

    def __init__(self, *, interrupted: bool = False) -> None:
        self.interrupted = interrupted
        self.asked: list[tuple[Prepared, Cohort, Arrays, Any, int, Path | None]] = []

    def __call__(
        self, data: Prepared, cohort: Cohort, observed: Arrays, engine: Engine, seed: int, folder: Path | None
    ) -> Sampled:
        self.asked.append((data, cohort, observed, engine, seed, folder))
        rng, draws = np.random.default_rng(seed), engine.draws
        runs = []
        for m in range(len(data.data)):
            several = (len(data.predictors),) if len(data.predictors) > 1 else ()
            shape = (draws, data.layout.n_coefficients, *several)
            posterior = {"coefficients": 0.3 * rng.standard_normal(shape)} | {
                name: np.abs(rng.normal(1.0, 0.1, draws))
                for name in ("log_scale", "shape", "intercept", "sigma", "incidence_intercept")
            }
            runs.append(ChainRun(m, 0, posterior, {}))
        return Sampled(tuple(runs), self.interrupted, 0.0, 1.5, "made up")


def redrawn(
    spec: ModelSpec, cohort: Cohort, sampler: Sampler, *, outcome: str = "os", **options: Any
) -> Redrawn:
    settings: dict[str, Any] = {"engine": ENGINE, "seed": 1, "checkpoint": None} | options
    prepared = prepare(spec, cohort, outcome=outcome, seed=1)
    return redraw(spec, prepared, cohort, cohort.outcome(outcome), sampler, **settings)


def test_the_first_short_fit_is_of_complete_patients_and_the_next_of_every_imputation(
    incomplete: Cohort, tmp_path: Path
) -> None:
    sampler = Sampler()
    found = redrawn(SPEC, incomplete, sampler, checkpoint=tmp_path)
    (first, few, observed, engine, seed, folder), (second, everyone, _, later, other, next_folder) = (
        sampler.asked
    )
    whole = incomplete.table.select("age", "sex").null_count().row(0) != (0, 0)
    known = ~np.isnan(first.encoding.codes(incomplete)).any(axis=1)
    assert whole and few.n == known.sum() == len(observed["time"]) and everyone.n == 90
    np.testing.assert_array_equal(first.codes, first.encoding.codes(few)[None])
    assert len(first.data) == 1 and len(second.data) == 3
    assert engine.tune == later.tune == TUNE and engine.draws == 3 * APART and later.draws == APART
    assert seed != other and (folder, next_folder) == (tmp_path / "cycle-1", tmp_path / "cycle-2")
    assert found.seconds == 3.0 and found.note == "imputations redrawn 2 times given the outcome's own model"
    # The second short fit and the fit proper see other values than before, known ones as they were.
    joint = prepare(SPEC, incomplete, outcome="os", seed=1)
    for before, after in ((joint, second), (second, found.prepared)):
        assert (before.codes[:, known] == after.codes[:, known]).all()
        assert (before.codes[:, ~known] != after.codes[:, ~known]).any(axis=(1, 2)).all()
    columns = found.prepared.encoding.columns(found.prepared.codes[1])
    np.testing.assert_array_equal(found.prepared.data[1]["columns"], columns)
    for one in (*first.data, *second.data, *found.prepared.data):  # priors are those of before
        np.testing.assert_array_equal(one["column_sd"], joint.data[0]["column_sd"])
    assert found.prepared.imputer.imputations == 3
    assert (found.prepared.imputer.mean != joint.imputer.mean).all()


def test_where_few_patients_are_complete_the_joint_imputations_are_fitted_first() -> None:
    sampler, cohort = Sampler(), trial_of(90, missing={"age": 60})
    prepared = prepare(SPEC, cohort, outcome="os", seed=1)
    assert complete_patients(SPEC, prepared, cohort, cohort.outcome("os")) is None
    redrawn(SPEC, cohort, sampler)
    assert [(len(data.data), one.n, engine.draws) for data, one, _, engine, _, _ in sampler.asked] == [
        (3, 90, APART)
    ] * 2
    np.testing.assert_array_equal(sampler.asked[0][0].codes, prepared.codes)


def test_an_arm_in_which_a_feature_was_hardly_read_is_not_left_to_the_prior() -> None:
    cohort = trial_of(90)
    first = cohort.treatment_idx == 0
    unread = pl.Series(first & (np.cumsum(first) > 0.4 * first.sum()))
    lopsided = replace(
        cohort, table=cohort.table.with_columns(age=pl.when(unread).then(None).otherwise(pl.col("age")))
    )
    prepared, observed = prepare(SPEC, lopsided, outcome="os", seed=1), cohort.outcome("os")
    assert unread.mean() < 0.5 and complete_patients(SPEC, prepared, cohort, observed) is not None
    assert complete_patients(SPEC, prepared, lopsided, observed) is None


def test_a_normal_outcome_is_fitted_to_means_of_noisy_features_in_every_second_cycle() -> None:
    spec = replace(SPEC, family=Gaussian(), missing=replace(SPEC.missing, cycles=3))
    sampler, cohort = Sampler(), read_with_error(60)
    found = redrawn(spec, cohort, sampler, outcome="score")
    assert [engine.draws for *_, engine, _, _ in sampler.asked] == [CANDIDATES, APART, CANDIDATES]
    reading = found.prepared.encoding.codes(cohort)
    off = []
    for data, *_ in sampler.asked:  # means are lines over reading and age, in each arm
        own = cohort.treatment_idx == 0
        lines = np.column_stack([np.ones(own.sum()), reading[own]])
        fitted = lines @ np.linalg.lstsq(lines, data.codes[0, own, 0])[0]
        off.append(float(np.abs(data.codes[0, own, 0] - fitted).max()))
    assert off[0] < 1e-9 and off[1] > 0.1 and off[2] < 1e-9
    assert "true values" in found.note and np.isfinite(found.prepared.codes).all()
    sampler = Sampler()
    assert (
        "true values"
        not in redrawn(replace(spec, family=Weibull()), trial_of(60, missing={"age": 12}), sampler).note
    )


def test_the_same_seed_gives_the_same_bytes_and_another_other_values(incomplete: Cohort) -> None:
    first, again, other = (redrawn(SPEC, incomplete, Sampler(), seed=s).prepared.codes for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes() and (first != other).any()


@pytest.mark.parametrize(
    ("family", "outcome"), [(Gaussian(), "score"), (Cure(), "os")], ids=["gaussian", "two predictors"]
)
def test_other_families_redraw_too(incomplete: Cohort, family: Family, outcome: str) -> None:
    found = redrawn(replace(SPEC, family=family), incomplete, Sampler(), outcome=outcome)
    assert np.isfinite(found.prepared.codes).all() and "2 times" in found.note


@pytest.mark.parametrize("family", [Weibull(), Cure()], ids=["one predictor", "two predictors"])
def test_imputations_weighed_together_have_the_likelihoods_that_each_has_alone(
    incomplete: Cohort, family: Family
) -> None:
    spec, rng = replace(SPEC, family=family), np.random.default_rng(0)
    prepared, observed = prepare(spec, incomplete, outcome="os", seed=1), incomplete.outcome("os")
    names = {name: rng.normal(1.0, 0.1, (3, 1)) for name in family.parameters}
    predictors = (len(prepared.predictors),) if len(prepared.predictors) > 1 else ()
    parameters = [
        {
            "coefficients": rng.standard_normal((1, prepared.layout.n_coefficients, *predictors)),
            **{name: values[m] for name, values in names.items()},
        }
        for m in range(3)
    ]
    groups = group_indices(prepared.layout, incomplete)
    likelihood = redrawing._OutcomeLikelihood(
        spec, prepared, observed, incomplete.treatment_idx, groups, parameters
    )
    rows = np.array([40, 3, 7])
    codes = rng.integers(0, 2, (3, 3, 4, prepared.codes.shape[2])).astype(float)
    codes[..., prepared.encoding.names.index("age")] = rng.standard_normal(codes.shape[:-1])
    together = likelihood(range(3), rows, codes)
    assert together.shape == (3, 3, 4) and np.unique(together).size == together.size
    for m, i, k in np.ndindex(together.shape):
        alone = likelihood(range(m, m + 1), rows[[i]], codes[m : m + 1, i : i + 1, k : k + 1])
        np.testing.assert_allclose(together[m, i, k], alone[0, 0, 0], rtol=1e-12)


def test_nothing_is_redrawn_without_cycles_or_without_missing_values(incomplete: Cohort) -> None:
    sampler = Sampler()
    none = redrawn(replace(SPEC, missing=replace(SPEC.missing, cycles=0)), incomplete, sampler)
    assert none.note == "imputations by the joint model of features and outcome alone"
    joint = prepare(SPEC, incomplete, outcome="os", seed=1)
    np.testing.assert_array_equal(none.prepared.codes, joint.codes)
    assert redrawn(SPEC, trial_of(60), sampler).note == "" and not sampler.asked


def test_more_features_than_the_dense_model_takes_keep_the_joint_imputations(
    incomplete: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrawing, "DENSE_LATENTS", 2)
    sampler = Sampler()
    found = redrawn(SPEC, incomplete, sampler)
    assert "joint model alone" in found.note and not sampler.asked


def test_an_interrupt_while_values_are_redrawn_leaves_nothing_to_keep(incomplete: Cohort) -> None:
    with pytest.raises(FitError, match="redrawn") as caught:
        redrawn(SPEC, incomplete, Sampler(interrupted=True))
    assert caught.value.code == "interrupted"


def test_cycles_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="cycles"):
        MultipleImputation(cycles=-1)


@pytest.mark.sampling
def test_sums_of_trees_redraw_by_their_own_values() -> None:
    cohort = trial_of(60, missing={"age": 12})
    spec = ModelSpec(
        family=Gaussian(), blocks={}, trees=Trees(blocks=("history",), prognostic=SumOfTrees(trees=5)),
        missing=MultipleImputation(imputations=2, cycles=1),
    )  # fmt: skip
    found = fit(spec, cohort, outcome="score", engine=Gibbs(draws=20, tune=20, chains=2, thin=1), seed=1)
    assert found.provenance.formulation[-1] == "imputations redrawn once given the outcome's own model"
    assert found.codes is not None and np.isfinite(found.codes).all()
