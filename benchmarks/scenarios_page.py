"""The page of `benchmarks/scenarios.py`: tables of what is recorded, and sentences whose numbers are counted from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from benchmarks.tables import markdown, otherwise, starred

OURS = ("linear", "linear_pooled", "linear_over_time", "trees", "hinges", "stacked")
CONVERGED = 1.05  # largest R-hat of the average effect, and of 95 in 100 individual effects
_COVERAGE = ("linear", "linear_pooled", "least_squares")
_LINEAR = "s02_linear_rct", "s03_step_confounded", "s04_exp_poor_overlap"

PAGE = """# Scenarios and GBSG-2 patients beside other tools

Printed by `python -m benchmarks.scenarios page` from `benchmarks/scenarios.json`; `make bench-peers` makes that file again.
{patients} patients a data set, two treatments, effects scored in sample against the true conditional effects. {seeds} Figures are medians
over seeds; in brackets the Monte Carlo standard error (standard deviation over seeds by the root of their number).
Scenarios are those of the package without their third treatment; `gbsg2_score` and `gbsg2_survival` keep the covariates of
GBSG-2 patients (resampled), everything after them is made. Scores are in points of a score whose standard deviation is 10,
in probability of an event (`s06`), and in event-free months of the first 24 (`s08`, `s09`, `gbsg2_survival`; in `s09` free of any of
two competing events, since scikit-survival has no model of several causes).

`sqrt(PEHE)` is the root mean squared error of patients' effects, `over sd(tau)` that divided by the effects' standard deviation,
which is zero in `s01`: there, `false heterogeneity` is the share of patients whose 95% interval for their effect less the
average excludes zero. Coverage and width are those of 95% intervals for individual effects, `CRPS of outcome` that of an outcome under
the treatment not received (for an event the Brier score, for a time event-free months), whose random part is drawn anew: in these
scenarios a patient's own is the same under both treatments, and what has learnt it would look better than the truth. R-hat is the split one: of 95 in 100
patients' effects it is at most the first figure, of all at most the second, the third is that of the average effect; each is the
worst seed's. `converged` counts seeds in which the first and third are at most {converged}, `fits that pass` fits that pass this package's
diagnostics, which ask more (1.01 of every parameter). No method sees the truth.

`linear` (horseshoe), `linear_pooled` (normal priors with an estimated scale, the model of `experiment=simulation`), `linear_over_time`
(`linear` on hazards that may change), `trees`, `hinges` and their mixture by leave-one-out weights, `stacked`, are specs of this package;
under times, `linear` is Weibull, `trees` and `hinges` are lognormal. The others are stochtree's BCF and BART (one model for both arms `_s`, one
an arm `_t`), EconML's causal forest and linear double machine learning, gradient boosting, least squares with every product
of feature and treatment, and scikit-survival's Cox model with the same products or (`cox_additive`) without, random survival forests and boosting, as one model
(`_s`) or one an arm (`_t`). All Bayesian ones have four chains; how long they are is said in
`benchmarks/scenarios.py` and `benchmarks/peers/scenarios.py`. CPU seconds are without compiling, on a machine that did other work.
{otherwise}
## What to hold against it

{wins}

{outcomes}

{survival}

{diverged}

**Intervals.** Coverage of 95% intervals for individual effects over the data sets whose effects vary, least first:

{coverage}

The peers for times give no interval to compare, nor does gradient boosting. A method that covers with wide intervals says little, one that does not cover says what is wrong.

**Why linear specs cover too little.**

{linear}

On `s02` effect and prognosis are exactly linear in the columns that the specs see, so that nothing is missing from the design: intervals
of least squares are exact there, and a linear spec under priors too wide to matter finds what least squares finds, effects and standard
errors (a test holds it to that). What is left is shrinkage: each modifier is less than two standard errors large, a horseshoe takes
most of that for nothing, and the intervals of all patients rest on those few coefficients, so that they miss together. The error
of effects is smaller for it, coverage is below what is stated for effects that are neither nothing nor large. Normal priors with an
estimated scale, which believe in many small modifiers, cover more: where intervals for patients matter more than picking
modifiers, they are the ones to take. On `s03` (steps) and `s04` (exponentials, a box without overlap) the linear surface itself is wrong,
whatever the prior, and least squares comes nearer only by the width of its intervals. Convergence does not tell: linear fits converge there.

{tables}"""


def page(plain: Mapping[str, Any]) -> str:
    """Return docs/peers.md from what is kept."""
    rows = pl.DataFrame(plain["rows"], infer_schema_length=None)
    shown = starred(summary(rows), rows)
    parts = []
    for (setting,), own in shown.group_by("setting", maintain_order=True):
        empty = [name for name in own.columns if own[name].null_count() == own.height]
        parts.append(f"## {setting}\n\n{markdown(own.drop('setting', *empty))}\n")
    return PAGE.format(
        patients=plain["patients"], seeds=_seeds(rows), otherwise=otherwise(rows), converged=CONVERGED, wins=_wins(rows), outcomes=_outcomes(rows),
        survival=_survival(rows), diverged=_diverged(rows), coverage=markdown(_coverage(rows)), linear=markdown(_linear(rows)),
        tables="\n".join(parts),
    )  # fmt: skip


def summary(every: pl.DataFrame) -> pl.DataFrame:
    """Return one row a setting and method: medians over seeds, with Monte Carlo standard errors where there are several."""
    found = []
    for (setting, method), own in every.group_by("setting", "method"):
        judged = own.filter(pl.col("average_rhat").is_not_null())
        passed = own["passed"].drop_nulls()
        found.append({
            "setting": setting, "method": method, "order": own["root_pehe"].median(), "seeds": own.height,
            "sqrt(PEHE)": _with_error(own["root_pehe"]), "over sd(tau)": own["relative"].median(),
            "ATE error": _with_error(own["ate_error"]), "coverage": _with_error(own["coverage"]),
            "width": _number(own["width"].median()), "false heterogeneity": own["false_heterogeneity"].median(),
            "CRPS of outcome": _with_error(own["other_crps"]), "CPU s": own["cpu_seconds"].median(),
            "R-hat of 95%": own["effect_rhat_95"].max(), "of all": own["effect_rhat"].max(),
            "of average": own["average_rhat"].max(),
            "converged": converged(judged).height if judged.height else None,
            "fits that pass": int(passed.sum()) if len(passed) else None,
        })  # fmt: skip
    return pl.DataFrame(found, infer_schema_length=None).sort("setting", "order", "method").drop("order")


def converged(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose chains agree on the average effect and on 95 in 100 individual ones."""
    return rows.filter((pl.col("average_rhat") <= CONVERGED) & (pl.col("effect_rhat_95") <= CONVERGED))


def _with_error(values: pl.Series) -> str | None:
    """Return median and Monte Carlo standard error as text; None where nothing is recorded."""
    known = values.drop_nulls()
    if not len(known):
        return None
    centre = float(known.median())  # type: ignore[arg-type]
    if len(known) == 1:
        return _number(centre)
    error = float(known.std()) / len(known) ** 0.5  # type: ignore[arg-type]
    return f"{_number(centre)} ({error:.{_digits(centre)}f})"


def _digits(value: float) -> int:
    return 3 if abs(value) < 0.2 else 2


def _number(value: Any) -> str | None:
    return None if value is None else f"{value:.{_digits(value)}f}"


def _seeds(rows: pl.DataFrame) -> str:
    """Say how many seeds there are, of each data set if they differ."""
    counts = {s: own["seed"].n_unique() for (s,), own in rows.group_by("setting", maintain_order=True)}
    if len(set(counts.values())) == 1:
        n = next(iter(counts.values()))
        said = f"{n} seeds each" if n > 1 else "one seed each, so that small differences are chance"
    else:
        most = max(counts.values())
        fewer = ", ".join(f"`{_short(s)}` {n}" for s, n in counts.items() if n < most)
        said = f"{most} seeds each, but {fewer}"
    return f"Recorded are {said}."


def _best(rows: pl.DataFrame, column: str) -> dict[str, list[str]]:
    """Return method -> data sets on which its median over seeds is the smallest."""
    every = (
        rows.filter(pl.col(column).is_not_null()).group_by("setting", "method").agg(pl.col(column).median())
    )
    found: dict[str, list[str]] = {}
    for (setting,), own in every.sort("setting", column, "method").group_by("setting", maintain_order=True):
        found.setdefault(own["method"][0], []).append(_short(str(setting)))
    return found


def _short(setting: str) -> str:
    return setting.split("_", maxsplit=1)[0] if setting.startswith("s") else setting


def _said(best: Mapping[str, list[str]], *, ours: bool) -> tuple[int, str]:
    """Return on how many data sets specs of this package, or peers, are best, and which."""
    own = {method: on for method, on in sorted(best.items()) if (method in OURS) == ours}
    words = "; ".join(f"`{method}` on {', '.join(f'`{name}`' for name in on)}" for method, on in own.items())
    return sum(map(len, own.values())), words


def _contest(rows: pl.DataFrame, column: str, what: str) -> str:
    best = _best(rows, column)
    (mine, own), (theirs, others) = _said(best, ours=True), _said(best, ours=False)
    text = f"{what} is a spec's of this package on {mine} of {mine + theirs} data sets"
    text += f" ({own})" if own else ""
    return text + (f", a peer's on {theirs} ({others})." if others else ".")


def _wins(rows: pl.DataFrame) -> str:
    """Say who has the smallest error of effects, and of the average effect."""
    varied = rows.filter(pl.col("relative").is_not_null())
    best = (
        varied.group_by("setting", "method")
        .agg(pl.col("relative").median())
        .group_by("setting")
        .agg(pl.col("relative").min())
    )
    useless = best.filter(pl.col("relative") > 0.9).sort("setting")["setting"].to_list()
    text = f"**Errors of effects.** {_contest(rows, 'root_pehe', 'The smallest error of effects')} "
    text += _contest(rows, "ate_error", "The smallest error of the average effect")
    if useless:
        names = ", ".join(f"`{_short(name)}`" for name in useless)
        text += f" On {names} the best method is hardly better than giving everybody the average effect (`over sd(tau)` above 0.9)."
    return text + " Differences within the standard errors are chance."


def _outcomes(rows: pl.DataFrame) -> str:
    """Say who predicts outcomes under the other treatment best."""
    return f"**Outcomes.** {_contest(rows, 'other_crps', 'The best score of outcomes')}"


def _survival(rows: pl.DataFrame) -> str:
    """Say how scikit-survival's methods fare against this package's, data set by data set."""
    times = rows.filter(pl.col("setting").is_in(rows.filter(pl.col("method") == "cox")["setting"].unique()))
    parts = []
    for (setting,), own in times.group_by("setting", maintain_order=True):
        said = []
        for column, what in (
            ("root_pehe", "effects"),
            ("ate_error", "average effect"),
            ("other_crps", "outcomes"),
        ):
            medians = own.group_by("method").agg(pl.col(column).median()).sort(column)
            mine = medians.filter(pl.col("method").is_in(OURS)).row(0)
            theirs = medians.filter(~pl.col("method").is_in(OURS)).row(0)
            verdict = "better" if mine[1] < theirs[1] else "worse"
            said.append(f"{what} {verdict} (`{mine[0]}` {mine[1]:.2f}, `{theirs[0]}` {theirs[1]:.2f})")
        parts.append(f"on `{_short(str(setting))}` {', '.join(said)}")
    text = "**Times.** Of each side the best, ours against scikit-survival's (which is best is known from the truth alone): "
    return f"{text}{'; '.join(parts)}."


def _diverged(rows: pl.DataFrame) -> str:
    """Name what did not converge, and what chains are enough for."""
    judged = rows.filter(pl.col("average_rhat").is_not_null())
    agreed = converged(judged)
    text = (
        f"**Convergence.** Of {judged.height} Bayesian fits, {agreed.height} have an R-hat of at most {CONVERGED} of the average effect and of "
        "95 in 100 individual effects."
    )
    others = judged.join(
        agreed.select("setting", "method", "seed"), on=["setting", "method", "seed"], how="anti"
    )
    if others.height:
        names = []
        for (method,), own in others.sort("method", "setting").group_by("method", maintain_order=True):
            on = ", ".join(
                f"`{_short(str(s))}` {part.select('effect_rhat_95', 'average_rhat').to_numpy().max():.2f}"
                for (s,), part in own.group_by("setting", maintain_order=True)
            )
            names.append(f"`{method}` ({on})")
        text += f" **Not converged**, with the worse of the two: {'; '.join(names)}; their figures are of chains pooled before they agree."
    passed = rows.filter(pl.col("passed").is_not_null())
    strict = passed.filter(pl.col("passed")).height
    return text + f" {strict} of this package's {passed.height} fits pass its own, stricter diagnostics."


def _coverage(rows: pl.DataFrame) -> pl.DataFrame:
    """Return least, median and greatest coverage of each method over data sets with effects that vary."""
    varied = rows.filter(pl.col("coverage").is_not_null() & pl.col("relative").is_not_null())
    each = varied.group_by("method", "setting").agg(
        pl.col("coverage").median(), (pl.col("width") / pl.col("spread")).median().alias("wide")
    )
    found = []
    for (method,), own in each.group_by("method"):
        worst = own.sort("coverage").row(0, named=True)
        found.append({
            "method": method, "data sets": own.height, "least": worst["coverage"], "on": _short(worst["setting"]),
            "median": own["coverage"].median(), "greatest": own["coverage"].max(),
            "width over sd(tau), median": own["wide"].median(),
        })  # fmt: skip
    return pl.DataFrame(found).sort("least", "method")


def _linear(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the linear methods on the scenarios asked about."""
    found = []
    for setting in _LINEAR:
        for method in _COVERAGE:
            own = rows.filter((pl.col("setting") == setting) & (pl.col("method") == method))
            found.append({
                "data set": _short(setting), "method": method, "sqrt(PEHE)": _with_error(own["root_pehe"]),
                "coverage": _with_error(own["coverage"]), "width": own["width"].median(),
                "ATE error": _with_error(own["ate_error"]), "R-hat of 95%": own["effect_rhat_95"].max(),
            })  # fmt: skip
    return pl.DataFrame(found)
