import json

import pytest

from benchmarks.sbc import FAMILIES, FILE, PRIORS, REPLICATES

PAIRS = json.loads(FILE.read_text(encoding="utf-8"))["pairs"]


@pytest.mark.parametrize("pair", PAIRS)
def test_recorded_calibrations_are_of_the_full_size_and_uniform(pair):
    family, prior = pair.split("/")
    assert family in FAMILIES and prior in PRIORS
    assert PAIRS[pair]["replicates"] == REPLICATES >= 400
    assert PAIRS[pair]["passed"], PAIRS[pair]["failures"]
