"""The page as PDF: the same HTML, laid out on A4 by WeasyPrint, which fetches nothing."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import TYPE_CHECKING, Any

from medresponse.core.errors import SpecError
from medresponse.reports.document import PatientReport
from medresponse.reports.html import render_bare, stylesheet

if TYPE_CHECKING:
    from weasyprint import HTML, Document

# Font sizes of the page, in points: the first at which what belongs on page 1 stands there. The last is the smallest print of
# package leaflets less one point, for pages with five long-named options.
SIZES = (8.4, 7.9, 7.4, 6.9, 6.4)
_VARIANT = {"pdf_variant": "pdf/ua-1"}


def render_pdf(document: PatientReport) -> bytes:
    """Return one patient's page as PDF, marked PDF/UA-1; a pure function of what the document's JSON holds.

    The first page holds all that is no appendix, in the largest of `SIZES` at which it does; the appendix begins on
    the second. Nothing is fetched, whatever the page says. The same document gives the same bytes on the same machine; other
    versions of WeasyPrint, Pango or HarfBuzz may break lines and write files in another way.

    Raises
    ------
    SpecError
        If WeasyPrint or the Pango library is missing.
    """
    return pdf_of(render_bare(document))


def pdf_of(page: str) -> bytes:
    """Return the PDF of a page that `render_bare` or a template on its pattern made; see `render_pdf`."""
    source = weasyprint().HTML(string=page, url_fetcher=fetcher())
    for size in SIZES:
        laid_out = _laid_out(source, size)
        if _begins(laid_out, "appendix") <= 2:
            break
    return bytes(laid_out.write_pdf(**_VARIANT))


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
    return weasyprint


@functools.cache
def fetcher() -> Any:
    """Return what fetches for WeasyPrint: it reads ``data:`` addresses and raises on all others, files included."""
    return weasyprint().urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)


def _laid_out(source: HTML, size: float) -> Document:
    fonts, sheet = _style()
    own = _sized(size)
    return source.render(font_config=fonts, stylesheets=[sheet, own], **_VARIANT)


def _begins(laid_out: Document, name: str) -> int:
    """Return the number of the page on which the element of that id stands; 1 if there is none."""
    return next((i for i, page in enumerate(laid_out.pages, start=1) if name in page.anchors), 1)


@functools.cache
def _style() -> tuple[Any, Any]:
    """Return the fonts and the pages' style, read once a process: decoding a font takes as long as a page."""
    module = weasyprint()
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    return fonts, module.CSS(string=stylesheet(), font_config=fonts, url_fetcher=fetcher())


@functools.cache
def _sized(size: float) -> Any:
    return weasyprint().CSS(string=f"html {{ font-size: {size}pt }}", url_fetcher=fetcher())
