"""The clinical study report's tables 14-3.01 and 14-5.01, as re-rendered by atorus-research/CDISC_pilot_replication."""

import numpy as np
import pytest

from experiments.cdisc_pilot_data import build_frame
from tests.experiments.classical import dummies, hazard_ratios, least_squares
from tests.experiments.real_data import cohort, needs_folder

pytestmark = needs_folder("cdisc_pilot")


@pytest.fixture(scope="module")
def efficacy():
    return cohort("cdisc_pilot", build_frame)


@pytest.fixture(scope="module")
def safety():
    return cohort("cdisc_pilot", build_frame, "safety")


def adjusted(cohort, *treatment):
    table = cohort.table
    covariates = (dummies(table["site_group"].cast(str)), table["adas11_baseline"].to_numpy())
    return least_squares(*treatment, *covariates, y=cohort.outcome("adas11_change")["value"])


def test_the_analysis_set_has_the_published_sizes_means_and_spreads(efficacy):
    change, arm = efficacy.outcome("adas11_change")["value"], efficacy.treatment_idx
    assert np.bincount(arm).tolist() == [79, 81, 74]
    assert [f"{change[arm == k].mean():.1f}" for k in range(3)] == ["2.5", "2.0", "1.5"]
    assert [f"{change[arm == k].std(ddof=1):.2f}" for k in range(3)] == ["5.80", "5.55", "4.26"]
    assert [(rule.n, len(rule.ids)) for rule in efficacy.flow] == [(20, 20)]


def test_least_squares_gives_the_published_differences(efficacy):
    arm = efficacy.treatment_idx
    beta, error, p = adjusted(efficacy, arm == 1, arm == 2)
    published = [("-0.5", "0.82", "0.569"), ("-1.0", "0.84", "0.233")]
    assert [(f"{beta[k]:.1f}", f"{error[k]:.2f}", f"{p[k]:.3f}") for k in (0, 1)] == published
    beta, error, p = adjusted(efficacy, arm == 0, arm == 2)
    assert (f"{beta[1]:.1f}", f"{error[1]:.2f}", f"{p[1]:.3f}") == ("-0.5", "0.84", "0.520")


def test_least_squares_gives_the_published_dose_response(efficacy):
    dose = np.array([level.dose for level in efficacy.schema.treatment.levels.values()])
    assert f"{adjusted(efficacy, dose[efficacy.treatment_idx])[2][0]:.3f}" == "0.245"


def test_the_published_analysis_has_the_same_patients_with_sites_as_a_feature(efficacy):
    published = cohort("cdisc_pilot", build_frame, "published")
    assert published.patients == efficacy.patients
    assert set(published.schema.feature_columns) == {"adas11_baseline", "site_group"}
    assert not published.table["site_group"].null_count()


def test_adverse_events_are_counted_as_published_with_patients_who_had_none(safety):
    counts, arm = safety.outcome("adverse_events")["value"], safety.treatment_idx
    assert np.bincount(arm).tolist() == [86, 84, 84]
    assert np.bincount(arm, weights=counts).tolist() == [281, 412, 433]
    assert np.bincount(arm, weights=counts > 0).tolist() == [65, 77, 76]


def test_every_counted_event_lies_in_its_exposure(safety):
    every, treated = (safety.outcome(name) for name in ("adverse_events", "adverse_events_on_treatment"))
    assert every["value"].sum() - treated["value"].sum() == 35  # they began after the last dose
    assert (treated["exposure"] <= every["exposure"]).all() and treated["exposure"].min() == 1
    assert (safety.outcome("dermatologic")["time"] <= every["exposure"]).all()


def test_dermatologic_events_come_sooner_with_xanomeline(safety):
    outcome, arm = safety.outcome("dermatologic"), safety.treatment_idx
    assert np.bincount(arm, weights=outcome["event"]).tolist() == [29, 62, 61]
    assert [f"{ratio:.2f}" for ratio in hazard_ratios(arm, outcome)] == ["4.15", "5.03"]
