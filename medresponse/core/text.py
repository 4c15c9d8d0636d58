"""One spelling for values that different files write differently: 1, 1.0 and "1"; True, "TRUE" and "true"."""

from __future__ import annotations

import re

_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0+")


def canonical_text(value: object) -> str:
    """Return one spelling of a level: ``1``, ``1.0``, ``"1"`` and ``" 1.0 "`` are all ``"1"``; True is ``"true"``.

    Otherwise text keeps its case and inner spaces, and other numbers keep the way Python writes them.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else text


def event_text(value: object) -> str:
    """Return one spelling of an event indicator, where moreover True is 1 and False is 0."""
    text = canonical_text(value)
    return {"true": "1", "false": "0"}.get(text, text)
