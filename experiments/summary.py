"""Print the recorded results as Markdown: `python -m experiments.summary > docs/results.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.metrics import load_metrics, with_error
from medresponse.validation import Estimate

RESULTS = Path(__file__).with_name("results")
MODELS = {
    "": "medresponse",
    "cox.": "Cox",
    "cox_interactions.": "Cox with treatment interactions",
    "random_survival_forest.": "random survival forest",
    "gradient_boosting.": "gradient boosting",
    "kaplan_meier.": "Kaplan-Meier by arm",
}


def summary() -> str:
    """Return the page: each experiment's main numbers, then every recorded metric."""
    parts = [
        "# Recorded results",
        "Printed by `python -m experiments.summary` from `experiments/results/`. Monte Carlo standard errors in brackets; "
        "none where nothing random enters or all seeds agree. IBS is the integrated Brier score (lower is better), C is Uno's (higher is "
        "better), the calibration gap is the mean absolute difference of predicted and observed in fifths of prediction. "
        "The best of a column is in bold.",
    ]
    for folder in sorted(path for path in RESULTS.iterdir() if (path / "metrics.json").is_file()):
        parts += _experiment(folder)
    return "\n\n".join(parts) + "\n"


def _experiment(folder: Path) -> list[str]:
    metrics = load_metrics(folder / "metrics.json")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    parts = [
        f"## {folder.name}",
        ", ".join([f"`{manifest['command']}`", f"{manifest['seconds']:.0f} s", *manifest["sampler"]]) + ".",
    ]
    parts += [_scores(metrics, prefix) for prefix in ("", "os.", "pfs.") if f"{prefix}ibs" in metrics]
    shown = {
        f"{p}{m}{s}"
        for p in ("", "os.", "pfs.")
        for m in MODELS
        for s in ("ibs", "c_index", "calibration_gap")
    }
    rows = [(name, _number(m), m.unit) for name, m in sorted(metrics.items()) if name not in shown]
    return [*parts, _table(("metric", "value", "unit"), rows)]


def _scores(metrics: Mapping[str, Estimate], prefix: str) -> str:
    kinds = {"ibs": min, "c_index": max, "calibration_gap": min}
    best = {k: pick(metrics[f"{prefix}{m}{k}"].value for m in MODELS) for k, pick in kinds.items()}
    rows = []
    for model, label in MODELS.items():
        cells = []
        for kind, top in best.items():
            metric = metrics[f"{prefix}{model}{kind}"]
            text = _number(metric)
            cells.append(f"**{text}**" if metric.value == top else text)
        rows.append((label, *cells))
    title = prefix.strip(".").upper() or "held-out"
    return _table((title, "IBS", "C", "calibration gap"), rows)


def _number(metric: Estimate) -> str:
    return with_error(metric.value, metric.mcse, digits=4)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    print(summary(), end="")
