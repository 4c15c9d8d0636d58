"""Overlap of treatment groups: could every patient have received every treatment, and do weights balance them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError
from medresponse.core.figure import svg_of
from medresponse.core.small_cells import FLOOR, Totals, is_small, shares_are_safe
from medresponse.core.small_groups import hide_small_groups
from medresponse.features import fit_propensity
from medresponse.response.columns import column_owners, main_columns
from medresponse.validation.columns import require_arms

if TYPE_CHECKING:
    from medresponse.inference import Fit

LOW, HIGH = 0.05, 0.95
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_DRAWN = 20

# Limited beyond the first, poor beyond the second. Imbalance: 0.1 Austin 2009, Stat Med 28:3083; 0.25 Stuart 2010, Stat
# Sci 25:1. The others are conventions of this package.
_OUTSIDE = (0.05, 0.20)
_EFFECTIVE = (0.50, 0.25)
_IMBALANCE = (0.10, 0.25)

Verdict = Literal["good", "limited", "poor"]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How far the groups that received each treatment overlap, as aggregates; no patient's row is held.

    Parameters
    ----------
    labels : mapping
        Treatment -> words.
    score : str
        Where the propensity score comes from.
    propensity : polars.DataFrame
        ``treatment, received, q05, q25, median, q75, q95``: the probability of a treatment among those who received
        each; null for a group of fewer than 11.
    arms : polars.DataFrame
        ``treatment, n, below, above, effective_n, effective_share``: the share of all patients whose probability of
        the treatment is below 0.05 and above 0.95, and the effective sample size of the inverse-probability weights
        of those who received it.
    balance : polars.DataFrame
        ``feature, column, treatment, against, before, after``: standardised mean difference of a feature column
        between two groups, as they are and weighted; null for a column that is constant in both.
    verdict : str
        ``good``, ``limited`` or ``poor``.
    reasons : tuple of str
        What the verdict rests on.
    """

    labels: dict[str, str]
    score: str
    propensity: pl.DataFrame
    arms: pl.DataFrame
    balance: pl.DataFrame
    verdict: Verdict
    reasons: tuple[str, ...]

    def table(self) -> pl.DataFrame:
        """Return `arms` as they may be shown: without small numbers of patients and shares that give them away."""
        total = int(self.arms["n"].sum())
        safe = pl.DataFrame(
            {name: [shares_are_safe(round(s * total), total) for s in self.arms[name]] for name in ("below", "above")}
        )  # fmt: skip
        known = self.arms.with_columns(
            pl.when(safe[name]).then(pl.col(name)).alias(name) for name in ("below", "above")
        )
        totals: Totals = "unknown" if is_small(total) else "known"
        return hide_small_groups(known, n="n", derived=["effective_n", "effective_share"], totals=totals)

    def figure(self) -> Any:
        """Return a matplotlib figure: propensities of the middle 90% and 50% of each group, and balance by weighting."""
        from matplotlib.figure import Figure

        shown = list(self.labels)[1:] if len(self.labels) == 2 else list(self.labels)
        figure = Figure(figsize=(8.4, 1.0 + 1.5 * max(len(shown), 2)), layout="constrained")
        grid = figure.add_gridspec(len(shown), 2)
        for i, treatment in enumerate(shown):
            self._draw_propensity(figure.add_subplot(grid[i, 0]), treatment)
        self._draw_balance(figure.add_subplot(grid[:, 1]))
        return figure

    def _draw_propensity(self, axes: Any, treatment: str) -> None:
        rows = self.propensity.filter(treatment=treatment).reverse()
        for i, row in enumerate(rows.iter_rows(named=True)):
            if row["median"] is None:
                continue
            axes.plot([row["q05"], row["q95"]], [i, i], color="#1b4f72", linewidth=1)
            axes.plot([row["q25"], row["q75"]], [i, i], color="#1b4f72", linewidth=5)
            axes.plot(row["median"], i, "o", color="white", markeredgecolor="#1b4f72")
        for edge in (LOW, HIGH):
            axes.axvline(edge, color="#767676", linewidth=0.8, linestyle=":")
        received = [f"received {self.labels[name]}" for name in rows["received"]]
        axes.set(xlim=(0, 1), yticks=range(rows.height), yticklabels=received, ylim=(-0.6, rows.height - 0.4))
        axes.set_xlabel(f"probability of {self.labels[treatment]}")

    def _draw_balance(self, axes: Any) -> None:
        largest = self.balance.group_by("column", maintain_order=True).agg(
            pl.col("before", "after").abs().max()
        )
        shown = largest.drop_nulls().sort("before", descending=True).head(_MOST_DRAWN).reverse()
        at = range(shown.height)
        axes.plot(shown["before"], at, "o", color="#8a4b08", markerfacecolor="none", label="as they are")
        axes.plot(shown["after"], at, "o", color="#1b5e8c", label="weighted")
        axes.axvline(_IMBALANCE[0], color="#767676", linewidth=0.8, linestyle=":")
        axes.set(yticks=at, yticklabels=shown["column"].to_list(), xlim=(0, None))
        axes.set_xlabel("largest standardised difference")
        axes.legend(frameon=False)

    def __repr__(self) -> str:
        return f"<Overlap {self.verdict}: {'; '.join(self.reasons)}>"

    def _repr_html_(self) -> str:
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
        table = self.table().with_columns(pl.selectors.float().round(3))._repr_html_()
        head = f"<p><b>Overlap: {self.verdict}</b>; {escape(self.score)}</p>"
        return f"{head}<ul>{reasons}</ul>{table}{svg_of(self.figure())}"


def overlap(fit: Fit, cohort: Cohort) -> Overlap:
    """Describe the overlap of treatment groups in the features that a fit adjusts for.

    Parameters
    ----------
    fit : Fit
        Its own propensity score is shown, where its spec has one; otherwise one is made from the same features.
    cohort : Cohort
        The training cohort, as a rule; treatments must be known.

    Returns
    -------
    Overlap
        What is not among the fit's features is not looked at: good overlap and balance say nothing of confounders that
        were not measured.

    Raises
    ------
    SpecError
        If the cohort has a single arm, or the fit no features.
    DataError
        If treatments are not known, a group is empty, or the cohort lacks a column.

    Notes
    -----
    Weights are inverse probabilities of the treatment received (they standardise to all patients), normalised within
    groups; effective sample size is Kish's, ``(sum w)^2 / sum w^2``. Standardised differences are divided by the
    root mean variance of the two groups before weighting (Austin 2009, Stat Med 28:3083).
    """
    counts = require_arms(cohort)
    if not fit.encoding.features:
        raise SpecError("the fit has no features: there is nothing to overlap in", code="no_features")
    columns, received = main_columns(fit, cohort), cohort.treatment_idx
    own = fit.encoding.propensity
    score = own or fit_propensity(columns, received, cohort.treatments)
    probabilities = score.probabilities(columns)
    weights = 1.0 / probabilities[np.arange(len(received)), received]
    arms = _arms(cohort.treatments, counts, probabilities, received, weights)
    balance = _balance(fit, cohort.treatments, columns, received, weights)
    assert cohort.schema.treatment is not None
    labels = {name: cohort.schema.treatment.label(name) for name in cohort.treatments}
    verdict, reasons = _judge(labels, arms, balance)
    return Overlap(
        labels=labels, score="propensity score of the fit" if own else "propensity score made for this table",
        propensity=_propensity(cohort.treatments, counts, probabilities, received), arms=arms, balance=balance,
        verdict=verdict, reasons=reasons,
    )  # fmt: skip


def _propensity(
    treatments: tuple[str, ...], counts: np.ndarray, probabilities: np.ndarray, received: np.ndarray
) -> pl.DataFrame:
    rows: list[tuple[object, ...]] = []
    for k, treatment in enumerate(treatments):
        for j, group in enumerate(treatments):
            quantiles: list[float | None] = [None] * len(_LEVELS)
            if counts[j] >= FLOOR:  # a quantile of fewer would be a patient's own value
                quantiles = [float(q) for q in np.quantile(probabilities[received == j, k], _LEVELS)]
            rows.append((treatment, group, *quantiles))
    text, number = ("treatment", "received"), ("q05", "q25", "median", "q75", "q95")
    types = {**dict.fromkeys(text, pl.String), **dict.fromkeys(number, pl.Float64)}
    return pl.DataFrame(rows, schema=types, orient="row")


def _arms(
    treatments: tuple[str, ...], counts: np.ndarray, probabilities: np.ndarray, received: np.ndarray, weights: np.ndarray
) -> pl.DataFrame:  # fmt: skip
    rows = []
    for k, treatment in enumerate(treatments):
        of_group, chances = weights[received == k], probabilities[:, k]
        effective = float(of_group.sum() ** 2 / (of_group**2).sum())
        outside = (float((chances < LOW).mean()), float((chances > HIGH).mean()))
        rows.append((treatment, int(counts[k]), *outside, effective, effective / counts[k]))
    names = ["treatment", "n", "below", "above", "effective_n", "effective_share"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _balance(
    fit: Fit, treatments: tuple[str, ...], columns: np.ndarray, received: np.ndarray, weights: np.ndarray
) -> pl.DataFrame:
    groups = [received == k for k in range(len(treatments))]
    means = np.stack([columns[group].mean(axis=0) for group in groups])
    variances = np.stack([columns[group].var(axis=0) for group in groups])
    weighted = np.stack([np.average(columns[group], axis=0, weights=weights[group]) for group in groups])
    parts = []
    for j, k in combinations(range(len(treatments)), 2):
        scale = np.sqrt((variances[j] + variances[k]) / 2)
        scale = np.where(scale > 1e-12, scale, np.nan)
        part = {
            "feature": column_owners(fit),
            "column": fit.encoding.main_labels,
            "treatment": [treatments[k]] * columns.shape[1],
            "against": [treatments[j]] * columns.shape[1],
            "before": (means[k] - means[j]) / scale,
            "after": (weighted[k] - weighted[j]) / scale,
        }
        parts.append(pl.DataFrame(part).with_columns(pl.col("before", "after").fill_nan(None)))
    return pl.concat(parts)


def _judge(
    labels: dict[str, str], arms: pl.DataFrame, balance: pl.DataFrame
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict and, for each of the three criteria, its worst case in words."""
    outside = arms.with_columns(outside=pl.col("below") + pl.col("above")).sort("outside").row(-1, named=True)
    effective = arms.sort("effective_share").row(0, named=True)
    after = balance.drop_nulls().with_columns(size=pl.col("after").abs()).sort("size")
    share, kept = outside["outside"], effective["effective_share"]
    found = [
        (share > _OUTSIDE[0], share > _OUTSIDE[1]),
        (kept < _EFFECTIVE[0], kept < _EFFECTIVE[1]),
    ]
    reasons = [
        f"for {_share_words(share)} of the patients the probability of {labels[outside['treatment']]} lies outside {LOW:g} to {HIGH:g}",
        _effective_words(effective, labels[effective["treatment"]]),
    ]
    if after.height:
        worst = after.row(-1, named=True)
        found.append((worst["size"] > _IMBALANCE[0], worst["size"] > _IMBALANCE[1]))
        reasons.append(
            f"weighted, {worst['column']} still differs most between groups, by {worst['size']:.2f} standard deviations"
        )
    verdict: Verdict = (
        "poor" if any(bad for _, bad in found) else "limited" if any(so for so, _ in found) else "good"
    )
    return verdict, tuple(reasons)


def _effective_words(arm: dict[str, Any], label: str) -> str:
    if is_small(arm["n"]):
        return f"{label} was received by fewer than {FLOOR} patients"
    return f"weighted, the {arm['n']} patients on {label} count as {arm['effective_n']:.0f}"


def _share_words(share: float) -> str:
    if share == 0:
        return "none"
    return "under 1%" if share < 0.01 else f"{share:.0%}"
