"""Ranges of a scenario's knobs: one message that names the knob and what is legal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from medresponse.core.errors import SpecError


def between(
    knob: str, value: float, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> None:
    """Refuse a number outside [low, high]; an open end is itself refused.

    Raises
    ------
    SpecError
        Naming the knob, what was found and the legal range; NaN is outside every range.
    """
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if not (above and below):
        ends = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high or math.isinf(high) else ']'}"
        raise SpecError(f"{knob}: {value:g} found; legal is {ends}", code="knob_out_of_range")


def one_each(knob: str, values: Sequence[object], treatments: Sequence[str], *, active: bool) -> None:
    """Refuse a knob that has not one value for each treatment, or for each but the reference."""
    wanted = treatments[1:] if active else treatments
    if len(values) != len(wanted):
        raise SpecError(
            f"{knob}: {len(values)} value(s) found, {len(wanted)} needed, for {', '.join(wanted)}",
            code="knob_out_of_range",
        )


def rising(knob: str, times: Sequence[float]) -> None:
    """Refuse times that are not one or more, above 0 and rising."""
    if not times or not times[0] > 0 or any(not later > earlier for earlier, later in pairwise(times)):
        raise SpecError(f"{knob}: legal are one or more rising times above 0", code="knob_out_of_range")


def contradicts(knob: str, why: str) -> SpecError:
    """Return the error of two knobs that cannot both hold."""
    return SpecError(f"{knob}: {why}", code="knobs_contradict")
