"""What moved an estimate: the closed form of linear models, all orders by brute force elsewhere, and sums that are exact."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.errors import UnknownPatientError
from medresponse.families import Gaussian, Weibull
from medresponse.features import PROPENSITY
from medresponse.inference import Fit
from medresponse.model import ModelSpec, SumOfTrees, Trees
from medresponse.priors import Normal
from medresponse.response import NOT_RECORDED, OTHERS, contributions, respond
from medresponse.response.shapley import shapley_values
from tests.hand_made import hand_made_fit, patients_like, trial_of
from tests.response.conftest import ARMS, BLOCKS
from tests.validation.observational import fit_of, smokers


@pytest.fixture(scope="module")
def plain(cohort: Cohort) -> Fit:
    """Linear, with effect modification, without interactions."""
    rng, draws = np.random.default_rng(4), 30
    spec = ModelSpec(family=Gaussian(), blocks=BLOCKS)
    labels = hand_made_fit(
        spec, cohort, outcome="score", coefficients={}, intercept=0.0, sigma=1.0
    ).layout.coefficient_labels
    return hand_made_fit(
        spec, cohort, outcome="score", draws=draws, coefficients={label: rng.normal(size=draws) for label in labels},
        intercept=rng.normal(50, 1, draws), sigma=1.0,
    )  # fmt: skip


def expected_change(fit: Fit, cohort: Cohort, row: int, feature: str) -> np.ndarray:
    """Coefficient times centred column, summed over the feature's columns; (treatment, draw)."""
    b = dict(zip(fit.layout.coefficient_labels, fit.draws("coefficients").T, strict=True))
    x = dict(zip(fit.layout.columns, fit.encoding.columns(fit.encoding.codes(cohort))[row], strict=True))
    change = np.zeros((3, fit.n_draws))
    for k, contrasts in enumerate(fit.layout.contrasts):
        for label in x:
            if label.split("=")[0] == feature:
                change[k] += b[label] * x[label]
                for r, c in enumerate(contrasts):
                    change[k] += c * b[f"contrast {r + 1} x {label}"] * x[label]
    return change


@pytest.mark.parametrize("row", [0, 13, 44])
def test_in_a_linear_model_it_is_the_coefficient_times_the_distance_from_the_mean(
    plain: Fit, cohort: Cohort, row: int
) -> None:
    responses = respond(plain, cohort)
    table = contributions(responses, responses.ids[row]).table(level=0.9)
    assert table["feature"].unique(maintain_order=True).to_list() == ["smoking", "age", "sex", "stage"]
    assert table.filter(feature="age")["treatment"].to_list() == ["A", "B", "C", "benefit:B", "benefit:C"]
    for feature in ("smoking", "age", "sex", "stage"):
        change = expected_change(plain, cohort, row, feature)
        for k, arm in enumerate("ABC"):
            found = table.filter(feature=feature, treatment=arm).row(0)[2:]
            assert found == pytest.approx(
                (change[k].mean(), *np.quantile(change[k], [0.05, 0.95])), abs=1e-10
            )
            if arm != "A":
                found = table.filter(feature=feature, treatment=f"benefit:{arm}").row(0)[2:]
                benefit = change[k] - change[0]
                assert found == pytest.approx(
                    (benefit.mean(), *np.quantile(benefit, [0.05, 0.95])), abs=1e-10
                )


def test_in_a_linear_model_they_sum_to_the_distance_from_the_average_patient(
    plain: Fit, cohort: Cohort
) -> None:
    responses = respond(plain, cohort)
    table = contributions(responses, responses.ids[7]).table()
    at_mean = plain.draws("intercept").mean() + plain.layout.contrast_matrix @ plain.draws("coefficients")[
        :, plain.layout.slices["treatment"]
    ].mean(axis=0)
    total = responses.draws([responses.ids[7]]).values[0].mean(axis=-1) - at_mean
    for k, arm in enumerate("ABC"):
        assert table.filter(treatment=arm)["change"].sum() == pytest.approx(total[k], abs=1e-10)


def test_an_input_at_its_mean_moves_nothing_even_if_it_interacts() -> None:
    cohort = trial_of(60, arms=ARMS)
    spec = ModelSpec(family=Gaussian(), blocks=BLOCKS, interactions=(("age", "stage"),))
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="score",
        coefficients={"age": 1.0, "age : stage": 2.0, "stage": 3.0},
        intercept=0.0,
        sigma=1.0,
    )
    mean = float(cohort.table["age"].mean())  # type: ignore[arg-type]
    responses = respond(
        fit, patients_like(cohort, [{"age": mean, "stage": "3"}, {"age": mean + 9.0, "stage": "3"}])
    )
    unmoved = contributions(responses, "N0").table().filter(feature="age")
    assert unmoved["change"].abs().max() == pytest.approx(0.0, abs=1e-10)
    # The product g * age * stage, both centred, is shared by halves.
    codes = fit.encoding.columns(
        fit.encoding.codes(patients_like(cohort, [{"age": mean + 9.0, "stage": "3"}]))
    )[0]
    age, stage = (codes[fit.layout.columns.index(name)] for name in ("age", "stage"))
    table = contributions(responses, "N1").table().filter(treatment="A")
    assert table.filter(feature="age")["change"][0] == pytest.approx((1.0 + stage) * age, rel=1e-10)
    assert table.filter(feature="stage")["change"][0] == pytest.approx((3.0 + age) * stage, rel=1e-10)


def test_inputs_not_recorded_are_one_row_and_all_rows_sum_to_the_whole(plain: Fit, cohort: Cohort) -> None:
    patients = patients_like(cohort, [{"age": None, "sex": None, "smoking": "current"}])
    responses = respond(plain, patients)
    found = contributions(responses, "N0")
    assert found.inputs == ("smoking", "stage", NOT_RECORDED)
    known = patients_like(cohort, [{"smoking": "current"}])
    expected = expected_change(plain, known, 0, "smoking")
    np.testing.assert_allclose(found.draws[0], expected, atol=1e-10)
    # Completions are the same as those of the responses.
    whole = responses.draws(["N0"]).values[0]
    np.testing.assert_allclose(found.draws.sum(axis=0), whole - found.average, atol=1e-9)


def test_changes_in_benefit_are_signed_so_that_positive_is_better() -> None:
    tables = []
    for direction in ("higher_is_better", "lower_is_better"):
        cohort = trial_of(60, direction=direction)
        spec = ModelSpec(family=Gaussian(), blocks={"history": Normal()})
        fit = hand_made_fit(
            spec,
            cohort,
            outcome="score",
            coefficients={"age": 1.0, "contrast 1 x age": 2.0},
            intercept=0.0,
            sigma=1.0,
        )
        tables.append(contributions(respond(fit, cohort), "P004").table())
    benefit = pl.col("treatment").str.starts_with("benefit:")
    higher, lower = (t.filter(benefit)["change"].to_numpy() for t in tables)
    np.testing.assert_allclose(lower, -higher, atol=1e-12)
    assert np.abs(higher).max() > 0
    higher, lower = (t.filter(~benefit)["change"].to_numpy() for t in tables)
    np.testing.assert_allclose(
        lower, higher, atol=1e-12
    )  # the change in the response itself has no better side


def test_a_single_arm_has_contributions_without_benefit() -> None:
    cohort = trial_of(40, arms=("A",))
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={"history": Normal()}), cohort, outcome="score", coefficients={"age": 1.0},
        intercept=0.0, sigma=1.0,
    )  # fmt: skip
    table = contributions(respond(fit, cohort), "P004").table()
    assert table["treatment"].unique().to_list() == ["all"] and table.height == 3


def by_all_orders(needs: list[set[str]], inputs: tuple[str, ...], response: Any) -> np.ndarray:
    """Shapley values by joining inputs in every order; `response` takes which columns are as they are."""
    gains = []
    for order in permutations(inputs):
        joined: set[str] = set()
        before, own = response(np.array([n <= joined for n in needs])), {}
        for name in order:
            joined.add(name)
            after = response(np.array([n <= joined for n in needs]))
            own[name], before = after - before, after
        gains.append([own[name] for name in inputs])
    return np.mean(gains, axis=0)


def test_on_a_curved_scale_they_are_the_mean_over_all_orders_and_sum_exactly(
    survival: Fit, cohort: Cohort
) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    patient = responses.ids[5]
    found = contributions(responses, patient, draws=None)
    codes = survival.encoding.codes(cohort)[[5]]
    own, b = survival.encoding.columns(codes)[0], survival.draws("coefficients")
    layout, parts = survival.layout, survival.layout.slices
    modifier = b[:, parts["modifier"]].reshape(len(b), 2, -1)

    def response(kept: np.ndarray) -> np.ndarray:
        x = own * kept
        effects = b[:, parts["treatment"]] + modifier @ x[list(layout.modifiers)]
        eta = (b[:, parts["prognostic"]] @ x)[None] + layout.contrast_matrix @ effects.T
        scale = np.exp(survival.draws("log_scale") + eta)
        return np.exp(-((12.0 / scale) ** survival.draws("shape")))

    needs = [set(names) for names in survival.encoding.column_features]
    expected = by_all_orders(needs, found.inputs, response)
    np.testing.assert_allclose(found.draws, expected, atol=1e-12)
    np.testing.assert_allclose(found.average, response(np.zeros(len(own), dtype=bool)), atol=1e-12)
    whole = responses.draws([patient]).values[0]
    np.testing.assert_allclose(found.draws.sum(axis=0), whole - found.average, atol=1e-12)
    benefit = found.benefits("C").sum(axis=0)
    np.testing.assert_allclose(benefit, (whole - found.average)[2] - (whole - found.average)[0], atol=1e-12)


def test_with_an_identity_link_nothing_is_sampled(
    linear: Fit, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a product and slopes that vary over sites; sampled in pairs of orders the values are the same."""
    responses = respond(linear, cohort)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("sampled")

    with monkeypatch.context() as patch:
        patch.setattr("medresponse.response.shapley.shapley_values", refuse)
        closed = [contributions(responses, patient) for patient in responses.ids[:4]]
    for patient, exact in zip(responses.ids, closed, strict=False):
        whole = responses.draws([patient]).values[0]
        np.testing.assert_allclose(exact.draws.sum(axis=0), whole - exact.average, atol=1e-9)
    monkeypatch.setattr(Gaussian, "link", lambda *_: None)
    monkeypatch.setitem(shapley_values.__kwdefaults__, "most_exact", 0)
    monkeypatch.setitem(shapley_values.__kwdefaults__, "pairs", 1)
    for patient, exact in zip(responses.ids, closed, strict=False):
        np.testing.assert_allclose(contributions(responses, patient).draws, exact.draws, atol=1e-9)


def test_trees_are_shared_by_all_orders(cohort: Cohort) -> None:
    """One tree: 4 for those above the mean in both age and stage, else 0; and a line in smoking."""
    spec = ModelSpec(
        family=Gaussian(), blocks={"lifestyle": Normal()},
        trees=Trees(blocks=("history",), prognostic=SumOfTrees(trees=1), predictive=None),
    )  # fmt: skip
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="score",
        draws=4,
        coefficients={"smoking=current": 1.5},
        intercept=0.0,
        sigma=1.0,
    )
    age, stage = (fit.layout.columns.index(name) for name in ("age", "stage"))
    # age <= 0 ? 0 : (stage <= 0 ? 0 : 4)
    nodes = {"column": [age, -1, stage, -1, -1], "value": [0.0, 0.0, 0.0, 0.0, 4.0]}
    dims = ("chain", "draw", "prognostic_node")
    forests = xr.Dataset({f"prognostic_{k}": (dims, np.tile(v, (1, 4, 1))) for k, v in nodes.items()})
    fit = replace(fit, forests=forests)
    patients = patients_like(
        cohort, [{"age": 80.0, "stage": "3", "smoking": "current"}, {"age": 80.0, "stage": "1"}]
    )
    both, one = (contributions(respond(fit, patients), patient) for patient in ("N0", "N1"))
    changes = dict(zip(both.inputs, both.draws.mean(axis=-1)[:, 0], strict=True))
    smoking = 1.5 * (1 - (cohort.table["smoking"] == "current").mean())  # type: ignore[operator]
    assert changes == pytest.approx({"smoking": smoking, "age": 2.0, "sex": 0.0, "stage": 2.0})
    assert dict(zip(one.inputs, one.draws[:, 0, 0], strict=True))["age"] == pytest.approx(0.0)


def test_a_propensity_score_is_an_input_of_its_own() -> None:
    training = smokers(300, by_age=1.0)
    fit = fit_of(training, score=True, draws={"age": 1.0, "propensity": 2.0})
    found = contributions(respond(fit, training, draws=None), training.patients[3])
    assert found.inputs == ("age", "sex", "stage", PROPENSITY)
    columns = fit.encoding.columns(fit.encoding.codes(training))[3]
    assert found.draws[-1, 0, 0] == pytest.approx(2.0 * columns[fit.layout.columns.index("propensity")])
    assert found.draws[0, 0, 0] == pytest.approx(columns[0])


def test_inputs_beyond_the_most_are_taken_together(survival: Fit, cohort: Cohort) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    patient = responses.ids[5]
    every, few = contributions(responses, patient), contributions(responses, patient, most_apart=2)
    # Only age and smoking have coefficients.
    assert few.inputs[1] == OTHERS and few.inputs[0] in ("age", "smoking") and len(few.inputs) == 2
    np.testing.assert_allclose(few.draws.sum(axis=0), every.draws.sum(axis=0), atol=1e-12)


def test_some_apart_and_the_others_summed(survival: Fit, cohort: Cohort) -> None:
    found = contributions(respond(survival, cohort, horizon=12.0), cohort.patients[5])
    two = found.apart(("age",))
    assert two.inputs == ("age", OTHERS)
    np.testing.assert_allclose(two.draws[1], found.draws[[i != "age" for i in found.inputs]].sum(axis=0))
    assert found.apart(found.inputs) is found
    assert found.apart(()).inputs == (OTHERS,)


def test_fewer_draws_are_evenly_thinned_and_the_same_each_time(survival: Fit, cohort: Cohort) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    every, some = (contributions(responses, "P004", draws=n) for n in (None, 100))
    np.testing.assert_allclose(some.draws, every.draws[..., 3::4], atol=1e-12)
    np.testing.assert_array_equal(
        contributions(responses.select(["P010", "P004"]), "P004", draws=100).draws, some.draws
    )


def test_a_model_without_inputs_has_no_contributions(cohort: Cohort) -> None:
    for family, values in (
        (Gaussian(), {"intercept": 0.0, "sigma": 1.0}),
        (Weibull(), {"log_scale": 2.0, "shape": 1.0}),
    ):
        outcome = "score" if isinstance(family, Gaussian) else "os"
        fit = hand_made_fit(
            ModelSpec(family=family, blocks={}), cohort, outcome=outcome, coefficients={}, **values
        )
        horizon = None if outcome == "score" else 12.0
        found = contributions(respond(fit, cohort, horizon=horizon), "P004")
        assert found.inputs == () and found.table().is_empty() and found.apart(()) is found


def test_an_unknown_patient_is_refused(survival: Fit, cohort: Cohort) -> None:
    with pytest.raises(UnknownPatientError, match="X1"):
        contributions(respond(survival, cohort, horizon=12.0), "X1")
