"""The trials that come with a package, against what is documented of them."""

import numpy as np
import pytest
from sksurv.datasets import load_bmt
from sksurv.nonparametric import cumulative_incidence_competing_risks

from medresponse.readers import read_example


def aalen_johansen(outcome, keep, times):
    """Cumulative incidence by cause, (cause, time), written out (Aalen & Johansen 1978)."""
    time, cause = outcome["time"][keep], outcome["cause"][keep]
    free, incidence = 1.0, np.zeros(int(outcome["n_causes"]))
    result = np.zeros((len(incidence), len(times)))
    for moment in np.unique(time):
        at_risk = (time >= moment).sum()
        hazards = np.array([((time == moment) & (cause == k)).sum() / at_risk for k in range(len(incidence))])
        incidence = incidence + free * hazards
        free *= 1 - hazards.sum()
        result[:, times >= moment] = incidence[:, None]
    return result


@pytest.mark.parametrize("name", ["bmt", "cgvhd"])
def test_cumulative_incidence_of_every_group_is_the_nonparametric_estimator_s(name):
    cohort = read_example(name)
    (outcome_name,) = cohort.schema.outcomes
    outcome = cohort.outcome(outcome_name)
    groups = cohort.treatment_idx if cohort.treatments else cohort.table["dis"].to_physical().to_numpy()
    for group in np.unique(groups):
        keep = groups == group
        times, incidence = cumulative_incidence_competing_risks(
            outcome["cause"][keep] + 1, outcome["time"][keep]
        )
        np.testing.assert_allclose(aalen_johansen(outcome, keep, times), incidence[1:], atol=1e-12)


def test_bmt_is_one_arm_of_35_with_the_documented_events():
    cohort = read_example("bmt")
    cause = cohort.outcome("relapse_or_death")["cause"]
    assert (cohort.n, cohort.treatments) == (35, ())
    assert np.bincount(cause + 1).tolist() == [11, 9, 15]
    assert np.bincount(cohort.table["dis"].to_physical().to_numpy()).tolist() == [17, 18]


def test_moving_month_0_to_its_middle_changes_no_incidence_from_month_1_on():
    _, raw = load_bmt()
    outcome = read_example("bmt").outcome("relapse_or_death")
    everybody, months = np.ones(35, dtype=bool), np.arange(1.0, 73.0)
    as_given = {"time": raw["ftime"], "cause": raw["status"] - 1, "n_causes": 2}
    assert (raw["ftime"] == 0).sum() == 2 and outcome["time"].min() == 0.5
    np.testing.assert_array_equal(
        aalen_johansen(outcome, everybody, months), aalen_johansen(as_given, everybody, months)
    )


def test_cgvhd_is_randomised_with_the_documented_events():
    cohort = read_example("cgvhd")
    cause = cohort.outcome("first_event")["cause"]
    assert (cohort.treatments, cohort.schema.treatment.assignment) == (("BM", "PB"), "randomised")
    assert np.bincount(cohort.treatment_idx).tolist() == [51, 49]
    assert np.bincount(cause + 1).tolist() == [4, 86, 5, 5]
