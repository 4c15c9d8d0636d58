"""Short names for plug-in parts: `@register(Prior, "normal")` and its look-ups."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from medresponse.core.errors import SpecError

_PARTS: dict[type, dict[str, type]] = {}
_NAMES: dict[type, tuple[type, str]] = {}


def register[T: type](kind: type, name: str) -> Callable[[T], T]:
    """Return a class decorator that makes a part known to configs and saved fits.

    Parameters
    ----------
    kind : type
        The protocol that the part satisfies, for example ``Prior``.
    name : str
        Short name used after ``kind:`` in YAML; unique within `kind`.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def decorate(part: T) -> T:
        parts = _PARTS.setdefault(kind, {})
        if name in parts:
            raise ValueError(f"{kind.__name__} {name!r} is registered already, by {parts[name].__module__}")
        parts[name] = part
        _NAMES[part] = (kind, name)
        return part

    return decorate


def registered(kind: type) -> Mapping[str, type]:
    """Return the parts of one kind, name -> class (read-only)."""
    return MappingProxyType(_PARTS.get(kind, {}))


def is_kind(candidate: object) -> bool:
    """Say whether `candidate` is a protocol that parts were registered for."""
    return candidate in _PARTS


def name_of(part: type) -> str | None:
    """Return the short name of a registered class, or None."""
    entry = _NAMES.get(part)
    return entry[1] if entry else None


def look_up(kind: type, name: object, *, path: str) -> type:
    """Return the class registered as `name`.

    Raises
    ------
    SpecError
        If there is none; the message names the path and the nearest valid name.
    """
    parts = _PARTS.get(kind, {})
    if isinstance(name, str) and name in parts:
        return parts[name]
    raise SpecError(f"{path}.kind: no {kind.__name__} called {name!r}; {did_you_mean(name, parts)}")


def did_you_mean(name: object, valid: Mapping[str, object] | list[str] | tuple[str, ...]) -> str:
    """Return "did you mean 'x'?" for a near miss (first of all in case), else the list of valid names."""
    same_word = [option for option in valid if option.lower() == str(name).lower()]
    close = same_word or difflib.get_close_matches(str(name), list(valid), n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"valid are: {', '.join(sorted(valid))}"
