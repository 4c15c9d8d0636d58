"""No estimate of an effect that nobody was assigned to without a stated strategy against confounding."""

from dataclasses import replace

import pytest

from experiments.nhefs_data import build_frame, data_file
from experiments.sources import cohort_of, schema_of
from medresponse.core.codec import from_plain
from medresponse.core.errors import SpecError
from medresponse.model import ModelSpec, PropensityScore, prepare
from tests.experiments.real_data import needs_package, source
from tests.experiments.test_configs import composed

SPECS = composed("experiment=nhefs")["spec"]


def spec_of(name):
    return from_plain(ModelSpec, SPECS[name], path=f"spec.{name}")


@pytest.fixture(scope="module")
def smokers():
    nhefs = source("nhefs")
    return cohort_of(build_frame(data_file(nhefs)), schema_of(nhefs))


@needs_package("causaldata")
@pytest.mark.parametrize("name", SPECS)
def test_a_spec_without_a_confounding_strategy_is_refused(name, smokers):
    with pytest.raises(SpecError, match=r"spec\.confounding") as caught:
        prepare(replace(spec_of(name), confounding=None), smokers, outcome="weight_change", seed=1)
    assert caught.value.code == "confounding"


def test_every_spec_names_its_strategy():
    assert {name for name in SPECS if isinstance(spec_of(name).confounding, PropensityScore)} == {
        "propensity"
    }
    assert {spec_of(name).confounding for name in set(SPECS) - {"propensity"}} == {"measured"}


@needs_package("causaldata")
def test_the_propensity_spec_has_a_line_and_a_curve_of_the_score(smokers):
    encoding = prepare(spec_of("propensity"), smokers, outcome="weight_change", seed=1).encoding
    assert {"propensity", "curve_propensity"} <= set(encoding.column_blocks)
