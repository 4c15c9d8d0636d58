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


ROWS: dict[str, Row] = {
    "gaussian": Row(
        likelihood="normal on the identity, log, square-root or cube-root scale; compressed by QR", responses="mean",
        checked="scipy `norm` 1e-10; means on the original scale by quadrature 1e-9",
        experiment="cdisc_pilot", metric="adas.published.xanomeline_high_vs_placebo",
        meaning="ADAS-Cog points, high dose against placebo, near-flat priors (published: -1.0)",
    ),
    "student_t": Row(
        likelihood="Student t on the identity, square-root or cube-root scale", responses="mean",
        checked="scipy `t` 1e-10; quadrature 1e-8; stack loss (Lange, Little & Taylor 1989) 2 decimals of the slopes",
        experiment="nhefs", metric="loo.student_t.elpd_difference", meaning="in log predictive density over the splines with normal errors",
    ),
    "bernoulli": Row(
        likelihood="Bernoulli, logit", responses="probability",
        checked="scipy `bernoulli` 1e-12; beetle mortality (Bliss 1935) 2 decimals",
        experiment="oak_response", metric="responder.difference", meaning="percentage points more responders in OAK, learned in POPLAR",
    ),
    "ordinal": Row(
        likelihood="cumulative logit", responses="probability of a category, of at least one; `superiority`",
        checked="scipy `logistic` 1e-9; wine (R `clm`) 3 decimals; all pairs 1e-10",
        experiment="oak_response", metric="ordinal.ranked_score", meaning="ranked probability score in OAK, learned in POPLAR",
    ),
    "poisson": Row(
        likelihood="Poisson, log, exposure as offset", responses="rate, expected count",
        checked="scipy `poisson` 1e-11; British doctors (Dobson & Barnett) 3 decimals",
        experiment="cdisc_pilot", metric="adverse_events.poisson.ratio.xanomeline_high_vs_placebo",
        meaning="times as many adverse events on the high dose as on placebo",
    ),
    "negative_binomial": Row(
        likelihood="negative binomial, variance mu + mu^2 / phi", responses="rate, expected count",
        checked="scipy `nbinom` 1e-9; homicide victims (R `glm.nb`) 4 decimals",
        experiment="cdisc_pilot", metric="loo.adverse_events.negative_binomial.elpd_difference",
        meaning="in log predictive density over Poisson, adverse events",
    ),
    "weibull": Row(
        likelihood="accelerated failure time, Gumbel errors", responses="event-free probability, restricted mean time",
        checked="scipy `weibull_min` 1e-11; R `survreg` ovarian 2e-7, `test1` 7 digits, `cracks` (interval-censored) 4 decimals",
        experiment="gbsg2", metric="weibull.rmst_1826.benefit", meaning="days of 5 years gained with hormone therapy",
    ),
    "lognormal": Row(
        likelihood="accelerated failure time, normal errors", responses="the same",
        checked="scipy `lognorm` 1e-12; R `turbine` (current status) 4 decimals; `test1` 3 decimals",
        experiment="gbsg2", metric="loo.lognormal.weight", meaning="stacking weight among five families",
    ),
    "loglogistic": Row(
        likelihood="accelerated failure time, logistic errors", responses="the same",
        checked="scipy `fisk` 1e-12; R `test1` 7 digits",
        experiment="gbsg2", metric="loglogistic.rmst_1826.benefit", meaning="days of 5 years gained with hormone therapy",
    ),
    "piecewise_exponential": Row(
        likelihood="Poisson form with exposures; effect may change over time and fade", responses="the same",
        checked="numerical integration of the hazard 1e-10; scipy `expon` 1e-12",
        experiment="actg320", metric="hazard_ratio", meaning="hazard ratio (trial: 0.50, 0.33 to 0.77)",
    ),
    "cure": Row(
        likelihood="mixture: who ever has the event (logit), and when (Weibull, lognormal or log-logistic)",
        responses="the same, probability of never having the event",
        checked="scipy mixture 1e-11; Stata `strsmix` on GBSG2 5e-6",
        experiment="gbsg2", metric="cured", meaning="cured (Stata's maximum likelihood: 0.384)",
    ),
    "competing_risks": Row(
        likelihood="cause-specific piecewise exponential, one predictor a cause",
        responses="cumulative incidence and time lost by cause, event-free probability, restricted mean time",
        checked="closed form 1e-12; quadrature 1e-9; scikit-survival's Aalen-Johansen within its limits",
        experiment="transplants", metric="cgvhd.largest_difference",
        meaning="largest difference from the Aalen-Johansen estimate (100 patients)",
    ),
}  # fmt: skip


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
