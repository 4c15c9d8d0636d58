"""Models with sums of trees: exact where the answer is known, refused where they cannot be drawn, saved without loss."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import halfnorm, lognorm, norm

import medresponse as mr
from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.comparison import compare_specs
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.families import Bernoulli, Gaussian, Lognormal, StudentT, Weibull
from medresponse.inference import Fit, Gibbs, Limits, Nuts, fit, load_fit, save_fit
from medresponse.inference import gibbs as gibbs_module
from medresponse.inference.fitting import pointwise_log_likelihood
from medresponse.inference.prior import prior_fit
from medresponse.model import ModelSpec, SumOfTrees, Trees
from medresponse.priors import ByClass, Horseshoe, Normal
from medresponse.response.predict import encode_patients, linear_predictors
from medresponse.terms import Spline

SMALL = Trees(blocks=("history",), prognostic=SumOfTrees(trees=10), predictive=SumOfTrees(trees=5, grow=0.5))
EASY = Limits(max_rhat=99.0, min_ess=0.0)
QUICK = Gibbs(draws=60, tune=20, thin=1, chains=2)
EVENTS = {
    "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False,
    "unit": "month", "event_label": "death", "free_label": "alive",
}  # fmt: skip
OUTCOMES: dict[str, dict[str, Any]] = {
    "continuous": {"kind": "continuous", "column": "y", "unit": "points", "label": "score", "direction": "higher_is_better"},
    "binary": {
        "kind": "binary", "column": "y", "event_value": 1, "other_value": 0, "event_label": "cured",
        "free_label": "not cured", "direction": "event_is_better",
    },
    "time_to_event": EVENTS,
}  # fmt: skip


def trial(family: Any, n: int = 80, *, arms: str = "AB", seed: int = 1, unseen: int = 0) -> Cohort:
    """Prognosis steps with `first`, the effect with `second`; `third` is noise in a block of its own."""
    rng = np.random.default_rng(seed)
    x, arm = rng.standard_normal((n, 3)), rng.permutation(n) % len(arms)
    contrast = np.where(arm == 0, -0.5, 0.5) if len(arms) > 1 else np.zeros(n)
    eta = 1.5 * (x[:, 0] > 0) + contrast * (0.5 + 1.5 * (x[:, 1] > 0))
    columns: dict[str, Any] = {
        "patient": [f"P{i:04d}" for i in range(n)], "arm": np.array(list(arms))[arm], "site": rng.choice(["s", "t", "u"], n),
        "first": pl.Series(x[:, 0]).set(pl.Series(np.arange(n) < unseen), None), "second": x[:, 1], "third": x[:, 2],
        "sex": rng.choice(["f", "m"], n),
    }  # fmt: skip
    if family.outcome_kind == "continuous":
        columns["y"] = 2 + eta + rng.standard_normal(n)
    elif family.outcome_kind == "binary":
        columns["y"] = (rng.random(n) < 1 / (1 + np.exp(1 - eta))).astype(int)
    else:
        event, follow_up = np.exp(1 + eta + 0.7 * rng.standard_normal(n)), rng.uniform(2, 30, n)
        columns |= {"time": np.minimum(event, follow_up), "event": event <= follow_up}
    number = {"type": "continuous", "unit": "1"}
    treatment = {
        "column": "arm",
        "reference": "A",
        "assignment": "randomised",
        "levels": {a: {} for a in arms},
    }
    plain = {
        "name": "made-up trial", "source": "numpy", "id": "patient", "synthetic": True, "sites": ["site"],
        "treatment": treatment if len(arms) > 1 else None, "outcomes": {"y": OUTCOMES[family.outcome_kind]},
        "features": {
            "history": {"first": number, "second": number, "sex": {"type": "binary", "levels": ["f", "m"]}},
            "lifestyle": {"third": number},
        },
    }  # fmt: skip
    if len(arms) == 1:
        del columns["arm"]
    return cohort_from_frame(pl.DataFrame(columns), from_plain(Schema, plain))


def spec_of(family: Any, **fields: Any) -> ModelSpec:
    return ModelSpec(
        **({"family": family, "blocks": {"lifestyle": Normal(sigma=0.5)}, "trees": SMALL} | fields)
    )


@pytest.fixture(scope="module")
def three_arms() -> tuple[Fit, Cohort]:
    cohort = trial(Lognormal(), arms="ABC", unseen=6)
    return fit(spec_of(Lognormal(), pooling=("site",)), cohort, seed=1, engine=QUICK), cohort


def test_a_spec_with_trees_decodes_from_what_it_encodes_to() -> None:
    spec = spec_of(Gaussian())
    assert from_plain(ModelSpec, to_plain(spec)) == spec


def test_a_block_is_linear_or_in_trees_and_trees_replace_curves() -> None:
    with pytest.raises(ValueError, match="both name lifestyle"):
        spec_of(Gaussian(), trees=Trees(blocks=("lifestyle",)))
    with pytest.raises(ValueError, match="terms and trees do not go together"):
        spec_of(Gaussian(), terms={"third": Spline()})


@pytest.mark.parametrize(
    ("fields", "engine", "message"),
    [
        ({"family": Weibull()}, QUICK, "Weibull has no latent normal outcome.*bernoulli, gaussian, lognormal, student_t"),
        ({"family": Lognormal()}, Nuts(), "Gibbs engine is for specs with trees"),
        ({"family": Lognormal(), "trees": None}, QUICK, "Gibbs engine is for specs with trees"),
        ({"family": Lognormal(), "blocks": {"lifestyle": Horseshoe(expected_nonzero=1)}}, QUICK, "blocks.lifestyle.*normal prior with a fixed scale"),
        ({"family": Lognormal(), "treatment": Normal(pooled=True)}, QUICK, "treatment.*normal prior with a fixed scale"),
        ({"family": Lognormal(), "treatments": ByClass()}, QUICK, "exchangeably only"),
    ],
)  # fmt: skip
def test_what_gibbs_steps_cannot_draw_is_refused_by_name(
    fields: dict[str, Any], engine: Any, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        fit(spec_of(**fields), trial(Lognormal()), seed=1, engine=engine)


# Trees without splits leave an intercept with a normal prior, so that the posterior is known on a grid.
STUMPS = Trees(blocks=("history",), prognostic=SumOfTrees(trees=2, grow=1e-9, scale=0.5))


def _grid_gaussian(
    family: Gaussian, outcome: dict[str, np.ndarray], constants: Any
) -> tuple[np.ndarray, ...]:
    spread, center = float(constants["spread"]), float(constants["center"])
    intercept, sigma = np.meshgrid(
        center + spread * np.linspace(-1, 1, 200), spread * np.linspace(0.5, 2.0, 200)
    )
    log = norm.logpdf(intercept, center, spread * np.hypot(2.5, 0.5)) + halfnorm.logpdf(sigma / spread)
    return intercept, sigma, log


def _grid_lognormal(
    family: Lognormal, outcome: dict[str, np.ndarray], constants: Any
) -> tuple[np.ndarray, ...]:
    nobody = np.zeros(len(outcome["time"]), dtype=int)
    center, sd = family.intercept_prior(family.observe(outcome, nobody, constants), constants)
    intercept, sigma = np.meshgrid(center + np.linspace(-3, 3, 300), np.linspace(0.2, 3.0, 200))
    log = norm.logpdf(intercept, center, np.hypot(sd, 0.5 * family.latent_sd(outcome)))
    return intercept, sigma, log + lognorm.logpdf(sigma, 0.5)


def _grid_bernoulli(
    family: Bernoulli, outcome: dict[str, np.ndarray], constants: Any
) -> tuple[np.ndarray, ...]:
    center, sd = family.intercept_prior({}, constants)
    intercept = center + np.linspace(-3, 3, 2000)[None]
    return (
        intercept,
        np.ones_like(intercept),
        norm.logpdf(intercept, center, np.hypot(sd, 0.5 * np.pi / np.sqrt(3))),
    )


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("family", "grid"),
    [(Gaussian(), _grid_gaussian), (Lognormal(), _grid_lognormal), (Bernoulli(), _grid_bernoulli)],
)
def test_trees_without_splits_give_the_posterior_found_on_a_grid(family: Any, grid: Any) -> None:
    cohort = trial(family, 40, arms="A")
    spec = ModelSpec(family=family, blocks={}, trees=STUMPS)
    found = fit(spec, cohort, seed=3, engine=Gibbs(draws=2000, tune=100, thin=1, chains=2))
    outcome = cohort.outcome("y")
    intercept, sigma, log_prior = grid(family, outcome, found.constants)
    parameters = {family.intercept_name: intercept.ravel(), "sigma": sigma.ravel()}
    pointwise = family.log_likelihood(
        np.zeros((cohort.n, intercept.size)), outcome, cohort.treatment_idx, parameters, found.constants
    )
    log = log_prior.ravel() + pointwise.sum(axis=0)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    for name in family.parameters:
        grid_mean = weight @ parameters[name]
        grid_sd = np.sqrt(weight @ (parameters[name] - grid_mean) ** 2)
        draws = found.draws(name)
        ess = found.diagnostics_table.filter(pl.col("parameter") == name)["ess_bulk"][0]
        assert ess > 400
        assert abs(draws.mean() - grid_mean) < 4.5 * grid_sd / np.sqrt(ess)
        assert draws.std() == pytest.approx(grid_sd, rel=0.12)


def test_pooled_groups_three_arms_and_missing_features_give_a_whole_fit(
    three_arms: tuple[Fit, Cohort],
) -> None:
    found, _ = three_arms
    assert found.provenance.imputations == 5 and found.posterior.sizes["chain"] == 10
    assert {"site_scale", "site_treatment_scale"} <= set(found.posterior)
    assert found.forests is not None
    assert {str(name) for name in found.forests} == {
        f"{name}_{part}"
        for name in ("prognostic", "predictive_0", "predictive_1")
        for part in ("column", "value")
    }
    assert found.diagnostics.bfmi is None and found.diagnostics.divergences == 0
    assert found.diagnostics.pareto_k is not None and found.provenance.sampler == "trees"


def test_functions_average_zero_over_the_training_patients_of_their_imputation(
    three_arms: tuple[Fit, Cohort],
) -> None:
    found, _ = three_arms
    assert found.codes is not None
    chain = found.posterior["imputation"].values == 2
    prognosis, effects = found.kept(chain=chain).forest_values(found.encoding.columns(found.codes[2]))
    np.testing.assert_allclose(prognosis.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(effects.mean(axis=0), 0, atol=1e-12)


def test_thinning_keeps_trees_beside_their_draws(three_arms: tuple[Fit, Cohort]) -> None:
    found, cohort = three_arms
    thin = found.thinned(100)
    columns = found.encoding.columns(found.codes[0])
    step = found.posterior.sizes["draw"] // thin.posterior.sizes["draw"]
    every = found.forest_values(columns)[0].reshape(cohort.n, found.posterior.sizes["chain"], -1)
    kept = thin.forest_values(columns)[0].reshape(cohort.n, found.posterior.sizes["chain"], -1)
    np.testing.assert_array_equal(kept, every[:, :, step - 1 :: step])


def test_a_saved_fit_scores_the_same(three_arms: tuple[Fit, Cohort], tmp_path: Path) -> None:
    found, cohort = three_arms
    loaded = load_fit(save_fit(found, tmp_path / "trees.fit"))
    before = mr.respond(found, cohort, horizon=6, unit="month").summary()
    assert before.equals(mr.respond(loaded, cohort, horizon=6, unit="month").summary())
    assert np.isfinite(before["mean"].to_numpy()).all()


def test_the_same_seed_gives_the_same_draws_and_a_checkpoint_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, spec = trial(StudentT()), spec_of(StudentT())
    first = fit(spec, cohort, seed=1, engine=QUICK, checkpoint=tmp_path)
    again = fit(spec, cohort, seed=1, engine=QUICK)
    assert first.posterior.equals(again.posterior) and first.forests.equals(again.forests)
    other = fit(spec, cohort, seed=2, engine=QUICK)
    assert not first.posterior.equals(other.posterior)
    monkeypatch.setattr(gibbs_module, "_Chain", None)  # nothing is left to sample
    assert fit(spec, cohort, seed=1, engine=QUICK, checkpoint=tmp_path).posterior.equals(first.posterior)


def test_likelihoods_of_training_patients_are_those_of_the_responses_predictor() -> None:
    cohort = trial(Gaussian())
    found = fit(spec_of(Gaussian(), pooling=("site",)), cohort, seed=1, engine=QUICK)
    ((_, eta),) = linear_predictors(found, encode_patients(found, cohort), seed=1)
    own = eta[np.arange(cohort.n), cohort.treatment_idx]
    expected = found.spec.family.log_likelihood(
        own, cohort.outcome("y"), cohort.treatment_idx, found.family_draws(), found.constants
    )
    np.testing.assert_allclose(pointwise_log_likelihood(found, cohort, imputation=0), expected, rtol=1e-9)


def test_specs_with_trees_are_compared_like_any_other() -> None:
    cohort = trial(Gaussian(), unseen=5)
    no_modification = Trees(blocks=("history",), prognostic=SumOfTrees(trees=10), predictive=None)
    specs = {"both": spec_of(Gaussian()), "prognosis": spec_of(Gaussian(), trees=no_modification)}
    found = compare_specs(specs, cohort, engine=QUICK, limits=EASY, seed=1)
    assert set(found.table["spec"]) == set(specs)
    assert np.isfinite(found.table["elpd"].to_numpy()).all()


def test_each_feature_is_as_likely_to_be_split_on_as_any_other() -> None:
    from medresponse.model import prepare

    prepared = prepare(spec_of(Gaussian()), trial(Gaussian()), outcome="y", seed=1)
    positions, weights = gibbs_module.splittable(prepared.encoding, ("history",), with_score=False)
    assert [prepared.encoding.column_labels[i] for i in positions] == ["first", "second", "sex"]
    np.testing.assert_allclose(weights, 1 / 3)


def test_columns_of_one_categorical_feature_share_its_chance_and_products_have_none() -> None:
    encoding: Any = SimpleNamespace(
        column_features=(("age",), ("stage",), ("stage",), ("stage",), ("bmi",), ("age", "stage"), ()),
        column_blocks=("history", "history", "history", "history", "lifestyle", "history", "propensity"),
    )
    positions, weights = gibbs_module.splittable(encoding, ("history",), with_score=False)
    assert positions.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(weights, np.array([3, 1, 1, 1]) / 6)
    positions, weights = gibbs_module.splittable(encoding, ("history",), with_score=True)
    assert positions.tolist() == [0, 1, 2, 3, 6]
    np.testing.assert_allclose(weights, np.array([3, 1, 1, 1, 3]) / 9)


def test_the_prior_of_a_sum_of_trees_has_the_stated_spread() -> None:
    """At one patient the sum has sd `scale` times the outcome's; of its variance, what varies over patients is less."""
    family = Gaussian()
    cohort = trial(family, 200)
    trees = Trees(
        blocks=("history",), prognostic=SumOfTrees(trees=20, scale=0.8, min_patients=1), predictive=None
    )
    drawn = prior_fit(spec_of(family, trees=trees), cohort, draws=400, seed=1)
    prognosis, effects = drawn.forest_values(drawn.encoding.columns(drawn.codes[0]))
    unit = family.latent_sd(cohort.outcome("y"))
    around = drawn.draws("intercept") - float(drawn.constants["center"])
    one = prognosis[0] + around
    expected = unit * np.hypot(2.5, 0.8)
    assert one.std() == pytest.approx(expected, rel=4.5 / np.sqrt(2 * 400))
    assert 0.4 * 0.8 * unit < prognosis.std() < 0.8 * unit
    assert (effects == 0).all() and not drawn.diagnostics.passed


@pytest.mark.recovery
def test_a_stepped_effect_is_found_that_a_linear_spec_blurs() -> None:
    """Root mean squared error of the conditional effect over three trials; the truth is 0.5, or 2.0 above a step."""
    errors: dict[str, list[float]] = {"trees": [], "linear": []}
    covered = []
    for seed in range(3):
        cohort = trial(Gaussian(), 600, seed=seed)
        truth = 0.5 + 1.5 * (cohort.table["second"].to_numpy() > 0)
        specs = {
            "trees": ModelSpec(family=Gaussian(), blocks={}, trees=Trees(blocks=("history", "lifestyle"))),
            "linear": ModelSpec(
                family=Gaussian(),
                blocks={"history": Horseshoe(expected_nonzero=1), "lifestyle": Horseshoe(expected_nonzero=1)},
            ),
        }
        for name, spec in specs.items():
            found = fit(spec, cohort, seed=seed)
            table = mr.contrast(mr.respond(found, cohort))
            errors[name].append(float(np.sqrt(((table["benefit"].to_numpy() - truth) ** 2).mean())))
            if name == "trees":
                low, high = table["lower"].to_numpy(), table["upper"].to_numpy()
                covered.append(((low <= truth) & (truth <= high)).mean())
    assert np.mean(errors["trees"]) < 0.75 * np.mean(errors["linear"])
    assert np.mean(covered) > 0.85
