"""International Stroke Trial: does the effect of aspirin differ between patients? Hardly, and the model says so.

Published (Lancet 1997;349:1569): 62.2% dead or dependent at six months with aspirin and 63.5% without, 13 fewer per
1,000 (SD 7); 14 fewer (SD 6) after adjustment for prognosis. No subgroup was found to differ, nor did heparin change
what aspirin did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from scipy.special import expit
from scipy.stats import chi2

from experiments.figures import COLOURS, STYLES, calibration_figure
from experiments.ist_data import build_frame
from experiments.logistic import logistic
from experiments.reporting import calibration_evidence, write_reports
from experiments.sources import read_source
from experiments.statistics import interval_metrics, statistic
from experiments.study import BATCHES, Study
from medresponse.cohort import Cohort
from medresponse.core.estimand import Estimand
from medresponse.inference import Fit
from medresponse.inference.prior import prior_fit
from medresponse.reports import Evidence
from medresponse.response import Responses, respond
from medresponse.response.ordinal import superiority
from medresponse.response.predict import encode_patients, linear_predictors
from medresponse.validation import Estimate, batch_error, batch_means, batched

ALLOCATED = ("none", "low", "medium")  # heparin
PRIOR_DRAWS = 1000
LARGE_COUNTRY = 300  # patients
SCALES = {
    "modifier_history_scale": "a feature's standard deviations (history)",
    "modifier_imaging_scale": "a feature's standard deviations (imaging)",
    "country_treatment_scale": "countries",
    "country_in_hospital_treatment_scale": "hospitals of a country",
}


@dataclass(frozen=True)
class OverPatients:
    """Averages and spreads over all patients in every draw, shape (draw,); groups are those of `labels`.

    Effects are log odds ratios, benefits patients per 1,000 spared death or dependency. `sd_of_means` is the spread of
    the patients' posterior mean effects: each draw's spread holds what is not known of each effect besides.
    """

    mean_effect: np.ndarray
    sd_effect: np.ndarray
    mean_benefit: np.ndarray
    sd_benefit: np.ndarray
    by_group: dict[str, np.ndarray]
    sd_of_means: Estimate


def run(study: Study) -> None:
    """Fit the binary and the ordinal outcome; report how far the effect varies over patients and hospitals."""
    cohort = read_source(study.config["source"], study.data_folder(), build_frame)
    for name in ("patients", "hospitals", "countries"):
        column = {"hospitals": "hospital", "countries": "country"}.get(name)
        study.record(name, cohort.n if column is None else cohort.table[column].n_unique())
    fit = study.fit("main", study.spec("main"), cohort, outcome="dead_or_dependent")
    _timing(study, "main", fit)
    over = over_patients(fit, cohort)
    _average_effect(study, over, cohort)
    _heterogeneity(study, over, fit, cohort)
    _heparin(study, over, cohort)
    _hospitals(study, fit, cohort)
    _countries(study, over, cohort)
    responses = respond(fit, cohort)
    evidence = _calibration(study, responses, cohort)
    _categories(study, cohort)
    write_reports(
        study, responses, cohort, evidence=evidence, validation=None,
        title="International Stroke Trial: aspirin within 48 hours of a stroke",
        intro="Patients of a randomised trial in 36 countries, spread evenly over its file. The effect of aspirin is "
        "small and hardly differs between patients: each report shows nearly the same benefit, beside very different risks.",
    )  # fmt: skip


def over_patients(fit: Fit, cohort: Cohort) -> OverPatients:
    """Pass once over the cohort, holding one chunk of patients at a time."""
    fit = fit.thinned(4000)
    family, parameters, question = fit.spec.family, fit.family_draws(), Estimand(kind="probability")
    groups = cohort.table["heparin"].cast(pl.String).to_numpy()
    sums, means = np.zeros((4, fit.n_draws)), []
    by_group = {f"heparin_{name}": np.zeros(fit.n_draws) for name in ALLOCATED} | {
        f"country_{name}": np.zeros(fit.n_draws) for name in _large_countries(cohort)
    }
    members = {f"heparin_{name}": groups == name for name in ALLOCATED} | {
        f"country_{name}": (cohort.table["country"] == name).to_numpy() for name in _large_countries(cohort)
    }
    for rows, eta in linear_predictors(fit, encode_patients(fit, cohort), seed=fit.provenance.seed):
        risk = 1000 * family.response(question, eta, parameters, fit.constants)
        effect, benefit = eta[:, 1] - eta[:, 0], risk[:, 0] - risk[:, 1]
        sums += np.stack([part.sum(axis=0) for part in (effect, effect**2, benefit, benefit**2)])
        means.append(batch_means(effect, batches=BATCHES))
        for name, total in by_group.items():
            total += benefit[members[name][rows]].sum(axis=0)
    effect, effects_squared, benefit, benefits_squared = sums / cohort.n
    return OverPatients(
        effect, np.sqrt(effects_squared - effect**2), benefit, np.sqrt(benefits_squared - benefit**2),
        {name: total / members[name].sum() for name, total in by_group.items()},
        batched(_spread, np.concatenate(means)),
    )  # fmt: skip


def _spread(values: np.ndarray) -> float:
    return float(values.std())


def _large_countries(cohort: Cohort) -> list[str]:
    counts = cohort.table["country"].value_counts().filter(pl.col("count") >= LARGE_COUNTRY)
    return sorted(counts["country"].to_list())


def _timing(study: Study, name: str, fit: Fit) -> None:
    """Print what the fit cost; no metric, since it is the machine's."""
    seconds = fit.provenance.compile_seconds, fit.provenance.sample_seconds
    print(f"{name}: {seconds[0]:.0f} s compiling, {seconds[1]:.0f} s sampling; {fit.diagnostics}")


def _average_effect(study: Study, over: OverPatients, cohort: Cohort) -> None:
    """Record the benefit per 1,000, to hold against the published 14 (SD 6), and the difference in raw shares."""
    interval_metrics(study, "spared_per_1000", over.mean_benefit, unit="per 1000")
    study.record("spared_per_1000_sd", statistic(over.mean_benefit, np.std, unit="per 1000"))
    interval_metrics(study, "log_odds_ratio", over.mean_effect, unit="1")
    value, error = _raw(cohort, np.ones(cohort.n, dtype=bool))
    study.record("raw.spared_per_1000", value, unit="per 1000")
    study.record("raw.spared_per_1000_se", error, unit="per 1000")


def _raw(cohort: Cohort, members: np.ndarray) -> tuple[float, float]:
    """Return the difference in raw shares dead or dependent among `members`, per 1,000, and its standard error."""
    value, parts = cohort.outcome("dead_or_dependent")["value"], []
    for k in (0, 1):
        own = value[members & (cohort.treatment_idx == k)]
        parts.append((1000 * own.mean(), 1e6 * own.mean() * (1 - own.mean()) / len(own)))
    return parts[0][0] - parts[1][0], float(np.sqrt(parts[0][1] + parts[1][1]))


def _heterogeneity(study: Study, over: OverPatients, fit: Fit, cohort: Cohort) -> None:
    """Record how far the effect varies over patients, beside the prior's opinion and a test without priors."""
    small = float(study.config["small"])
    prior = prior_fit(fit.spec, cohort, outcome="dead_or_dependent", draws=PRIOR_DRAWS, seed=study.seed)
    believed = over_patients(prior, cohort)
    rows = []
    for label, name, part, unit in (
        ("log odds ratio", "log_odds_ratio_sd", "sd_effect", "1"),
        ("benefit per 1,000", "spared_per_1000_sd_over_patients", "sd_benefit", "per 1000"),
    ):
        shown = []
        for prefix, draws in (("prior.", getattr(believed, part)), ("", getattr(over, part))):
            study.record(f"{prefix}{name}.median", statistic(draws, np.median, unit=unit))
            study.record(f"{prefix}{name}.upper_95", statistic(draws, _upper_95, unit=unit))
            shown.append(f"{np.median(draws):.3g} ({_upper_95(draws):.3g})")
        rows.append((label, *shown))
    for prefix, draws in (("prior.", believed.sd_effect), ("", over.sd_effect)):
        share = statistic(draws, lambda v: float((v < small).mean()), unit="probability")
        study.record(f"{prefix}p_log_odds_ratio_sd_below_{small:g}", share)
    study.table(
        pl.DataFrame(rows, schema=["SD over patients of the", "prior", "posterior"], orient="row"),
        caption="How far the effect of aspirin varies over patients: median (95% upper bound) before and after the trial",
    )
    study.record("log_odds_ratio_sd_of_means", over.sd_of_means)
    _scales(study, fit)
    _interaction_test(study, fit, cohort)
    study.figure(
        "heterogeneity", _spread_figure(believed.sd_effect, over.sd_effect, small),
        caption="Standard deviation over patients of the log odds ratio of aspirin: what the prior allowed and what the trial "
        "leaves. It adds up four sources, each with what is not known of it, and so cannot lie at zero: the spread of "
        f"the patients' mean effects is {over.sd_of_means.value:.2f}, and the scale of each source reaches down to zero.",
        alt=f"Two densities over the standard deviation of the log odds ratio: the posterior about {np.median(over.sd_effect):.2f}, "
        f"95% of it below {_upper_95(over.sd_effect):.2f}; the prior is spread widely about {np.median(believed.sd_effect):.2f}.",
    )  # fmt: skip


def _scales(study: Study, fit: Fit) -> None:
    """Record the estimated scale of every source of effect modification, each of which may be zero."""
    rows = []
    for name, words in SCALES.items():
        draws = fit.draws(name)
        interval_metrics(study, f"scale.{name}", draws, unit="1")
        low, high = np.quantile(draws, [0.025, 0.975])
        rows.append((words, f"{np.median(draws):.3f}", f"{low:.3f} to {high:.3f}"))
    study.table(
        pl.DataFrame(
            rows, schema=["log odds ratio of aspirin between", "median", "95% interval"], orient="row"
        ),
        caption="Standard deviation from each source of differences in the effect of aspirin",
    )


def _upper_95(draws: np.ndarray) -> float:
    return float(np.quantile(draws, 0.95))


def _spread_figure(prior: np.ndarray, posterior: np.ndarray, small: float) -> Figure:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, float(np.quantile(prior, 0.9)), 61)
    for k, (label, draws) in enumerate((("posterior", posterior), ("prior", prior))):
        # Heights are shares of all draws, those beyond the axis included.
        heights = np.histogram(draws, bins=edges)[0] / len(draws) / np.diff(edges)
        axes.stairs(heights, edges, color=COLOURS[k], linestyle=STYLES[k], label=label, linewidth=1.2)
    axes.axvline(small, color="#777777", linewidth=0.8, label=f"small: {small:g}")
    axes.set(xlabel="SD over patients of the log odds ratio", ylabel="density", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _interaction_test(study: Study, fit: Fit, cohort: Cohort) -> None:
    """Record the likelihood-ratio test of all interactions with aspirin, and the benefit without them."""
    assert fit.codes is not None
    value, aspirin = cohort.outcome("dead_or_dependent")["value"], cohort.treatment_idx.astype(float)
    columns = fit.encoding.columns(fit.codes[0])
    plain = np.column_stack([np.ones(cohort.n), aspirin, columns])
    beta, alone = logistic(plain, value)
    _, together = logistic(np.column_stack([plain, aspirin[:, None] * columns]), value)
    freedom, statistic_ = columns.shape[1], 2 * (together - alone)
    study.record("logistic.interactions_chi2", statistic_)
    study.record("logistic.interactions_df", freedom)
    study.record("logistic.interactions_p", float(chi2.sf(statistic_, freedom)), unit="probability")
    with_, without = (
        expit(np.column_stack([plain[:, :1], np.full(cohort.n, a), columns]) @ beta) for a in (1.0, 0.0)
    )
    study.record("logistic.spared_per_1000", 1000 * float((without - with_).mean()), unit="per 1000")


def _heparin(study: Study, over: OverPatients, cohort: Cohort) -> None:
    """Show the benefit by heparin allocated: raw and as the model shrinks it."""
    labels, rows = {"none": "no heparin", "low": "heparin 5,000 IU", "medium": "heparin 12,500 IU"}, []
    for name in ALLOCATED:
        draws = over.by_group[f"heparin_{name}"]
        interval_metrics(study, f"heparin_{name}.spared_per_1000", draws, unit="per 1000")
        value, error = _raw(cohort, (cohort.table["heparin"].cast(pl.String) == name).to_numpy())
        study.record(f"heparin_{name}.raw_spared_per_1000", value, unit="per 1000")
        study.record(f"heparin_{name}.raw_spared_per_1000_se", error, unit="per 1000")
        low, high = np.quantile(draws, [0.025, 0.975])
        rows.append(
            (labels[name], f"{value:.0f} (SE {error:.0f})", f"{draws.mean():.0f} ({low:.0f} to {high:.0f})")
        )
    for name in ALLOCATED[1:]:
        gap = over.by_group[f"heparin_{name}"] - over.by_group["heparin_none"]
        interval_metrics(study, f"heparin_{name}.less_heparin_none", gap, unit="per 1000")
    study.table(
        pl.DataFrame(rows, schema=["group", "raw", "model"], orient="row"),
        caption="Patients per 1,000 whom aspirin spared death or dependency, by heparin allocated: raw, and shrunken by the model (95% interval)",
    )


def _hospitals(study: Study, fit: Fit, cohort: Cohort) -> None:
    """Record how far hospitals differ in outcome and in the effect of aspirin; draw large countries' effects."""
    pairs = cohort.table.select("country", "hospital").unique().sort("country", "hospital")
    layout, coefficients = fit.layout, fit.draws("coefficients")
    groupings = {grouping.column: grouping for grouping in layout.groupings}
    keys = {
        "country": pairs["country"].to_list(),
        "country/hospital": [" / ".join(row) for row in pairs.iter_rows()],
    }
    for part, name in (("intercept", "hospital_risk_sd"), ("treatment", "hospital_effect_sd")):
        total = sum(
            coefficients[:, layout.slices[f"{column}.{part}"]][:, groupings[column].index(labels)]
            for column, labels in keys.items()
        )
        spread = np.asarray(total).std(axis=1)
        study.record(f"{name}.median", statistic(spread, np.median))
        study.record(f"{name}.upper_95", statistic(spread, _upper_95))


def _countries(study: Study, over: OverPatients, cohort: Cohort) -> None:
    rows = []
    for country in _large_countries(cohort):
        draws = over.by_group[f"country_{country}"]
        value, error = _raw(cohort, (cohort.table["country"] == country).to_numpy())
        rows.append((country, value, error, draws.mean(), *np.quantile(draws, [0.025, 0.975])))
    study.figure(
        "countries", _countries_figure(rows),
        caption=f"Benefit of aspirin in countries with {LARGE_COUNTRY} patients or more: raw difference (thin) and pooled by the model (thick), 95% intervals.",
        alt="Raw country differences scatter widely with long intervals; the pooled ones lie close together just above zero.",
    )  # fmt: skip


def _countries_figure(rows: list[tuple[str, float, float, float, float, float]]) -> Figure:
    figure = Figure(figsize=(6.4, 0.35 * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots()
    for i, (_, value, error, mean, low, high) in enumerate(rows):
        axes.plot(
            [value - 1.96 * error, value + 1.96 * error], [-i + 0.15] * 2, color=COLOURS[1], linewidth=0.8
        )
        axes.plot(value, -i + 0.15, "s", color=COLOURS[1], markersize=3, label="raw" if i == 0 else None)
        axes.plot([low, high], [-i - 0.15] * 2, color=COLOURS[0], linewidth=2.2)
        axes.plot(mean, -i - 0.15, "o", color=COLOURS[0], markersize=4, label="model" if i == 0 else None)
    axes.axvline(0, color="#777777", linewidth=0.8)
    axes.set(
        xlabel="spared death or dependency by aspirin, of 1,000",
        yticks=[-i for i in range(len(rows))], yticklabels=[row[0] for row in rows],
    )  # fmt: skip
    axes.legend(frameon=False, fontsize=8)
    return figure


def _calibration(study: Study, responses: Responses, cohort: Cohort) -> list[Evidence]:
    """Compare predicted and observed risk in tenths of prediction, in the patients the model learned from."""
    value = cohort.outcome("dead_or_dependent")["value"]
    own = responses.reduce(lambda values: values.mean(axis=-1))[np.arange(cohort.n), cohort.treatment_idx]
    rows = []
    for part in np.array_split(np.argsort(own, kind="stable"), 10):
        observed = value[part].mean()
        error = 1.96 * np.sqrt(observed * (1 - observed) / len(part))
        rows.append(
            (
                len(part),
                int(value[part].sum()),
                own[part].mean(),
                observed,
                observed - error,
                observed + error,
            )
        )
    names = ["n", "events", "predicted", "observed", "lower", "upper"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    study.figure(
        "calibration", calibration_figure(table, label="dead or dependent at six months"),
        caption="Predicted and observed risk in tenths of prediction, in the patients the model learned from.",
        alt="Observed against predicted risk in ten groups, all close to the line of equality.",
    )  # fmt: skip
    detail = f"tenths of prediction, in the {cohort.n} patients the model learned from"
    return [calibration_evidence(table, name="Dead or dependent at six months", detail=detail)]


def _categories(study: Study, cohort: Cohort) -> None:
    """Fit the four categories under one common odds ratio; record it and how often aspirin's patient does better."""
    engine = study.engine_with(draws=int(study.config["ordinal_draws"]))
    fit = study.fit("ordinal", study.spec("ordinal"), cohort, outcome="outcome_6_months", engine=engine)
    _timing(study, "ordinal", fit)
    coefficients, parts = fit.draws("coefficients"), fit.layout.slices
    step = fit.layout.contrast_matrix[1, 0] - fit.layout.contrast_matrix[0, 0]
    log_ratio = step * coefficients[:, parts["treatment"]][:, 0]
    interval_metrics(study, "ordinal.common_odds_ratio", np.exp(log_ratio), unit="1")
    modifiers = [fit.layout.columns[i] for i in fit.layout.modifiers]
    for name in ALLOCATED[1:]:
        change = step * coefficients[:, parts["modifier"]][:, modifiers.index(f"heparin={name}")]
        interval_metrics(study, f"ordinal.heparin_{name}.odds_ratio_of_odds_ratios", np.exp(change), unit="1")
    # One batch of draws after another: each gives its own estimate, and together the Monte Carlo error.
    thin = fit.thinned(50 * BATCHES)
    per_chain = BATCHES // thin.posterior.sizes["chain"]
    each = []
    for chain in range(thin.posterior.sizes["chain"]):
        for draws in np.array_split(np.arange(thin.posterior.sizes["draw"]), per_chain):
            table = superiority(
                respond(thin.kept(chain=[chain], draw=draws), cohort, estimand="category", part="dead")
            )
            each.append([table[name].mean() for name in ("p_better", "p_tied", "p_worse")])
    for name, values in zip(("better", "tied", "worse"), np.array(each).T, strict=True):
        study.record(
            f"ordinal.p_{name}", Estimate(float(values.mean()), batch_error(values.tolist()), "probability")
        )
