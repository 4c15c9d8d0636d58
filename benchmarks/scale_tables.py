"""The tables of docs/scaling.md, from the rows that are kept in benchmarks/scale.json: `python -m benchmarks.scale --docs`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medresponse.core.atomic import write_text

FILE = Path(__file__).with_name("scale.json")
DOCS = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
START, END = "<!-- printed by benchmarks.scale --docs -->", "<!-- end of what was printed -->"
_IDLE = 0.05  # most of the machine's time that others may have had where wall seconds are shown
_TICK = 0.01  # seconds in which the system counts it

AIMS = (
    (50, "as used", ""),
    (20, "warm", "warm_"),
)  # ratios of PyMC's seconds to ours, by prefix of its columns

type Row = dict[str, Any]


def write_docs() -> None:
    """Put the tables in their place in the document."""
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    write_text(DOCS, before + tables(kept_rows()) + rest.partition(END)[2])
    DOCS.chmod(0o644)


def kept_rows() -> dict[str, Row]:
    """Return the rows that are kept, by name."""
    rows: dict[str, Row] = json.loads(FILE.read_text(encoding="utf-8"))["rows"]
    return rows


def tables(rows: dict[str, Row]) -> str:
    """Return everything between the marks, marks included."""
    sizes = [row for name, row in rows.items() if row["name"].startswith("bernoulli") and _is_size(name)]
    families = [row for name, row in rows.items() if name.startswith("family")]
    parts = [
        START,
        _table(("patients x draws, Bernoulli", *_COSTS), [(_size(row), *_costs(row)) for row in sizes]),
        _per_draw(rows),
        _table(
            ("20,000 patients x 1,000 draws", *_COSTS),
            [(row["name"], *_costs(row)) for row in sorted(families, key=lambda row: row["cpu"])],
        ),
        _peers(rows),
        _where(rows),
        END,
    ]
    return "\n\n".join(part for part in parts if part)


_COSTS = ("CPU s", "wall s", "CPU microseconds a patient", "MB")


def _is_size(name: str) -> bool:
    return not name.startswith(("peer", "family"))


def _costs(row: Row) -> tuple[str, ...]:
    each = 1e6 * row["cpu"] / row["patients"]
    return _seconds(row["cpu"]), _wall(row), f"{each:,.0f}", f"{row['megabytes']:.0f}"


def _size(row: Row) -> str:
    extra = ", with quantiles" if row["quantiles"] else ""
    extra += f", {row['missing']:.0%} lack two features" if row["missing"] else ""
    return f"{row['patients']:,} x {row['draws']:,}{extra}"


def _wall(row: Row, prefix: str = "") -> str:
    """Return wall seconds, or a dash where others were using the machine."""
    others, wall = row.get(f"{prefix}others"), row[f"{prefix}wall"]
    if others is None or others > _IDLE * wall * row["cores"] + _TICK:
        return "-"
    return _seconds(wall)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _per_draw(rows: dict[str, Row]) -> str:
    """Return what a draw and a patient cost, from the rows that differ in draws alone."""
    few, many = (rows.get(f"hundred thousand, {draws} draws") for draws in (250, 4000))
    if few is None or many is None:
        return ""
    each = 1e6 * (many["cpu"] - few["cpu"]) / many["patients"] / (many["draws"] - few["draws"])
    fixed = 1e6 * few["cpu"] / few["patients"] - each * few["draws"]
    return (
        f"From 250 and 4,000 draws: {fixed:.0f} CPU microseconds a patient for reading, checking, encoding and writing, and "
        f"{each:.4f} for each draw under three arms."
    )


def _peers(rows: dict[str, Row]) -> str:
    """Return scoring beside PyMC's predictive path; ratios are of PyMC's seconds to ours."""
    pymc, ours = rows.get("peer pymc"), {key: rows.get(f"peer {key}", {}) for key in ("memory", "score")}
    if pymc is None or not all(ours.values()):
        return ""
    labels = {"memory": "scoring a checked cohort in memory", "score": "the whole command, file to file"}
    found = [
        ("PyMC, three passes as used", _seconds(pymc["cpu"]), _wall(pymc), "", f"{pymc['megabytes']:.0f}"),
        ("PyMC, its warm passes", _seconds(pymc["warm_cpu"]), _wall(pymc, "warm_"), "", ""),
    ]
    for key, row in ours.items():
        ratio = f"{pymc['cpu'] / row['cpu']:.0f}x / {pymc['warm_cpu'] / row['cpu']:.0f}x"
        if "-" not in (_wall(row), _wall(pymc), _wall(pymc, "warm_")):
            ratio += f"; wall {pymc['wall'] / row['wall']:.0f}x / {pymc['warm_wall'] / row['wall']:.0f}x"
        found.append((labels[key], _seconds(row["cpu"]), _wall(row), ratio, f"{row['megabytes']:.0f}"))
        if "first_cpu" in row:
            found.append((
                "its first pass in a process, machine code on disk", _seconds(row["first_cpu"]), _wall(row, "first_"),
                f"{pymc['cpu'] / row['first_cpu']:.0f}x / -", f"{row['first_megabytes']:.0f}",
            ))  # fmt: skip
    table = _table(
        ("10,000 patients x 3 arms x 500 draws", "CPU s", "wall s", "as used / warm, CPU", "MB"), found
    )
    memory = ours["memory"]
    said = [f"In CPU seconds {_reached(pymc, memory, 'cpu')} by scoring in memory"]
    if "-" not in (_wall(memory), _wall(pymc), _wall(pymc, "warm_")):
        said.append(f"in wall seconds on {memory['cores']} cores, {_reached(pymc, memory, 'wall')}")
    return f"{table}\n\n{'; '.join(said)}."


def _reached(pymc: Row, memory: Row, what: str) -> str:
    """Say of both aims whether they are reached, in ``cpu`` or ``wall`` seconds."""
    found = [
        f"{aim}x {name} is {'reached' if pymc[f'{prefix}{what}'] / memory[what] >= aim else 'missed'}"
        for aim, name, prefix in AIMS
    ]
    return " and ".join(found)


def _where(rows: dict[str, Row]) -> str:
    """Return where the time of scoring in memory goes, measured apart, in one thread; and what no code of ours could pass."""
    row, pymc = rows.get("peer parts"), rows.get("peer pymc")
    if row is None or pymc is None:
        return ""
    parts = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in row["parts"].items())
    products = row["parts"]["products of matrices"]
    return (
        f"Where it goes, in CPU milliseconds of one thread, each part alone: {parts}. The products run at {row['gigaflops']:.0f} "
        f"Gflop/s, one of two square matrices of 1,024 at {row['peak_gigaflops']:.0f}. The products alone, with nothing else, "
        f"would be {pymc['cpu'] / products:.0f}x / {pymc['warm_cpu'] / products:.0f}x."
    )


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
