"""Figures as SVG text, drawn from numbers that the report holds: the same numbers give the same bytes.

Meaning never rests on colour: icons are filled or hollow, curves differ in line style, bands have edges.
Every figure that carries meaning of its own has role="img" and its alt text as label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

COLOURS = ("#4a4a4a", "#1b5e8c", "#8a4b08", "#5f3b87", "#0b6363", "#7a2c4d")  # each at least 5.9:1 on white
DASHES = ("", "7 3", "2 2.5", "8 3 2 3", "12 3", "4 4")

_Plain = Mapping[str, Any]


def icon_array(filled: int, *, colour: int, alt: str) -> str:
    """Return 100 icons, `filled` of them solid, from the top left in rows of ten."""
    fill = _colour(colour)
    parts = []
    for i in range(100):
        x, y = 5 + 10 * (i % 10), 5 + 10 * (i // 10)
        style = f'fill="{fill}" stroke="{fill}"' if i < filled else 'fill="none" stroke="#767676"'
        parts.append(f'<circle cx="{x}" cy="{y}" r="3.7" {style}/>')
    return _figure(100, 100, parts, alt=alt, css="icons")


def interval_bar(
    axis: _Plain, estimate: _Plain, *, person: _Plain | None, colour: int, width: int = 200
) -> str:
    """Return an interval with its tick on the common axis; a thin line for one person's interval, if given.

    It repeats what stands in words beside it, so it is hidden from screen readers.
    """
    x, fill = _Scale(axis, 8, width - 8), _colour(colour)
    parts = [_line(8, 14, width - 8, 14, "#767676", 0.8)]
    if person is not None:
        low, high = x(person["lower"]), x(person["upper"])
        parts += [
            _line(low, 8, high, 8, fill, 1.6),
            _line(low, 5, low, 11, fill, 1.6),
            _line(high, 5, high, 11, fill, 1.6),
        ]
    low, high, mean = x(estimate["lower"]), x(estimate["upper"]), x(estimate["mean"])
    parts.append(f'<rect x="{_n(low)}" y="11" width="{_n(max(high - low, 0.8))}" height="6" fill="{fill}"/>')
    parts += [_line(mean, 7.5, mean, 20.5, "#ffffff", 2.6), _line(mean, 7.5, mean, 20.5, "#000000", 1.6)]
    ticks = axis["ticks"] if len(axis["ticks"]) * 26 <= width else [axis["ticks"][0], axis["ticks"][-1]]
    for tick in ticks:
        parts += [
            _line(x(tick["at"]), 14, x(tick["at"]), 22, "#767676", 0.8),
            _text(x(tick["at"]), 31, tick["text"]),
        ]
    return _figure(width, 33, parts, alt=None, css="bar")


def density(section: _Plain, comparison: _Plain, *, colour: int, width: int = 360) -> str:
    """Return a posterior density with zero line, worthwhile line and shaded 95% interval."""
    axis, points, estimate = section["axis"], comparison["density"], comparison["estimate"]
    x, base, top, fill = _Scale(axis, 10, width - 10), 92.0, 26.0, _colour(colour)
    xy = [(x(a), base - (base - top) * b) for a, b in zip(points["x"], points["y"], strict=True)]
    inside = [p for p, a in zip(xy, points["x"], strict=True) if estimate["lower"] <= a <= estimate["upper"]]
    parts = []
    if inside:
        shade = [(inside[0][0], base), *inside, (inside[-1][0], base)]
        parts.append(f'<path d="{_path(shade)}Z" fill="{fill}" fill-opacity="0.25"/>')
    parts.append(f'<path d="{_path(xy)}" fill="none" stroke="{fill}" stroke-width="1.6"/>')
    parts.append(_line(10, base, width - 10, base, "#444444", 0.8))
    for tick in axis["ticks"]:
        parts += [
            _line(x(tick["at"]), base, x(tick["at"]), base + 3, "#444444", 0.8),
            _text(x(tick["at"]), 104, tick["text"]),
        ]
    parts += _marks(x, section, base)
    mean = x(estimate["mean"])
    parts.append(_line(mean, base - 5, mean, base + 3, fill, 3.0))
    parts += [
        _text(10, 116, section["left"], anchor="start"),
        _text(width - 10, 116, section["right"], anchor="end"),
    ]
    return _figure(width, 119, parts, alt=comparison["alt"], css="density")


def _marks(x: _Scale, section: _Plain, base: float) -> list[str]:
    """Return the lines of no difference and of the worthwhile one, with their words."""
    zero, mark = x(0.0), section["worthwhile"]
    side = ("end", -3.0) if zero > 75 else ("start", 3.0)
    parts = [
        _line(zero, 2, zero, base, "#000000", 1.6),
        _text(zero + side[1], 9, section["none"], anchor=side[0]),
    ]
    if mark is not None:
        at = x(mark["at"])
        parts += [
            _line(at, 12, at, base, "#000000", 1.1, dash="3 2"),
            _text(at + 3, 19, mark["text"], anchor="start"),
        ]
    return parts


def curves(section: _Plain, *, width: int = 360) -> str:
    """Return probabilities over time with bands; line styles tell the options apart."""
    t, base, top = _Scale(section["time_axis"], 30, width - 12), 96.0, 6.0
    y = _Scale(section["axis"], base, top)
    parts = [_line(30, base, width - 12, base, "#444444", 0.8), _line(30, top, 30, base, "#444444", 0.8)]
    for tick in section["axis"]["ticks"]:
        parts += [_line(30, y(tick["at"]), width - 12, y(tick["at"]), "#dddddd", 0.6)]
        parts.append(_text(26, y(tick["at"]) + 3, tick["text"], anchor="end"))
    for tick in section["time_axis"]["ticks"]:
        parts += [
            _line(t(tick["at"]), base, t(tick["at"]), base + 3, "#444444", 0.8),
            _text(t(tick["at"]), 107, tick["text"]),
        ]
    for option in section["options"]:
        parts += _curve(option, t, y)
    parts.append(_text((width + 18) / 2, 117, section["time_name"]))
    return _figure(width, 119, parts, alt=section["alt"], css="curves")


def line_sample(style: int) -> str:
    """Return a short stretch of a curve's line, for a legend."""
    return _figure(34, 8, [_stroke("M1 4L33 4", style, 2.0)], alt=None, css="sample")


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
    dash = DASHES[style % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{path}" fill="none" stroke="{_colour(style)}" stroke-width="{width}"{dashed}/>'


class _Scale:
    """Linear map from an axis to user units."""

    def __init__(self, axis: _Plain, start: float, end: float) -> None:
        self._low, self._high, self._start, self._end = axis["low"], axis["high"], start, end

    def __call__(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return float(self._start + min(max(share, 0.0), 1.0) * (self._end - self._start))


def _figure(width: float, height: float, parts: Sequence[str], *, alt: str | None, css: str) -> str:
    role = 'aria-hidden="true"' if alt is None else f'role="img" aria-label="{escape(alt)}"'
    body = "".join(parts)
    return f'<svg class="{css}" viewBox="0 0 {_n(width)} {_n(height)}" {role} focusable="false">{body}</svg>'


def _text(x: float, y: float, words: str, *, anchor: str = "middle") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, *, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{_n(width)}"{dashed}/>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    """Return a coordinate with at most two decimals and no trailing zeros."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
