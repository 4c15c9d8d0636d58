"""Linear predictors of patients: the formula by label, missing features, new groups, and nothing that depends on order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import DataError
from medresponse.families import Gaussian
from medresponse.features import LatentNormal
from medresponse.inference import Fit
from medresponse.model import ModelSpec, MultipleImputation
from medresponse.priors import Normal
from medresponse.response import predict, respond
from medresponse.response.predict import COMPLETIONS_EACH, encode_patients, linear_predictors
from tests.hand_made import frame_of, hand_made_fit, patients_like, schema_of, trial_of
from tests.response.conftest import ARMS, BLOCKS


def eta_of(fit: Fit, cohort: Cohort, *, seed: int = 5) -> np.ndarray:
    return np.concatenate([eta for _, eta in linear_predictors(fit, encode_patients(fit, cohort), seed=seed)])


def by_hand(fit: Fit, columns: np.ndarray, site: str) -> np.ndarray:
    """eta of one patient, (treatment, draw): a loop over coefficients by label, at a known site."""
    layout = fit.layout
    b = dict(zip(layout.coefficient_labels, fit.draws("coefficients").T, strict=True))
    x = dict(zip(layout.columns, columns, strict=True))
    eta = np.zeros((len(fit.treatments), fit.n_draws))
    for k, contrasts in enumerate(layout.contrasts):
        for label, value in x.items():
            eta[k] += b[label] * value
        for r, c in enumerate(contrasts):
            eta[k] += c * b[f"contrast {r + 1}"]
            for m in layout.modifiers:
                eta[k] += c * b[f"contrast {r + 1} x {layout.columns[m]}"] * x[layout.columns[m]]
        for grouping in layout.groupings:
            eta[k] += b[f"site={site}"]
            for j in grouping.slopes:
                eta[k] += b[f"{layout.columns[j]} x site={site}"] * x[layout.columns[j]]
            for r, c in enumerate(contrasts):
                eta[k] += c * b[f"contrast {r + 1} x site={site}"]
    return eta


def test_eta_is_the_formula_for_every_patient_treatment_and_draw(linear: Fit, cohort: Cohort) -> None:
    columns = linear.encoding.columns(linear.encoding.codes(cohort))
    sites = cohort.table["site"].to_list()
    expected = np.stack([by_hand(linear, columns[i], sites[i]) for i in range(cohort.n)])
    found = eta_of(linear, cohort)
    assert found.shape == (60, 3, 12)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_it_is_the_design_matrix_of_training_times_the_coefficients(linear: Fit, cohort: Cohort) -> None:
    """Scoring and fitting agree on what every coefficient multiplies."""
    columns = linear.encoding.columns(linear.encoding.codes(cohort))
    position = {label: i for i, label in enumerate(linear.layout.groupings[0].labels)}
    groups = {"site": np.array([position[s] for s in cohort.table["site"].to_list()])}
    found = eta_of(linear, cohort)
    for k in range(3):
        design = linear.layout.matrix(columns, np.full(60, k), groups)
        np.testing.assert_allclose(
            found[:, k], design @ linear.draws("coefficients").T, rtol=1e-11, atol=1e-11
        )


def test_a_single_arm_without_features_is_scored() -> None:
    single = trial_of(20, arms=("A",))
    spec = ModelSpec(family=Gaussian(), blocks={})
    fit = hand_made_fit(
        spec, single, outcome="score", coefficients={}, draws=8, intercept=np.arange(8.0), sigma=1.0
    )
    values = respond(fit, single).draws()
    assert values.shape == (20, 1, 8) and list(values["treatment"].values) == ["all"]
    np.testing.assert_array_equal(values.values, np.broadcast_to(np.arange(8.0), (20, 1, 8)))


@pytest.mark.parametrize("chunk_numbers", [1, 100, 3 * 12 * 7])
def test_chunks_change_nothing(linear: Fit, chunk_numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = trial_of(60, arms=ARMS, missing={"age": 20, "smoking": 15})
    whole = eta_of(linear, cohort)
    monkeypatch.setattr(predict, "_CHUNK_NUMBERS", chunk_numbers)
    chunks = [rows for rows, _ in linear_predictors(linear, encode_patients(linear, cohort), seed=5)]
    assert len(chunks) == {1: 60, 100: 30, 252: 9}[chunk_numbers]
    assert [i for rows in chunks for i in range(60)[rows]] == list(range(60))
    np.testing.assert_allclose(eta_of(linear, cohort), whole, atol=1e-12)


def test_who_else_is_scored_and_in_what_order_changes_nothing(linear: Fit) -> None:
    cohort = trial_of(60, arms=ARMS, missing={"age": 20, "smoking": 15})
    whole = respond(linear, cohort)
    incomplete = np.flatnonzero(np.isnan(whole.patients.codes).any(axis=1))
    some = [whole.ids[i] for i in (incomplete[-1], 59, incomplete[3], 0, incomplete[8])]
    np.testing.assert_allclose(whole.draws(some).values, whole.draws().sel(patient=some).values, atol=1e-12)
    alone = respond(linear, cohort.select(some)).draws()
    np.testing.assert_allclose(alone.sel(patient=some).values, whole.draws(some).values, atol=1e-12)


# --- missing features --------------------------------------------------------------------------------------------------

ONE = {"history": Normal()}
ONLY_AGE = ("sex", "stage")


def age_fit(
    cohort: Cohort, *, draws: int, imputation: list[int], means: list[float], sd: float = 1e-3, **changes: Any
) -> Fit:
    """One feature, age, with coefficient 1; parameter draw m puts a missing age at means[m]."""
    spec = ModelSpec(
        family=Gaussian(),
        blocks=ONE,
        leave_out=ONLY_AGE,
        modifiers={},
        missing=MultipleImputation(imputations=len(means)),
        **changes,
    )
    imputer = LatentNormal(np.array(means)[:, None], np.full((len(means), 1, 1), sd**2))
    return hand_made_fit(
        spec, cohort, outcome="score", draws=draws, imputation=imputation, imputer=imputer, coefficients={"age": 1.0},
        intercept=0.0, sigma=1.0,
    )  # fmt: skip


def test_each_draw_uses_completions_of_its_own_imputation() -> None:
    """Chains in any order of imputations, as after an interrupt; draws not a multiple of the completions."""
    imputation = [2, 0, 1, 0]
    fit = age_fit(
        trial_of(60, missing={"age": 10}), draws=4 * 55, imputation=imputation, means=[-100.0, 0.0, 100.0]
    )
    new = patients_like(trial_of(60), [{"age": None}])
    values = eta_of(fit, new)[0, 0].reshape(4, 55)
    np.testing.assert_allclose(values, np.repeat([100.0, -100.0, 0.0, -100.0], 55).reshape(4, 55), atol=0.01)


def test_completions_are_shared_out_evenly_over_the_draws_of_an_imputation() -> None:
    fit = age_fit(
        trial_of(60, missing={"age": 10}),
        draws=4 * COMPLETIONS_EACH,
        imputation=[0, 0, 1, 1],
        means=[0.0, 0.0],
        sd=1.0,
    )
    values = eta_of(fit, patients_like(trial_of(60), [{"age": None}]))[0, 0]
    for half in values.reshape(2, 2 * COMPLETIONS_EACH):
        _, counts = np.unique(half, return_counts=True)
        assert counts.tolist() == [2] * COMPLETIONS_EACH
    assert not set(values[:80]) & set(values[80:])


def test_with_nothing_missing_in_training_completions_of_all_parameter_draws_are_dealt_out() -> None:
    fit = age_fit(trial_of(60), draws=240, imputation=[0, 0], means=[-100.0, 0.0, 100.0])
    assert fit.provenance.imputations == 1
    values = eta_of(fit, patients_like(trial_of(60), [{"age": None}]))[0, 0]
    assert np.round(values / 100).astype(int).tolist() == ([-1] * 40 + [0] * 40 + [1] * 40) * 2


def test_thinned_draws_keep_their_imputations() -> None:
    fit = age_fit(
        trial_of(60, missing={"age": 10}), draws=4 * 60, imputation=[2, 0, 1, 0], means=[-100.0, 0.0, 100.0]
    )
    responses = respond(fit, patients_like(trial_of(60), [{"age": None}]), draws=120)
    values = responses.draws().values[0, 0].reshape(4, 30)
    np.testing.assert_allclose(values, np.repeat([100.0, -100.0, 0.0, -100.0], 30).reshape(4, 30), atol=0.01)


def test_a_missing_feature_follows_what_is_known_of_the_patient(cohort: Cohort) -> None:
    """Correlation 0.9 in the feature model: an older patient's stage is higher."""
    spec = ModelSpec(family=Gaussian(), blocks=ONE, leave_out=("sex",), modifiers={})
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    imputer = LatentNormal(np.zeros((2, 2)), np.repeat(covariance[None], 2, axis=0))
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="score",
        draws=400,
        imputer=imputer,
        coefficients={"stage": 1.0},
        intercept=0.0,
        sigma=1.0,
    )
    age = cohort.table["age"]
    rows = [{"stage": None, "age": float(age.mean() + z * age.std())} for z in (-2.0, 0.0, 2.0)]  # type: ignore[operator]
    means = respond(fit, patients_like(cohort, rows)).summary().filter(treatment="A")["mean"].to_list()
    assert means[0] + 0.3 < means[1] < means[2] - 0.3


def test_a_patient_with_a_missing_feature_has_a_wider_interval_than_with_any_value_known(
    cohort: Cohort,
) -> None:
    rng = np.random.default_rng(3)
    spec = ModelSpec(family=Gaussian(), blocks=BLOCKS)
    fit = hand_made_fit(
        spec, cohort, outcome="score", draws=2000, intercept=rng.normal(50, 0.5, 2000), sigma=1.0,
        coefficients={"smoking=former": -2.0, "smoking=current": -4.0, "age": rng.normal(0, 0.1, 2000)},
    )  # fmt: skip
    rows = [{"smoking": None}, *({"smoking": level} for level in ("never", "former", "current"))]
    table = respond(fit, patients_like(cohort, rows)).summary().filter(treatment="A")
    width = (table["upper"] - table["lower"]).to_numpy()
    assert (width[0] > 1.5 * width[1:]).all()
    assert (table["sd"].to_numpy()[0] > 1.5 * table["sd"].to_numpy()[1:]).all()


def test_completions_belong_to_the_seed(cohort: Cohort) -> None:
    fit = age_fit(trial_of(60), draws=120, imputation=[0, 0], means=[0.0, 0.0], sd=1.0)
    patients = encode_patients(fit, patients_like(cohort, [{"age": None}]))
    first, other, again = (next(linear_predictors(fit, patients, seed=seed))[1] for seed in (1, 2, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_remembering_completions_of_few_patients_changes_nothing(
    linear: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = trial_of(60, arms=ARMS, missing={"age": 20, "smoking": 15})
    whole = eta_of(linear, cohort)
    monkeypatch.setattr(predict, "_most_remembered", lambda fit: 3)
    monkeypatch.setattr(predict, "_CHUNK_NUMBERS", 36 * 5)
    patients = encode_patients(linear, cohort)
    for _ in range(2):
        found = np.concatenate([eta for _, eta in linear_predictors(linear, patients, seed=5)])
        np.testing.assert_allclose(found, whole, atol=1e-12)


# --- groups ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooled(cohort: Cohort) -> Fit:
    """Nothing but sites: intercepts of scale 0.7, slopes of age of 0.4, treatment effects of 0.5; 4000 draws."""
    spec = ModelSpec(
        family=Gaussian(),
        blocks=ONE,
        leave_out=ONLY_AGE,
        pooling=("site",),
        slopes={"site": ("age",)},
        modifiers={},
    )
    return hand_made_fit(
        spec, cohort, outcome="score", draws=4000, coefficients={"site=north": 3.0}, intercept=0.0, sigma=1.0, site_scale=0.7,
        site_slope_scale=np.full((4000, 1), 0.4), site_treatment_scale=0.5,
    )  # fmt: skip


def close_to_sd(values: np.ndarray, sd: float) -> bool:
    """Mean 0 and the stated standard deviation, to four Monte Carlo errors."""
    return bool(
        abs(values.mean()) < 4 * sd / np.sqrt(values.size)
        and abs(values.std() - sd) < 4 * sd / np.sqrt(2 * values.size)
    )


def test_a_new_site_draws_its_effects_from_the_population_of_sites(pooled: Fit, cohort: Cohort) -> None:
    age = cohort.table["age"].to_numpy()
    rows = [{"site": "elsewhere", "age": float(age.mean() + z * age.std())} for z in (0.0, 1.0)]
    at_mean, above = eta_of(pooled, patients_like(cohort, rows))
    # Contrasts sum to zero over treatments, so that the average over treatments is the site's intercept.
    assert close_to_sd(at_mean.mean(axis=0), 0.7)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert close_to_sd(at_mean[i] - at_mean[j], 0.5)
    assert close_to_sd((above - at_mean)[0], 0.4)
    parts = np.stack([at_mean.mean(axis=0), at_mean[1] - at_mean[0], (above - at_mean)[0]])
    off_diagonal = np.corrcoef(parts)[np.triu_indices(3, 1)]
    assert (np.abs(off_diagonal) < 4 / np.sqrt(4000)).all()  # independent of one another


def test_the_same_new_site_has_the_same_effect_for_all_its_patients_and_another_site_another(
    pooled: Fit, cohort: Cohort
) -> None:
    new = patients_like(cohort, [{"site": "elsewhere"}, {"site": "elsewhere"}, {"site": "yonder"}])
    first, second, other = eta_of(pooled, new)
    np.testing.assert_array_equal(first, second)
    assert abs(np.corrcoef(first[0], other[0])[0, 1]) < 4 / np.sqrt(4000)
    alone = eta_of(pooled, patients_like(cohort, [{"site": "yonder"}]))[0]
    np.testing.assert_array_equal(alone, other)
    assert (eta_of(pooled, new, seed=6)[0] != first).any()


def test_a_site_of_training_keeps_its_own_effect(pooled: Fit, cohort: Cohort) -> None:
    north, south = eta_of(pooled, patients_like(cohort, [{"site": "north"}, {"site": "south"}]))
    np.testing.assert_allclose(north, 3.0, atol=1e-12)
    np.testing.assert_allclose(south, 0.0, atol=1e-12)


# --- what cannot be scored ---------------------------------------------------------------------------------------------


def with_schema(change: Any, cohort: Cohort) -> Cohort:
    plain = to_plain(schema_of(arms=ARMS))
    change(plain["features"])
    return cohort_from_frame(frame_of(60, arms=ARMS), from_plain(Schema, plain))


def test_other_levels_than_in_training_are_refused(linear: Fit, cohort: Cohort) -> None:
    other = with_schema(
        lambda f: f["lifestyle"]["smoking"].update(levels=["never", "current", "former"]), cohort
    )
    with pytest.raises(DataError, match=r"smoking.*never, former, current") as caught:
        encode_patients(linear, other)
    assert caught.value.code == "unseen_category"


def test_another_unit_than_in_training_is_refused(linear: Fit, cohort: Cohort) -> None:
    other = with_schema(lambda f: f["history"]["age"].update(unit="month"), cohort)
    with pytest.raises(DataError, match=r"age.*month.*year") as caught:
        encode_patients(linear, other)
    assert caught.value.code == "wrong_unit"


def test_another_type_than_in_training_is_refused(linear: Fit, cohort: Cohort) -> None:
    def ages_as_levels(features: Any) -> None:
        features["history"]["stage"] = {"type": "continuous", "unit": "1"}

    with pytest.raises(DataError, match="stage"):
        encode_patients(linear, with_schema(ages_as_levels, cohort))


def test_a_cohort_without_the_sites_column_is_refused(linear: Fit, cohort: Cohort) -> None:
    with pytest.raises(DataError, match="site") as caught:
        encode_patients(linear, replace(cohort, table=cohort.table.drop("site")))
    assert caught.value.code == "missing_column"
