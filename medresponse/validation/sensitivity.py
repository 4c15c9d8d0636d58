"""Sensitivity to confounders that were not measured: how strong one would have to be to explain an average effect away."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.core.figure import svg_of
from medresponse.response import Responses
from medresponse.response.columns import column_owners, main_columns
from medresponse.validation import unmeasured
from medresponse.validation.columns import require_arms
from medresponse.validation.observed import Observed, observed_strengths

_MOST_DRAWN = 5
_EFFECTS = {
    **dict.fromkeys(("treatment", "against"), pl.String),
    **dict.fromkeys(("estimate", "sd", "lower", "upper", "ratio", "ratio_lower", "ratio_upper"), pl.Float64),
    **dict.fromkeys(("e_value", "e_value_interval"), pl.Float64), "df": pl.Int64,
    **dict.fromkeys(("robustness", "robustness_interval"), pl.Float64),
}  # fmt: skip
_BENCHMARKS = {
    **dict.fromkeys(("feature", "treatment", "against"), pl.String),
    **dict.fromkeys(("r2_treatment", "r2_outcome", "adjusted", "lower", "upper"), pl.Float64),
}


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What an unmeasured confounder would have to be like; no threshold makes an effect safe, so none is drawn.

    Parameters
    ----------
    title : str
        What the effect is an effect on.
    effects : polars.DataFrame
        ``treatment, against, estimate, sd, lower, upper, ratio, ratio_lower, ratio_upper, e_value, e_value_interval, df,
        robustness, robustness_interval``: the average difference over the patients with its interval; the ratio that
        E-values are of; and for a difference in means the robustness value (else null).
    ratio_of : str
        What the ratio is of.
    benchmarks : polars.DataFrame
        ``feature, treatment, against, r2_treatment, r2_outcome, adjusted, lower, upper``: partial R^2 of a confounder as
        strong as each observed feature (null where none can be), and what adjusting for it would leave of the
        difference. Empty unless the effect is a difference in means and patients are more than columns.
    sentences : tuple of str
        The same in words.
    """

    title: str
    effects: pl.DataFrame
    ratio_of: str
    benchmarks: pl.DataFrame
    sentences: tuple[str, ...]

    def table(self) -> pl.DataFrame:
        """Return `effects`."""
        return self.effects

    def figure(self) -> Any:
        """Return a matplotlib figure: pairs of strengths that explain each effect away, and observed features."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.0, 3.6), layout="constrained")
        axes = figure.subplots()
        shares = self.effects["robustness"].null_count() == 0
        for i, row in enumerate(self.effects.iter_rows(named=True)):
            x, y = _shares(row) if shares else _ratios(row)
            label = f"{row['treatment']} against {row['against']}"
            axes.plot(x, y, color="#1b4f72", linestyle=("-", "--", ":", "-.")[i % 4], label=label)
        what = "partial R\u00b2" if shares else "risk ratio"
        axes.set(xlabel=f"confounder's {what} with treatment", ylabel=f"confounder's {what} with outcome")
        strongest = self.benchmarks.drop_nulls().sort(pl.col("r2_treatment") * pl.col("r2_outcome"))
        for row in strongest.tail(_MOST_DRAWN).iter_rows(named=True):
            axes.plot(row["r2_treatment"], row["r2_outcome"], "o", color="#8a4b08", markersize=3)
            axes.annotate(row["feature"], (row["r2_treatment"], row["r2_outcome"]), fontsize=7)
        axes.legend(frameon=False)
        return figure

    def __repr__(self) -> str:
        return f"<Sensitivity {self.title}: {' '.join(self.sentences)}>"

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        tables = [
            t.with_columns(pl.selectors.float().round(3)) for t in (self.effects, self.benchmarks) if t.height
        ]
        shown = "".join(table._repr_html_() for table in tables)
        return f"<p><b>{escape(self.title)}</b></p><ul>{said}</ul>{shown}{svg_of(self.figure())}"


def sensitivity(
    responses: Responses, cohort: Cohort, *, against: str | None = None, level: float = 0.95
) -> Sensitivity:
    """Say how strong unmeasured confounding would have to be to explain average effects away.

    Parameters
    ----------
    responses : Responses
        Of the patients to average over.
    cohort : Cohort
        The same patients with treatments and outcome; the training cohort, as a rule.
    against : str, optional
        Reference treatment; the schema's by default.
    level : float
        Probability of the intervals.

    Returns
    -------
    Sensitivity
        *E-values* of every kind of response but mean times: of the ratio of average probabilities (of the event, where
        the response is having none) or of average rates; for a mean, of the ratio that its difference over the standard
        deviation of the outcome within groups is taken for. *Robustness values* and benchmarks of a mean only: these
        are of linear regression, with posterior mean and standard deviation in the place of estimate and standard
        error, and the degrees of freedom that a linear regression on the same columns leaves. A prior that shrinks the
        effect makes both smaller than the data alone would.

    Raises
    ------
    SpecError
        If there is a single arm, or the responses are mean times.
    DataError
        If the cohort has other patients than the responses, or no treatments or outcomes.
    UnknownTreatmentError
        If `against` is no treatment.
    """
    require_arms(cohort)
    if responses.kind.unit == "time":
        raise SpecError(
            "no E-value is of a difference in mean times; ask the probability at the same horizon instead",
            code="no_e_value",
        )
    if set(responses.ids) != set(cohort.patients):
        raise DataError("the responses are of other patients than the cohort's", code="cohort_mismatch")
    reference = responses.treatment_position(against or responses.basis.reference)
    others = [k for k in range(len(responses.treatments)) if k != reference]
    means = responses.mean_over_patients()
    observed = _observed(responses, cohort, reference) if responses.kind.unit == "outcome" else None
    rows = [_effect(responses, means, k, reference, observed, level) for k in others]
    effects = pl.DataFrame(rows, schema=_EFFECTS, orient="row")
    benchmarks = _benchmarks(responses, effects, observed, level)
    return Sensitivity(
        title=responses.title, effects=effects, ratio_of=_ratio_of(responses), benchmarks=benchmarks,
        sentences=_sentences(responses, effects, benchmarks),
    )  # fmt: skip


def _observed(responses: Responses, cohort: Cohort, reference: int) -> Observed:
    fit = responses.fit
    return observed_strengths(
        cohort.outcome(fit.outcome)["value"], cohort.treatment_idx, main_columns(fit, cohort), column_owners(fit),
        n_treatments=len(responses.treatments), reference=reference,
    )  # fmt: skip


def _ratio_of(responses: Responses) -> str:
    if responses.kind.unit == "outcome":
        return "risk ratio that the standardised difference is taken for"
    if responses.kind.unit == "probability":
        return "ratio of average probabilities" + (" of the event" if _is_of_no_event(responses) else "")
    return "ratio of average rates"


def _is_of_no_event(responses: Responses) -> bool:
    return responses.estimand.kind in ("survival", "cured")


def _effect(
    responses: Responses, means: np.ndarray, k: int, reference: int, observed: Observed | None, level: float
) -> tuple[object, ...]:
    """Return one row of `Sensitivity.effects` from average responses (treatment, draw)."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    difference = means[k] - means[reference]
    estimate, sd = float(difference.mean()), float(difference.std(ddof=1))
    limits = [float(q) for q in np.quantile(difference, tails)]
    df: int | None = None
    robust: tuple[float | None, float | None] = (None, None)
    if observed is not None:
        ratio, low, high = (unmeasured.ratio_of_difference(d, observed.sd) for d in (estimate, *limits))
        if observed.df is not None:
            t, df = estimate / sd, observed.df
            robust = (unmeasured.robustness_value(t, df), unmeasured.robustness_value(t, df, level=level))
    else:
        risks = 1 - means if _is_of_no_event(responses) else means
        low, ratio, high = (
            float(q) for q in np.quantile(risks[k] / risks[reference], [tails[0], 0.5, tails[1]])
        )
    of_estimate, of_interval = unmeasured.e_value(ratio), unmeasured.e_value_of_interval(low, high)
    names = (responses.treatments[k], responses.treatments[reference])
    return (*names, estimate, sd, *limits, ratio, low, high, of_estimate, of_interval, df, *robust)


def _benchmarks(
    responses: Responses, effects: pl.DataFrame, observed: Observed | None, level: float
) -> pl.DataFrame:
    rows = []
    for (k, feature), strength in (observed.strengths if observed else {}).items():
        effect = effects.filter(treatment=responses.treatments[k]).row(0, named=True)
        found = unmeasured.benchmark(*strength)
        names = (feature, effect["treatment"], effect["against"])
        if found is None:
            rows.append((*names, *[None] * 5))
            continue
        left, spread = unmeasured.adjusted(
            effect["estimate"], effect["sd"], effect["df"], with_treatment=found[0], with_outcome=found[1]
        )
        half = unmeasured.critical_t(level, effect["df"]) * spread
        rows.append((*names, *found, left, left - half, left + half))
    return pl.DataFrame(rows, schema=_BENCHMARKS, orient="row")


def _sentences(responses: Responses, effects: pl.DataFrame, benchmarks: pl.DataFrame) -> tuple[str, ...]:
    treatment = responses.fit.schema.treatment
    assert treatment is not None
    said = []
    for row in effects.iter_rows(named=True):
        start = f"{treatment.label(row['treatment'])} against {treatment.label(row['against'])}:"
        if row["lower"] <= 0 <= row["upper"]:
            said.append(
                f"{start} the interval includes no difference already; nothing is left to explain away."
            )
            continue
        said.append(
            f"{start} a confounder would explain the difference away if it were tied to both treatment and outcome by risk "
            f"ratios of {row['e_value']:.2f} each beyond all that is adjusted for, and its interval if by "
            f"{row['e_value_interval']:.2f}; a weaker one could not."
        )
        if row["robustness"] is None:
            continue
        said.append(
            f"{start} or if it explained {row['robustness']:.1%} of what remains of both treatment and outcome "
            f"({row['robustness_interval']:.1%} for the interval; {row['df']} degrees of freedom)."
        )
        own = benchmarks.filter(treatment=row["treatment"], against=row["against"]).drop_nulls()
        enough = own.filter((pl.col("lower") <= 0) & (pl.col("upper") >= 0))["feature"].to_list()
        said.append(
            f"{start} a confounder as strong as {', '.join(enough)} would be enough for the interval to include no difference."
            if enough
            else f"{start} one as strong as any single observed feature would not be enough."
        )
    return tuple(said)


def _shares(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of partial R^2 that bring the estimate to no effect (Cinelli & Hazlett 2020, equation 7)."""
    f2 = (row["estimate"] / row["sd"]) ** 2 / row["df"]
    x = np.linspace(f2 / (1 + f2), min(1.0, 4 * row["robustness"]), 200)
    return x, f2 * (1 - x) / x


def _ratios(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of risk ratios that bring the ratio to 1 (Ding & VanderWeele 2016, Epidemiology 27:368)."""
    ratio = max(row["ratio"], 1 / row["ratio"])
    x = ratio * np.geomspace(1.05, 5.0, 200)
    return x, ratio * (x - 1) / (x - ratio)
