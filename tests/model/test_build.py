"""The PyMC graph: every coefficient under the label that the layout gives it, whatever the order of blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.families import Gaussian, PiecewiseExponential, Weibull
from medresponse.features import group_indices
from medresponse.model import ModelSpec, Prepared, build_model, prepare
from medresponse.priors import HalfNormal, Horseshoe, Normal
from medresponse.terms import Spline
from tests.hand_made import trial_of

ARMS = ("A", "B", "C")
ORDERS = {
    "schema": ("genomic", "history", "lifestyle"),
    "reversed": ("lifestyle", "history", "genomic"),
    "mixed": ("history", "lifestyle", "genomic"),
}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(60, arms=ARMS)


def prepared_model(spec: ModelSpec, cohort: Cohort, outcome: str = "os") -> tuple[Prepared, Any]:
    prepared = prepare(spec, cohort, outcome=outcome, seed=1)
    model = build_model(spec, prepared.design)
    return prepared, model


def one_prior_draw(model: Any, *, seed: int = 1) -> dict[str, Any]:
    """One joint draw of every variable, by name."""
    import pymc as pm

    names = [v.name for v in (*model.free_RVs, *model.deterministics)]
    values = pm.draw([model[name] for name in names], draws=1, random_seed=seed, mode="FAST_COMPILE")
    return dict(zip(names, values, strict=True))


def by_label(model: Any, draw: dict[str, Any]) -> dict[str, float]:
    """Each block's own coefficients under the labels of that block's own dimension, prognostic and modifying."""
    found: dict[str, float] = {}
    for name, values in draw.items():
        if name.startswith(("prognostic_", "modifier_")) or name == "treatment_effect":
            if f"{name}_term" in model.coords:
                labels = model.coords[f"{name}_term"]
                assert len(labels) == len(values) and not set(labels) & set(found)
                found |= dict(zip(labels, values, strict=True))
    return found


@pytest.mark.parametrize("order", sorted(ORDERS))
@pytest.mark.parametrize("arms", [("A",), ("A", "B"), ARMS])
def test_coefficients_come_in_the_order_of_the_layouts_labels(order: str, arms: tuple[str, ...]) -> None:
    """Blocks of unlike priors, an interaction across blocks, and a modifier mapping in an order of its own."""
    blocks = {block: Normal(sigma=0.3 + 0.1 * i, pooled=i == 1) for i, block in enumerate(ORDERS[order])}
    spec = ModelSpec(
        family=Weibull(), blocks=blocks, modifiers={"lifestyle": Normal(sigma=0.2), "history": Horseshoe(expected_nonzero=1)},
        interactions=(("smoking", "age"), ("snp", "sex")),
    )  # fmt: skip
    prepared, model = prepared_model(spec, trial_of(60, arms=arms))
    draw = one_prior_draw(model)
    expected = by_label(model, draw)
    labels = prepared.layout.coefficient_labels
    assert set(expected) == set(labels)
    assert list(model.coords["coefficient"]) == list(labels)
    np.testing.assert_array_equal(draw["coefficients"], [expected[label] for label in labels])


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_modifiers_of_three_treatments_and_two_blocks_reach_the_right_columns(
    cohort: Cohort, order: str
) -> None:
    """eta from coefficients by label and a loop over patients, contrasts and features."""
    blocks = {block: Normal(sigma=1.0) for block in ORDERS[order]}
    spec = ModelSpec(
        family=Weibull(),
        blocks=blocks,
        modifiers={"lifestyle": Normal(sigma=1.0), "history": Normal(sigma=1.0)},
    )
    prepared, model = prepared_model(spec, cohort)
    draw, layout = one_prior_draw(model), prepared.layout
    b = by_label(model, draw)
    labels = prepared.encoding.column_labels
    x = prepared.encoding.columns(prepared.codes[0])
    contrasts = layout.contrast_matrix
    modifying = [label for label in labels if label.split("=")[0] in ("age", "sex", "stage", "smoking")]
    assert sorted(labels[i] for i in layout.modifiers) == sorted(modifying)
    expected = np.zeros(cohort.n)
    for i, k in enumerate(cohort.treatment_idx):
        for j, label in enumerate(labels):
            expected[i] += b[label] * x[i, j]
        for r in range(2):
            expected[i] += contrasts[k, r] * b[f"contrast {r + 1}"]
            for label in modifying:
                expected[i] += contrasts[k, r] * b[f"contrast {r + 1} x {label}"] * x[i, labels.index(label)]
    found = prepared.layout.dense(x, cohort.treatment_idx) @ draw["coefficients"]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_groups_have_their_own_scales_for_intercepts_slopes_and_treatment_effects(cohort: Cohort) -> None:
    spec = ModelSpec(
        family=Weibull(shape=HalfNormal()),
        blocks={"history": Normal()},
        pooling=("site",),
        slopes={"site": ("age", "stage")},
    )
    prepared, model = prepared_model(spec, cohort)
    draw, parts = one_prior_draw(model), prepared.layout.slices
    coefficients = draw["coefficients"]
    levels = coefficients[parts["site.intercept"]]
    assert levels.mean() == pytest.approx(draw["site_scale"] * draw["site_raw"][0] / np.sqrt(3))
    assert np.linalg.norm(levels) == pytest.approx(draw["site_scale"] * np.linalg.norm(draw["site_raw"]))
    slopes = coefficients[parts["site.slope"]].reshape(2, 3)
    np.testing.assert_allclose(
        slopes, draw["site_slope_scale"][:, None] * draw["site_slope_raw"].reshape(2, 3)
    )
    for effects, raw in zip(
        coefficients[parts["site.treatment"]].reshape(2, 3),
        draw["site_treatment_raw"].reshape(2, 3),
        strict=True,
    ):
        assert effects.mean() == pytest.approx(draw["site_treatment_scale"] * raw[0] / np.sqrt(3))
        assert np.linalg.norm(effects) == pytest.approx(draw["site_treatment_scale"] * np.linalg.norm(raw))
    assert (
        len(
            {
                float(draw["site_scale"]),
                float(draw["site_treatment_scale"]),
                *map(float, draw["site_slope_scale"]),
            }
        )
        == 4
    )
    columns = prepared.encoding.columns(prepared.codes[0])
    design = prepared.layout.matrix(columns, cohort.treatment_idx, group_indices(prepared.layout, cohort))
    age = columns[:, prepared.encoding.column_labels.index("age")]
    label = prepared.layout.coefficient_labels.index("age x site=south")
    at_south = (cohort.table["site"] == "south").to_numpy()
    np.testing.assert_array_equal(design[:, label], age * at_south)


def test_groups_have_the_same_law_in_coordinates_that_suit_their_estimates(cohort: Cohort) -> None:
    """The density of the coefficients, once the Jacobian is taken away: standard normals times their scale."""
    from scipy import stats

    spec = ModelSpec(family=Gaussian(), blocks={}, pooling=("site",))
    prepared, model = prepared_model(spec, cohort, outcome="score")
    assert "estimate" in prepared.data[0] and "site_raw" not in model.named_vars
    names = ("site_along", "site_treatment_along")
    priors = model.logp(vars=[model[name] for name in names], jacobian=False)
    wanted = [model["coefficients"], model["site_scale"], model["site_treatment_scale"]]
    outputs = model.replace_rvs_by_values([*wanted, priors])
    function = model.compile_fn(
        outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE"
    )
    rng, parts = np.random.default_rng(1), prepared.layout.slices
    for _ in range(3):
        point = {v.name: rng.normal(size=np.shape(model.initial_point()[v.name])) for v in model.value_vars}
        b, scale, treatment_scale, density = function(point)
        expected = stats.norm.logpdf(b[parts["site.intercept"]], scale=scale).sum()
        expected += stats.norm.logpdf(b[parts["site.treatment"]], scale=treatment_scale).sum()
        assert float(density) == pytest.approx(expected, rel=1e-8)


def test_centred_groups_have_the_same_law_as_multiples_of_their_scale(cohort: Cohort) -> None:
    import pymc as pm
    from scipy import stats

    spec = ModelSpec(
        family=Weibull(), blocks={}, pooling=("site",), centred=("site",), pooling_scale=HalfNormal(sigma=0.3)
    )
    prepared, model = prepared_model(spec, cohort)
    coefficients, scale = pm.draw(
        [model["coefficients"], model["site_scale"]], draws=3000, random_seed=3, mode="FAST_COMPILE"
    )
    intercepts = coefficients[:, prepared.layout.slices["site.intercept"]]
    assert stats.kstest(scale, stats.halfnorm(scale=0.3).cdf).pvalue > 1e-3
    assert stats.kstest((intercepts / scale[:, None])[:, 1], stats.norm.cdf).pvalue > 1e-3
    assert "site_raw" not in model.named_vars


def test_the_treatment_prior_is_that_of_the_difference_of_any_two_treatments() -> None:
    """Whichever two of three arms are compared, and under the modifiers' prior at one standard deviation of a feature."""
    import pymc as pm
    from scipy import stats

    spec = ModelSpec(
        family=Gaussian(), blocks={"history": Normal(sigma=0.5)}, modifiers={"history": Normal(sigma=0.3)},
        treatment=Normal(sigma=0.8),
    )  # fmt: skip
    prepared, model = prepared_model(spec, trial_of(60, arms=ARMS), "score")
    draws = pm.draw(model["coefficients"], draws=4000, random_seed=2, mode="FAST_COMPILE")
    layout = prepared.layout
    at_average = layout.contrast_matrix @ draws[:, layout.slices["treatment"]].T
    modifier = draws[:, layout.slices["modifier"]].reshape(4000, 2, -1)[:, :, 0]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert stats.kstest(at_average[i] - at_average[j], stats.norm(scale=0.8).cdf).pvalue > 1e-3
        change = modifier @ (layout.contrast_matrix[i] - layout.contrast_matrix[j])
        assert stats.kstest(change, stats.norm(scale=0.3).cdf).pvalue > 1e-3


def test_modifiers_are_shrunk_twice_as_hard_by_default_and_absent_if_the_mapping_is_empty(
    cohort: Cohort,
) -> None:
    blocks = {"history": Normal(sigma=0.6), "genomic": Horseshoe(expected_nonzero=2)}
    by_default = ModelSpec(family=Weibull(), blocks=blocks)
    assert by_default.modifier_priors == {"history": Normal(sigma=0.3), "genomic": blocks["genomic"].harder()}
    none = ModelSpec(family=Weibull(), blocks=blocks, modifiers={})
    prepared, model = prepared_model(none, cohort)
    assert not any(name.startswith("modifier_") for name in model.named_vars)
    assert prepared.layout.modifiers == ()


def test_a_model_without_features_or_treatments_is_an_intercept() -> None:
    spec = ModelSpec(family=Gaussian(), blocks={})
    prepared, model = prepared_model(spec, trial_of(30, arms=("A",)), "score")
    assert prepared.layout.n_coefficients == 0
    function = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")
    value, gradient = function(model.initial_point())
    assert np.isfinite(value) and len(gradient) == 2


@pytest.mark.parametrize("family", [Weibull(), PiecewiseExponential(intervals=3), Gaussian()])
def test_a_whole_model_has_a_finite_density_and_gradient_at_the_start(family: Any) -> None:
    spec = ModelSpec(
        family=family, blocks={"history": Normal(pooled=True), "lifestyle": Horseshoe(expected_nonzero=1)},
        pooling=("site",), slopes={"site": ("age",)}, pooling_scale=HalfNormal(sigma=0.4),
    )  # fmt: skip
    outcome = "score" if isinstance(family, Gaussian) else "os"
    _, model = prepared_model(spec, trial_of(60, arms=ARMS), outcome)
    function = model.compile_fn([*model.logp(sum=False), model.dlogp()], mode="FAST_COMPILE")
    *terms, gradient = function(model.initial_point())
    assert all(np.isfinite(term).all() for term in terms) and np.isfinite(gradient).all()


def test_another_data_set_of_the_same_layout_can_be_swapped_in() -> None:
    """What `with_data` relies on: after a swap the density is that of a model built with the other data."""
    import pymc as pm

    spec = ModelSpec(
        family=PiecewiseExponential(cuts=(6.0, 12.0)), blocks={"history": Horseshoe(expected_nonzero=1)}
    )
    _, model = prepared_model(spec, trial_of(60, seed=1))
    other, fresh = prepared_model(spec, trial_of(45, seed=2))
    point = model.initial_point()
    assert model.compile_logp(mode="FAST_COMPILE")(point) != fresh.compile_logp(mode="FAST_COMPILE")(point)
    with model:
        pm.set_data({name: value for name, value in other.data[0].items()})
    assert model.compile_logp(mode="FAST_COMPILE")(point) == fresh.compile_logp(mode="FAST_COMPILE")(point)


def test_the_groups_of_a_cohort_are_looked_up_by_label(cohort: Cohort) -> None:
    spec = ModelSpec(family=Weibull(), blocks={}, pooling=("site",))
    prepared = prepare(spec, cohort.where(np.arange(60) % 3 != 1), outcome="os", seed=1)  # without the south
    assert prepared.layout.groupings[0].labels == ("north", "west")
    assert group_indices(prepared.layout, cohort)["site"][:3].tolist() == [0, -1, 1]


@pytest.mark.parametrize("pooling", [("site",), ("site", "country/site")])
def test_groups_enter_by_index_as_their_columns_would(cohort: Cohort, pooling: tuple[str, ...]) -> None:
    """The graph's likelihood is the family's in numpy, with groups as columns of the whole design."""
    spec = ModelSpec(
        family=Weibull(), blocks={"history": Normal()}, pooling=pooling, slopes={"site": ("age", "stage")}
    )
    cohort = with_countries(cohort)
    prepared, model = prepared_model(spec, cohort)
    names = ["coefficients", *spec.family.parameters, "likelihood"]
    compute = model.compile_fn(
        model.replace_rvs_by_values([model[name] for name in names]),
        inputs=model.value_vars,
        mode="FAST_COMPILE",
    )
    rng, start = np.random.default_rng(3), model.initial_point()
    point = {name: value + rng.normal(scale=0.5, size=np.shape(value)) for name, value in start.items()}
    coefficients, *parameters, likelihood = compute(point)
    columns, groups = prepared.encoding.columns(prepared.codes[0]), group_indices(prepared.layout, cohort)
    eta = prepared.layout.matrix(columns, cohort.treatment_idx, groups) @ coefficients
    by_index = prepared.layout.linear_predictor(columns, cohort.treatment_idx, groups, coefficients[None])
    np.testing.assert_allclose(by_index[:, 0], eta, rtol=1e-12, atol=1e-12)
    draws = {n: np.asarray(v)[None] for n, v in zip(spec.family.parameters, parameters, strict=True)}
    pointwise = spec.family.log_likelihood(
        eta[:, None], cohort.outcome("os"), cohort.treatment_idx, draws, prepared.constants
    )
    assert pointwise.sum() == pytest.approx(float(likelihood), rel=1e-10)


def test_nested_groups_are_told_apart_by_what_they_are_nested_in(cohort: Cohort) -> None:
    cohort = with_countries(cohort)
    spec = ModelSpec(family=Weibull(), blocks={}, pooling=("country/site",))
    (grouping,) = prepare(spec, cohort, outcome="os", seed=1).layout.groupings
    pairs = cohort.table.select("country", "site").unique().iter_rows()
    assert grouping.labels == tuple(sorted(f"{country} / {site}" for country, site in pairs))
    assert {"DE / south", "FR / south"} <= set(grouping.labels)
    assert grouping.stem == "country_in_site"


def with_countries(cohort: Cohort) -> Cohort:
    """Two countries whose sites bear the same names."""
    country = pl.Series("country", ["DE" if i < 40 else "FR" for i in range(cohort.n)])
    return replace(
        cohort,
        table=cohort.table.with_columns(country),
        schema=replace(cohort.schema, sites=(*cohort.schema.sites, "country")),
    )


def test_curves_add_columns_to_prognosis_and_where_named_to_modification(cohort: Cohort) -> None:
    spec = ModelSpec(
        family=Weibull(), blocks={"history": Normal()}, terms={"age": Spline(knots=5)},
        modifier_terms={"age": Spline(knots=5, scale=HalfNormal(sigma=0.2))},
    )  # fmt: skip
    prepared, model = prepared_model(spec, cohort)
    labels = prepared.layout.coefficient_labels
    assert [label for label in labels if label.startswith("curve_age")] == [
        f"curve_age {j}" for j in (1, 2, 3)
    ]
    assert "contrast 2 x curve_age 3" in labels
    draw = one_prior_draw(model)
    np.testing.assert_array_equal(
        draw["coefficients"][[labels.index(f"curve_age {j}") for j in (1, 2, 3)]], draw["curve_age"]
    )
    second = [labels.index(f"contrast 2 x curve_age {j}") for j in (1, 2, 3)]
    np.testing.assert_array_equal(draw["coefficients"][second], draw["modifier_curve_age"][3:])
