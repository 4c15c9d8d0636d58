import json

import polars as pl
import pytest

from benchmarks.acic import FILE, quickest
from benchmarks.acic_page import page
from benchmarks.tables import otherwise, starred

KEPT = json.loads(FILE.read_text(encoding="utf-8"))
PAGE = page(KEPT)


def test_the_page_is_what_its_command_prints():
    kept = FILE.parents[1] / "docs" / "acic.md"
    assert kept.read_text(encoding="utf-8") == PAGE


def test_the_page_says_which_fits_do_not_converge():
    assert "passes this package's own diagnostics" in PAGE


def test_what_the_page_says_in_words_is_so():
    """Of linear specs, whose errors are the largest, and of the mixture, which is all but hinges."""
    rows = pl.DataFrame(KEPT["instances"], infer_schema_length=None)
    for column in ("root_pehe", "ate_error"):
        worst = rows.group_by("method").agg(pl.col(column).mean()).sort(column, descending=True)["method"]
        assert worst[0] == "linear", column
    mixed = rows.filter(pl.col("method").is_in(["stacked", "hinges"])).sort("instance", "method")
    pairs = mixed.group_by("instance").agg(pl.col("root_pehe").max() / pl.col("root_pehe").min())["root_pehe"]
    assert len(pairs) == 10 and pairs.median() == pytest.approx(1.0) and pairs.max() < 1.1


def test_rows_recorded_with_another_sampler_are_named_and_starred_until_they_are_run_again():
    rows = pl.DataFrame({"method": ["trees", "hinges"], "recorded_with": ["another sampler", None]})
    assert starred(rows, rows)["method"].to_list() == ["trees *", "hinges"]
    assert "`trees` (another sampler)" in otherwise(rows) and "hinges" not in otherwise(rows)
    again = rows.select("method")
    assert otherwise(again) == "" and starred(again, again)["method"].to_list() == ["trees", "hinges"]


def test_of_two_runs_that_found_the_same_the_fewer_seconds_are_kept():
    row = {"root_pehe": 0.4147, "ate_error": 0.1, "cpu_seconds": 260.0, "effect_rhat": 1.8}
    assert quickest(row, row | {"cpu_seconds": 150.0, "effect_rhat": None}) == row | {"cpu_seconds": 150.0}
    assert quickest(row, row | {"cpu_seconds": 300.0}) == row
    assert quickest(row, row | {"cpu_seconds": 150.0, "root_pehe": 0.4148}) == row
    assert quickest(row, None) == row
