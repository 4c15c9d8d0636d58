"""Memory is foretold before it is taken, and what cannot fit is refused with what would."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from medresponse.core import machine
from medresponse.core.errors import MemoryLimitError
from medresponse.inference import Fit
from medresponse.response import score
from medresponse.response.scoring import memory
from medresponse.response.scoring.memory import bytes_needed


def test_what_cannot_fit_is_refused_before_anything_is_written_and_what_is_advised_fits(
    linear: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = bytes_needed(linear, draws=7, cores=2) + 10
    monkeypatch.setattr(memory, "available_memory", lambda: free)
    with pytest.raises(MemoryLimitError, match="12 draws") as caught:
        score(linear, tmp_path / "absent.parquet", tmp_path / "out", cores=2)
    assert list(tmp_path.iterdir()) == []
    advised = int(re.findall(r"draws=(\d+) fits", str(caught.value))[0])
    assert advised == 7 and bytes_needed(linear, draws=advised, cores=2) <= free


def test_where_no_draw_fits_it_is_said(linear: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match="no number of draws fits"):
        score(linear, tmp_path / "absent.parquet", tmp_path / "out")


def test_more_draws_treatments_or_threads_take_more(linear: Fit) -> None:
    base = bytes_needed(linear, draws=1000, cores=1)
    assert (
        bytes_needed(linear, draws=2000, cores=1) > base and bytes_needed(linear, draws=1000, cores=4) > base
    )
    assert bytes_needed(linear, draws=1000, cores=1, interpolates=True) > base


def test_groups_that_the_fit_knows_take_memory(linear: Fit) -> None:
    """All their effects are held at once: 40 MB and more for a thousand sites, three treatments and a thousand draws."""
    (site,) = linear.layout.groupings
    many = replace(site, labels=tuple(map(str, range(1000))))
    larger = replace(linear, layout=replace(linear.layout, groupings=(many,)))
    more = bytes_needed(larger, draws=1000, cores=1) - bytes_needed(linear, draws=1000, cores=1)
    assert more > 4 * 990 * 1000 * (3 + len(site.slopes))


def test_a_control_groups_limit_counts_where_it_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_kernel_memory", lambda: 900)
    for group, expected in ((None, 900), (400, 400), (2000, 900)):
        monkeypatch.setattr(machine, "_group_memory", lambda group=group: group)
        assert machine.available_memory() == expected
