"""Figures measured on the file by independent code, around those of Hammer et al. (1996), who had 2,467 patients."""

import numpy as np
import pytest

from experiments.actg175_data import build_frame
from tests.experiments.classical import hazard_ratios, least_squares
from tests.experiments.real_data import cohort, needs_folder

pytestmark = needs_folder("actg175")


@pytest.fixture(scope="module")
def trial():
    return cohort("actg175", build_frame)


def test_every_patient_and_event_is_there(trial):
    arm, event = trial.treatment_idx, trial.outcome("progression")["event"]
    assert (trial.n, np.bincount(arm).tolist()) == (2139, [532, 561, 522, 524])
    assert np.bincount(arm, weights=event).tolist() == [181, 128, 103, 109]
    assert np.isfinite(trial.outcome("cd4_week20")["value"]).all()


def test_hazard_ratios_of_each_treatment_beside_zidovudine_alone(trial):
    arm, outcome = trial.treatment_idx, trial.outcome("progression")
    ratios = [hazard_ratios(arm, outcome, (arm == 0) | (arm == k))[0] for k in (1, 2, 3)]
    assert [f"{ratio:.2f}" for ratio in ratios] == ["0.59", "0.49", "0.53"]


@pytest.mark.parametrize(
    ("history", "n", "ratios"),
    [("naive", 886, ["0.63", "0.54", "0.36"]), ("experienced", 1253, ["0.57", "0.46", "0.59"])],
)
def test_hazard_ratios_by_history_of_therapy_in_one_model(trial, history, n, ratios):
    part = trial.where((trial.table["experienced"] == history).to_numpy())
    measured = hazard_ratios(part.treatment_idx, part.outcome("progression"))
    assert part.n == n
    assert [f"{ratio:.2f}" for ratio in measured] == ratios


def test_any_other_treatment_leaves_more_cd4_cells_at_20_weeks(trial):
    cd4, other = trial.outcome("cd4_week20")["value"], trial.treatment_idx > 0
    assert f"{cd4[other].mean() - cd4[~other].mean():.1f}" == "46.8"
    table = trial.table
    numbers = table.select("age", "weight", "cd4", "cd8").to_numpy()
    levels = ("karnof", "hemo", "homo", "drugs", "race", "sex", "symptom")
    codes = np.column_stack([table[name].to_physical().to_numpy() for name in levels])
    beta, error, _ = least_squares(other, numbers, codes, y=cd4)
    assert (f"{beta[0]:.1f}", f"{error[0]:.1f}") == ("49.7", "5.7")
