"""docs/acic.md from benchmarks/acic.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from benchmarks.acic import INSTANCES, STACK
from benchmarks.tables import markdown, otherwise, starred

OWN = (*STACK, "linear_propensity", "stacked")

PAGE = """# Heterogeneous effects beside other tools

Printed by `python -m benchmarks.acic page` from `benchmarks/acic.json`; `make bench-acic` makes that file again. The ten ACIC 2016
instances of causallib 0.10: 4,802 patients, covariates of a real cohort one-hot to 79 columns, simulated treatments and outcomes,
scored in sample against the true conditional effects. Eight instances have effects that vary, two the same effect for everybody.
`sqrt(PEHE)` is the root mean squared error of patients' effects, `over sd(tau)` that divided by the effects' standard
deviation, coverage and width are those of 95% intervals for individual effects, and the last columns are of the outcome under the
treatment not received. CPU seconds are of one instance, means over the ten; no method sees the truth.

`hinges`, `trees`, `linear`, `linear_propensity` (`linear` with a propensity score's line and curve) and the mixture of the first three by
leave-one-out weights, `stacked`, are specs of this package; the others are stochtree's
BCF and BART (one model for both arms `_s`, one an arm `_t`), EconML's causal forest and linear double machine learning, and gradient
boosting. R-hat is the largest of any parameter in any instance; of patients' effects it is the split one, of 95 in 100 at most the first
figure, of all at most the second, then that of the average effect, each of the worst instance of those where draws of effects were looked at ({looked}).
{otherwise}
{table}

What to hold against it. At these draws **{gated} of `hinges`, `trees` or `linear` passes this package's own diagnostics** (R-hat at most
1.01): chains find different terms, the figures are of all pooled, and a clinician report from such a fit is refused.{short} `hinges` was
developed with these instances at hand. {average} The linear spec has the largest error of effects and its intervals miss:
what confounds these patients is not linear in their features. {seconds}
{mixture} Ten instances of one cohort's covariates are one kind of truth; surfaces of steps and polynomials are what
products of hinges are good at. Other work ran on the machine: CPU seconds compare methods within a factor, no finer, and of two
runs that found the same the fewer are kept. {before}
"""

AGREEMENT = """
## Do chains of hinges agree on what a report uses?

{convergence}

{verdict}

A chain finds a term that the others have not, so that the worst R-hat need not fall as a run goes on. The diagnostics ask for
1.01 at most and an effective size of 400. Nothing is loosened for fits that fall short of that: the gate is the same, and reports
from them are refused.
"""

PEERS = """
## Do chains of the peers agree?

{range} `_x5` is a run of five times as many sweeps, left out and kept, from the same seed:

{longer}

{verdict}
"""


def page(kept: Mapping[str, Any]) -> str:
    """Return docs/acic.md from what is kept."""
    rows = pl.DataFrame(kept["instances"], infer_schema_length=None)
    text = PAGE.format(
        table=markdown(starred(pl.DataFrame(kept["summary"], infer_schema_length=None), rows)), before=kept["before"],
        otherwise=otherwise(rows), looked=_looked(rows), gated=_gated(rows), average=_average(rows), seconds=_seconds(rows), short=_short(rows),
        mixture=_mixture(rows),
    )  # fmt: skip
    if kept["convergence"]:
        runs = pl.DataFrame(kept["convergence"])
        text += AGREEMENT.format(convergence=markdown(runs), verdict=_verdict(runs))
    if kept.get("longer"):
        text += _peers(rows, pl.DataFrame(kept["longer"], infer_schema_length=None))
    return text


def _peers(rows: pl.DataFrame, longer: pl.DataFrame) -> str:
    """Say how far chains of peers agree at the draws of the table, and what longer ones change."""
    usual = pl.col("method").str.replace(r"_x\d+$", "").alias("method")
    pairs = longer.select("method", "instance", usual.alias("usual"))
    both = pl.concat(
        [
            rows.join(pairs, left_on=["method", "instance"], right_on=["usual", "instance"], how="semi"),
            longer,
        ],
        how="diagonal",
    ).sort("instance", "method")
    shown = both.select(
        "method", "instance", pl.col("root_pehe").alias("sqrt(PEHE)"), "coverage", "width",
        pl.col("ate_error").alias("ATE error"), pl.col("other_crps").alias("CRPS of outcome"),
        pl.col("cpu_seconds").alias("CPU s"), pl.col("effect_rhat_95").alias("R-hat of 95% of effects"),
        pl.col("effect_rhat").alias("of all"), pl.col("average_rhat").alias("of average"),
    )  # fmt: skip
    known = rows.filter(pl.col("effect_rhat_95").is_not_null() & ~pl.col("method").is_in(OWN))
    spans = []
    for (method,), own in known.group_by("method", maintain_order=True):
        least, most = _span(own["effect_rhat_95"])
        where = f"{least:.2f} to {most:.2f} on {own.height} instances"
        spans.append(
            f"`{method}` {where if own.height > 1 else f'{most:.2f} on instance {own["instance"][0]}'}"
        )
    agree = longer.filter((pl.col("effect_rhat_95") <= 1.05) & (pl.col("average_rhat") <= 1.05))
    verdict = f"Longer runs with an R-hat of at most 1.05 of 95 in 100 effects and of their average: {agree.height} of {longer.height}."
    if agree.height < longer.height:
        verdict += (
            " Chains of trees stay where they were grown when outcomes are this little random: the peers' figures, like those of "
            "`hinges` and `trees`, are of chains pooled before they agree."
        )
    return PEERS.format(
        range=f"R-hat of 95 in 100 effects is at most, for {', '.join(spans)}.",
        longer=markdown(shown),
        verdict=verdict,
    )


def _verdict(runs: pl.DataFrame) -> str:
    """Say for how many patients chains agree, and how long chains would have to be if effective sizes grow with sweeps."""
    first, last = runs.row(0, named=True), runs.row(-1, named=True)
    longer = 400 / last["bulk ESS of effects, median"]
    text = (
        f"For {first['patients at most 1.01']:.0%} of patients R-hat is at most 1.01 at the draws of the table above, for "
        f"{last['patients at most 1.01']:.0%} after {last['sweeps a chain'] / first['sweeps a chain']:.1f} times as many sweeps."
    )
    if longer > 1:
        text += f" If effective sizes grow with sweeps, the median patient needs {longer * last['CPU s']:.0f} CPU seconds; the worst far more."
    return text


def _looked(rows: pl.DataFrame) -> str:
    """Say of which methods and instances R-hat of effects is known."""
    known = rows.filter(pl.col("effect_rhat").is_not_null())
    every, some = [], []
    for (method,), own in known.sort("method", "instance").group_by("method", maintain_order=True):
        if own.height == len(INSTANCES):
            every.append(f"`{method}`")
        else:
            some.append(f"`{method}` on {', '.join(str(i) for i in own['instance'])}")
    parts = [f"all of {', '.join(every)}"] if every else []
    return "; ".join([*parts, *some])


def _gated(rows: pl.DataFrame) -> str:
    """Count fits of which no parameter has an R-hat above the diagnostics' limit."""
    own = rows.filter(pl.col("method").is_in(STACK))
    passed = own.filter(pl.col("rhat") <= 1.01).height
    return f"{passed} of {own.height} fits" if passed else "no fit"


def _short(rows: pl.DataFrame) -> str:
    """Say how far chains of the linear spec agree on what is scored."""
    own = rows.filter((pl.col("method") == "linear") & pl.col("effect_rhat_95").is_not_null())
    if not own.height:
        return ""
    return (
        " Of `linear` the chains are only short: on what is scored they agree, with an R-hat of at most "
        f"{_span(own['effect_rhat_95'])[1]:.2f} of 95 in 100 effects and {_span(own['average_rhat'])[1]:.2f} of their average."
    )


def _span(column: pl.Series) -> tuple[float, float]:
    values = column.to_numpy()
    return float(values.min()), float(values.max())


def _average(rows: pl.DataFrame) -> str:
    """Say whose average effect is nearest, and what a propensity score does for the linear spec."""
    means = dict(rows.group_by("method").agg(pl.col("ate_error").mean()).iter_rows())
    best = min((name for name in means if name not in OWN), key=lambda name: means[name])
    text = f"The average effect is off by {means['hinges']:.2f} in the mean under `hinges`, {means[best]:.2f} under the best peer (`{best}`)"
    text += f" and {means['linear']:.2f} under `linear`, more than under any other method."
    if "linear_propensity" in means:
        text += (
            f" A propensity score does not mend that ({means['linear_propensity']:.2f}): its log odds are linear in the very columns that the spec has, "
            "so that only their curve is new."
        )
    return text


def _seconds(rows: pl.DataFrame) -> str:
    """Say what the linear spec takes."""
    own = rows.filter(pl.col("method") == "linear").sort("instance")["cpu_seconds"].to_list()
    rest = own[1:]
    return (
        f"It takes {sum(own) / len(own):.1f} CPU seconds an instance: {own[0]:.1f} the first, which loads what the others find loaded, "
        f"{min(rest):.1f} to {max(rest):.1f} the others."
    )


def _mixture(rows: pl.DataFrame) -> str:
    """Say which spec the mixture rests on."""
    own = rows.filter(pl.col("weights").is_not_null()).select(
        "instance", pl.col("weights").struct.field("hinges")
    )
    mixed = own.filter(pl.col("hinges") < 0.99)
    text = f"The mixture gives `hinges` a weight of at least 0.99 on {own.height - mixed.height} of {own.height} instances"
    if mixed.height:
        text += f" ({', '.join(f'{w:.2f} on instance {i}' for i, w in mixed.iter_rows())})"
    return f"{text}, and costs what its three parts cost."
