import pytest

from medresponse.families import Gaussian
from medresponse.model import ModelSpec, narrow_priors, prepare
from medresponse.priors import R2D2, Horseshoe, Normal
from medresponse.synthetic.scenario import scenario
from medresponse.synthetic.simulation import simulate


@pytest.fixture(scope="module")
def trial():
    return simulate(
        scenario("s02_linear_rct", n=200), seed=1
    ).cohort  # a score whose standard deviation is 10


def words(trial, prior, treatment):
    blocks = [block for block, columns in trial.schema.features.items() if columns]
    spec = ModelSpec(family=Gaussian(), blocks=dict.fromkeys(blocks, prior), treatment=treatment)
    return narrow_priors(spec, prepare(spec, trial, outcome="score", seed=1))


def test_priors_in_the_outcomes_units_are_not_named(trial):
    assert words(trial, Normal(sigma=5.0), Normal(sigma=5.0)) == ()
    assert words(trial, R2D2(), Normal(sigma=1000.0)) == ()


def test_priors_that_rule_effects_out_are_named_with_both_scales(trial):
    (treatment,) = words(trial, Normal(sigma=5.0), Normal(sigma=0.5))
    assert treatment.startswith("spec.treatment: the prior's scale, 0.5, is below a tenth")
    assert "state the prior in the outcome's units" in treatment


def test_a_block_is_judged_by_all_its_columns_and_a_horseshoe_by_those_it_expects(trial):
    found = words(trial, Horseshoe(expected_nonzero=1, slab_scale=0.9), Normal(sigma=5.0))
    assert found and all(one.startswith("spec.blocks.") and "0.9" in one for one in found)
    assert words(trial, Horseshoe(expected_nonzero=4, slab_scale=0.9), Normal(sigma=5.0)) == ()
