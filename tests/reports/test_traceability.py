"""Every number of a report's JSON, from the draws.

Page to JSON: what is printed is the JSON's text (`test_html`), each text is its raw number rounded, and each figure is drawn
from the raw numbers (`test_printed_numbers`). JSON to draws: every number in the JSON is computed again here from
`Responses.draws` with numpy; a number that nobody can account for (`accounts`) fails the test.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.reports.accounts import ACCOUNTS, AXIS, WRITTEN, Case, account, leaves


def test_every_number_in_the_json_is_computed_again_from_the_draws(case: Case) -> None:
    missing = case.patient == "N-001"  # whose inputs are imputed draw by draw: see `test_contributions`
    n = 0
    for path, value in leaves(case.plain):
        name = ".".join(path)
        if AXIS.fullmatch(name) or (missing and name.startswith("sections.moved")):
            continue
        expected = account(case, name)
        assert expected is not None, f"nobody accounts for {name} = {value}"
        tolerance = next((t for part, t in WRITTEN.items() if f".{part}." in name), 0.0)
        assert value == pytest.approx(expected, rel=1e-9, abs=tolerance + 1e-12), name
        n += 1
    assert n > 40


def test_axes_hold_what_is_drawn_on_them_at_even_marks(case: Case) -> None:
    axes: dict[str, dict[str, float]] = {}
    for path, value in leaves(case.plain):
        if (match := AXIS.fullmatch(".".join(path))) is not None:
            axes.setdefault(match[1], {})[match[2] or f"tick {int(match[3]):03d}"] = value
    assert axes
    for name, axis in axes.items():
        marks = [v for k, v in sorted(axis.items()) if k.startswith("tick")]
        steps = np.diff(marks)
        assert marks[0] == axis["low"] and marks[-1] == axis["high"] and steps == pytest.approx(steps[0])
        section = case.plain["sections"][name.split(".")[1]]
        for item in section.get("options", section.get("comparisons", [])):
            for bounds in (item.get("estimate"), item.get("person")):
                if bounds:
                    assert axis["low"] <= bounds["lower"] <= bounds["upper"] <= axis["high"]


def test_a_number_that_is_changed_in_the_json_is_found(cases: dict[str, Case]) -> None:
    """The account itself is tested: each kind of number, moved by one percent, is told from what it should be."""
    case, seen = cases["survival"], set()
    for path, value in leaves(case.plain):
        name = ".".join(path)
        kind = next((pattern for pattern, _ in ACCOUNTS if re.fullmatch(pattern, name)), None)
        if kind is None or kind in seen or value == 0 or name.startswith("sections.moved"):
            continue
        seen.add(kind)
        expected = account(case, name)
        tolerance = next((t for part, t in WRITTEN.items() if f".{part}." in name), 0.0)
        if tolerance < 0.01:
            assert value * 1.01 != pytest.approx(expected, rel=1e-9, abs=tolerance + 1e-12), name
    assert len(seen) > 18
