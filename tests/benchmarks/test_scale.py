"""The document on scaling says what is recorded, and rows are kept one by one."""

import json

import pytest

from benchmarks import scale, scale_tables


def test_the_document_has_the_tables_of_the_kept_rows():
    assert scale_tables.tables(scale_tables.kept_rows()) in scale_tables.DOCS.read_text(encoding="utf-8")


def test_a_row_takes_the_place_of_the_same_row_and_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "FILE", tmp_path / "scale.json")
    monkeypatch.setattr(scale_tables, "write_docs", lambda: None)
    monkeypatch.setattr(scale, "_in_process", lambda name, settings: settings | {"cpu": len(taken)})
    taken: list[int] = []
    for words in (["million"], ["peer pymc", "ten thousand"], ["million, quantiles"]):
        taken.append(1)
        scale.main(words)
    kept = json.loads((tmp_path / "scale.json").read_text(encoding="utf-8"))["rows"]
    assert {name: row["cpu"] for name, row in kept.items()} == {
        "peer pymc": 2, "ten thousand": 2, "million": 1, "million, quantiles": 3,
    }  # fmt: skip
    assert list(kept) == ["peer pymc", "ten thousand", "million", "million, quantiles"]


@pytest.mark.parametrize(("others", "shown"), [(0.1, "4.0"), (1.0, "-"), (None, "-")])
def test_wall_seconds_are_shown_of_an_idle_machine_alone(others, shown):
    row = {
        "name": "bernoulli probability", "patients": 10_000, "draws": 1000, "quantiles": False, "missing": 0.1, "wall": 4.0,
        "cpu": 6.0, "megabytes": 40.4, "others": others, "cores": 2,
    }  # fmt: skip
    line = f"| 10,000 x 1,000, 10% lack two features | 6.0 | {shown} | 600 | 40 |"
    assert line in scale_tables.tables({"missing in a tenth": row})


def test_ratios_to_the_peer_are_of_its_seconds_to_ours():
    ours = {
        "name": "bernoulli probability",
        "wall": 0.1,
        "cpu": 0.2,
        "others": 0.0,
        "megabytes": 9.0,
        "cores": 2,
    }
    first = {"first_cpu": 0.5, "first_wall": 0.5, "first_others": 0.0, "first_megabytes": 60.0}
    pymc = ours | {"cpu": 4.0, "wall": 3.0, "warm_cpu": 1.0, "warm_wall": 1.0, "warm_others": 0.0}
    printed = scale_tables.tables({"peer score": ours, "peer memory": ours | first, "peer pymc": pymc})
    assert "| 20x / 5x; wall 30x / 10x |" in printed
    assert "50x as used is missed and 20x warm is missed" in printed
    assert "machine code on disk | 0.50 | 0.50 | 8x / - | 60 |" in printed
    faster = scale_tables.tables({"peer score": ours, "peer memory": ours | {"cpu": 0.05}, "peer pymc": pymc})
    assert "50x as used is reached and 20x warm is reached" in faster
