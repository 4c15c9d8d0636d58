"""What every page must have for a screen reader, and must not have for anybody: WeasyPrint checks none of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
BARRED = {
    "script",
    "link",
    "iframe",
    "object",
    "embed",
    "form",
    "base",
    "audio",
    "video",
    "foreignobject",
    "image",
    "use",
}
FETCHING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "xlink:href"}


def faults(page: str) -> list[str]:
    """Return everything that is wrong with a page, in plain words; empty if nothing is."""
    builder = _Builder(page)
    return [*builder.strays, *_of_the_whole(builder.root), *_fetched(page)] + [
        fault for element in builder.root.iter() for fault in _of_one(element)
    ]


def _of_the_whole(root: Element) -> Iterator[str]:
    if root.tag != "html" or not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", root.get("lang", "")):
        yield "no language"
    if not _words(root.find("head/title")):
        yield "no title"
    for tag in ("h1", "main"):
        if len(list(root.iter(tag))) != 1:
            yield f"not one {tag}"
    ids = [element.get("id") for element in root.iter() if element.get("id") is not None]
    yield from (f"the id {name} twice" for name in sorted({str(i) for i in ids if ids.count(i) > 1}))
    levels = [int(element.tag[1]) for element in root.iter() if re.fullmatch("h[1-6]", element.tag)]
    for above, level in zip([0, *levels], levels, strict=False):
        if level > above + 1:
            yield f"h{level} after h{above}"


def _of_one(element: Element) -> Iterator[str]:
    tag = element.tag
    if tag in BARRED:
        yield f"an element {tag}"
    for name, value in element.items():
        if name.startswith("on"):
            yield f"a handler {name}"
        if name in FETCHING and not value.startswith("data:image/"):
            yield f"{tag} {name} fetches"
    if tag == "th" and element.get("scope") not in ("col", "row"):
        yield "a header cell without scope"
    if tag == "table" and (len(element) == 0 or element[0].tag != "caption" or not _words(element[0])):
        yield "a table without caption"
    if tag == "img" and not element.get("alt", "").strip():
        yield "an img without alt"
    if tag == "svg" and (element.get("role") != "img" or len(element) == 0 or element[0].tag != "title"):
        yield "an svg without role=img and title"
    if re.fullmatch("h[1-6]", tag) or (tag == "title" and not element.items()):
        if not _words(element):
            yield f"an empty {tag}"


def _fetched(page: str) -> Iterator[str]:
    if re.search(r"@import|url\((?!data:)", page):
        yield "the style fetches"
    if re.search(r"\b(https?|ftp|file):", page):
        yield "a remote address"


def _words(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


class _Builder(HTMLParser):
    """The page as a tree; every element but the void ones must be closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.strays: list[str] = []
        self._open: list[str] = []
        self._tree = TreeBuilder()
        self.feed(page)
        self.close()
        self.strays += [f"<{tag}> is not closed" for tag in self._open]
        for tag in reversed(self._open):
            self._tree.end(tag)
        self.root = self._tree.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tree.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self._tree.end(tag)
        else:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:  # in a figure; of a void element the slash says nothing
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
            self._tree.end(tag)
        else:
            self.strays.append(f"a stray </{tag}>")

    def handle_data(self, data: str) -> None:
        if self._open:
            self._tree.data(data)
