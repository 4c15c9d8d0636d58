"""Reporting checklists as data: one YAML file each in ``checklists/``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medresponse.core.codec import from_plain
from medresponse.core.strict_yaml import read_yaml

FOLDER = Path(__file__).parent / "checklists"


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One thing to report.

    Parameters
    ----------
    number : str
        As published.
    text : mapping
        Language -> what is to be reported, in our own words.
    run : tuple of str
        Names of facts of the run that tell it (`run_facts.run_facts`).
    people : bool
        Whether somebody has to answer, since the run does not know or not all of it.
    """

    number: str
    text: Mapping[str, str]
    run: tuple[str, ...] = ()
    people: bool = False


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """A published checklist."""

    name: str
    source: str
    items: tuple[ChecklistItem, ...]


@functools.cache
def checklist(name: str) -> Checklist:
    """Return a checklist by its file name without suffix."""
    return from_plain(Checklist, read_yaml(FOLDER / f"{name}.yaml", what="checklist"))
