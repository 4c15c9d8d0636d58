"""Best response in OAK predicted from POPLAR: four ordered categories, and response or not in everybody.

Published for the first 850 patients of OAK (Rittmeyer et al., Lancet 2017;389:255): 58 of 425 patients responded on
atezolizumab and 57 of 425 on docetaxel, 14% and 13%.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from scipy.stats import binomtest

from experiments.figures import bars, calibration_figure
from experiments.oak_poplar_data import read_trial
from experiments.reporting import calibration_evidence, in_new_patients, write_reports
from experiments.statistics import interval_metrics, statistic
from experiments.study import BATCHES, Study
from experiments.survival import calibration_gap
from medresponse.cohort import Cohort
from medresponse.core.small_cells import shown
from medresponse.reports import Evidence
from medresponse.response import Responses, respond
from medresponse.response.ordinal import superiority
from medresponse.validation import Estimate, batch_error, batch_means, batched

RESPONSE = "PR"  # at least a partial response
ARMS = ("docetaxel", "atezolizumab")


def run(study: Study) -> None:
    """Fit on POPLAR, score on OAK beside POPLAR's frequencies by arm, compare the arms, report patients."""
    poplar, oak = (_read(study, trial, "response") for trial in ("poplar", "oak"))
    fit = study.fit("ordinal", study.spec("ordinal"), poplar, outcome="best_response")
    study.record("ordinal.patients_poplar", poplar.n)
    study.record("ordinal.patients_oak", oak.n)
    responses = respond(fit, oak, estimand="at_least", part=RESPONSE)
    shares = _categories(responses, oak)
    _category_scores(study, shares, poplar, oak, clusters=fit.provenance.imputations)
    least = responses.outcome_schema.parts.index(RESPONSE)
    observed = (oak.outcome("best_response")["value"] >= least).astype(float)
    _arms(study, "ordinal", responses, oak, observed)
    _superiority(study, responses, oak)
    evidence = _calibration(study, "ordinal", responses, oak, shares[:, least:].sum(axis=1), observed)
    _everybody(study)
    study.record("failed_diagnostics", sum(len(one.diagnostics.failures) for one in study.fits.values()))
    _figure(study)
    record = in_new_patients(study, responses, oak, method="prediction of OAK by a model of POPLAR")
    write_reports(
        study, responses, oak, evidence=evidence, validation=record, reference=poplar,
        title="OAK predicted from POPLAR: best response to atezolizumab or docetaxel",
        intro="Patients of the OAK trial whose best response is known, as a model fitted to the POPLAR trial alone sees "
        "them. Who has no assessment is decided after randomisation, and more often on docetaxel; the analysis of all 850 "
        "patients, no assessment counting as no response, stands beside it.",
    )  # fmt: skip


def _read(study: Study, trial: str, analysis: str) -> Cohort:
    return read_trial(study.config["source"], study.data_folder(), trial, analysis=analysis)


def _categories(responses: Responses, cohort: Cohort) -> np.ndarray:
    """Return the probability of every category under the treatment received, (patient, category, batch)."""
    levels = responses.outcome_schema.parts
    # One after another of the same patients, whose completed features are kept.
    one = respond(responses.fit, cohort, estimand="category", part=levels[0])
    return np.stack([_own(one.of(level), cohort) for level in levels], axis=1)


def _category_scores(
    study: Study, predicted: np.ndarray, poplar: Cohort, oak: Cohort, *, clusters: int
) -> None:
    """Record log score and ranked probability score of the categories in OAK, beside POPLAR's shares by arm.

    Both are means over patients, lower is better. The shares count one more patient in each category, so that one
    never seen has a probability.
    """
    value, learned = (cohort.outcome("best_response")["value"] for cohort in (oak, poplar))
    shares = np.empty((len(ARMS), predicted.shape[1]))
    for k in range(len(ARMS)):
        counts = np.bincount(learned[poplar.treatment_idx == k], minlength=predicted.shape[1]) + 1.0
        shares[k] = counts / counts.sum()
    for name, score in {"log_score": _log_score, "ranked_score": _ranked_score}.items():
        ours = batched(lambda p, s=score: s(p, value), predicted, clusters=clusters)  # type: ignore[misc]
        study.record(f"ordinal.{name}", ours)
        study.record(f"ordinal.shares_by_arm.{name}", score(shares[oak.treatment_idx], value))


def _log_score(probabilities: np.ndarray, value: np.ndarray) -> float:
    """Return the mean of -log p over patients; `probabilities` is (patient, category)."""
    return float(-np.log(probabilities[np.arange(len(value)), value]).mean())


def _ranked_score(probabilities: np.ndarray, value: np.ndarray) -> float:
    """Return the mean ranked probability score (Epstein 1969, J Appl Meteorol 8:985), not divided by the cut points."""
    happened = np.arange(probabilities.shape[1])[None, :] >= value[:, None]
    return float(((np.cumsum(probabilities, axis=1) - happened) ** 2).sum(axis=1).mean())


def _own(responses: Responses, cohort: Cohort) -> np.ndarray:
    """Return each patient's response under the treatment received, averaged in batches, (patient, batch)."""
    means = responses.reduce(lambda v: batch_means(v, batches=BATCHES))
    return np.asarray(means[np.arange(cohort.n), cohort.treatment_idx])


def _arms(study: Study, name: str, responses: Responses, oak: Cohort, observed: np.ndarray) -> None:
    """Record responders predicted and observed in each arm, and the difference if all had one or the other."""
    clusters = responses.fit.provenance.imputations
    expected, mean = np.zeros((2, len(ARMS), responses.fit.n_draws))
    for rows, values in responses.chunks():
        mean += 100 * values.sum(axis=0) / oak.n
        for k in range(len(ARMS)):
            expected[k] += values[oak.treatment_idx[rows] == k, k].sum(axis=0)
    for k, arm in enumerate(ARMS):
        interval_metrics(study, f"{name}.{arm}.responders", expected[k], clusters=clusters, unit="patients")
        study.record(
            f"{name}.{arm}.responders_observed", observed[oak.treatment_idx == k].sum(), unit="patients"
        )
        study.record(f"{name}.{arm}.patients", float((oak.treatment_idx == k).sum()), unit="patients")
    interval_metrics(study, f"{name}.difference", mean[1] - mean[0], clusters=clusters, unit="%")
    shares = [100 * observed[oak.treatment_idx == k].mean() for k in range(len(ARMS))]
    study.record(f"{name}.difference_observed", shares[1] - shares[0], unit="%")


def _superiority(study: Study, responses: Responses, oak: Cohort) -> None:
    """Record how a patient on atezolizumab compares with a like one on docetaxel, and with any in OAK.

    The first is the mean over patients of `superiority`, chain by chain for its Monte Carlo error; the second is counted
    over all pairs of OAK's arms.
    """
    fit = responses.fit
    batches = [[chain] for chain in range(fit.posterior.sizes["chain"])]
    parts = [superiority(replace(responses, fit=fit.kept(chain=chains))) for chains in batches]
    value = oak.outcome("best_response")["value"]
    gap = np.subtract.outer(value[oak.treatment_idx == 1], value[oak.treatment_idx == 0])
    for column, counted in {"p_better": gap > 0, "p_tied": gap == 0, "p_worse": gap < 0}.items():
        each = [float(part[column].to_numpy().mean()) for part in parts]
        error = batch_error(each, clusters=fit.provenance.imputations)
        study.record(f"ordinal.{column}", Estimate(float(np.mean(each)), error, "probability"))
        study.record(f"ordinal.{column}_observed", float(counted.mean()), unit="probability")


def _calibration(
    study: Study, name: str, responses: Responses, oak: Cohort, own: np.ndarray, observed: np.ndarray
) -> list[Evidence]:
    """Hold predicted (`own`, a column a batch) against observed response in fifths of prediction in each arm of OAK."""
    evidence = []
    for k, arm in enumerate(ARMS):
        members = oak.treatment_idx == k
        gap = batched(
            lambda p, m=members: calibration_gap(_fifths(p, observed[m])),  # type: ignore[misc]
            own[members],
            clusters=responses.fit.provenance.imputations,
            unit="probability",
        )
        study.record(f"{name}.{arm}.calibration_gap", gap)
        table = _fifths(own[members].mean(axis=1), observed[members])
        label = oak.schema.treatment.label(arm) if oak.schema.treatment else arm
        study.figure(
            f"{name}_calibration_{arm}", calibration_figure(table, label=f"response on {label.lower()}"),
            caption=f"{label} in OAK: response predicted from POPLAR and observed (95% interval), in fifths of prediction.",
            alt="Observed against predicted share of responders in five groups, with the line of equality.",
        )  # fmt: skip
        detail = f"fifths of prediction, {int(members.sum())} patients of OAK, which the model never saw"
        evidence.append(calibration_evidence(table, name=f"Response on {label.lower()}", detail=detail))
    return evidence


def _fifths(predicted: np.ndarray, observed: np.ndarray) -> pl.DataFrame:
    """Return ``n, events, predicted, observed, lower, upper`` in fifths of prediction, with Wilson's 95% intervals."""
    rows = []
    for group in np.array_split(np.argsort(predicted, kind="stable"), 5):
        events = int(observed[group].sum())
        interval = binomtest(events, len(group)).proportion_ci(method="wilson")
        rows.append(
            (len(group), events, predicted[group].mean(), events / len(group), interval.low, interval.high)
        )
    names = ["n", "events", "predicted", "observed", "lower", "upper"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _everybody(study: Study) -> None:
    """Do the same for response or not in all patients, no assessment counting as no response."""
    poplar, oak = (_read(study, trial, "responder") for trial in ("poplar", "oak"))
    fit = study.fit("responder", study.spec("responder"), poplar, outcome="responded")
    responses, observed = respond(fit, oak), oak.outcome("responded")["value"]
    _arms(study, "responder", responses, oak, observed)
    own = _own(responses, oak)
    _calibration(study, "responder", responses, oak, own, observed)
    value = observed.astype(int)
    ours = batched(
        lambda p: _log_score(np.column_stack([1 - p, p]), value), own,
        clusters=fit.provenance.imputations,
    )  # fmt: skip
    study.record("responder.log_score", ours)
    learned = poplar.outcome("responded")["value"]
    shares = np.array([learned[poplar.treatment_idx == k].mean() for k in range(len(ARMS))])[
        oak.treatment_idx
    ]
    study.record(
        "responder.shares_by_arm.log_score", _log_score(np.column_stack([1 - shares, shares]), value)
    )
    effect = fit.draws("coefficients")[:, fit.layout.slices["treatment"]][:, 0]
    odds = statistic(effect, lambda v: float(np.exp(np.median(v))), clusters=fit.provenance.imputations)
    study.record("responder.odds_ratio", odds)


def _figure(study: Study) -> None:
    rows = []
    for name, words in (("ordinal", "assessed patients"), ("responder", "all patients")):
        for arm in ARMS:
            value, low, high = (
                study.metrics[f"{name}.{arm}.responders{s}"].value for s in ("", "_lower", "_upper")
            )
            seen, n = (study.metrics[f"{name}.{arm}.{s}"].value for s in ("responders_observed", "patients"))
            text, _ = shown([int(seen), int(n - seen)])
            rows.append((f"{arm}, {words}: {text} of {n:.0f} seen", value, low, high))
    study.figure(
        "responders", bars(rows, xlabel="responders in OAK predicted from POPLAR"),
        caption="Responders in OAK: mean expected number and 95% interval of what is known of it (chance around it not "
        "included), and the number seen.",
        alt="Predicted numbers of responders by arm and analysis with intervals.",
    )  # fmt: skip
