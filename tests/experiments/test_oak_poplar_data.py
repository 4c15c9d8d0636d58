"""OAK against table 2 of Rittmeyer et al., Lancet 2017;389:255; POPLAR's counts are those of the file."""

import numpy as np
import pytest

from experiments.oak_poplar_data import read_trial
from tests.experiments.real_data import data_root, needs_folder, source

pytestmark = needs_folder("oak_poplar")


def trial(name, analysis=None):
    return read_trial(source("oak_poplar"), data_root(), name, analysis=analysis)


def test_response_rates_of_everybody_are_the_published_ones():
    oak = trial("oak", "responder")
    responded = oak.outcome("responded")["value"]
    assert oak.treatments == ("docetaxel", "atezolizumab")
    assert np.bincount(oak.treatment_idx).tolist() == [425, 425]
    assert np.bincount(oak.treatment_idx, weights=responded).tolist() == [57, 58]


@pytest.mark.parametrize(
    ("name", "excluded", "counts"),
    [
        ("oak", [80, 24], [[117, 177, 56, 1], [187, 150, 52, 6]]),
        ("poplar", [26, 6], [[50, 50, 21, 0], [59, 53, 21, 1]]),
    ],
)
def test_best_response_by_arm_and_who_has_none(name, excluded, counts):
    evaluable = trial(name, "response")
    assert [rule.n for rule in evaluable.flow] == excluded
    codes, arm = evaluable.outcome("best_response")["value"], evaluable.treatment_idx
    assert [np.bincount(codes[arm == k], minlength=4).tolist() for k in (0, 1)] == counts


def test_the_analyses_share_features_and_the_main_one_keeps_everybody():
    main, evaluable = trial("poplar"), trial("poplar", "response")
    assert (main.n, list(main.schema.outcomes), main.schema.name) == (287, ["os", "pfs"], "POPLAR")
    assert main.schema.feature_columns == evaluable.schema.feature_columns
    assert set(evaluable.patients) < set(main.patients)
