"""Print the table of outcome families as Markdown: `python -m experiments.families > docs/families.md`.

Words are written here; numbers come from the recorded results and from `benchmarks/recovery.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from experiments.metrics import load_metrics
from experiments.study import RESULTS, ROOT

RECOVERY = ROOT / "benchmarks" / "recovery.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the table says of one family.

    Parameters
    ----------
    likelihood, responses, checked : str
        The equation, what comes out, and the second implementation with its digits (as asserted in the tests).
    experiment, metric, meaning : str
        A recorded number on real data, and what it is; `meaning` names the published figure beside it.
    """

    likelihood: str
    responses: str
    checked: str
    experiment: str
    metric: str
    meaning: str


ROWS: dict[str, Row] = {}


def page() -> str:
    """Return the page."""
    recovery = json.loads(RECOVERY.read_text(encoding="utf-8"))
    head = (
        "family", "likelihood", "responses", "checked against", "recovery: benefit covered, rmse / true sd", "real data",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in ROWS.items():
        cells = (
            f"`{name}`", row.likelihood, row.responses, row.checked, _recovered(recovery["families"], name),
            f"{row.experiment}: {_recorded(row)} {row.meaning}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*_INTRODUCTION, "", *lines, "", *_notes(recovery)]) + "\n"


_INTRODUCTION = (
    "# Outcome families",
    "",
    "Printed by `python -m experiments.families`. Each family is one file in `medresponse/families/`. The second",
    "implementations are in `tests/families/`; the digits are those that the tests assert.",
)


def _recovered(families: dict[str, Any], name: str) -> str:
    cells = []
    for key, found in families.items():
        if key.split(",")[0] != name:
            continue
        form = f"{key.partition(', ')[2]}: " if "," in key else ""
        covered, rmse = found["coverage_benefit"], found["rmse_benefit"]
        cells.append(
            f"{form}{100 * covered['mean']:.0f}% ({100 * covered['mcse']:.0f}), "
            f"{rmse['mean']:.2g} / {found['true_sd_benefit']:.2g}"
        )
    return "; ".join(cells)


def _recorded(row: Row) -> str:
    metric = load_metrics(RESULTS / row.experiment / "metrics.json")[row.metric]
    error = f" ({metric.mcse:.1g})" if metric.mcse else ""
    return f"{metric.value:.3g}{error}"


def _notes(recovery: dict[str, Any]) -> list[str]:
    one = next(iter(recovery["families"].values()))
    passed = sum(found["diagnostics_passed"] for found in recovery["families"].values())
    fits = sum(found["replicates"] for found in recovery["families"].values())
    return [
        f"Recovery: {one['replicates']} made-up cohorts of {one['patients']} patients each, whose truth is simulated and evaluated by",
        f"code of its own (`{recovery['command']}`); share of patients whose true benefit lies in its {100 * recovery['level']:.0f}% interval (Monte",
        "Carlo standard error over cohorts: the patients of one cohort stand and fall together), and the root mean squared error",
        f"of the benefit beside its true standard deviation over patients. {passed} of {fits} fits passed their diagnostics at the",
        "default draws; all are counted.",
        "",
        "Every time-to-event family takes exact, right-, left- and interval-censored rows and left truncation; competing risks",
        "take exact and right-censored rows and left truncation. Monte Carlo standard errors of recorded numbers in brackets.",
    ]


if __name__ == "__main__":
    print(page(), end="")
