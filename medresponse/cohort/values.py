"""Values as a schema writes them, and the one spelling in which they are compared."""

from __future__ import annotations

from collections.abc import Iterable

from medresponse.core.text import canonical_text

Scalar = str | int | float | bool


def spelled(values: Iterable[object], *, where: str = "levels") -> tuple[str, ...]:
    """Return values in canonical text (1.0 is "1", True is "true").

    Raises
    ------
    ValueError
        If two of them are the same; `where` names the entry.
    """
    names = tuple(canonical_text(value) for value in values)
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: one of them stands there twice (1, 1.0 and '1' are the same)")
    return names
