"""Figures as SVG text whose bytes depend on the numbers alone."""

from __future__ import annotations

import io
import re
from typing import Any


def svg_of(figure: Any) -> str:
    """Return a matplotlib figure as inline SVG, the same bytes for the same numbers.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made without pyplot, so that nothing global is touched.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "medresponse", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.DOTALL)
