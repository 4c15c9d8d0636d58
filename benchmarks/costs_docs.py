"""The tables of docs/scaling.md on fits, written from what `benchmarks.costs` kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.costs_law import size_of
from medresponse.core.atomic import write_text

DOCS = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- printed by benchmarks.costs -->", "<!-- end of what benchmarks.costs printed -->"
PARTS = {
    "prepare_s": "preparing, CPU s", "compile_s": "compiling, CPU s", "redraw_s": "redrawing imputed values, CPU s",
    "gradient_us": "one gradient, microseconds",
    "finish_s": "diagnostics and influence, CPU s", "megabytes": "memory, MB",
}  # fmt: skip
WORDS = {
    "once": "{:.3g}", "coefficients": "{:.3g} x coefficients", "triangle": "{:.3g} x coefficients^2 (compressed)",
    "features": "{:.3g} x patients (2,000 where none lacks anything) x columns",
    "imputations": "{:.3g} x imputations x patients x columns (where values are missing)",
    "cycles": "{:.3g} x cycles x imputations", "latents": "{:.3g} x cycles x imputations x patients x columns",
    "candidates": "{:.3g} x cycles x imputations x imputed values x candidates",
    "candidates' columns": "{:.3g} x cycles x imputations x imputed values x candidates x columns x treatments",
    "compression": "{:.3g} x patients x coefficients^2 (compressed)", "kept": "{:.3g} x draws x coefficients",
    "influence": "{:.3g} x patients x draws, at most 1,000", "support": "{:.3g} x patients x columns^2",
    "arrays": "{:.3g} x MB of arrays, as counted",
}  # fmt: skip

CHECKED = ("CPU s without compiling", "CPU s of redrawing", "microseconds a gradient", "MB")
OWN = {"once, ": "by family: {}", "design, ": "patients x columns x treatments x ({})"}


def write(rows: list[dict[str, Any]], law: Mapping[str, Any]) -> None:
    """Put the tables where the markers are."""
    text = DOCS.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    tables = [_measured(rows), _when(rows), _law(law), _checks(law)]
    write_text(DOCS, "\n\n".join([head + BEGIN, *tables, END + tail]))
    DOCS.chmod(0o644)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(rows: list[dict[str, Any]]) -> str:
    head = [
        "family", "patients", "coefficients", "imputed values", "chains x (kept + discarded)", "preparing", "compiling",
        "redrawing", "sampling", "finishing", "us a gradient", "MB",
    ]  # fmt: skip
    body = []
    for row in sorted(rows, key=lambda row: (row["family"], row["coefficients"], row["n"], row["imputed"])):
        size = size_of(row)
        chains, more = size.chains * size.imputations, f" + {size.redrawing:,}" if size.redrawing else ""
        body.append(
            [
                row["family"], f"{row['n']:,}", str(row["coefficients"]), f"{row['imputed']:,}",
                f"{chains} x ({size.draws} + {size.tune}){more}",
                *(f"{row[name]:.1f}" for name in ("prepare", "compile", "redraw", "sample", "finish")), f"{row['gradient_us']:.0f}",
                f"{row['megabytes']:.0f}",
            ]
        )  # fmt: skip
    return _table(head, body)


def _when(rows: list[dict[str, Any]]) -> str:
    """Return in words how busy the machine was."""
    loads = [row["load"] for row in rows if row["load"] is not None]
    words = (
        [f"Processes that wanted the machine meanwhile: {min(loads):.0f} to {max(loads):.0f}."]
        if loads
        else []
    )
    if len(loads) < len(rows):
        words.append(
            f"{len(rows) - len(loads)} rows are of days before that was noted, and some of slower kernels than today's."
        )
    return " ".join(words)


def _law(law: Mapping[str, Any]) -> str:
    body = []
    for part, words in PARTS.items():
        weights = {name: weight for name, weight in law[part].items() if weight > 0}
        pieces = [WORDS[name].format(weight) for name, weight in weights.items() if ", " not in name]
        for kind, what in OWN.items():
            own = [
                f"{name.removeprefix(kind)} {weight:.3g}"
                for name, weight in weights.items()
                if name.startswith(kind)
            ]
            pieces += [what.format(", ".join(own))] if own else []
        body.append([words, " + ".join(pieces)])
    steps, spread = law["gradients_per_iteration"], law["gradients_per_iteration_range"]
    words = ", ".join(
        f"{name} {steps[name]:.0f} ({low:.0f} to {high:.0f})" for name, (low, high) in spread.items()
    )
    return _table(["part", "law"], [*body, ["gradients an iteration", words]])


def _checks(law: Mapping[str, Any]) -> str:
    body = []
    for check in law["checks"]:
        family, n, genomic, draws, _, share = check["asked"]
        missing = f", {share:.0%} missing in ten" if share else ""
        body.append(
            [f"{family}, {n:,} patients, {genomic + 10} features, {draws} draws{missing}"]
            + [
                f"{check[what]['predicted']:.3g} / {check[what]['measured']:.3g}" if what in check else "-"
                for what in CHECKED
            ]
        )
    head = [
        "not used for the law: predicted / measured", "CPU s without compiling", "of it redrawing", "us a gradient", "MB",
    ]  # fmt: skip
    time, memory = (
        max(abs(check[what]["ratio"] - 1) for check in law["checks"])
        for what in ("CPU s without compiling", "MB")
    )
    return f"{_table(head, body)}\n\nThe furthest of these: {time:.0%} in time, {memory:.0%} in memory."
