import json

import polars as pl

from benchmarks.acic import FILE
from benchmarks.acic_page import page
from benchmarks.tables import otherwise, starred

PAGE = page(json.loads(FILE.read_text(encoding="utf-8")))


def test_the_page_is_what_its_command_prints():
    kept = FILE.parents[1] / "docs" / "acic.md"
    assert kept.read_text(encoding="utf-8") == PAGE


def test_the_page_says_which_fits_do_not_converge():
    assert "passes this package's own diagnostics" in PAGE


def test_rows_recorded_with_another_sampler_are_named_and_starred_until_they_are_run_again():
    rows = pl.DataFrame({"method": ["trees", "hinges"], "recorded_with": ["another sampler", None]})
    assert starred(rows, rows)["method"].to_list() == ["trees *", "hinges"]
    assert "`trees` (another sampler)" in otherwise(rows) and "hinges" not in otherwise(rows)
    again = rows.select("method")
    assert otherwise(again) == "" and starred(again, again)["method"].to_list() == ["trees", "hinges"]
