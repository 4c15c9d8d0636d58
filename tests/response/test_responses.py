"""`respond` and what `Responses` returns: units, horizons, summaries, selections, predictive outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import SchemaError, SpecError, UnknownPatientError, UnknownTreatmentError
from medresponse.families import Gaussian, PiecewiseExponential
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import Responses, respond
from tests.hand_made import hand_made_fit, patients_like, trial_of

MONTHS_A_YEAR = 12.0


@pytest.fixture(scope="module")
def responses(survival: Fit, cohort: Cohort) -> Responses:
    return respond(survival, cohort, horizon=12.0)


# --- what is asked for -------------------------------------------------------------------------------------------------


def test_survival_is_the_default_for_a_time_to_event_and_its_unit_is_a_probability(
    responses: Responses,
) -> None:
    assert (responses.estimand.kind, responses.unit, responses.horizon_unit) == (
        "survival",
        "probability",
        "month",
    )
    values = responses.draws()
    assert values.dims == ("patient", "treatment", "draw") and values.shape == (60, 3, 400)
    assert ((values > 0) & (values < 1)).all()
    assert values.attrs["unit"] == "probability"


def test_a_horizon_in_another_unit_is_the_same_horizon(
    survival: Fit, cohort: Cohort, responses: Responses
) -> None:
    in_years = respond(survival, cohort, horizon=1.0, unit="year")
    np.testing.assert_allclose(in_years.draws().values, responses.draws().values, rtol=1e-12)
    assert (in_years.horizon, in_years.horizon_unit) == (1.0, "year")
    assert in_years.estimand.horizon == pytest.approx(12.0, rel=1e-12)


def test_restricted_mean_time_comes_in_the_unit_of_the_horizon(survival: Fit, cohort: Cohort) -> None:
    months = respond(survival, cohort, horizon=12.0, estimand="rmst")
    years = respond(survival, cohort, horizon=1.0, unit="year", estimand="rmst")
    assert (months.unit, years.unit) == ("month", "year")
    np.testing.assert_allclose(years.draws().values, months.draws().values / MONTHS_A_YEAR, rtol=1e-12)
    assert (months.draws().values < 12.0).all()


def test_a_time_to_event_needs_a_horizon(survival: Fit, cohort: Cohort) -> None:
    with pytest.raises(SpecError, match="horizon") as caught:
        respond(survival, cohort)
    assert caught.value.code == "horizon"


@pytest.mark.parametrize("estimand", ["survival", "rmst"])
@pytest.mark.parametrize("horizon", [0.0, -2.0, 1000.0, float("nan")])
def test_a_horizon_outside_follow_up_is_refused_before_anything_is_computed(
    survival: Fit, cohort: Cohort, estimand: str, horizon: float
) -> None:
    with pytest.raises(SpecError) as caught:
        respond(survival, cohort, horizon=horizon, estimand=estimand)
    assert caught.value.code == "horizon"


def test_a_continuous_outcome_has_a_mean_and_no_horizon(linear: Fit, cohort: Cohort) -> None:
    means = respond(linear, cohort)
    assert (means.estimand.kind, means.unit, means.horizon) == ("mean", "points", None)
    with pytest.raises(SpecError, match="no horizon"):
        respond(linear, cohort, horizon=3.0)


def test_an_estimand_that_the_family_does_not_have_is_refused_with_the_nearest(
    survival: Fit, cohort: Cohort
) -> None:
    with pytest.raises(SpecError, match=r"rmsd.*rmst"):
        respond(survival, cohort, horizon=3.0, estimand="rmsd")


def test_an_unknown_unit_of_time_is_refused(survival: Fit, cohort: Cohort) -> None:
    with pytest.raises(SchemaError, match=r"months.*month"):
        respond(survival, cohort, horizon=3.0, unit="months")


def test_another_horizon_or_kind_of_the_same_patients(survival: Fit, cohort: Cohort) -> None:
    years = respond(survival, cohort, horizon=1.0, unit="year")
    later = years.at(horizon=1.5)
    np.testing.assert_allclose(
        later.draws().values, respond(survival, cohort, horizon=18.0).draws().values, rtol=1e-12
    )
    assert later.horizon == 1.5 and years.horizon == 1.0
    restricted = years.at(horizon=1.5, kind="rmst")
    assert restricted.unit == "year" and restricted.at(horizon=1.0, kind="survival").unit == "probability"
    expected = respond(survival, cohort, horizon=1.5, unit="year", estimand="rmst")
    np.testing.assert_allclose(restricted.draws().values, expected.draws().values, rtol=1e-12)


def test_another_horizon_or_kind_is_checked_as_the_first_was(responses: Responses) -> None:
    with pytest.raises(SpecError, match=r"rmsd.*rmst"):
        responses.at(horizon=6.0, kind="rmsd")
    with pytest.raises(SpecError, match="mean"):
        responses.at(horizon=6.0, kind="mean")
    with pytest.raises(SpecError) as caught:
        responses.at(horizon=1000.0)
    assert caught.value.code == "horizon"


def test_the_basis_says_what_the_estimates_rest_on(responses: Responses, linear: Fit, cohort: Cohort) -> None:
    basis = responses.basis
    assert basis.assignment == "randomised" and basis.reference == "A"
    assert basis.population == "made-up trial (n = 60)"
    assert basis.adjusted_for == ("smoking", "age", "sex", "stage")
    single = trial_of(20, arms=("A",))
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={}),
        single,
        outcome="score",
        coefficients={},
        intercept=1.0,
        sigma=1.0,
    )
    assert respond(fit, single).basis.assignment == "single arm"


@pytest.mark.parametrize(
    ("direction", "sign"), [("higher_is_better", 1), ("lower_is_better", -1), ("neither", 0)]
)
def test_the_direction_is_the_schemas(direction: str, sign: int) -> None:
    cohort = trial_of(20, direction=direction)
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={}),
        cohort,
        outcome="score",
        coefficients={},
        intercept=1.0,
        sigma=1.0,
    )
    assert respond(fit, cohort).direction == sign


def test_free_of_the_event_is_always_the_better_side(responses: Responses) -> None:
    assert responses.direction == 1


def test_at_most_so_many_draws_are_used(survival: Fit, cohort: Cohort) -> None:
    some = respond(survival, cohort, horizon=6.0, draws=100)
    assert some.draws().sizes["draw"] == 100
    all_of_them = respond(survival, cohort, horizon=6.0, draws=None).draws()
    np.testing.assert_array_equal(some.draws().values, all_of_them.values[..., 3::4])


def test_asking_for_fewer_draws_than_chains_still_gives_draws(cohort: Cohort) -> None:
    spec = ModelSpec(family=Gaussian(), blocks={})
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="score",
        draws=60,
        imputation=[0] * 6,
        coefficients={},
        intercept=np.arange(60.0),
        sigma=1.0,
    )
    assert respond(fit, cohort, draws=3).draws().sizes["draw"] >= 1


# --- what comes back ---------------------------------------------------------------------------------------------------


def test_the_summary_is_that_of_the_draws_patient_by_patient(responses: Responses) -> None:
    table, draws = responses.summary(level=0.9), responses.draws()
    assert table["patient"].to_list() == [p for p in responses.ids for _ in range(3)]
    assert table["treatment"].to_list() == ["A", "B", "C"] * 60
    for patient, treatment in ((responses.ids[0], "A"), (responses.ids[17], "C"), (responses.ids[59], "B")):
        values = draws.sel(patient=patient, treatment=treatment).values
        row = table.filter(patient=patient, treatment=treatment).row(0, named=True)
        assert row["mean"] == pytest.approx(values.mean()) and row["sd"] == pytest.approx(values.std(ddof=1))
        assert (row["lower"], row["upper"]) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))


def test_the_average_over_patients_is_that_of_their_draws(responses: Responses) -> None:
    np.testing.assert_allclose(
        responses.mean_over_patients(), responses.draws().values.mean(axis=0), rtol=1e-12
    )


def test_a_selection_keeps_the_order_asked_for(responses: Responses) -> None:
    some = responses.select(["P031", "P002"])
    assert some.ids == ("P031", "P002")
    np.testing.assert_allclose(
        some.draws().values, responses.draws().sel(patient=["P031", "P002"]).values, rtol=1e-12
    )
    assert (some.horizon, some.unit, some.seed) == (responses.horizon, responses.unit, responses.seed)


def test_an_unknown_patient_is_named(responses: Responses) -> None:
    with pytest.raises(UnknownPatientError, match=r"2 patient.*X1"):
        responses.select(["P002", "X1", "X2"])


def test_an_unknown_treatment_is_named_with_the_nearest(responses: Responses) -> None:
    with pytest.raises(UnknownTreatmentError, match=r"'b'.*'B'"):
        responses.treatment_position("b")
    assert [responses.treatment_position(t) for t in "ABC"] == [0, 1, 2]


def test_neither_display_holds_a_patients_row(responses: Responses) -> None:
    for text in (repr(responses), responses._repr_html_()):
        assert "P0" not in text
        assert "60 patients x 3 treatments x 400 draws" in text


# --- one patient's own outcome ------------------------------------------------------------------------------------------


def test_the_predictive_distribution_adds_the_residual_to_what_is_known(cohort: Cohort) -> None:
    rng, draws, known, residual = np.random.default_rng(0), 4000, 1.5, 4.0
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={}), cohort, outcome="score", coefficients={}, draws=draws,
        intercept=rng.normal(50, known, draws), sigma=residual,
    )  # fmt: skip
    responses = respond(fit, cohort.where(np.arange(60) < 6))
    knowing, predicting = responses.summary(), responses.predictive(level=0.9)
    error = 5 / np.sqrt(2 * draws)  # 18 standard deviations are compared
    np.testing.assert_allclose(knowing["sd"].to_numpy(), known, rtol=error)
    np.testing.assert_allclose(predicting["sd"].to_numpy(), np.hypot(known, residual), rtol=error)
    half = 1.6449 * np.hypot(known, residual)  # normal quantiles at 5% and 95%
    np.testing.assert_allclose((predicting["upper"] - predicting["lower"]).to_numpy(), 2 * half, rtol=0.08)


def test_predicted_event_times_exceed_the_horizon_as_often_as_survival_says(
    survival: Fit, cohort: Cohort
) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    found = np.concatenate([(times > 12.0).mean(axis=-1) for _, times in responses.predictive_chunks()])
    expected = responses.draws().values.mean(axis=-1)
    # Each of the 180 shares is over 400 draws; standard error at most 0.5 / sqrt(400).
    assert np.abs(found - expected).max() < 5 * 0.5 / 20
    assert abs((found - expected).mean()) < 4 * 0.5 / np.sqrt(180 * 400)


def test_a_patients_predicted_outcomes_do_not_depend_on_who_else_is_scored(
    survival: Fit, cohort: Cohort
) -> None:
    whole = respond(survival, cohort, horizon=12.0)
    alone = whole.select(["P040", "P003"])
    expected = whole.predictive().filter(patient="P003")
    np.testing.assert_allclose(
        alone.predictive().filter(patient="P003").drop("patient", "treatment").to_numpy(),
        expected.drop("patient", "treatment").to_numpy(),
        rtol=1e-10,
    )


def test_the_predictive_outcome_of_two_patients_is_independent_given_the_parameters(
    survival: Fit, cohort: Cohort
) -> None:
    same = patients_like(cohort, [{}, {}])
    times = np.concatenate([t for _, t in respond(survival, same, horizon=12.0).predictive_chunks()])
    assert (
        abs(np.corrcoef(np.log(times[0, 0]), np.log(times[1, 0]))[0, 1]) < 0.3
    )  # they share uncertain parameters alone
    assert (times[0] != times[1]).all()


def test_piecewise_hazards_are_scored_by_treatment(cohort: Cohort) -> None:
    """Different hazards by arm and interval: survival at the end of the second interval by hand."""
    spec = ModelSpec(
        family=PiecewiseExponential(cuts=(6.0, 12.0)), blocks={"history": Normal()}, modifiers={}
    )
    log_hazard = np.log(np.array([[0.1, 0.2, 0.3], [0.05, 0.1, 0.2], [0.3, 0.01, 0.1]]))
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="os",
        draws=4,
        coefficients={"age": 0.5},
        log_hazard=np.repeat(log_hazard[None], 4, axis=0),
    )
    values = respond(fit, cohort, horizon=9.0).draws().values[:, :, 0]
    age = fit.encoding.codes(cohort)[:, 0]
    cumulative = np.array([0.1 * 6 + 0.2 * 3, 0.05 * 6 + 0.1 * 3, 0.3 * 6 + 0.01 * 3])
    np.testing.assert_allclose(values, np.exp(-np.exp(0.5 * age)[:, None] * cumulative), rtol=1e-12)
