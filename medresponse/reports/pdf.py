"""The page as PDF: the same HTML, laid out on A4 by WeasyPrint, which fetches nothing."""

from __future__ import annotations

import functools
import logging
import math
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from medresponse.core.errors import SpecError
from medresponse.reports.document import PatientReport
from medresponse.reports.html import read_template, render_bare, stylesheet

if TYPE_CHECKING:
    from weasyprint import HTML, Document

# Font sizes in points: the page is tried at the first, and at smaller ones until all that belongs on page 1 stands there. Two
# options fit at the first or nearly. Small print and figures have 7 points at all of them.
LARGEST, SMALLEST, STEP = 8.0, 7.0, 0.25
_UNBROKEN = ".page section { break-inside: avoid }"
_END, _APPENDIX = "page-end", "appendix"  # ids in the template
_VARIANT = {"pdf_variant": "pdf/ua-1"}
_SVG = "http://www.w3.org/2000/svg"
_NOT_XML = re.compile("[^\\t\\n\\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_pdf(document: PatientReport) -> bytes:
    """Return one patient's page as PDF, marked PDF/UA-1; a pure function of what the document's JSON holds.

    The first sheet holds all that is no appendix, in letters as small as that takes, down to `SMALLEST`, and the appendix begins on
    the second. What fits on no such sheet, five options with long names say, takes two in the largest letters. No letter is smaller
    than 7 points, those of figures included. Nothing is fetched, whatever the page says. The same document gives the same bytes on the
    same machine; other versions of WeasyPrint, Pango or HarfBuzz may break lines and write files in another way.

    Raises
    ------
    SpecError
        If WeasyPrint or the Pango library is missing.
    """
    return pdf_of(render_bare(document))


def pdf_of(page: str) -> bytes:
    """Return the PDF of a page that `render_bare` made, or one like it: well-formed XML, of the elements in `paper.css`."""
    return bytes(fit_on_page_one(page).write_pdf(**_VARIANT))


def fit_on_page_one(page: str, lay_out: Callable[[HTML, float, str], Document] | None = None) -> Document:
    """Return a page laid out so that its appendix begins on the second sheet, if `SMALLEST` letters let it.

    Where they do not, sections that stand on no sheet whole go on to the next, and letters are the largest again. `lay_out` takes the
    page, a size in points and what more the style says.
    """
    source, size, lay_out = _paper()(page), LARGEST, lay_out or _laid_out
    laid_out = lay_out(source, size, "")
    while (over := _overflow(laid_out)) > 1 and size > SMALLEST:
        # Heights go down with the square of the size where text fills its lines, and less where it does not; a table or a heading
        # that moves to the next sheet whole makes the overflow look larger than it is.
        size = max(SMALLEST, STEP * min(round(size / STEP) - 1, math.floor(size * over**-0.4 / STEP)))
        laid_out = lay_out(source, size, "")
    return laid_out if over <= 1 else lay_out(source, LARGEST, _UNBROKEN)


@functools.cache
def weasyprint() -> Any:
    """Return WeasyPrint, which the extra ``pdf`` installs.

    Raises
    ------
    SpecError
        If it or the system library that it needs is missing.
    """
    try:
        with warnings.catch_warnings():
            # It would rather cut fonts with HarfBuzz-Subset, a system library that few have; fontTools does the same.
            warnings.filterwarnings("ignore", message="HarfBuzz-Subset", category=DeprecationWarning)
            import weasyprint
            from fontTools.ttLib import TTFont
    except ImportError as error:
        raise SpecError(
            "PDF needs WeasyPrint: pip install 'medresponse[pdf]'", code="missing_extra"
        ) from error
    except OSError as error:
        raise SpecError(
            "PDF needs the Pango library beside the extra medresponse[pdf]: install the system's package (Debian: "
            "libpango-1.0-0 and libpangoft2-1.0-0; macOS: brew install pango)",
            code="missing_extra",
        ) from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    from weasyprint.pdf import fonts

    # fontTools would write the time of day into every font that it cuts, and no two pages would have the same bytes.
    fonts.TTFont = functools.partial(TTFont, recalcTimestamp=False)
    return weasyprint


@functools.cache
def fetcher() -> Any:
    """Return what fetches for WeasyPrint: it reads ``data:`` addresses and raises on all others, files included."""
    return weasyprint().urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)


@functools.cache
def _paper() -> Any:
    """Return WeasyPrint's type of a page, made for pages of ours: they are well-formed, and have few kinds of elements (`paper.css`)."""
    from cssselect2 import ElementWrapper

    module = weasyprint()
    elements = module.CSS(string=read_template("paper.css"), url_fetcher=fetcher())

    class Paper(module.HTML):  # type: ignore[misc, name-defined]
        """A page read by expat, in a twentieth of the time of a parser that repairs what it reads."""

        def __init__(self, page: str) -> None:
            self.base_url, self.url_fetcher, self.media_type = None, fetcher(), "print"
            self.etree_element = ElementTree.fromstring(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", page))
            for figure in list(self.etree_element.iter("svg")):  # in HTML, these have their namespace unsaid
                for part in figure.iter():
                    part.tag = f"{{{_SVG}}}{part.tag}"
            self.wrapper_element = ElementWrapper.from_html_root(self.etree_element, content_language=None)

        def _ua_stylesheets(self, forms: bool = False) -> list[Any]:
            return [elements]

    return Paper


def _laid_out(source: HTML, size: float, more: str) -> Document:
    fonts, sheet = _style()
    own = _sized(size, more)
    return source.render(font_config=fonts, stylesheets=[sheet, own], **_VARIANT)


def _overflow(laid_out: Document) -> float:
    """Return how many pages what belongs on page 1 takes; 1 if the appendix begins on page 2, or there is none."""
    begins = _place(laid_out, _APPENDIX)
    if begins is None or begins < 2:
        return 1.0
    return max(1.05, _place(laid_out, _END) or begins)


def _place(laid_out: Document, name: str) -> float | None:
    """Return how many pages stand above the element of an id, with the share of its own; None without such an element."""
    places = ((i, page) for i, page in enumerate(laid_out.pages) if name in page.anchors)
    return next((i + page.anchors[name][1] / page.height for i, page in places), None)


@functools.cache
def _style() -> tuple[Any, Any]:
    """Return the fonts and the pages' style, read once a process: decoding a font takes as long as a page."""
    module = weasyprint()
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    return fonts, module.CSS(string=stylesheet(), font_config=fonts, url_fetcher=fetcher())


@functools.cache
def _sized(size: float, more: str) -> Any:
    return weasyprint().CSS(string=f"html {{ font-size: {size}pt }} {more}", url_fetcher=fetcher())
