"""Separation: a feature that splits the patients with from those without an event without a single exception.

The likelihood then has no maximum: the coefficient runs off to infinity and only a prior holds it. Both complete and
quasi-complete separation (ties on the border) are meant: Albert & Anderson, Biometrika 1984;71:1, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


def separation(intake: Intake, column: str, events: pl.Series) -> Iterator[Finding]:
    """Yield one finding a feature that separates, overall or in some arms; never which level or threshold.

    Nothing is said where there are as many columns as patients: together they separate any outcome.
    """
    if intake.is_wide:
        return
    outcome = events.cast(pl.Float64).to_numpy()
    known = ~np.isnan(outcome)
    arms = [(level, mask.to_numpy()) for level, mask in intake.arms]
    for name, feature in intake.features.items():
        splits = _level_splits if feature.type == "categorical" else _threshold_splits
        codes = intake.codes(name)
        usable = known & ~np.isnan(codes)
        groups = [("all patients", usable), *((f"treatment {level}", usable & mask) for level, mask in arms)]
        found = [(group, rows) for group, rows in groups if splits(codes[rows], outcome[rows] == 1)]
        if not found:
            continue
        everywhere = found[0][1] is usable
        where = "all patients" if everywhere else ", ".join(group for group, _ in found)
        rows = usable if everywhere else np.any([rows for _, rows in found], axis=0)
        action = (
            f"in {where} it separates the two outcomes of {column} without exception: an estimate of its effect "
            "exists only thanks to the prior; merge levels, leave it out, or make sure that the prior is meant"
        )
        yield Finding("warning", "separation", name, int(rows.sum()), (), action)


def _threshold_splits(codes: np.ndarray, event: np.ndarray) -> bool:
    """Say whether all events lie on one side of a value (which both may take)."""
    if event.all() or not event.any() or np.ptp(codes) == 0:
        return False
    with_event, without = codes[event], codes[~event]
    return bool(with_event.min() >= without.max() or with_event.max() <= without.min())


def _level_splits(codes: np.ndarray, event: np.ndarray) -> bool:
    """Say whether a level with at least two patients, but not the only one, has a single outcome."""
    if event.all() or not event.any():
        return False
    sizes = np.bincount(codes.astype(np.int64))
    events = np.bincount(codes.astype(np.int64), weights=event)
    pure = (events == 0) | (events == sizes)
    return bool(np.any((sizes >= 2) & pure))
