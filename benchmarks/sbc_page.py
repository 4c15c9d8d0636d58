"""docs/calibration.md from benchmarks/sbc.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from medresponse.sbc.uniformity import APART, ONE_EACH, POOLED, ecdf_p, judged, uniformity

DRAWS, QUANTITIES = 99, 13
TESTED = 400
"""Replicates of the calibrations among the tests."""
_RUNS = 1000
_KEPT = 2 * 200  # draws of a replicate with complete features
_SIZED = "gaussian/normal/many"
_REPORTED = (
    4  # of two arms, quantities that are no parameters: benefit's mean and spread, best value, log-likelihood
)
_WRONGS = {
    "0.2 SD to one side": (0.2, 1.0), "0.3 SD to one side": (0.3, 1.0), "0.5 SD to one side": (0.5, 1.0),
    "a fifth too narrow": (0.0, 0.8), "half as wide": (0.0, 0.5), "twice as wide": (0.0, 2.0), "nothing": (0.0, 1.0),
}  # fmt: skip


_POOLINGS = {5: (0.1, 0.2, 0.3, 0.5, 0.7, 0.9), 20: (0.2, 0.5, 0.9)}
"""Imputations -> shares of a quantity's posterior variance that lie between them."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """Families, priors and kinds of data of which every combination is a cell."""

    families: tuple[str, ...]
    priors: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """Return family/prior/data, kind of data by kind of data."""
        return tuple(
            f"{family}/{prior}/{data}"
            for data in self.data
            for prior in self.priors
            for family in self.families
        )


def rejudged(found: Mapping[str, Any], alpha: float, between: Mapping[str, float]) -> dict[str, Any]:
    """Return a cell with the verdicts of `judged`, given shares of variances between imputations that were found for it later."""
    if not any(row["quantity"].endswith(ONE_EACH) for row in found["table"]):
        return dict(found)
    between = found.get("between") or between
    rows = {row["quantity"]: row for row in found["table"]}
    verdicts = judged({name: row["p"] for name, row in rows.items()}, alpha=alpha, between=between)
    table = [
        {**rows[name], "holm": None if holm is None else round(holm, 5), "verdict": verdict}
        for name, holm, verdict in verdicts
    ]
    failures = [row["quantity"] for row in table if row["verdict"] == "off"]
    return {
        **found, "passed": not failures, "failures": failures, "quantities": len(table) - sum(v == POOLED for *_, v in verdicts),
        "least_holm": table[0]["holm"], "table": table,
    }  # fmt: skip


def pooling(alpha: float) -> list[dict[str, Any]]:
    """Return how often the exact posterior of one quantity among `QUANTITIES` is called wrong, few imputations of it pooled.

    By ranks of normal laws, no fits: imputations are independent, and each draw is one of the posterior.
    """
    rng, rows, replicates = np.random.default_rng(7), [], 400
    for imputations, shares in _POOLINGS.items():
        own = np.linspace(0, imputations, DRAWS, endpoint=False).astype(int)
        for share in shares:
            off, spreads = {"pooled": 0, "each": 0}, []
            for _ in range(_RUNS):
                centres = np.sqrt(share) * rng.standard_normal((replicates, imputations))
                draws = centres[:, own] + np.sqrt(1 - share) * rng.standard_normal((replicates, DRAWS))
                truth = rng.standard_normal((replicates, 1))
                pooled = (draws < truth).sum(axis=1)
                one = np.unique(own, return_index=True)[1]
                few = (draws[:, one] < truth).sum(axis=1) + rng.random(replicates)
                each = (few / (imputations + 1) * (DRAWS + 1)).astype(int)
                spreads.append(pooled.std() / np.sqrt(((DRAWS + 1) ** 2 - 1) / 12))
                for name, ranks in (("pooled", pooled), ("each", each)):
                    off[name] += uniformity(ranks, DRAWS) < alpha / QUANTITIES
            false = {name: round(count / _RUNS, 3) for name, count in off.items()}
            rows.append(
                {
                    "imputations": imputations,
                    "between": share,
                    "spread": round(float(np.mean(spreads)), 3),
                    **false,
                }
            )
    return rows


def power(alpha: float) -> list[dict[str, Any]]:
    """Return how often a wrong posterior of one quantity among `QUANTITIES` is seen, by ranks of normal laws; no fits."""
    rng, rows = np.random.default_rng(5), []
    for wrong, (bias, width) in _WRONGS.items():
        for replicates in (100, 200, 400):
            seen = {"both": 0, "ecdf": 0}
            for _ in range(_RUNS):
                truth = rng.standard_normal(replicates)
                ranks = (bias + width * rng.standard_normal((DRAWS, replicates)) < truth).sum(axis=0)
                seen["both"] += uniformity(ranks, DRAWS) < alpha / QUANTITIES
                seen["ecdf"] += ecdf_p(ranks, DRAWS) < alpha / QUANTITIES
            shares = {name: round(count / _RUNS, 3) for name, count in seen.items()}
            rows.append({"wrong": wrong, "replicates": replicates, **shares})
    return rows


def page(kept: Mapping[str, Any], what: Mapping[str, str], product: Product) -> str:
    """Return the page.

    Parameters
    ----------
    kept : mapping
        The file.
    what : mapping
        Kind of data -> in words.
    product : Product
        Shown as one table of families and priors for each of its kinds of data, before the rows.
    """
    cells = kept["cells"]
    red = [cell for cell, found in cells.items() if not found["passed"]]
    parts = [_head(kept), f"## What was found\n\n{_summary(cells, red, kept['alpha'])}"]
    for name, words in what.items():
        own = {cell: cells[cell] for cell in _ordered(cells, product) if cell.endswith(f"/{name}")}
        if own:
            over = f"{_matrix(cells, name, product, kept['alpha'])}\n\n" if name in product.data else ""
            parts.append(f"### {words[0].upper()}{words[1:]} (`{name}`)\n\n{over}{_table(own)}")
    parts.append(
        f"## Not uniform\n\n{_failures(cells, red)}\n\n{_imputed(cells)}\n\n{_pooled(kept)}\n\n{_SEARCHED}"
    )
    parts.append(f"## What was not run\n\n{_not_run(kept['not_run'])}")
    parts.append(
        f"## What a number of replicates sees\n\n{_power_words(kept['power'])}\n\n{_power_table(kept['power'])}"
    )
    return "\n\n".join(parts) + "\n"


_HEAD = """# Calibration by simulation

<!-- Printed by `python -m benchmarks.sbc page` from benchmarks/sbc.json; edit neither by hand. -->

A posterior is right on average if true values, drawn from the prior, fall anywhere among posterior draws with equal
chance (Talts et al. 2018, arXiv:1804.06788). `medresponse.sbc.sbc(spec, cohort, seed=1)` simulates data on the design of
a cohort, fits each, and ranks: coefficients, the family's parameters, mean and spread over patients of each benefit, the
value of the best treatment for each patient, the log-likelihood, and what is imputed. It says whether *inference* is right
where the model is; whether the model is right for the patients is another question ([validation](validation.md)).

Below are {replicates} replicates of each cell (family/prior/data) on a small made-up trial: {patients} patients, two arms, three features,
normal treatment effects. `spread` is the standard deviation of the ranks over that of uniform ones: above 1, posteriors are
too narrow. A mean rank above 0.5: they are too low. A cell fails if the smallest p, after Holm's correction for all its
quantities, is below {alpha}; so would that share of calibrated cells. Two short chains a fit, of 300 + 200
draws, or for each of several imputations of 200 + 50: a replicate is *unmixed* if R-hat of a coefficient exceeds 1.05, and is
counted with the others all the same. Divergences are summed over all kept draws ({draws:,} for complete features)."""
_IMPUTED = """*Where features are imputed*, values of a joint model of features and outcome are redrawn given the outcome's own model before the
fit proper ([model](model.md)), from the very model of features that the simulated ones come from. Two things still stand between such a
posterior and the one of all unknowns together, and the ranks measure what both come to.

- *Cycles are few.* Parameters and imputed values are drawn in turn, and move by small steps where each determines the other. Where
  half of each arm or more is complete, parameters start from these (`missing`, `shifted`). Where no true value is known
  (`noisy`), those of a gaussian outcome start from their law with true values integrated out; else they start from the joint
  model's values, which its vague priors (a covariance of one, worth about one patient) keep from explaining an outcome as nearly as
  features may.
- *A few imputations are pooled, not hundreds* (Zhou & Reiter 2010, Am Stat 64:159): posteriors are too narrow by about the
  share of missing information over the number of imputations."""
_JUDGED = """*Which ranks are judged.* True values and posterior draws must be exchangeable given the data for ranks to be uniform. With a few
imputations, truth and its unknown features are exchangeable with one draw of each imputation, and not with all their draws:
those of one imputation share its features, and ranks among dependent draws are not uniform, however right each draw is
(Talts et al., section 5.1). How much that comes to depends on the share of a quantity's variance that lies between imputations. Below,
each draw is one of the exact posterior, imputations are independent, and 400 replicates are tested as one of {quantities} quantities
({runs:,} runs each; simulated ranks, no fits): `spread` is that of the pooled ranks, the last columns say how often they, and ranks
among one draw an imputation, are called wrong (at most {level:.2g} is right).

{table}

In the cells {cells} the share is at most {most:.0%} for coefficients, parameters and benefits; for the log-likelihood, which is of each
imputation's own features, it is {shares} (mean over the replicates, or over a few of them). So ranks among all draws are a sound test of the former, if
anything a little too strict, and what they test is what a fit reports. The log-likelihood is judged by one draw an imputation
where {apart:.0%} or more of its variance is known to lie between imputations, and by all draws elsewhere; both are shown. A departure of the pooled
ranks where the share is smaller is not explained by few imputations, and counts. (One draw an imputation sees a shift about as well as all
draws, a wrong spread less well.)"""
_EACH = f"log likelihood{ONE_EACH}"
_APART = """*Ranks of the log-likelihood*, among all draws and among one draw of each imputation, at random between two of them. Of {both}
cells that have both, those of all draws depart from uniform ones (p below {alpha} before Holm's correction) in {pooled}, those of one draw an
imputation in {each}. Cells run before have all draws' alone, and these are judged there."""
_JOINT = """

Cells marked † were run before values were redrawn: theirs are the joint model's, `MultipleImputation(cycles=0)`."""
_POOLED = """

Cells marked ‡ were run when latents behind levels were drawn under the features' model of all arms, not of their own, each time values were
redrawn: where arms' features are associated differently (in small ones by chance), imputed values leant to what they have in common."""
_SIBLINGS = """Cells of one family and prior have the same true parameters, and the same random numbers behind the outcomes, where features are
imputed as where all are known: what these replicates have by chance is in both, and is no matter of imputation. The last two
columns are of the same quantity where all is known."""
_SHARING = ("missing", "missing_20", "shifted", "noisy")
_MEANS = "Mean codes of what is imputed are ranked too (`imputed mean`)."
_SEARCHED = """*Sums of trees and hinges* are sampled for 300 sweeps and then 400, every fourth kept, by two chains; every tree is drawn five
times a sweep, and products of hinges make 60 moves. Where many replicates are unmixed, a verdict is one on chains of that length as much as on the model: the tests of a fit
would refuse most of these, and the defaults are 1,000 sweeps and then 2,000, by four chains. That the sampler of trees has the
law of the simulated ones is tested apart from how fast it gets there: without data, against all trees of a small problem counted
out, and by chains whose outcomes are redrawn (Geweke 2004, J Am Stat Assoc 99:799); that of hinges without data, and against all
models of a small problem counted out."""
_POWER = """Share of runs in which a wrong posterior of one quantity among {quantities} turns the verdict red, by simulated ranks ({runs:,}
runs each; Monte Carlo error at most {error:.3f}), for the test of the empirical distribution and the mean rank together, which is
the one in force, and for the first alone. The tests of this package take {tested} replicates: they see a bias of 0.3 posterior
standard deviations of a single quantity in {bias:.0%} of runs, posteriors a fifth too narrow in {narrow:.0%} ({fewer} replicates: {fewer_bias:.0%}
and {fewer_narrow:.0%}). A bias of several quantities is seen more often."""


def _ordered(cells: Mapping[str, Any], product: Product) -> list[str]:
    """Return cells by prior, those that the product lacks last, and of each by family."""
    places = [list(product.families), list(product.priors)]

    def place(cell: str) -> tuple[int, int]:
        family, prior, _ = cell.split("/")
        return (places[1].index(prior) if prior in places[1] else len(places[1]), places[0].index(family))

    return sorted(cells, key=place)


def _head(kept: Mapping[str, Any]) -> str:
    replicates = max(found["replicates"] for found in kept["cells"].values())
    return _HEAD.format(
        replicates=replicates, patients=kept["patients"], alpha=kept["alpha"], draws=replicates * _KEPT
    )


def _price(cells: Mapping[str, Any]) -> str:
    """Return what 20 imputations cost, where they were run."""
    few, many = (cells.get(f"gaussian/normal/{name}") for name in ("missing", "missing_20"))
    if few is None or many is None or few["cycles"] != many["cycles"]:
        return ""
    return (
        f" `MultipleImputation(imputations=20)` took {many['cpu_seconds'] / few['cpu_seconds']:.1f} times the CPU seconds "
        "of 5 here (gaussian, normal)."
    )


def _imputed(cells: Mapping[str, Any]) -> str:
    """Return what is to be known of cells with imputation."""
    marks = set(map(_mark, cells.values()))
    older = f"{_JOINT if ' †' in marks else ''}{_POOLED if ' ‡' in marks else ''}"
    return f"{_IMPUTED}{_price(cells)}{older}\n\n{_MEANS}"


def _pooled(kept: Mapping[str, Any]) -> str:
    """Return which ranks are judged, what speaks for it, and both kinds."""
    lines = [
        "| imputations | share of variance between | spread, pooled | pooled, called wrong | one draw an imputation, called wrong |",
        "|---|---|---|---|---|",
    ]
    for row in kept["pooling"]:
        lines.append(
            f"| {row['imputations']} | {row['between']:.0%} | {row['spread']:.3f} | {row['pooled']:.3f} | {row['each']:.3f} |"
        )
    shares = kept["between"]
    words = _JUDGED.format(
        quantities=QUANTITIES, runs=_RUNS, level=kept["alpha"] / QUANTITIES, table="\n".join(lines),
        cells=", ".join(f"`{cell}`" for cell in shares), apart=APART, shares=", ".join(f"{own['log likelihood']:.0%}" for own in shares.values()),
        most=max(share for own in shares.values() for q, share in own.items() if q != "log likelihood"),
    )  # fmt: skip
    return f"{words}\n\n{_apart(kept['cells'], kept['alpha'])}".rstrip()


def _apart(cells: Mapping[str, Any], alpha: float) -> str:
    """Return ranks of the log-likelihood among all draws beside those among one draw an imputation, where both were kept."""
    pairs = {}
    for cell, found in cells.items():
        rows = {row["quantity"]: row for row in found["table"]}
        if _EACH in rows:
            pairs[cell] = rows["log likelihood"], rows[_EACH]
    if not pairs:
        return ""
    off = [sum(pair[i]["p"] < alpha for pair in pairs.values()) for i in (0, 1)]
    lines = [
        _APART.format(both=len(pairs), alpha=alpha, pooled=off[0], each=off[1]),
        "",
        "| cell | p, all draws | mean rank | spread | p, one draw an imputation | mean rank | spread |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, pair in pairs.items():
        numbers = " | ".join(f"{_p(row['p'])} | {row['mean_rank']:.3f} | {row['spread']:.3f}" for row in pair)
        lines.append(f"| {cell} | {numbers} |")
    return "\n".join(lines) + "\n\n(p before Holm's correction.)\n\n"


def _mark(found: Mapping[str, Any]) -> str:
    """Return the mark of a cell whose imputed values were never redrawn, or not as they are now."""
    if "cycles" not in found:
        return ""
    return " †" if found["cycles"] == 0 else "" if "latents" in found else " ‡"


def _power_words(rows: Sequence[Mapping[str, Any]]) -> str:
    seen = {(row["wrong"], row["replicates"]): row["both"] for row in rows}
    bias, narrow, fewer = "0.3 SD to one side", "a fifth too narrow", TESTED // 2
    return _POWER.format(
        quantities=QUANTITIES, runs=_RUNS, error=0.5 / _RUNS**0.5, tested=TESTED, fewer=fewer, bias=seen[bias, TESTED],
        narrow=seen[narrow, TESTED], fewer_bias=seen[bias, fewer], fewer_narrow=seen[narrow, fewer],
    )  # fmt: skip


def _summary(cells: Mapping[str, Any], red: Sequence[str], alpha: float) -> str:
    diverging = {cell: found["divergences"] for cell, found in cells.items() if found["divergences"]}
    worst = sorted(diverging, key=lambda cell: -diverging[cell])[:5]
    seconds = sum(found["cpu_seconds"] for found in cells.values())
    lines = [
        f"{len(cells) - len(red)} of {len(cells)} cells are uniform; not uniform: {len(red)}"
        + (f" ({', '.join(f'`{cell}`' for cell in red)}; see below)" if red else "")
        + f"; were all calibrated, {alpha * len(cells):.1f} of them would fail by chance. {len(diverging)} had divergences"
        + (f", most of all {', '.join(f'`{cell}` ({diverging[cell]})' for cell in worst)}" if worst else "")
        + f". All of it took {seconds / 60:.0f} CPU minutes."
    ]
    if _SIZED in cells:
        sized = cells[_SIZED]
        lines += [
            f"\nA replicate of `{_SIZED}`, a model of {sized['quantities'] - _REPORTED} parameters, takes "
            f"{sized['cpu_seconds'] / sized['replicates']:.2f} CPU seconds, its share of the one compilation included."
        ]
    return "\n".join(lines)


def _matrix(cells: Mapping[str, Any], data: str, product: Product, alpha: float) -> str:
    """Return smallest p after Holm's correction of families (rows) and priors (columns), bold below `alpha`."""
    lines = ["| | " + " | ".join(product.priors) + " |", "|---|" + len(product.priors) * "---|"]
    for family in product.families:
        own = [cells.get(f"{family}/{prior}/{data}") for prior in product.priors]
        lines.append(
            f"| {family} | {' | '.join('not run' if one is None else _smallest(one) for one in own)} |"
        )
    return f"Smallest p after Holm's correction; bold below {alpha}: not uniform.\n\n" + "\n".join(lines)


def _smallest(found: Mapping[str, Any]) -> str:
    p = _p(found["least_holm"])
    return (p if found["passed"] else f"**{p}**") + _mark(found)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-5 else "< 0.00001"  # what is kept has five decimals


def _table(cells: Mapping[str, Any]) -> str:
    rows = [
        "| cell | verdict | smallest p (Holm) | of | mean rank | spread | unmixed | divergences | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell, found in cells.items():
        least = found["table"][0]
        verdict = (
            "uniform"
            if found["passed"]
            else f"**not uniform** ({len(found['failures'])} of {found['quantities']})"
        )
        rows.append(
            f"| {cell.rsplit('/', 1)[0]}{_mark(found)} | {verdict} | {_p(least['holm'])} | {least['quantity']} | {least['mean_rank']:.3f} "
            f"| {least['spread']:.3f} | {found['unmixed']} | {found['divergences']} | {found['cpu_seconds']:.0f} |"
        )
    return "\n".join(rows)


def _failures(cells: Mapping[str, Any], red: Sequence[str]) -> str:
    if not red:
        return "None."
    rows = [
        "| cell | quantity | p (Holm) | mean rank | spread | mean rank, `complete` | spread, `complete` |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in red:
        family, prior, data = cell.split("/")
        sibling = cells.get(f"{family}/{prior}/complete") if data in _SHARING else None
        known = {row["quantity"]: row for row in sibling["table"]} if sibling else {}
        for row in pl.DataFrame(cells[cell]["table"]).filter(pl.col("verdict") == "off").to_dicts():
            same = known.get(row["quantity"])
            beside = f"{same['mean_rank']:.3f} | {same['spread']:.3f}" if same else "|"
            rows.append(
                f"| {cell}{_mark(cells[cell])} | {row['quantity']} | {_p(row['holm'])} | {row['mean_rank']:.3f} "
                f"| {row['spread']:.3f} | {beside} |"
            )
    return "\n".join(rows) + f"\n\n{_SIBLINGS}"


def _not_run(missing: Sequence[str]) -> str:
    design = (
        f"Of the design: {', '.join(f'`{cell}`' for cell in missing)}."
        if missing
        else "All of the design was run."
    )
    return (
        f"{design} The design holds every family under every prior but grouped ones, with features complete and imputed; of other kinds of "
        "data it is a cover. Informed priors, pooled sites, curves, interactions, more than two arms, observational cohorts with a propensity score and more "
        "features than patients are not in it. `python -m benchmarks.sbc` runs what the design lacks, "
        "`python -m benchmarks.sbc cure/r2d2/missing` any cell, and `sbc` any spec on any cohort."
    )


def _power_table(rows: Sequence[Mapping[str, Any]]) -> str:
    frame = pl.DataFrame(list(rows))
    lines = [
        "| posterior is wrong by | 100 | 200 | 400 | 100, ECDF alone | 200 | 400 |",
        "|---|---|---|---|---|---|---|",
    ]
    for wrong in frame["wrong"].unique(maintain_order=True):
        own = frame.filter(pl.col("wrong") == wrong).sort("replicates")
        shares = [f"{value:.2f}" for value in [*own["both"], *own["ecdf"]]]
        lines.append(f"| {wrong} | {' | '.join(shares)} |")
    return "\n".join(lines)
