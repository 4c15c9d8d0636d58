"""The difference in raw shares against the published one (Lancet 1997;349:1569)."""

import numpy as np

from experiments.ist import _raw
from experiments.ist_data import build_frame
from tests.experiments.real_data import cohort, needs_folder

pytestmark = needs_folder("ist")


def test_the_raw_benefit_is_the_published_13_with_a_standard_error_of_7():
    trial = cohort("ist", build_frame)
    value, error = _raw(trial, np.ones(trial.n, dtype=bool))
    assert (round(value), round(error)) == (13, 7)
