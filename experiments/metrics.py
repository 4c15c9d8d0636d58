"""Recorded results: flat metrics with Monte Carlo errors, and their comparison with a new run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from medresponse.core.atomic import write_text
from medresponse.core.errors import IntegrityError
from medresponse.validation import Estimate

# Two runs differ by more than this many combined Monte Carlo standard errors once in 16,000 metrics.
LIMIT = 4.0
# What no draw enters (a Cox model, a count) may differ in the last digits of another platform's arithmetic.
RELATIVE = 1e-6


@dataclass(frozen=True)
class Comparison:
    """One metric, recorded and new."""

    name: str
    recorded: float
    new: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the two agree within Monte Carlo error; NaN never does."""
        return abs(self.recorded - self.new) <= self.allowed


def save_metrics(path: Path, metrics: Mapping[str, Estimate]) -> None:
    """Write name -> {value, mcse, unit} as JSON; a non-finite number is refused."""
    broken = [name for name, m in metrics.items() if not (math.isfinite(m.value) and math.isfinite(m.mcse))]
    if broken:
        raise IntegrityError(f"{len(broken)} metric(s) are not finite, the first: {broken[0]}")
    plain = {name: asdict(metric) for name, metric in metrics.items()}
    write_text(path, json.dumps(plain, indent=1, sort_keys=True) + "\n")


def load_metrics(path: Path) -> dict[str, Estimate]:
    """Read what `save_metrics` wrote."""
    if not path.is_file():
        raise IntegrityError(
            f"no recorded results {path.parent.name}/{path.name}; run the experiment with record=true"
        )
    return {name: Estimate(**entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}


def with_error(value: float, mcse: float, digits: int = 3) -> str:
    """Return a number with its Monte Carlo error in brackets; without, where that is 0.

    It is 0 where nothing random enters, and where all seeds gave one value: then they say nothing of its error.
    """
    text = f"{value:.{digits}g}"
    return text if mcse == 0 else f"{text} ({float(f'{mcse:.1g}'):g})"


def compare(recorded: Mapping[str, Estimate], new: Mapping[str, Estimate]) -> list[Comparison]:
    """Compare every recorded metric with the new one; one that is missing counts as NaN, and fails."""
    rows = []
    for name, old in recorded.items():
        fresh = new.get(name, Estimate(math.nan, 0.0, old.unit))
        allowed = LIMIT * math.hypot(old.mcse, fresh.mcse) + RELATIVE * abs(old.value)
        rows.append(Comparison(name, old.value, fresh.value, allowed))
    return rows


def comparison_table(rows: list[Comparison]) -> str:
    """Return the comparison as aligned text, one line a metric."""
    width = max(len(row.name) for row in rows)
    head = f"{'metric':{width}}  {'recorded':>12}  {'new':>12}  {'difference':>12}  {'allowed':>10}"
    lines = [
        f"{r.name:{width}}  {r.recorded:12.5g}  {r.new:12.5g}  {r.new - r.recorded:12.3g}  {r.allowed:10.3g}"
        f"  {'ok' if r.holds else 'BREACH'}"
        for r in rows
    ]
    return "\n".join([head, *lines])
