"""Every printed number and figure of a report, from the raw numbers in its JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from medresponse.reports.html import render
from tests.reports.accounts import Case

NUMBER = re.compile(r"[+\N{MINUS SIGN}<>]*\d[\d.,\u00a0\u202f]*")


def read(text: str, language: str) -> list[tuple[str, float, float]]:
    """Return sign of inequality, value and half of the last printed place of each number in a text."""
    found = []
    for token in NUMBER.findall(text):
        bare = token.strip("<>").rstrip(".,\u00a0\u202f")
        sign = "<" if "<" in token else ">" if ">" in token else ""
        plain = bare.replace("\N{MINUS SIGN}", "-").replace("+", "")
        plain = plain.replace(".", "").replace(",", ".") if language == "es" else plain.replace(",", "")
        plain = re.sub("[\u00a0\u202f]", "", plain)
        decimals = len(plain.split(".")[1]) if "." in plain else 0
        zeros = len(plain) - len(plain.rstrip("0")) if "." not in plain and float(plain) else 0
        found.append((sign, float(plain), 0.5 * 10.0 ** (zeros - decimals)))
    return found


def prints(text: str, raw: float, language: str, *, at: int = 0) -> bool:
    """Whether a text's number is `raw`, rounded to the places that are printed, or a bound that it lies beyond."""
    found = read(text, language)
    sign, value, half = found[at]
    if value == 0:  # rounded as its neighbours are
        half = max(half for _, _, half in found)
    if sign == "<":
        return abs(raw) < value
    if sign == ">":
        return raw > value
    return abs(value - raw) <= half * (1 + 1e-9) + 1e-12


def objects(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from objects(item, f"{path}.{key}".lstrip("."))


def gate_factor(case: Case, name: str) -> float:
    """What a gate's numbers are multiplied by: those of responses as they are on the page, shares by 100, slopes and ratios by 1."""
    if name in ("calibration_in_the_large", "calibration_curve", "benefit_in_the_large"):
        return case.factor
    return 1.0 if name in ("sampler", "calibration_slope", "benefit_slope", "interval_width") else 100.0


def test_every_text_is_its_number_rounded(case: Case) -> None:
    language, checked = case.plain["language"], 0
    for path, found in objects(case.plain):
        factor = 1.0 if "time_gained" in path else case.factor
        if {"mean", "lower", "upper", "text"} <= set(found):
            assert prints(found["text"], factor * found["mean"], language), path
            between = found.get("interval", found["text"])
            shift = 0 if "interval" in found else 1
            assert prints(between, factor * found["lower"], language, at=shift), path
            assert prints(between, factor * found["upper"], language, at=shift + 1), path
        elif {"value", "text"} <= set(found) and isinstance(found["value"], float):
            assert prints(found["text"], 100 * found["value"], language), path
        elif {"at", "text"} == set(found):
            time = ".time_axis." in path
            curves = path.split(".")[1] in ("survival", "incidence")
            assert prints(
                found["text"], (1.0 if time else 100.0 if curves else case.factor) * found["at"], language
            ), path
        elif {"raw", "cells"} <= set(found):
            later = len(case.plain["answer"]["options"]) + len(case.others)
            own = 1.0 if int(path.rsplit(".", 1)[1]) >= later else case.factor
            texts = [found["cells"][0], found["cells"][1]]
            assert all(
                prints(text, own * raw, language) for text, raw in zip(texts, found["raw"], strict=False)
            ), path
            for i, text in enumerate(found["cells"][2:]):
                for j in (0, 1):
                    assert prints(text, own * found["raw"][2 + 2 * i + j], language, at=j), path
        elif {"raw", "measured"} <= set(found):
            own = gate_factor(case, case.record.gates[int(path.rsplit(".", 1)[1])].name)
            assert all(
                prints(found["measured"], own * raw, language, at=i) for i, raw in enumerate(found["raw"])
            ), path
        elif {"raw", "text"} <= set(found) and found["raw"]:
            texts = [value for _, value, _ in read(found["text"], language)]
            for raw in found["raw"]:
                assert any(abs(value - case.factor * raw) <= 0.5 * 10.0 ** math.ceil(math.log10(max(abs(value), 1))) for value in texts), path  # fmt: skip
        else:
            continue
        checked += 1
    assert checked > 10


def test_headlines_and_the_sentence_in_short_repeat_the_estimates(case: Case) -> None:
    language, sections = case.plain["language"], case.plain["sections"]
    for headline, option in zip(
        case.plain["headlines"], sections["expected_response"]["options"], strict=True
    ):
        assert (headline["text"], headline["interval"]) == (
            option["estimate"]["text"],
            option["estimate"]["interval"],
        )
    texts = [
        o["estimate"][part] for o in sections["expected_response"]["options"] for part in ("text", "interval")
    ]
    texts += [
        o["person"][part]
        for o in sections["expected_response"]["options"]
        if o["person"]
        for part in ("text", "interval")
    ]
    for comparison in sections.get("differences", {}).get("comparisons", []):
        texts += [comparison["estimate"]["text"], comparison["estimate"]["interval"]]
    known = {abs(value) for text in texts for _, value, _ in read(text, language)}
    # What else is a number there: the horizon, the intervals' levels, the hundred patients, and 0 where no difference is meant.
    known |= {90.0, 95.0, 100.0, 0.0, float(case.responses.horizon or 0.0)}
    for sentence in sections["in_short"]["sentences"]:
        labels = " ".join(option["label"] for option in case.plain["answer"]["options"])
        said = {abs(value) for _, value, _ in read(sentence, language)} - {
            v for _, v, _ in read(labels, language)
        }
        assert said <= known, sentence
        assert not re.search(r"[+\N{MINUS SIGN}]\d", sentence), "signs mean benefit on the rest of the page"


def test_figures_are_drawn_from_the_jsons_numbers(cases: dict[str, Case]) -> None:
    case = cases["survival"]
    section, page = case.plain["sections"]["expected_response"], render(case.made.document)
    figures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    icons = [f for f in figures if 'class="icons"' in f]
    for option, figure in zip(section["options"], icons, strict=True):
        solid = re.findall(r'<path d="([^"]*)" fill="none" stroke-linecap="round"', figure)[-1]
        lines = [(int(a), int(b)) for a, b in re.findall(r"M(\d+) \d+H(\d+)", solid)]
        filled = sum(len(range(start, end, 10)) for start, end in lines)
        assert filled == option["icons"]
        (bar,) = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', figure)
        left, width = (float(number) for number in bar)
        scale = 184.8  # of the axis from 0 to 1, which begins at 9.6
        assert left == pytest.approx(9.6 + scale * option["estimate"]["lower"], abs=0.01)
        assert width == pytest.approx(
            scale * (option["estimate"]["upper"] - option["estimate"]["lower"]), abs=0.011
        )
