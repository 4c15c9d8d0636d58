"""What docs/scaling.md says of fits beside peers."""

import json

from benchmarks.fits_docs import DOCS, END, FILE, START, divergences, engines, table


def test_the_document_holds_what_is_recorded() -> None:
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rows"]
    shown = DOCS.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    assert shown.strip() == "\n\n".join([table(rows), divergences(rows), engines(rows)])


def test_every_engine_is_a_row_of_its_figures_with_their_ranges() -> None:
    figures = {"CPU s of sampling": 0.5, "CPU s": 2.25, "ESS p5": 400.4, "divergences": 3}
    own = {name: {"median": value, "min": value / 2, "max": 2 * value} for name, value in figures.items()}
    recorded = {"Nuts": own, "versions": {"pymc": "6"}, "load": 1.0}
    assert engines({"engines_500": recorded}).splitlines()[2:] == [
        "| `Nuts` | 0.5 (0.25 to 1) | 2.25 (1.12 to 4.5) | 400 (200 to 801) | 3 (1.5 to 6) |"
    ]
