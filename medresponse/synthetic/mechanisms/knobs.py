"""Ranges of a scenario's knobs: one message that names the knob and what is legal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from medresponse.core.errors import SpecError
from medresponse.core.registry import registered


def is_number(value: object, *, whole: bool = False) -> bool:
    """Say whether a value is a real number, or a whole one; True and False are none."""
    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)


def between(
    knob: str, value: float, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> None:
    """Refuse a number outside [low, high]; an open end is itself refused. Ends of type int say that the knob is whole too.

    Raises
    ------
    SpecError
        Naming the knob, what was found and the legal range; NaN is outside every range, and so is what is no number.
    """
    ends = _ends(low, high, open_low, open_high)
    whole = isinstance(low, int) and isinstance(high, int)
    if not is_number(value, whole=whole):
        kind = "whole numbers in " if whole else ""
        raise SpecError(f"{knob}: {value!r} found; legal is {kind}{ends}", code="knob_out_of_range")
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if not (above and below):
        raise SpecError(f"{knob}: {value:g} found; legal is {ends}", code="knob_out_of_range")


def _ends(low: float, high: float, open_low: bool, open_high: bool) -> str:
    return f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high or math.isinf(high) else ']'}"


def each_between(
    knob: str,
    values: Sequence[float],
    low: float,
    high: float,
    *,
    n: int | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Refuse what is no sequence (of `n` where given), and a number of it outside the range, as `between` does."""
    if not isinstance(values, tuple | list) or n not in (None, len(values)):
        numbers = "numbers" if n is None else f"{n} numbers"
        ends = _ends(low, high, open_low, open_high)
        raise SpecError(
            f"{knob}: {values!r} found; legal is a list of {numbers}, each in {ends}",
            code="knob_out_of_range",
        )
    for value in values:
        between(f"{knob}, each", value, low, high, open_low=open_low, open_high=open_high)


def one_each(knob: str, values: Sequence[object], treatments: Sequence[str], *, active: bool) -> None:
    """Refuse a knob that has not one value for each treatment, or for each but the reference."""
    wanted = treatments[1:] if active else treatments
    if len(values) != len(wanted):
        raise SpecError(
            f"{knob}: {len(values)} value(s) found, {len(wanted)} needed, for {', '.join(wanted)}",
            code="knob_out_of_range",
        )


def fits(part: str, value: Any, kind: type) -> None:
    """Refuse a part of another kind, and words that are none of a knob's.

    Raises
    ------
    SpecError
        Naming the part or knob, what was found and what is legal.
    """
    if type(value) not in registered(kind).values():
        raise SpecError(
            f"{part}: {type(value).__name__} found; legal are {', '.join(sorted(registered(kind)))}",
            code="knob_out_of_range",
        )
    for knob, words in _choices(type(value)).items():
        if getattr(value, knob) not in words:
            raise SpecError(
                f"{part}.{knob}: {getattr(value, knob)!r} found; legal are {', '.join(map(str, words))}",
                code="knob_out_of_range",
            )


def _choices(cls: type) -> dict[str, tuple[object, ...]]:
    """Return knob -> its words, of knobs that take one of several words."""
    return {knob: get_args(hint) for knob, hint in get_type_hints(cls).items() if get_origin(hint) is Literal}


def rising(knob: str, times: Sequence[float]) -> None:
    """Refuse times that are not one or more, above 0 and rising."""
    if (
        not isinstance(times, tuple | list)
        or not times
        or not all(is_number(time) for time in times)
        or not times[0] > 0
        or any(not later > earlier for earlier, later in pairwise(times))
    ):
        raise SpecError(
            f"{knob}: {times!r} found; legal are one or more rising times above 0", code="knob_out_of_range"
        )


def contradicts(knob: str, why: str) -> SpecError:
    """Return the error of two knobs that cannot both hold."""
    return SpecError(f"{knob}: {why}", code="knobs_contradict")
