"""The bundled font has every character that pages are made of, in both weights."""

from __future__ import annotations

from pathlib import Path

import pytest

import medresponse.reports
from medresponse.reports.language import CATALOGUE

pytest.importorskip("fontTools", reason="of the extra pdf")

HOME = Path(medresponse.reports.__file__).parent
FONTS = sorted((HOME / "fonts").glob("*.woff2"))


@pytest.mark.parametrize("file", FONTS, ids=lambda file: file.stem)
def test_every_character_of_a_page_is_in_the_font(file: Path) -> None:
    from fontTools.ttLib import TTFont

    assert len(FONTS) == 2 and file.stat().st_size < 20_000
    there = set(TTFont(file).getBestCmap())
    texts = [*CATALOGUE.glob("*.yaml"), *HOME.rglob("*.py"), *HOME.rglob("*.j2")]
    assert len(texts) > 30
    used = {c for text in texts for c in text.read_text(encoding="utf-8") if c.isprintable()}
    assert not {c for c in used if ord(c) not in there}
    escaped = "\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\u25c4\u25ba\u25cf\u25cb\u2713\u25b2\N{NARROW NO-BREAK SPACE}\N{REPLACEMENT CHARACTER}"
    assert {ord(c) for c in escaped} <= there
