import json

import pytest

from benchmarks.sbc import DATA, DESIGN, FAMILIES, FILE, PAGE, PRIORS, REPLICATES, SEARCHES, WHAT
from benchmarks.sbc_page import TESTED, page
from medresponse.model import MultipleImputation
from tests.sbc.test_calibration import CI_SIZE

KEPT = json.loads(FILE.read_text(encoding="utf-8"))
CELLS = KEPT["cells"]


@pytest.mark.parametrize("cell", CELLS)
def test_recorded_calibrations_are_of_the_full_size(cell):
    family, prior, data = cell.split("/")
    assert family in FAMILIES and prior in {*PRIORS, *SEARCHES} and data in DATA
    found = CELLS[cell]
    assert found["replicates"] == REPLICATES >= 400
    assert found["passed"] == (not found["failures"]) == (found["least_holm"] >= KEPT["alpha"])


def test_the_page_says_what_the_file_holds():
    assert TESTED == CI_SIZE
    assert PAGE.read_text(encoding="utf-8") == page(KEPT, WHAT)
    assert KEPT["not_run"] == [cell for cell in DESIGN if cell not in CELLS]


def test_the_design_covers_families_priors_and_data():
    cells = [cell.split("/") for cell in DESIGN]
    for family in FAMILIES:
        priors = {prior for own, prior, data in cells if own == family and data == "complete"}
        assert "normal" in priors and priors & {"horseshoe", "r2d2", "student_t"}
    for data in ("missing", "missing_20", "shifted", "noisy"):
        assert len({FAMILIES[own][1] for own, _, name in cells if name == data}) >= 3


def test_cells_with_imputation_and_no_other_say_how_often_values_were_redrawn():
    imputed = {
        cell for cell in CELLS if cell.rsplit("/", 1)[1] in ("missing", "missing_20", "shifted", "noisy")
    }
    assert {cell for cell, found in CELLS.items() if "cycles" in found} == imputed
    assert {CELLS[cell]["cycles"] for cell in imputed} <= {0, MultipleImputation().cycles}


def test_complete_features_are_calibrated_under_normal_priors():
    """Nothing stands between prior and posterior there but the sampler."""
    found = {cell: one["failures"] for cell, one in CELLS.items() if cell.endswith("/normal/complete")}
    assert found and not any(found.values()), found
