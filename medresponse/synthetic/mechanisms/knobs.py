"""Ranges of a scenario's knobs: one message that names the knob and what is legal."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from medresponse.core.codec import field_names, states_legal
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean, register, registered


def mechanism[T: type](kind: type, name: str) -> Callable[[T], T]:
    """Return a class decorator that registers a mechanism, whose fields are `knobs`."""

    def decorate(cls: T) -> T:
        return register(kind, name)(knobs(kind.__name__.lower(), kind)(cls))

    return decorate


def knobs[T: type](of: str, kind: type | None = None) -> Callable[[T], T]:
    """Return a class decorator for a dataclass that refuses an unknown knob, or a missing one, by name.

    Its knobs may be lists for tuples, and numpy's numbers for Python's.

    Parameters
    ----------
    of : str
        What stands before the names of its knobs in a message; empty for nothing.
    kind : type, optional
        The protocol of a mechanism, of which another may have the knob.
    """

    def decorate(cls: T) -> T:
        make = cls.__init__  # type: ignore[misc]

        @functools.wraps(make)
        def checked(self: object, *values: object, **named: object) -> None:
            for knob in named:
                if knob not in field_names(cls):
                    raise _unknown(f"{of}.{knob}" if of else knob, knob, cls, kind)
            for field in dataclasses.fields(cls):
                if field.default is field.default_factory and field.name not in named:  # both are MISSING
                    raise SpecError(f"{f'{of}.' if of else ''}{field.name}: missing", code="no_knob")
            make(self, *values, **{k: _plain(v) for k, v in named.items()})

        cls.__init__ = checked  # type: ignore[misc]
        return states_legal(cls)

    return decorate


def _plain(value: object) -> object:
    """Return a tuple for a list, and Python's numbers for numpy's, which files cannot hold."""
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    return value.item() if isinstance(value, np.generic) else value


def _unknown(path: str, knob: str, cls: type, kind: type | None) -> SpecError:
    others = registered(kind) if kind else {}
    owner = next((name for name, one in others.items() if one is not cls and knob in field_names(one)), None)
    mine = next((f" of {name}" for name, one in others.items() if one is cls), "")
    hint = f" but of {owner}" if owner else ""
    valid = did_you_mean(knob, list(field_names(cls))) if field_names(cls) else "it has none"
    return SpecError(f"{path}: no knob{mine}{hint}; {valid}", code="unknown_knob")


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
    first, last = (str(end) if isinstance(end, int) else f"{end:g}" for end in (low, high))
    return f"{'(' if open_low else '['}{first}, {last}{')' if open_high or math.isinf(high) else ']'}"


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


def yes_or_no(knob: str, value: bool) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise SpecError(f"{knob}: {value!r} found; legal are true, false", code="knob_out_of_range")


def labels(knob: str, values: Sequence[str], *, fewest: int = 0) -> None:
    """Refuse what is no list of names, `fewest` or more, that are not blank and differ."""
    if (
        not isinstance(values, tuple | list)
        or len(values) < fewest
        or not all(isinstance(value, str) and value.strip() for value in values)
        or len({value.strip() for value in values}) < len(values)
    ):
        raise SpecError(
            f"{knob}: {values!r} found; legal is a list of {f'{fewest} or more ' if fewest else ''}different names, none blank",
            code="knob_out_of_range",
        )


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
