"""The recorded false failures and power of the gates: whole, as rare as promised, and as printed in the docs."""

from __future__ import annotations

import json
from pathlib import Path

from scipy.stats import binom

from benchmarks.gates import BROKEN, CLEAN, FILE, WORDS, table

RESULTS = json.loads(FILE.read_text(encoding="utf-8"))["families"]
DOCS = Path(__file__).parents[2] / "docs" / "validation.md"


def test_every_model_of_every_family_is_recorded_in_full_size() -> None:
    found = {
        family: {name: one["replicates"] for name, one in models.items()}
        for family, models in RESULTS.items()
    }
    assert found == {
        family: {name: clean if name == "clean" else BROKEN for name in WORDS}
        for family, clean in CLEAN.items()
    }


def test_clean_models_fail_no_more_often_than_one_in_twenty_allows() -> None:
    clean = [models["clean"] for models in RESULTS.values()]
    number = sum(one["replicates"] for one in clean)
    assert sum(one["failed"] for one in clean) <= binom.ppf(0.99, number, 1 / 20)


def test_exchanged_arms_are_always_found() -> None:
    for models in RESULTS.values():
        assert models["arms exchanged"]["failed"] == models["arms exchanged"]["replicates"]


def test_the_docs_print_what_is_recorded() -> None:
    assert table(RESULTS) in DOCS.read_text(encoding="utf-8")
