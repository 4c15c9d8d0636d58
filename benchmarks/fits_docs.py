"""The table of docs/scaling.md on fits beside peers, from benchmarks/fits.json: `python -m benchmarks.fits --docs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medresponse.core.atomic import write_text

FILE = Path(__file__).with_name("fits.json")
DOCS = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
START, END = "<!-- printed by benchmarks.fits --docs -->", "<!-- end of what benchmarks.fits printed -->"
_RATE, _PEER = "ESS p5 per CPU s of sampling, target {}", "peer: ESS p5 per CPU s of sampling, target {}"
# Row, what is compared, our figure, the peer's, their ratio, and what was aimed at.
LINES = (
    *(
        (f"effects_{n}", f"effects' ESS p5 per CPU s, {n:,} x 60, {words}", _RATE.format(own), _PEER.format(other),
         f"ratio, target {name}", aim if own == other else "")
        for n, aim in ((5_000, "50x"), (50_000, "300x"))
        for own, other, name, words in (
            (0.9, 0.9, "0.9", "both accept 0.9"), (0.8, 0.8, "0.8", "both accept 0.8"),
            (0.95, 0.8, "0.95, the peer's 0.8", "each at its default"),
        )
    ),
    ("refits_200", "200 refits, empty cache, CPU s", "CPU s of 200 refits, empty cache", "", "ratio, empty cache", "20x"),
    ("refits_200", "200 refits, warm cache, CPU s", "CPU s of 200 refits, warm cache", "", "ratio, warm cache", "6x"),
    ("refits_200", "one fit, CPU s (the peer's with compiling, warm)", "CPU s of one refit", "peer: CPU s of a fit, warm cache", "", ""),
    ("compilation", "new process to compiled model, empty cache, wall s", "wall s, empty cache", "", "", "15 s"),
    ("compilation", "the same, warm cache", "wall s, warm cache", "", "", "4 s"),
    ("compilation", "the same, empty cache, CPU s", "CPU s, empty cache", "", "", ""),
    ("compilation", "the same, warm cache, CPU s", "CPU s, warm cache", "", "", ""),
    ("rstanarm_500", "wall s to effects' ESS p5 of 400, 500 patients, whole process", "wall s, whole process", "peer: wall s",
     "ratio, whole process", "10x"),
    ("rstanarm_500", "the same, sampling alone", "wall s, refit", "peer: wall s of sampling", "ratio, refits", "50x"),
    ("bambi_500", "CPU s to effects' ESS p5 of 400, 500 patients, whole process, beside bambi", "CPU s, whole process",
     "peer: CPU s, whole process", "ratio", ""),
    ("gradients", "microseconds of a bernoulli gradient, 5,000 x 60", "bernoulli: microseconds", "peer: bernoulli: microseconds",
     "ratio", "3x"),
    ("starts", "`import medresponse`, wall s", "import medresponse: wall s", "", "", "0.3 s"),
    ("starts", "`medresponse --help`, wall s", "medresponse --help: wall s", "", "", "0.5 s"),
)  # fmt: skip


def write_docs() -> None:
    """Put the table in its place in the document."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rows"]
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(START)
    write_text(
        DOCS,
        f"{before}{START}\n\n{table(rows)}\n\n{divergences(rows)}\n\n{engines(rows)}\n\n{END}{rest.partition(END)[2]}",
    )
    DOCS.chmod(0o644)


def table(rows: dict[str, Any]) -> str:
    """Return the lines of the rows that are there."""
    lines = ["| work | medresponse | peer | ratio | aim |", "| --- | --- | --- | --- | --- |"]
    for name, words, own, other, ratio, aim in LINES:
        row = rows.get(name, {})
        if own in row:
            times = f"{_number(row[ratio])}x" if ratio else ""
            lines.append(f"| {words} | {_shown(row[own])} | {_shown(row.get(other))} | {times} | {aim} |")
    return "\n".join(lines)


def divergences(rows: dict[str, Any]) -> str:
    """Return how many a fit had, in words."""
    found: dict[str, list[int]] = {"": [], "peer: ": []}
    for name in ("effects_5000", "effects_50000"):
        for what, values in rows.get(name, {}).items():
            side, words, _ = what.partition("divergences, ")
            if words:
                found[side] += values
    ours, theirs = (f"{min(values)} to {max(values)}" if any(values) else "none" for values in found.values())
    return f"Divergences in a fit of the first six rows: ours {ours}, the peer's {theirs}."


def engines(rows: dict[str, Any]) -> str:
    """Return the engines beside each other, medians with ranges over seeds; the first fit of each is the one that compiles."""
    found = {
        name: row for name, row in rows["engines_500"].items() if isinstance(row, dict) and "ESS p5" in row
    }
    columns = {
        "CPU s of sampling": "CPU s of sampling", "CPU s": "with preparing and compiling", "ESS p5": "effects' ESS p5",
        "divergences": "divergences",
    }  # fmt: skip
    lines = [f"| engine, 500 patients | {' | '.join(columns.values())} |", "| --- " * 5 + "|"]
    lines += [
        f"| `{name}` | {' | '.join(_shown(row[column]) for column in columns)} |"
        for name, row in found.items()
    ]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"{_number(value['median'])} ({_number(value['min'])} to {_number(value['max'])})"
    return _number(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
