"""Print the tables of docs/abstention.md from the recorded results: `python -m experiments.abstention_doc`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from experiments.abstention_tables import FIELDS, HIGH_IS_FAR, WORDS, range_label, threshold
from experiments.metrics import load_metrics
from experiments.study import RESULTS
from medresponse.validation import Estimate

_FOLDER = RESULTS / "abstention"
_NAMES = {
    "s03_step_confounded": "s03, steps", "s04_exp_poor_overlap": "s04, curved, poor overlap",
    "s11_sites_shift": "s11, linear, new sites",
}  # fmt: skip
DECIDES = "s04_exp_poor_overlap"


def tables() -> dict[str, str]:
    """Return name -> table in Markdown; percentages with Monte Carlo standard errors in brackets."""
    metrics = load_metrics(_FOLDER / "metrics.json")
    config = yaml.safe_load((_FOLDER / "config.yaml").read_text(encoding="utf-8"))
    found = {measured: _measure(metrics, config, measured) for measured in WORDS}
    found["thresholds"] = _thresholds(metrics, config)
    found["verdict"] = _verdict(metrics, config)
    found["cost"] = _cost(metrics, config)
    found["missing"] = _missing(metrics, config)
    found["width"] = _width(metrics, config)
    return found


def _cells(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return scenario and number of patients studied with their words, in order."""
    return [
        (f"{name}_n{n}", f"{_NAMES[name]}; {n:,}")
        for name in config["scenarios"]
        for n in config["patients"]["studied"]
    ]


def recorded_coverage(
    metrics: Mapping[str, Estimate], edges: Sequence[float], scenario: str, measured: str, which: str
) -> dict[str, float]:
    """Return range -> recorded coverage of one scenario: `which` is ``coverage`` or ``coverage_others_met``."""
    keys = {label: f"{_key(scenario, measured, label)}.{which}" for label in _labels(edges, measured)}
    return {label: metrics[key].value for label, key in keys.items() if key in metrics}


def _key(scenario: str, measured: str, label: str) -> str:
    return f"{scenario}.{measured}.{label.replace(' ', '_')}"


def _labels(edges: Sequence[float], measured: str) -> list[str]:
    """Return the ranges of a measure, the one nearest the studied patients first."""
    above = measured in HIGH_IS_FAR
    order = range(len(edges) + 1) if above else range(len(edges), -1, -1)
    return [range_label(edges, at, above=above) for at in order]


def _measure(metrics: Mapping[str, Estimate], config: Mapping[str, Any], measured: str) -> str:
    labels, rows = _labels(config["edges"][measured], measured), []
    for scenario, words in _cells(config):
        keys = [_key(scenario, measured, label) for label in labels]
        if any(f"{key}.coverage" in metrics for key in keys):
            rows.append([words, *(_both(metrics, key) for key in keys)])
        if scenario.startswith(DECIDES):
            found = [metrics.get(f"{key}.coverage_others_met") for key in keys]
            rows.append(["the same, other rules met", *("–" if f is None else _percent(f) for f in found)])
    return _table(["coverage, %; error, points", *labels], rows)


def _both(metrics: Mapping[str, Estimate], key: str) -> str:
    if f"{key}.coverage" not in metrics:
        return "–"
    return f"{_percent(metrics[f'{key}.coverage'])}; {metrics[f'{key}.rmse'].value:.1f}"


def _thresholds(metrics: Mapping[str, Estimate], config: Mapping[str, Any]) -> str:
    rows, studied = [], config["patients"]["studied"]
    for measured, field in FIELDS.items():
        edges, cells = config["edges"][measured], []
        for which in ("coverage_others_met", "coverage"):
            for n in studied:
                coverage = recorded_coverage(metrics, edges, f"{DECIDES}_n{n}", measured, which)
                value = threshold(coverage, edges, config["most_lost"], above=measured in HIGH_IS_FAR)
                cells.append("none" if value is None else f"{value:g}")
        rows.append([f"`{field}`", *cells, f"{config['abstention'][field]:g}"])
    head = [f"{words}; {n:,} studied" for words in ("other rules met", "all patients") for n in studied]
    return _table(["rule", *head, "default"], rows)


def _verdict(metrics: Mapping[str, Estimate], config: Mapping[str, Any]) -> str:
    rows = []
    for scenario, words in _cells(config):
        for shift in config["shifts"]:
            key = f"{scenario}.shift_{shift:g}"
            shown, not_shown = (_both(metrics, f"{key}.{word}") for word in ("shown", "withheld"))
            rows.append([words, f"{shift:g} SD", _percent(metrics[f"{key}.withheld"]), shown, not_shown])
    head = [
        "scenario; studied",
        "moved by",
        "withheld, %",
        "shown: coverage, %; error",
        "withheld: coverage, %; error",
    ]
    return _table(head, rows)


def _cost(metrics: Mapping[str, Estimate], config: Mapping[str, Any]) -> str:
    codes = sorted({name.split(".")[2] for name in metrics if ".cost." in name})
    rows = [
        [words, *(_percent(metrics[f"{scenario}.cost.{code}"]) for code in codes)]
        for scenario, words in _cells(config)
    ]
    return _table(["withheld, %", *(f"`{code}`" for code in codes)], rows)


def _missing(metrics: Mapping[str, Estimate], config: Mapping[str, Any]) -> str:
    shares = [0.0, *config["gaps"]]
    rows = [
        [words, *(_both(metrics, f"{scenario}.missing_{share:g}") for share in shares)]
        for scenario, words in _cells(config)
    ]
    return _table(["coverage, %; error, points", *(f"{share:.0%} missing" for share in shares)], rows)


def _width(metrics: Mapping[str, Estimate], config: Mapping[str, Any]) -> str:
    rows = []
    for scenario, words in _cells(config):
        cells = []
        for widest in config["widest"]:
            key = f"{scenario}.widest_{widest:g}"
            right = metrics.get(f"{key}.side_right.withheld")
            side = "–" if right is None else _percent(right)
            cells.append(f"{_percent(metrics[f'{key}.withheld'])}; {side}")
        rows.append([words, *cells])
    return _table(["withheld, %; of these right, %", *(f"`widest` {w:g}" for w in config["widest"])], rows)


def _percent(metric: Estimate) -> str:
    return f"{100 * metric.value:.1f} ({100 * metric.mcse:.1f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    print("\n\n".join(f"{name}\n\n{table}" for name, table in tables().items()))
