"""Summaries in float32 against the same responses in float64, for every family and everything it can be asked."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.estimand import ESTIMANDS, Estimand
from medresponse.families import Gaussian, Poisson
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import Responses, respond
from medresponse.response.contrasts import summarise_benefit
from medresponse.response.predict import COMPLETIONS_EACH, encode_patients, linear_predictors
from medresponse.response.responses import Basis
from medresponse.response.scoring import predictors
from medresponse.response.scoring.predictors import MOST, Line, tile_size, tiles
from medresponse.response.scoring.summaries import Summaries
from tests.cohort.kinds import trial
from tests.families.forms import FORMS, estimands_of, learned, prior_draws
from tests.hand_made import frame_of, hand_made_fit, patients_like, schema_of, trial_of
from tests.response.conftest import ARMS

DRAWS = 120
UNIT = 2.0**-24
QUESTIONS = [(form, estimand) for form, family in FORMS.items() for estimand in estimands_of(family)]


@cache
def fit_of(form: str) -> tuple[Fit, Cohort]:
    """A fit whose family parameters are prior draws and whose coefficients are small."""
    family, rng = FORMS[form], np.random.default_rng(6)
    cohort = trial(family.outcome_kind)
    spec = ModelSpec(family=family, blocks={"history": Normal()}, modifiers={"history": Normal()})
    parameters = {name: np.repeat(draws, DRAWS // 6, axis=0) for name, draws in prior_draws(form).items()}
    fit = hand_made_fit(spec, cohort, outcome=family.outcome_kind, draws=DRAWS, coefficients={}, **parameters)
    n = len(fit.layout.coefficient_labels)
    table = rng.normal(0.0, 0.2, (1, DRAWS, n)) + rng.normal(0.0, 0.2, n)
    constants, dims = learned(family), ("chain", "draw", "coefficient")
    predictors = len(family.predictors(constants))
    if predictors > 1:
        table, dims = np.stack([table, -table, table / 2][:predictors], axis=-1), (*dims, "predictor")
    posterior = fit.posterior.drop_vars("coefficients").assign(coefficients=(dims, table))
    return replace(fit, posterior=posterior, constants=constants), cohort


def asked_of(fit: Fit, cohort: Cohort, estimand: Estimand) -> Responses:
    return Responses(
        fit=fit, patients=encode_patients(fit, cohort), estimand=estimand, unit="", horizon=estimand.horizon,
        horizon_unit="week" if ESTIMANDS[estimand.kind].unit == "time" else "", direction=1, seed=3,
        basis=Basis(assignment="randomised", population="", reference="A", adjusted_for=()),
    )  # fmt: skip


def scored(
    asked: Responses, *, worthwhile: float = 0.0, losses: np.ndarray | None = None, level: float | None = 0.95
) -> dict[str, np.ndarray]:
    """Columns of shape (patient, treatment)."""
    n_treatments = len(asked.treatments)
    none = np.zeros((n_treatments, asked.fit.n_draws), dtype=np.float32)
    summaries = Summaries(
        asked=asked,
        reference=0,
        worthwhile=worthwhile,
        losses=none if losses is None else losses,
        level=level,
    )
    values = np.full((len(asked.ids), n_treatments, len(summaries.columns)), np.nan)
    for tile in summaries.tiles(asked.patients):
        values[tile.rows] = summaries.of(tile)
    return {name: values[..., j] for j, name in enumerate(summaries.columns)}


def exact_of(asked: Responses) -> tuple[np.ndarray, np.ndarray]:
    """Responses in float64, and by how much those in float32 may differ, (patient, treatment, draw) and (patient,).

    The line is off by a few units of what is rounded: at most that moves a response, and it is rounded itself.
    """
    fit = asked.fit
    parts = [eta for _, eta in linear_predictors(fit, asked.patients, seed=asked.seed)]
    eta = np.concatenate(parts, axis=-3)

    def response(at: np.ndarray) -> np.ndarray:
        values = fit.spec.family.response(asked.estimand, at, fit.family_draws(), fit.constants)
        return asked.factor * values

    values, step = response(eta), 16 * UNIT * (1 + np.abs(eta))
    # The family's own arithmetic in float32: its intercepts and times are rounded too, which an error in eta stands for.
    size = np.max([np.abs(np.log(np.abs(p) + 1)).max() for p in fit.family_draws().values()])
    moved = np.maximum(
        np.abs(response(eta + step * (1 + size)) - values), np.abs(response(eta - step * (1 + size)) - values)
    )
    return values, (moved + 64 * UNIT * np.abs(values)).max(axis=(1, 2))


@pytest.mark.parametrize(
    ("form", "estimand"), QUESTIONS, ids=lambda x: x if isinstance(x, str) else f"{x.kind}-{x.part}"
)
def test_every_family_and_estimand_agrees_with_float64(form: str, estimand: Estimand) -> None:
    asked = asked_of(*fit_of(form), estimand)
    values, allowed = exact_of(asked)
    found = scored(asked, worthwhile=0.01)
    expected = {"mean": values.mean(axis=-1), "sd": values.std(axis=-1, ddof=1)}
    expected |= dict(
        zip(("lower", "median", "upper"), np.quantile(values, [0.025, 0.5, 0.975], axis=-1), strict=True)
    )
    for name, exact in expected.items():
        assert (np.abs(found[name] - exact) <= allowed[:, None]).all(), name
    benefit = summarise_benefit(values[:, [1]] - values[:, [0]], 0.01, 0.95)[:, 0]
    for j, name in ((0, "benefit"), (1, "benefit_sd"), (2, "benefit_lower"), (3, "benefit_upper")):
        assert (np.abs(found[name][:, 1] - benefit[:, j]) <= 2 * allowed).all(), name
    difference = values[:, 1] - values[:, 0]
    for j, name, at in ((4, "p_benefit", 0.0), (5, "p_worthwhile", 0.01), (6, "p_worse", 0.0)):
        undecided = (np.abs(difference - at) <= 2 * allowed[:, None]).mean(axis=-1)
        assert (np.abs(found[name][:, 1] - benefit[:, j]) <= undecided + 1e-12).all(), name
    assert np.isnan(found["benefit"][:, 0]).all() and np.isnan(found["p_worse"][:, 0]).all()


def test_the_columns_are_those_of_summary_and_contrast(linear: Fit, cohort: Cohort) -> None:
    asked = respond(linear, cohort)
    found, summary = scored(asked), asked.summary()
    for name in ("mean", "sd", "lower", "upper"):
        np.testing.assert_allclose(found[name].ravel(), summary[name].to_numpy(), rtol=2e-6)


# --- patients who are not complete, groups, trees ----------------------------------------------------------------------


def same_as_float64(fit: Fit, cohort: Cohort) -> None:
    asked = respond(fit, cohort)
    values = asked.draws().values
    found = scored(asked)
    spread = np.ptp(values, axis=(1, 2))[:, None]
    for name, exact in (("mean", values.mean(axis=-1)), ("upper", np.quantile(values, 0.975, axis=-1))):
        assert (np.abs(found[name] - exact) <= 64 * UNIT * spread).all(), name
    np.testing.assert_allclose(
        found["p_benefit"][:, 1], (values[:, 1] > values[:, 0]).mean(axis=-1), atol=1e-7
    )


def test_missing_features_are_integrated_over_as_for_a_few_patients() -> None:
    rng, cohort = np.random.default_rng(8), trial_of(90, arms=ARMS, missing={"age": 30, "smoking": 20})
    spec = ModelSpec(
        family=Gaussian(), blocks={"history": Normal(), "lifestyle": Normal()}, pooling=("site",)
    )
    blank = hand_made_fit(spec, cohort, outcome="score", coefficients={}, intercept=0.0, sigma=1.0)
    fit = hand_made_fit(
        spec, cohort, outcome="score", draws=200, intercept=rng.normal(50.0, 1.0, 200), sigma=1.0,
        coefficients={label: rng.normal(size=200) for label in blank.layout.coefficient_labels},
        imputation=range(blank.provenance.imputations), site_scale=0.4, site_treatment_scale=0.2,
    )  # fmt: skip
    new = patients_like(cohort, [{"age": None}, {"site": "elsewhere"}, {"age": None, "site": "elsewhere"}])
    same_as_float64(fit, cohort)
    same_as_float64(fit, new)


def test_new_groups_and_slopes_by_group_are_those_of_a_few_patients(linear: Fit, cohort: Cohort) -> None:
    rows = [{"site": "elsewhere"}, {"site": "south", "stage": "3"}, {"age": None, "site": "elsewhere"}, {}]
    same_as_float64(linear, patients_like(cohort, rows))
    same_as_float64(linear, trial_of(90, arms=ARMS, missing={"stage": 15}))


def test_two_groupings_are_added_whichever_of_their_groups_are_new() -> None:
    rng, draws = np.random.default_rng(4), 60
    schema = replace(schema_of(arms=ARMS), sites=("country", "site"))
    frame = frame_of(60, arms=ARMS).with_columns(country=pl.Series(["X", "Y"] * 30))
    cohort, slopes = cohort_from_frame(frame, schema), {"country": ("age",), "country/site": ("sex", "age")}
    spec = ModelSpec(
        family=Gaussian(), blocks={"history": Normal()}, pooling=("country", "country/site"), slopes=slopes
    )
    parameters: dict[str, Any] = {"intercept": rng.normal(50.0, 1.0, draws), "sigma": 1.0}
    for stem, n_slopes in (("country", 1), ("country_in_site", 2)):
        parameters |= {f"{stem}_scale": 0.3, f"{stem}_treatment_scale": 0.2}
        parameters[f"{stem}_slope_scale"] = np.full((draws, n_slopes), 0.2)
    blank = hand_made_fit(spec, cohort, outcome="score", coefficients={}, intercept=0.0, sigma=1.0)
    fit = hand_made_fit(
        spec, cohort, outcome="score", draws=draws, **parameters,
        coefficients={label: rng.normal(size=draws) for label in blank.layout.coefficient_labels},
    )  # fmt: skip
    same_as_float64(fit, cohort)
    new = [{"country": "Z"}, {}, {"country": "Y", "site": "elsewhere"}, {"country": "Z", "sex": "m"}]
    same_as_float64(fit, patients_like(cohort, new))


def test_sums_of_trees_are_added(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees in the place of which stand functions of the columns, which differ from draw to draw."""
    rng, draws = np.random.default_rng(3), 40
    spec = ModelSpec(family=Gaussian(), blocks={"history": Normal()})
    contrasts = {f"contrast {j}": rng.normal(size=draws) for j in (1, 2)}
    fit = hand_made_fit(
        spec, cohort, outcome="score", draws=draws, coefficients=contrasts, intercept=50.0, sigma=1.0
    )
    own, other = rng.normal(size=draws), rng.normal(size=(2, draws))

    def sums(self: Fit, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = np.broadcast_to(columns[..., 0] > 0, (draws, *columns.shape[-2:-1])).T.astype(float)
        return first * own, first[:, None] * other

    monkeypatch.setattr(Fit, "forest_values", sums)
    fit = replace(fit, forests=fit.posterior[["intercept"]])
    same_as_float64(fit, cohort)
    same_as_float64(fit, trial_of(60, arms=ARMS, missing={"age": 10}))


def test_what_is_beyond_float32_is_computed_in_float64(cohort: Cohort) -> None:
    """exp(x) of 1e39 and more under one treatment: float32 ends at 3e38."""
    spec = ModelSpec(family=Gaussian(scale="log"), blocks={})
    rng = np.random.default_rng(1)
    fit = hand_made_fit(
        spec, cohort, outcome="score", draws=40, intercept=rng.normal(20.0, 60.0, 40), sigma=0.5,
        coefficients={"contrast 1": rng.normal(0.0, 1.0, 40)},
    )  # fmt: skip
    asked = respond(fit, cohort)
    values, found = asked.draws().values, scored(asked)
    assert values.max() > 3.4e38 and np.isfinite(values).all()
    np.testing.assert_allclose(found["mean"], values.mean(axis=-1), rtol=1e-6)
    np.testing.assert_allclose(found["p_best"].sum(axis=1), 1.0, rtol=1e-6)


# --- what may not change a digit ---------------------------------------------------------------------------------------


def test_a_patients_digits_do_not_depend_on_who_else_is_scored(linear: Fit) -> None:
    cohort = trial_of(3 * MOST + 5, arms=ARMS, missing={"age": 30, "smoking": 15})
    assert tile_size(linear) == MOST
    asked = respond(linear, cohort)
    whole = scored(asked)
    rng = np.random.default_rng(2)
    for size in (1, 7, MOST, MOST + 1):
        some = rng.permutation(len(asked.ids))[:size].tolist()
        part = scored(replace(asked, patients=asked.patients.rows(some)))
        for name, values in part.items():
            np.testing.assert_array_equal(values, whole[name][some], err_msg=name)


def test_a_product_has_few_rows_where_a_library_rounds_some_of_many_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As OpenBLAS's kernels for processors without AVX-512 do in the second half of every twelve rows."""
    rng = np.random.default_rng(3)
    means, slopes = rng.normal(size=(9, 3)), rng.normal(size=(10, 30)).astype(np.float32)
    with monkeypatch.context() as patched:
        for largest, expected in ((64, 64), (8, 8), (4, 4), (1, 1)):
            wanted = lambda rows, matrix, most=largest: rows <= most or matrix is means  # noqa: E731
            patched.setattr(predictors, "_alike", wanted)
            assert predictors.rows_alike(64, means, slopes) == expected
    rows = predictors.rows_alike(64, means, slopes)
    for row in rng.normal(size=(1000, 10)).astype(np.float32):
        product = np.tile(row, (rows, 1)) @ slopes
        assert (product == product[0]).all()


def test_machine_code_of_one_order_of_memory_serves_every_tile(linear: Fit, cohort: Cohort) -> None:
    """Arrays in another order would have code made for them while threads wait, which may round otherwise."""
    asked = respond(linear, cohort)
    rows: list[dict[str, Any]] = [{}, {"site": "elsewhere"}]
    new = encode_patients(linear, patients_like(cohort, rows))
    line = Line(fit=linear, predictor=0, shift=np.zeros(12), factor=np.ones(12), seed=asked.seed)
    for patients in (new.rows([0]), new, new.rows([1]), asked.patients):
        for tile in tiles(linear, patients, 64):
            p = line.at(tile)
            (levels, level_draws), (slopes, slope_draws) = p.effects
            assert p.x.shape[1] == slopes.shape[1] == 3
            for array in (p.center, p.deviation, p.x, levels, level_draws, slopes, slope_draws):
                assert array.flags.c_contiguous


@pytest.mark.parametrize("most", [10, 11])
def test_a_patients_digits_do_not_depend_on_the_place_in_a_tile_of_incomplete_ones(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many features and imputations few patients fit; products of matrices of an odd number of rows treat the last otherwise."""
    rng, names = np.random.default_rng(8), [f"lab {j}" for j in range(30)]
    plain = to_plain(schema_of(arms=ARMS))
    plain["features"]["imaging"] = {name: {"type": "continuous", "unit": "mm"} for name in names}
    frame = frame_of(90, arms=ARMS).with_columns(
        pl.Series(name, rng.normal(size=90)).set(pl.Series(rng.random(90) < 0.05), None) for name in names
    )
    cohort = cohort_from_frame(frame, from_plain(Schema, plain))
    spec = ModelSpec(family=Gaussian(), blocks={"history": Normal(), "imaging": Normal()})
    blank = hand_made_fit(spec, cohort, outcome="score", coefficients={}, intercept=0.0, sigma=1.0)
    fit = hand_made_fit(
        spec, cohort, outcome="score", draws=200, intercept=rng.normal(50.0, 1.0, 200), sigma=1.0,
        coefficients={label: rng.normal(size=200) for label in blank.layout.coefficient_labels},
        imputation=range(blank.provenance.imputations),
    )  # fmt: skip
    each = fit.imputer.imputations * COMPLETIONS_EACH * len(fit.layout.columns)
    monkeypatch.setattr(predictors, "_COMPLETED_NUMBERS", most * each)
    asked = respond(fit, cohort)
    whole = scored(asked)
    for some in (rng.permutation(90).tolist(), rng.permutation(90)[:37].tolist(), [int(rng.integers(90))]):
        for name, values in scored(replace(asked, patients=asked.patients.rows(some))).items():
            np.testing.assert_array_equal(values, whole[name][some], err_msg=name)


def test_losses_move_utility_and_what_is_best_but_no_benefit(linear: Fit, cohort: Cohort) -> None:
    asked = respond(linear, cohort)
    losses = np.zeros((3, asked.fit.n_draws), dtype=np.float32)
    losses[1] = 1000.0
    plain, charged = scored(asked), scored(asked, losses=losses)
    np.testing.assert_array_equal(plain["benefit"], charged["benefit"])
    np.testing.assert_allclose(plain["utility"][:, 1] - charged["utility"][:, 1], 1000.0, rtol=1e-5)
    assert (charged["p_best"][:, 1] == 0).all() and (plain["p_best"][:, 1] > 0).any()


def test_a_single_arm_and_an_outcome_without_direction_are_not_compared() -> None:
    single = trial_of(20, arms=("A",))
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={}), single, outcome="score", draws=8, coefficients={},
        intercept=np.arange(8.0), sigma=1.0,
    )  # fmt: skip
    assert list(scored(respond(fit, single))) == ["mean", "sd", "lower", "median", "upper"]
    assert list(scored(respond(fit, single), level=None)) == ["mean", "sd"]


def test_rates_are_per_unit_of_exposure_like_those_of_a_few(cohort: Cohort) -> None:
    """Values in units of a patient's own centre come back in the outcome's unit."""
    counts = trial("count")
    fit = hand_made_fit(
        ModelSpec(family=Poisson(), blocks={"history": Normal()}), counts, outcome="count", draws=60,
        coefficients={"age": 0.3, "contrast 1": np.linspace(-0.5, 0.1, 60)}, intercept=np.linspace(2.0, 3.0, 60),
    )  # fmt: skip
    asked: Any = respond(fit, counts, estimand="count", horizon=2.0)
    summary = asked.summary()
    np.testing.assert_allclose(scored(asked)["mean"].ravel(), summary["mean"].to_numpy(), rtol=1e-6)
