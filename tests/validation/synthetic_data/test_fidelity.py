from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.readers import read_example
from medresponse.validation.synthetic_data.effects import SCALES, concordance, regress
from medresponse.validation.synthetic_data.fidelity import (
    correlation_distance,
    detection_auc,
    marginal_distances,
)
from medresponse.validation.synthetic_data.space import space_of
from tests.synthetic.learned.patients import trial
from tests.validation.synthetic_data.halves import halves, strangers


@pytest.fixture(scope="module")
def real():
    return halves()


def shuffled(cohort):
    return replace(
        cohort, table=cohort.table.select(pl.col(c).shuffle(seed=i) for i, c in enumerate(cohort.table.columns))
    )  # fmt: skip


def test_margins_ignore_what_is_between_columns(real):
    assert max(marginal_distances(*real.blocks(real.train, shuffled(real.train))).values()) == 0


def test_correlations_of_a_column_turned_around_differ_by_twice_their_size(real):
    # Arm, sex and weight, each of one indicator or number: two of three pairs hold weight.
    kept = replace(
        real.train.schema, features={"history": {"sex": real.train.schema.feature_columns["sex"]}}, groups=()
    )
    before = replace(real.train, schema=kept, table=real.train.table.drop("age", "stage"))
    after = replace(before, table=before.table.with_columns(-pl.col("weight")))
    space = space_of(before)
    weight = before.table["weight"].to_numpy()
    r = [np.corrcoef(weight, before.table[c].to_physical().to_numpy())[0, 1] for c in ("arm", "sex")]
    assert correlation_distance(space.blocks(before), space.blocks(after)) == pytest.approx(
        2 * np.abs(r).sum() / 3
    )


def test_margins_are_the_textbook_distances(real):
    sexes = real.train.table["sex"].cast(pl.String)
    women = replace(
        real.train, table=real.train.table.with_columns(sex=pl.lit("f").cast(pl.Enum(["f", "m"])))
    )
    older = replace(real.train, table=real.train.table.with_columns(pl.col("age") + 1000))
    assert marginal_distances(*real.blocks(real.train, women))["sex"] == pytest.approx((sexes == "m").mean())
    assert marginal_distances(*real.blocks(real.train, older))["age"] == 1


def test_a_forest_tells_what_differs_and_not_strangers(real):
    heavier = replace(real.train, table=real.train.table.with_columns(pl.col("weight") + 1000))
    own = real.space.matrix(real.holdout)
    strange, shifted = (detection_auc(own, real.space.matrix(c), seed=1) for c in (strangers(), heavier))
    assert strange == pytest.approx(0.5, abs=0.07)  # 4 standard errors of an AUC of 600 and 600
    assert shifted == 1


def test_every_kind_of_outcome_has_an_effect_and_a_concordance():
    cohort = trial(600)
    space, kinds = space_of(cohort), set()
    for name, outcome in cohort.schema.outcomes.items():
        fit = regress(cohort, name, space)
        assert fit.effects.shape == (2,) and 0.4 < concordance(fit, cohort, name, space) < 0.9
        kinds.add(outcome.kind)
    assert kinds == set(SCALES)
    assert regress(cohort, "continuous", space).effects[1] == pytest.approx(
        5, abs=4 * 4 / np.sqrt(200) * np.sqrt(2)
    )
    assert regress(cohort, "time_to_event", space).effects[1] == pytest.approx(-np.log(2), abs=0.5)


def test_the_cox_effect_is_scikit_survivals():
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    cohort = read_example("actg320")
    name = next(iter(cohort.schema.outcomes))
    y, bare = cohort.outcome(name), replace(cohort, schema=replace(cohort.schema, features={}, groups=()))
    theirs = CoxPHSurvivalAnalysis(ties="efron").fit(
        (cohort.treatment_idx == 1)[:, None].astype(float), Surv.from_arrays(y["event"], y["time"])
    )
    ours = regress(bare, name, space_of(bare))
    assert ours.effects[0] == pytest.approx(theirs.coef_[0], rel=0.01)  # a ridge of 0.1


def test_nothing_is_fitted_where_nothing_varies():
    cohort = trial(200)
    alive = replace(cohort, table=cohort.table.with_columns(dead=pl.lit(False)))
    assert regress(alive, "binary", space_of(alive)) is None


def test_effects_are_of_the_patients_whose_outcome_is_known(real):
    space = real.space
    half = replace(
        real.train,
        table=real.train.table.with_columns(
            weight=pl.when(pl.int_range(pl.len()) % 2 == 0).then("weight").otherwise(None)
        ),
    )
    alone = real.train.where(np.arange(real.train.n) % 2 == 0)
    fits = [regress(c, "weight", space) for c in (half, alone)]
    np.testing.assert_array_equal(fits[0].effects, fits[1].effects)
    assert concordance(fits[0], half, "weight", space) == concordance(fits[0], alone, "weight", space)
    nobody = replace(half, table=half.table.with_columns(weight=pl.lit(None, dtype=pl.Float64)))
    assert regress(nobody, "weight", space) is None and np.isnan(
        concordance(fits[0], nobody, "weight", space)
    )


def test_there_is_no_effect_of_a_treatment_that_nobody_had():
    cohort = trial(300)
    two = cohort.where(pl.col("arm") != "B")
    effects = regress(two, "continuous", space_of(two)).effects
    assert np.isnan(effects[0]) and effects[1] == pytest.approx(5, abs=4 * 4 / np.sqrt(100) * np.sqrt(2))
    assert np.isnan(regress(cohort.where(pl.col("arm") != "A"), "continuous", space_of(cohort)).effects).all()


def test_times_without_an_event_have_no_concordance():
    cohort = trial(200)
    space, free = (
        space_of(cohort),
        replace(cohort, table=cohort.table.with_columns(status=pl.lit(False))),
    )
    fit = regress(cohort, "time_to_event", space)
    assert np.isnan(concordance(fit, free, "time_to_event", space))
