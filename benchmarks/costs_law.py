"""Fit the law of `medresponse.inference.costs` to measured rows, and hold it against those that took no part."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from medresponse.inference.costs import Size, predict, terms

MEASURED = {
    "prepare_s": "prepare", "compile_s": "compile", "redraw_s": "redraw", "gradient_us": "gradient_us", "finish_s": "finish",
    "megabytes": "megabytes",
}  # fmt: skip
SCORES = Path(__file__).with_name("scale.json")
COLD = 5.0  # seconds of compilation beyond which a kernel was not kept


def size_of(row: dict[str, Any]) -> Size:
    """Return a row's size."""
    return Size(
        family=row["family"], n=row["n"], columns=row["columns"], coefficients=row["coefficients"],
        contrasts=row["contrasts"], compressed=row["compressed"], imputations=row["imputations"], chains=2,
        draws=row["kept"] // (2 * row["imputations"]),
        tune=(row["iterations"] - row["redrawing"] - row["kept"]) // (2 * row["imputations"]), redrawing=row["redrawing"],
        cycles=row["cycles"], imputed=row["imputed"], most_imputed=row["most_imputed"],
    )  # fmt: skip


def fit_law(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the law, with what it predicts for the rows that check it."""
    own = [row for row in rows if not row["check"]]
    law: dict[str, Any] = {part: _weights(own, part) for part in MEASURED}
    steps: dict[str, list[float]] = {}
    for row in own:
        each = row["sample"] / (1e-6 * row["gradient_us"] * row["iterations"])
        steps.setdefault(row["family"], []).append(each)
    law["gradients_per_iteration"] = {family: statistics.median(values) for family, values in steps.items()}
    law["gradients_per_iteration_range"] = {family: [min(v), max(v)] for family, v in steps.items()}
    law["score_us"] = _score_weights()
    law["checks"] = [_checked(row, law) for row in rows if row["check"]]
    return law


def _weights(rows: list[dict[str, Any]], part: str) -> dict[str, float]:
    """Return non-negative weights by least squares of relative errors."""
    if part == "compile_s":
        rows = [row for row in rows if row["compile"] > COLD]
    if part == "redraw_s":
        rows = [row for row in rows if row["cycles"]]
    each = [terms(size_of(row))[part] for row in rows]
    names = sorted({name for one in each for name in one})
    measured = np.array([row[MEASURED[part]] for row in rows])
    matrix = np.array([[one.get(name, 0.0) for name in names] for one in each]) / measured[:, None]
    norms = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    found, _ = nnls(matrix / norms, np.ones(len(rows)))
    return dict(zip(names, (found / norms).tolist(), strict=True))


def _score_weights() -> dict[str, float]:
    """Return CPU microseconds a patient, once and for each draw under three treatments, from the recorded scores."""
    rows = json.loads(SCORES.read_text(encoding="utf-8"))["rows"].values()
    plain = [
        row for row in rows
        if row["patients"] == 100_000 and not row["quantiles"] and not row["missing"] and row["peer"] is None
    ]  # fmt: skip
    matrix = np.array([[1.0, row["draws"]] for row in plain])
    found, _ = nnls(matrix, np.array([1e6 * row["cpu"] / row["patients"] for row in plain]))
    return {"once": float(found[0]), "per draw": float(found[1])}


def _checked(row: dict[str, Any], law: dict[str, Any]) -> dict[str, Any]:
    """Return predicted and measured figures of a row; compilation apart, which a kept kernel spares."""
    cost = predict(size_of(row), law)
    pairs = {
        "CPU s without compiling": (
            cost.seconds - cost.compile,
            row["prepare"] + row["redraw"] + row["sample"] + row["finish"],
        ),
        "microseconds a gradient": (
            sum(law["gradient_us"].get(k, 0.0) * v for k, v in terms(size_of(row))["gradient_us"].items()),
            row["gradient_us"],
        ),
        "MB": (cost.megabytes, row["megabytes"]),
    }
    if row["cycles"]:
        pairs["CPU s of redrawing"] = (cost.redraw, row["redraw"])
    return {"asked": row["asked"]} | {
        what: {"predicted": predicted, "measured": measured, "ratio": predicted / measured}
        for what, (predicted, measured) in pairs.items()
    }
