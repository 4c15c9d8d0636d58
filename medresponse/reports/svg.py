"""Figures as SVG text, drawn from numbers that the report holds: the same numbers give the same bytes.

Meaning never rests on colour: icons are filled or hollow, curves differ in line style, bands have edges.
Every figure has role="img" and its alt text as title, which browsers and PDF readers both read out. Few elements
and no ids: each element costs time in the PDF, and the same id twice on a page is an error.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

COLOURS = ("#4a4a4a", "#1b5e8c", "#8a4b08", "#5f3b87", "#0b6363", "#7a2c4d")  # each at least 5.9:1 on white
DASHES = ("", "7 3", "2 2.5", "8 3 2 3", "12 3", "4 4")
LETTERS = 10.6  # size of a figure's text: 7 pt at the widths that the style gives figures on paper
_CROWDED = 15.0  # of icons that share a line with three others or more
_LETTER = 5.9  # width of a digit of the first size
_WIDTH = 360
_EDGE = 14  # beside an axis, for half of the text of its last mark
_ROOM = 56  # characters on a line of that width
_ROOM_BESIDE = 48  # beside the sample of a line

_Plain = Mapping[str, Any]


def expected(section: _Plain, option: _Plain, *, colour: int) -> str:
    """Return one option's response: 100 icons, as many solid as it says, over its interval; for an amount the interval."""
    fill, axis = _colour(colour), section["axis"]
    if option["icons"] is None:
        return _figure(
            _WIDTH, 34, _interval(axis, option, fill, top=0, width=_WIDTH), alt=option["alt"], css="bar"
        )
    letters = LETTERS if len(section["options"]) < 4 else _CROWDED
    parts = [
        *_icons(option["icons"], fill),
        *_interval(axis, option, fill, top=51, width=204, letters=letters),
    ]
    return _figure(204, 76 + letters, parts, alt=option["alt"], css="icons", letters=letters)


def _icons(filled: int, fill: str) -> list[str]:
    """Return 100 icons in five rows of twice ten, solid ones first: each a dash without length and with a round cap."""
    dots = 'fill="none" stroke-linecap="round" stroke-dasharray="0 10"'
    rings = (("#767676", 8.4), ("#ffffff", 6.4))
    drawn = [f'<path d="{_rows(100)}" {dots} stroke="{c}" stroke-width="{w}"/>' for c, w in rings]
    solid = [f'<path d="{_rows(filled)}" {dots} stroke="{fill}" stroke-width="8.4"/>'] if filled else []
    return [*drawn, *solid]


def _rows(icons: int) -> str:
    """Return the lines that the first so many icons stand on, ten a line."""
    lines = []
    for start in range(0, icons, 10):
        x, y = 5 + 104 * (start // 10 % 2), 5 + 10 * (start // 20)
        lines.append(f"M{x} {y}H{x + 10 * min(icons - start, 10) - 9}")
    return "".join(lines)


def _interval(
    axis: _Plain, option: _Plain, fill: str, *, top: float, width: float, letters: float = LETTERS
) -> list[str]:
    """Return an interval with its tick on the common axis, and a thin line for one person's interval, if there is one."""
    edge = letters - 1
    x, estimate, person = _Scale(axis, edge, width - edge), option["estimate"], option["person"]
    wide = len(axis["ticks"]) * 2.8 * letters <= width
    ticks = axis["ticks"] if wide else [axis["ticks"][0], axis["ticks"][-1]]
    y = top + 14
    parts = [
        _lines(
            [(edge, y, width - edge, y), *((x(t["at"]), y, x(t["at"]), y + 8) for t in ticks)], "#767676", 0.8
        )
    ]
    if person is not None:
        low, high = x(person["lower"]), x(person["upper"])
        parts.append(
            _lines(
                [(low, y - 6, high, y - 6), (low, y - 9, low, y - 3), (high, y - 9, high, y - 3)], fill, 1.6
            )
        )
    low, high, mean = x(estimate["lower"]), x(estimate["upper"]), x(estimate["mean"])
    bar = f'<rect x="{_n(low)}" y="{_n(y - 3)}" width="{_n(max(high - low, 0.8))}" height="6" fill="{fill}"/>'
    mark = (mean, y - 6.5, mean, y + 6.5)
    parts += [bar, _lines([mark], "#ffffff", 2.6), _lines([mark], "#000000", 1.6)]
    return [*parts, *(_text(x(t["at"]), y + 8 + 0.9 * letters, t["text"]) for t in ticks)]


def density(section: _Plain, comparison: _Plain, *, colour: int) -> str:
    """Return a posterior density with zero line, worthwhile line and shaded 95% interval.

    Of several comparisons, each is a low row; words that hold for all stand over the first and below the last.
    """
    rows, drawn = in_rows(section), [c for c in section["comparisons"] if "density" in c]
    headed, footed = not rows or comparison is drawn[0], not rows or comparison is drawn[-1]
    top = 26.0 if headed else 3.0
    base = top + (32.0 if rows else 52.0)
    x = _Scale(section["axis"], _EDGE, _WIDTH - _EDGE)
    parts = [
        *_curve_over(x, comparison, _colour(colour), base, top),
        *_axis(section["axis"]["ticks"], x, base, start=_EDGE),
    ]
    parts += _marks(x, section, base, words=headed)
    mean = x(comparison["estimate"]["mean"])
    parts.append(_lines([(mean, base - 5, mean, base + 3)], _colour(colour), 3.0))
    below = 16.0
    if footed:
        left, right = _wrapped(section["left"], _ROOM), _wrapped(section["right"], _ROOM)
        apart = 0 if len(section["left"]) + len(section["right"]) <= _ROOM else 12 * len(left)
        parts += _block(_EDGE, base + 26, left, anchor="start")
        parts += _block(_WIDTH - _EDGE, base + 26 + apart, right, anchor="end")
        below = 30.0 + apart + 12 * (len(right) - 1)
    return _figure(_WIDTH, base + below, parts, alt=comparison["alt"], css="density")


def in_rows(section: _Plain) -> bool:
    """Say whether comparisons are so many that each gets a row, beside its words."""
    return len(section["comparisons"]) > 1


def _curve_over(x: _Scale, comparison: _Plain, fill: str, base: float, top: float) -> list[str]:
    """Return a density as a line, shaded within the interval."""
    points, estimate = comparison["density"], comparison["estimate"]
    xy = [(x(a), base - (base - top) * b) for a, b in zip(points["x"], points["y"], strict=True)]
    inside = [p for p, a in zip(xy, points["x"], strict=True) if estimate["lower"] <= a <= estimate["upper"]]
    line = f'<path d="{_path(xy)}" fill="none" stroke="{fill}" stroke-width="1.6"/>'
    if not inside:
        return [line]
    shade = [(inside[0][0], base), *inside, (inside[-1][0], base)]
    return [f'<path d="{_path(shade)}Z" fill="{fill}" fill-opacity="0.25"/>', line]


def _axis(ticks: Sequence[_Plain], x: _Scale, base: float, *, start: float) -> list[str]:
    """Return a horizontal axis with its marks and their texts."""
    marks = [(x(tick["at"]), base, x(tick["at"]), base + 3) for tick in ticks]
    line = _lines([(start, base, _WIDTH - _EDGE, base), *marks], "#444444", 0.8)
    return [line, *(_text(x(tick["at"]), base + 12.5, tick["text"]) for tick in ticks)]


def _marks(x: _Scale, section: _Plain, base: float, *, words: bool) -> list[str]:
    """Return the lines of no difference and of the worthwhile one, with their words or without."""
    zero, mark = x(0.0), section["worthwhile"]
    parts = [_lines([(zero, 2, zero, base)], "#000000", 1.6)]
    if words:
        side = ("end", -3.0) if zero > 80 else ("start", 3.0)
        parts.append(_text(zero + side[1], 9.5, section["none"], anchor=side[0]))
    if mark is not None:
        at = x(mark["at"])
        parts.append(_lines([(at, 12 if words else 2, at, base)], "#000000", 1.1, dash="3 2"))
        if words:
            parts.append(_text(at + 3, 21, mark["text"], anchor="start"))
    return parts


def curves(section: _Plain) -> str:
    """Return probabilities over time with bands; line styles tell the options apart, as the legend below says."""
    t, base, top = _Scale(section["time_axis"], 30, _WIDTH - _EDGE), 96.0, 6.0
    y, ticks = _Scale(section["axis"], base, top), section["axis"]["ticks"]
    parts = [_lines([(30, y(tick["at"]), _WIDTH - _EDGE, y(tick["at"])) for tick in ticks], "#dddddd", 0.6)]
    parts.append(_lines([(30, top, 30, base)], "#444444", 0.8))
    parts += [_text(26, y(tick["at"]) + 3, tick["text"], anchor="end") for tick in ticks]
    parts += _axis(section["time_axis"]["ticks"], t, base, start=30)
    parts.append(_text((_WIDTH + 30 - _EDGE) / 2, 120, section["time_name"]))
    at = 134
    for option in section["options"]:
        words = option["label"]
        if "curve" in option:
            parts += _curve(option, t, y)
            parts.append(_stroke(f"M30 {at - 3.5}H64", option["style"], 2.0))
        else:
            words = f"{words}: {option['mark']}"
        lines = _wrapped(words, _ROOM_BESIDE)
        parts += _block(70, at, lines, anchor="start")
        at += 12 * len(lines)
    return _figure(_WIDTH, at - 8, parts, alt=section["alt"], css="curves")


def calibration(panel: _Plain) -> str:
    """Return observed means with their intervals over predicted ones; on the dashed line both are the same."""
    axis, points = panel["axis"], panel["points"]
    left, right, base, top = 38.0, 192.0, 168.0, 14.0  # as wide as it is high
    x, y, ticks = _Scale(axis, left, right), _Scale(axis, base, top), axis["ticks"]
    parts = [
        _lines([(left, y(tick["at"]), right, y(tick["at"])) for tick in ticks], "#dddddd", 0.6),
        _lines([(left, top, left, base), (left, base, right, base)], "#444444", 0.8),
        _lines([(left, base, right, top)], "#444444", 0.8, dash="4 3"),
        _lines([(x(p["predicted"]), y(p["lower"]), x(p["predicted"]), y(p["upper"])) for p in points], _colour(1), 1.4),
        _lines([(x(p["predicted"]) - 2.5, y(p["observed"]), x(p["predicted"]) + 2.5, y(p["observed"])) for p in points], _colour(1), 5.0),
        _text(left, 8, panel["upwards"], anchor="start"),
        _text((left + right) / 2, base + 24, panel["across"]),
    ]  # fmt: skip
    parts += [_text(left - 4, y(tick["at"]) + 3, tick["text"], anchor="end") for tick in ticks]
    wide = sum(_LETTER * len(tick["text"]) + 6 for tick in ticks) <= right - left
    parts += [_text(x(t["at"]), base + 12.5, t["text"]) for t in (ticks if wide else (ticks[0], ticks[-1]))]
    return _figure(206, 196, parts, alt=panel["alt"], css="calibration")


def shares(section: _Plain) -> str:
    """Return one bar an option, divided as its 100 patients are: in the order of the table, every division with its number."""
    bars = [bar for bar in section["bars"] if bar["counts"]]
    parts, step, y = [], (_WIDTH - 2) / 100, 0
    for bar in bars:
        lines, start = _wrapped(bar["label"], _ROOM), 0
        parts += _block(1, y + 10, lines, anchor="start")
        y += 12 * (len(lines) - 1)
        for i, (count, text) in enumerate(zip(bar["counts"], bar["texts"], strict=True)):
            x, width = 1 + step * start, step * count
            start += count
            if not count:
                continue
            fill = _shade(i, len(bar["counts"]))
            parts.append(
                f'<rect x="{_n(x)}" y="{y + 14}" width="{_n(width)}" height="17" fill="{fill}" stroke="#444444" stroke-width="0.8"/>'
            )
            if width >= _LETTER * len(text) + 3:
                parts.append(_text(x + width / 2, y + 26, text))
        y += 40
    return _figure(_WIDTH, max(y, 1), parts, alt=section["alt"], css="shares")


def _shade(index: int, n: int) -> str:
    """Return one of `n` shades from white to a blue on which the figure's dark text still stands out (6:1)."""
    share = index / max(n - 1, 1)
    return "#" + "".join(f"{round(255 + share * (end - 255)):02x}" for end in (127, 166, 194))


def _curve(option: _Plain, t: _Scale, y: _Scale) -> list[str]:
    curve, style = option["curve"], option["style"]
    lines = {
        name: [(t(a), y(b)) for a, b in zip(curve["time"], curve[name], strict=True)]
        for name in ("lower", "mean", "upper")
    }
    band = f"{_path(lines['upper'])}{_path(lines['lower'][::-1]).replace('M', 'L', 1)}Z"
    edge = f'fill="{_colour(style)}" fill-opacity="0.12" stroke="{_colour(style)}" stroke-opacity="0.55" stroke-width="0.5"'
    return [f'<path d="{band}" {edge}/>', _stroke(_path(lines["mean"]), style, 2.0)]


def _stroke(path: str, style: int, width: float) -> str:
    dash = _dash(style)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{path}" fill="none" stroke="{_colour(style)}" stroke-width="{width}"{dashed}/>'


def _dash(style: int) -> str:
    """Return the pattern of a line, no two alike: beyond those by name, a dash and as many dots as tell it from the others."""
    return DASHES[style] if style < len(DASHES) else "8 3" + " 2 3" * (style - len(DASHES) + 2)


class _Scale:
    """Linear map from an axis to user units."""

    def __init__(self, axis: _Plain, start: float, end: float) -> None:
        self._low, self._high, self._start, self._end = axis["low"], axis["high"], start, end

    def __call__(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return float(self._start + min(max(share, 0.0), 1.0) * (self._end - self._start))


def _figure(
    width: float, height: float, parts: Sequence[str], *, alt: str, css: str, letters: float = LETTERS
) -> str:
    # The font stands here too: a PDF's figures do not inherit it from the page.
    font = f'font-family="Report Sans, sans-serif" font-size="{_n(letters)}"'
    body = "".join(parts)
    return (
        f'<svg class="{css}" viewBox="0 0 {_n(width)} {_n(height)}" {font} role="img" focusable="false">'
        f"<title>{escape(alt)}</title>{body}</svg>"
    )


def _text(x: float, y: float, words: str, *, anchor: str = "middle") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def _wrapped(words: str, room: int) -> list[str]:
    """Return words in lines of no more than so many characters; what is too long for one is broken."""
    return [words] if len(words) <= room else textwrap.wrap(words, room)


def _block(x: float, y: float, lines: Sequence[str], *, anchor: str) -> list[str]:
    return [_text(x, y + 12 * i, line, anchor=anchor) for i, line in enumerate(lines)]


def _lines(
    ends: Sequence[tuple[float, float, float, float]], stroke: str, width: float, *, dash: str = ""
) -> str:
    """Return straight lines of one kind as one path."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    path = "".join(f"M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}" for x1, y1, x2, y2 in ends)
    return f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{_n(width)}"{dashed}/>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    """Return a coordinate with at most two decimals and no trailing zeros."""
    return f"{round(value, 2) + 0.0:g}"


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
