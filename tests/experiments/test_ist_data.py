"""The trial's published proportions (Lancet 1997;349:1569), and those measured on the file to one digit more."""

import numpy as np
import pytest

from experiments.ist_data import build_frame
from tests.experiments.real_data import cohort, needs_folder

pytestmark = needs_folder("ist")


@pytest.fixture(scope="module")
def trial():
    return cohort("ist", build_frame)


def percent(outcome, groups):
    return [f"{100 * outcome[groups == g].mean():.2f}" for g in np.unique(groups)]


def test_dead_or_dependent_at_six_months(trial):
    value = trial.outcome("dead_or_dependent")["value"]
    assert np.bincount(trial.treatment_idx).tolist() == [9646, 9639]
    assert percent(value, trial.treatment_idx) == ["63.50", "62.25"]
    heparin = (trial.table["heparin"].cast(str) != "none").to_numpy()
    assert percent(value, heparin) == ["62.86", "62.89"]


def test_the_ordinal_outcome_is_the_binary_one_in_more_detail(trial):
    ordinal = trial.outcome("outcome_6_months")["value"]
    assert np.bincount(ordinal).tolist() == [4241, 7884, 3864, 3296]
    assert ((ordinal <= 1) == (trial.outcome("dead_or_dependent")["value"] == 1)).all()


def test_only_patients_of_unknown_outcome_are_left_out(trial):
    assert [(rule.reason, rule.n) for rule in trial.flow] == [("outcome at six months not known", 150)]


def test_deaths_within_14_days_are_of_everybody():
    early = cohort("ist", build_frame, "early")
    value, heparin = early.outcome("dead_14_days")["value"], early.table["heparin"].cast(str)
    assert np.bincount(early.treatment_idx).tolist() == [9715, 9720]
    assert [f"{float(p):.1f}" for p in percent(value, early.treatment_idx)] == ["9.4", "9.0"]
    assert [f"{float(p):.1f}" for p in percent(value, (heparin != "none").to_numpy())] == ["9.3", "9.0"]
    assert early.table["hospital"].n_unique() == 466 and early.table["country"].n_unique() == 36
