"""Print what is recorded of learned generators as Markdown: `python -m experiments.learned_doc > docs/learned.md`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import yaml

from experiments.learned import CHECKS, MEASURES, WORDS
from experiments.metrics import load_metrics
from experiments.study import RESULTS
from medresponse.synthetic.learned import FEWEST
from medresponse.synthetic.learned.intake import FEWEST_KNOWN
from medresponse.validation import Estimate
from medresponse.validation.synthetic_data import Thresholds

_LIMIT = Thresholds().risk
COHORTS = {"gbsg2": ("GBSG-2", "log hazard ratio of recurrence"), "nhefs": ("NHEFS", "kg of weight gained")}
_HEAD = """# Patients learned from real ones

<!-- Printed by `python -m experiments.learned_doc` from `experiments/results/learned`. -->

A learned generator makes patients like those of a cohort, to share where the real ones may not be. They have no truth beyond what
was learned: they are refused wherever a causal score asks for one.

    from medresponse.synthetic.learned import SequentialCart
    learned = mr.learn(SequentialCart(), cohort, seed=1)
    made = learned.draw(500, seed=2)              # a cohort like any other, marked as made up
    mr.assess_generator(SequentialCart(), cohort, seed=1).save("report.html")

`GaussianCopula` learns margins and correlations, `SequentialCart` trees of each column on those before it, `DPCopula` a copula
under differential privacy (extra `privacy`). Identifiers, dates, record numbers, free text, columns of numbers that fewer than
{known} patients have, and columns that nobody has are refused, all in one message; sites of fewer than {fewest} patients are learned
together; no number beyond the {fewest}th smallest or largest real one is drawn. What was learned is as confidential as the cohort: give away draws, and only after `assess_generator`,
which learns from half of the patients, again and again, and holds draws against the other half. Copies of real patients go through
the same checks: where those are not noticed, a check is called blind. No check clears what it does not try.

**Differential privacy costs effects.** {privacy}"""
_TABLE = """## {cohort}

{patients} patients, learned from {half}. Effect: {scale}, {real:.2f} in the real halves (standard deviation between them {sd:.2f}). *Shift* is the
mean difference from the effect in the patients learned from; *margins* and *correlations* mean distances from other real patients;
*forest* the AUC at which it tells made-up from real patients (0.5: not at all). The other columns are excess risks: how much more often an
attack succeeds on patients learned from than on others; *inference* is of the column where it is largest. Beyond {limit} (bold) a risk is flagged, where it is more than chance. Monte Carlo
standard errors in brackets.

{rows}"""


def page() -> str:
    """Return the page."""
    metrics = load_metrics(RESULTS / "learned" / "metrics.json")
    command = json.loads((RESULTS / "learned" / "manifest.json").read_text(encoding="utf-8"))["command"]
    config = yaml.safe_load((RESULTS / "learned" / "config.yaml").read_text(encoding="utf-8"))
    splits = int(config["splits"][config["size"]["name"]])
    privacy = " ".join(_privacy(metrics, name, splits) for name in COHORTS)
    head = _HEAD.format(
        known=FEWEST_KNOWN, fewest=FEWEST, privacy=f"{privacy} Measure it on your cohort before any use."
    )
    tables = [_cohort(metrics, name) for name in COHORTS]
    return "\n\n".join([head, *tables, f"`{command}`."]) + "\n"


def _privacy(metrics: Mapping[str, Estimate], name: str, splits: int) -> str:
    """Return in words how far a single draw's effect may lie from the real one."""
    half, words = int(metrics[f"{name}.patients"].value) // 2, []
    for epsilon in (5, 1):
        key = f"{name}.dp_copula_{epsilon}"
        shift, forest = metrics[f"{key}.effect_shift"], metrics[f"{key}.detection"].value
        words.append(
            f"at an epsilon of {epsilon} the effect in a single draw is off by {shift.value:+.2f} with a standard deviation of "
            f"{shift.mcse * math.sqrt(splits):.2f}, and a forest tells made-up patients with an AUC of {forest:.2f}"
        )
    return (
        f"Learned from {half} patients of {COHORTS[name][0]}, whose effect is {metrics[f'{name}.real_effect'].value:.2f}, "
        f"{'; '.join(words)}."
    )


def _cohort(metrics: Mapping[str, Estimate], name: str) -> str:
    cohort, scale = COHORTS[name]
    columns = {"effect_shift": "shift", **dict.fromkeys(MEASURES), **CHECKS, "inference": "inference"}
    risks = {*CHECKS, "inference"}
    columns |= {"margins": "margins", "correlations": "correlations", "detection": "forest"}
    lines = [f"| generator | {' | '.join(columns.values())} |", "|---" * (len(columns) + 1) + "|"]
    for key, words in WORDS.items():
        cells = [_text(metrics[f"{name}.{key}.{column}"], is_risk=column in risks) for column in columns]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    patients = int(metrics[f"{name}.patients"].value)
    return _TABLE.format(
        cohort=cohort, patients=patients, half=patients // 2, scale=scale, real=metrics[f"{name}.real_effect"].value,
        sd=metrics[f"{name}.real_effect_sd"].value, rows="\n".join(lines), limit=_LIMIT,
    )  # fmt: skip


def _text(metric: Estimate, *, is_risk: bool) -> str:
    value = f"{metric.value:.3f}"
    return f"{f'**{value}**' if is_risk and metric.value > _LIMIT else value} ({metric.mcse:.1g})"


if __name__ == "__main__":
    print(page(), end="")
