"""From the tables of a report to its verdict, with the reasons in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from medresponse.validation.synthetic_data.distances import CLOSEST, COPIES, MEMBERSHIP, RATIO
from medresponse.validation.synthetic_data.report import Verdict
from medresponse.validation.synthetic_data.thresholds import Thresholds

_SMOKE = (COPIES, CLOSEST, RATIO, MEMBERSHIP)


def judge(
    disclosure: pl.DataFrame,
    effects: pl.DataFrame,
    fidelity: pl.DataFrame,
    splits: int,
    limits: Thresholds,
    *,
    unassessed: Sequence[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict on the tables of a report, and what it rests on; the first that holds, worst first.

    `unassessed` are effects that could not be compared.
    """
    smoke = disclosure.filter(pl.col("check").is_in(_SMOKE))["sees"]
    attacks = disclosure.filter(~pl.col("check").is_in(_SMOKE))["sees"]
    blind = not (smoke.any() and attacks.any())
    leaks, lost = list(_leaks(disclosure)), [*_lost_effects(effects), *_lost_fidelity(fidelity)]
    reasons = ["the battery does not notice copies of real patients: it clears nothing"] if blind else []
    reasons += [*leaks, *lost, *_remarks(disclosure, splits, limits)]
    if unassessed:
        reasons.append(
            f"too few patients or events in halves to say whether effects are kept: {', '.join(unassessed)}"
        )
    verdict: Verdict = (
        "invalid" if blind else "flagged" if leaks else "unfaithful" if lost else "nothing flagged"
    )
    return verdict, tuple(reasons)


def _leaks(disclosure: pl.DataFrame) -> Iterator[str]:
    for row in disclosure.filter("flagged").iter_rows(named=True):
        yield f"{row['check']}: excess risk {row['risk']:.2f} ({row['lower']:.2f} to {row['upper']:.2f}), limit {row['limit']:.2f}"


def _lost_effects(effects: pl.DataFrame) -> Iterator[str]:
    for row in effects.filter("flagged").iter_rows(named=True):
        yield (
            f"effect of {row['treatment']} on {row['outcome']} is not kept: {row['scale']} {row['synthetic']:.2f} instead of "
            f"{row['real']:.2f}, and a single draw shifts it by {row['lower']:+.2f} to {row['upper']:+.2f}"
        )


def _lost_fidelity(fidelity: pl.DataFrame) -> Iterator[str]:
    for row in fidelity.filter("flagged").iter_rows(named=True):
        yield f"{row['measure']} is {row['value']:.2f}" + (
            "" if row["real"] is None else f", of real patients {row['real']:.2f}"
        )


def _remarks(disclosure: pl.DataFrame, splits: int, limits: Thresholds) -> Iterator[str]:
    unseen = disclosure.filter(~pl.col("sees"))["check"].to_list()
    if unseen:
        yield f"blind here, as they do not notice copies of real patients: {', '.join(unseen)}"
    open_ = disclosure.filter(~pl.col("flagged") & pl.col("sees") & (pl.col("upper") > pl.col("limit")))[
        "check"
    ].to_list()
    if open_:
        yield f"too few patients to say that the risk is below the limit: {', '.join(open_)}"
    if splits < limits.splits:
        yield f"{splits} splits: intervals of effects need {limits.splits}"
