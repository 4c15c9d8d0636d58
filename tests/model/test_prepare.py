"""From a cohort and a spec to arrays: what is refused, what is imputed, what stays the same."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.families import Gaussian, PiecewiseExponential, Weibull
from medresponse.features import group_indices
from medresponse.model import ModelSpec, MultipleImputation, prepare, with_codes
from medresponse.model.prepare import with_outcome
from medresponse.priors import R2D2, Normal
from medresponse.terms import Spline
from tests.hand_made import trial_of

BLOCKS = {"history": Normal(), "lifestyle": Normal()}


def spec_of(**changes: Any) -> ModelSpec:
    return ModelSpec(**{"family": Weibull(), "blocks": BLOCKS} | changes)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(60)


@pytest.fixture(scope="module")
def incomplete() -> Cohort:
    return trial_of(60, missing={"age": 12, "smoking": 9})


def test_a_cohort_that_was_not_randomised_needs_a_confounding_strategy() -> None:
    observational = trial_of(60, assignment="observational")
    with pytest.raises(SpecError, match=r"not randomised.*'measured'") as caught:
        prepare(spec_of(), observational, outcome="os", seed=1)
    assert caught.value.code == "confounding"
    prepare(spec_of(confounding="measured"), observational, outcome="os", seed=1)


@pytest.mark.parametrize(
    ("family", "outcome"), [(Weibull(), "score"), (PiecewiseExponential(), "score"), (Gaussian(), "os")]
)
def test_a_family_of_another_kind_of_outcome_is_refused(cohort: Cohort, family: Any, outcome: str) -> None:
    with pytest.raises(SpecError, match=rf"{type(family).__name__} models a .*{outcome}"):
        prepare(spec_of(family=family), cohort, outcome=outcome, seed=1)


def test_an_unknown_outcome_is_named_with_the_nearest_one(cohort: Cohort) -> None:
    with pytest.raises(DataError, match=r"scores.*score"):
        prepare(spec_of(family=Gaussian()), cohort, outcome="scores", seed=1)


@pytest.mark.parametrize(
    ("entry", "value", "named"),
    [
        ("pooling", ("hospital",), "hospital"),
        ("pooling", ("smoking",), "smoking"),
        ("leave_out", ("weight",), "weight"),
        ("interactions", (("age", "weight"),), "weight"),
    ],
)
def test_a_name_that_the_cohort_does_not_have_is_refused(
    cohort: Cohort, entry: str, value: Any, named: str
) -> None:
    with pytest.raises(SpecError, match=rf"spec\.{entry}: {named}"):
        prepare(spec_of(**{entry: value}), cohort, outcome="os", seed=1)


def test_slopes_of_a_feature_that_the_cohort_does_not_have_are_refused(cohort: Cohort) -> None:
    with pytest.raises(SpecError, match=r"spec\.slopes: weight"):
        prepare(spec_of(pooling=("site",), slopes={"site": ("weight",)}), cohort, outcome="os", seed=1)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"blocks": {"habits": Normal()}}, "habits.*genomic"),
        ({"modifiers": {"genomic": Normal()}}, "genomic"),
        ({"slopes": {"site": ("age",)}}, "site"),
        ({"centred": ("site",)}, "site"),
        ({"confounding": "none"}, "none"),
    ],
)
def test_a_spec_that_contradicts_itself_cannot_be_made(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        spec_of(**changes)


def test_a_single_imputation_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        MultipleImputation(imputations=1)


def test_nothing_missing_gives_one_data_set_and_still_a_model_of_the_features(cohort: Cohort) -> None:
    prepared = prepare(spec_of(missing=MultipleImputation(imputations=3)), cohort, outcome="os", seed=1)
    assert len(prepared.data) == len(prepared.codes) == 1
    assert prepared.imputer.imputations == 3


def test_a_model_that_only_new_patients_need_is_learned_from_no_more_than_suffice(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(spec_of(), cohort, outcome="os", seed=1)
    monkeypatch.setattr(import_module("medresponse.model.prepare"), "_FOR_NEW_PATIENTS", 40)
    few = prepare(spec_of(), cohort, outcome="os", seed=1)
    assert (few.imputer.mean != whole.imputer.mean).all()
    np.testing.assert_allclose(few.imputer.mean, whole.imputer.mean, atol=1.0)
    np.testing.assert_array_equal(few.codes, whole.codes)
    np.testing.assert_array_equal(few.data[0]["columns"], whole.data[0]["columns"])


def test_missing_features_give_one_data_set_an_imputation_and_known_values_stay(incomplete: Cohort) -> None:
    prepared = prepare(spec_of(missing=MultipleImputation(imputations=3)), incomplete, outcome="os", seed=1)
    assert len(prepared.data) == len(prepared.codes) == prepared.imputer.imputations == 3
    codes = prepared.encoding.codes(incomplete)
    assert np.isnan(codes).sum() == 21
    for one in prepared.codes:
        np.testing.assert_array_equal(one[~np.isnan(codes)], codes[~np.isnan(codes)])
        assert np.isfinite(one).all()
    assert (prepared.data[0]["columns"] != prepared.data[1]["columns"]).any()
    for name in set(prepared.data[0]) - {"columns", "estimate", "error"}:
        np.testing.assert_array_equal(prepared.data[0][name], prepared.data[1][name])


def test_the_scale_of_columns_that_priors_take_is_of_observed_values_and_stays_when_others_are_redrawn() -> (
    None
):
    cohort = trial_of(80, missing={"age": 30, "smoking": 9})
    spec = spec_of(
        blocks={name: R2D2() for name in BLOCKS}, interactions=(("age", "smoking"),), terms={"age": Spline()},
        missing=MultipleImputation(imputations=2),
    )  # fmt: skip
    prepared, observed = prepare(spec, cohort, outcome="os", seed=1), cohort.outcome("os")
    encoding, codes = prepared.encoding, prepared.encoding.codes(cohort)
    columns = dict(zip(encoding.column_labels, prepared.data[0]["column_sd"], strict=True))
    assert columns["age"] == pytest.approx(1.0, rel=1e-12)  # standardised on the same values
    smokes = cohort.table["smoking"].drop_nulls().cast(pl.String).to_numpy()
    assert columns["smoking=former"] == pytest.approx(np.std(smokes == "former"), rel=1e-12)
    known = ~np.isnan(codes[:, [encoding.names.index("age"), encoding.names.index("smoking")]])
    for label, rows in (("age : smoking=former", known.all(axis=1)), ("curve_age 1", known[:, 0])):
        values = encoding.columns(prepared.codes[0])[rows, list(columns).index(label)]
        assert columns[label] == pytest.approx(values.std(), rel=1e-12)
    other = np.where(np.isnan(codes), 3.0 - (np.arange(80) % 2)[:, None], prepared.codes)
    moved = with_codes(spec, prepared, cohort, observed, other)
    again = with_outcome(spec, prepared, cohort, observed, seed=5)
    assert (moved.data[0]["columns"].std(axis=0) != prepared.data[0]["columns"].std(axis=0)).any()
    for one in (*prepared.data, *moved.data, *again.data):
        np.testing.assert_array_equal(one["column_sd"], prepared.data[0]["column_sd"])


def test_a_feature_left_out_is_not_imputed(incomplete: Cohort) -> None:
    prepared = prepare(spec_of(leave_out=("age", "smoking")), incomplete, outcome="os", seed=1)
    assert len(prepared.data) == 1 and prepared.encoding.names == ("sex", "stage")


def test_preparing_twice_gives_the_same_arrays_and_another_seed_other_imputations(incomplete: Cohort) -> None:
    first, again, other = (prepare(spec_of(), incomplete, outcome="os", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.codes, again.codes)
    np.testing.assert_array_equal(first.imputer.mean, again.imputer.mean)
    assert (first.codes != other.codes).any()


def test_a_single_arm_has_no_treatment_coefficients() -> None:
    prepared = prepare(spec_of(pooling=("site",)), trial_of(60, arms=("A",)), outcome="os", seed=1)
    assert prepared.layout.n_contrasts == 0 and prepared.layout.modifiers == ()
    assert prepared.data[0]["columns"].shape == (60, 5)
    assert prepared.layout.n_coefficients == 5 + 3  # columns and site intercepts


def test_slopes_vary_for_every_column_of_the_feature_and_for_no_interaction(cohort: Cohort) -> None:
    spec = spec_of(pooling=("site",), slopes={"site": ("smoking",)}, interactions=(("smoking", "age"),))
    layout = prepare(spec, cohort, outcome="os", seed=1).layout
    assert [layout.columns[i] for i in layout.groupings[0].slopes] == ["smoking=former", "smoking=current"]


def test_interactions_have_no_modifiers(cohort: Cohort) -> None:
    layout = prepare(spec_of(interactions=(("smoking", "age"),)), cohort, outcome="os", seed=1).layout
    assert not [layout.columns[i] for i in layout.modifiers if " : " in layout.columns[i]]
    assert len(layout.modifiers) == 5


def test_a_cohort_without_the_pooling_column_is_refused_by_name(cohort: Cohort) -> None:
    layout = prepare(spec_of(pooling=("site",)), cohort, outcome="os", seed=1).layout
    with pytest.raises(DataError, match="site") as caught:
        group_indices(layout, replace(cohort, table=cohort.table.drop("site")))
    assert caught.value.code == "missing_column"


def test_the_data_say_what_one_coefficient_could_be_known_to(cohort: Cohort) -> None:
    prepared = prepare(spec_of(), cohort, outcome="os", seed=1)
    assert float(prepared.data[0]["unit_information_sd"]) == pytest.approx(
        1 / np.sqrt(40)
    )  # 40 of 60 have the event
