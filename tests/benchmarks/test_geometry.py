"""The bench of geometry: its record, and the table that the docs show of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.geometry import FILE, main, table
from medresponse.inference.diagnostics import Limits

FITS = json.loads(FILE.read_text(encoding="utf-8"))["fits"]


def test_the_docs_show_what_is_recorded() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
    assert table(FITS) in docs.read_text(encoding="utf-8")


def test_a_recorded_fit_passed_where_its_figures_do() -> None:
    limits = Limits()
    for fit in FITS.values():
        holds = fit["rhat"] <= limits.max_rhat and fit["divergences"] == 0 and fit["bfmi"] >= limits.min_bfmi
        assert fit["passed"] == (holds and min(fit["ess_bulk"], fit["ess_tail"]) >= limits.min_ess)


@pytest.mark.parametrize(
    "name", ["nobody:500", "weibull", "weibull:many", "weibull:500:x", "weibull:500:1:1"]
)
def test_an_unknown_fit_is_named(name: str) -> None:
    with pytest.raises(SystemExit, match=name):
        main(["run", name])


def test_seeds_of_a_cell_share_a_row_with_ranges() -> None:
    one = FITS["gaussian:500"]
    text = table(
        {"gaussian:500": one, "gaussian:500:2": one | {"rhat": 1.5, "passed": False}, "poisson:500": one}
    )
    rows = [line.split(" | ") for line in text.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| gaussian", "| poisson"]
    assert (
        rows[0][2] == f"{one['rhat']:.3f} to 1.500"
        and rows[0][-1] == "1 of 2 |"
        and rows[1][-1] == "1 of 1 |"
    )
