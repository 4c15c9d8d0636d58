import json
from itertools import product

import pytest

from benchmarks.sbc import (
    ALPHA,
    DATA,
    DESIGN,
    FAMILIES,
    FILE,
    PAGE,
    PRIORS,
    PRODUCT,
    REPLICATES,
    SEARCHES,
    WHAT,
)
from benchmarks.sbc_page import TESTED, page, rejudged
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


def test_recorded_verdicts_are_those_of_today():
    for cell, found in CELLS.items():
        assert rejudged(found, ALPHA, KEPT["between"].get(cell, {})) == found


def test_one_draw_an_imputation_is_judged_where_much_lies_between_imputations():
    rows = [("sigma", 0.2), ("log likelihood", 1e-5), ("log likelihood, one draw an imputation", 0.4)]
    table = [
        {"quantity": name, "p": p, "holm": 0.0, "mean_rank": 0.5, "spread": 1.0, "verdict": "off"}
        for name, p in rows
    ]
    strict = rejudged({"table": table}, 0.01, {"log likelihood": 0.2})
    assert strict["failures"] == ["log likelihood"] and strict["quantities"] == 3
    found = rejudged({"table": table}, 0.01, {"log likelihood": 0.4})
    assert (
        found["passed"]
        and found["failures"] == []
        and found["quantities"] == 2
        and found["least_holm"] == 0.4
    )
    assert [row["verdict"] for row in found["table"]] == ["uniform", "uniform", "pooled"]
    old = {"table": table[:2], "failures": ["log likelihood"]}
    assert rejudged(old, 0.01, {"log likelihood": 0.4}) == old


def test_the_page_says_what_the_file_holds():
    assert TESTED == CI_SIZE
    assert PAGE.read_text(encoding="utf-8") == page(KEPT, WHAT, PRODUCT)
    assert KEPT["not_run"] == [cell for cell in DESIGN if cell not in CELLS]


def test_the_design_covers_families_priors_and_data():
    cells = [cell.split("/") for cell in DESIGN]
    assert len(set(DESIGN)) == len(DESIGN) and set(PRODUCT.priors) == set(PRIORS) - {"grouped"}
    for data in ("complete", "missing"):
        assert {tuple(cell[:2]) for cell in cells if cell[2] == data} >= set(
            product(FAMILIES, PRODUCT.priors)
        )
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
