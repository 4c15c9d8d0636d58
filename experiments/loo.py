"""Specs compared by leave-one-out, with the Monte Carlo error of every figure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy.special import logsumexp

from experiments.study import BATCHES, Study
from medresponse.cohort import Cohort
from medresponse.comparison import Comparison, compare_fits, stacking_weights, training_log_likelihood
from medresponse.inference import Fit
from medresponse.validation import Estimate

WEIGHT_ERROR = 1e-3  # where the optimum is flat, the iterations for the weights stop this far from it


def compare_by_loo(
    study: Study, prefix: str, fits: Mapping[str, Fit], cohort: Cohort, *, caption: str
) -> Comparison:
    """Compare fits to one cohort by `compare_fits`; record and tabulate.

    Parameters
    ----------
    study : Study
    prefix : str
        Of what is recorded, as `record_loo` says.
    fits : mapping
        Spec -> its fit to `cohort`.
    cohort : Cohort
    caption : str
        Of the table; what the comparison flags is added to it.
    """
    comparison = record_loo(study, prefix, fits, cohort)
    flags = "".join(f" {flag[0].upper()}{flag[1:]}." for flag in comparison.flags)
    shown = comparison.table.with_columns(pl.selectors.float().round(2))
    study.table(shown, caption=f"{caption}: expected log predictive density by leave-one-out.{flags}")
    return comparison


def record_loo(study: Study, prefix: str, fits: Mapping[str, Fit], cohort: Cohort) -> Comparison:
    """Compare fits by `compare_fits` and record the figures with their Monte Carlo errors.

    Of the first spec ``<prefix>.<spec>.elpd`` is recorded, of the others ``.elpd_difference`` to it with its standard
    error over patients, ``.elpd_difference_se``, and of all the stacking ``.weight``.
    """
    comparison, names = compare_fits(fits, cohort), tuple(fits)
    values = _figures(np.column_stack([comparison.pointwise[name] for name in names]), names)
    likelihoods = [training_log_likelihood(fit, cohort) for fit in fits.values()]
    errors = _errors(likelihoods, names, max(fit.provenance.imputations for fit in fits.values()))
    for name, value in values.items():
        error = max(errors[name], WEIGHT_ERROR) if name.endswith(".weight") else errors[name]
        study.record(f"{prefix}.{name}", Estimate(value, error, "1"))
    return comparison


def _figures(pointwise: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Return what is recorded, from log predictive densities of shape (patient, spec)."""
    result = {f"{names[0]}.elpd": float(pointwise[:, 0].sum())}
    for i, name in enumerate(names[1:], start=1):
        gap = pointwise[:, i] - pointwise[:, 0]
        result[f"{name}.elpd_difference"] = float(gap.sum())
        result[f"{name}.elpd_difference_se"] = float(np.sqrt(len(gap)) * gap.std(ddof=1))
    weights = stacking_weights(pointwise).round(4).tolist()
    return result | {f"{name}.weight": weight for name, weight in zip(names, weights, strict=True)}


def _errors(log_likelihoods: list[np.ndarray], names: tuple[str, ...], clusters: int) -> dict[str, float]:
    """Return the Monte Carlo standard error of each figure: the jackknife over batches of draws.

    With several imputations, over these if that is the larger: batches of one imputation share its error.
    """
    errors = _jackknife(log_likelihoods, names, BATCHES)
    if clusters > 1:
        others = _jackknife(log_likelihoods, names, clusters)
        errors = {name: max(error, others[name]) for name, error in errors.items()}
    return errors


def _jackknife(log_likelihoods: list[np.ndarray], names: tuple[str, ...], parts: int) -> dict[str, float]:
    """Return the delete-one-part jackknife error of each figure.

    By plain importance sampling, whose weights 1 / likelihood vary no less than the smoothed ones: part sums serve all
    leave-outs, where smoothing anew would take minutes.
    """
    sums = [_sums(values, parts) for values in log_likelihoods]
    each = []
    for b in range(parts):
        without = [-logsumexp(np.delete(own, b, axis=1), axis=1) for own in sums]
        each.append(_figures(np.column_stack(without), names))
    return {name: float(np.sqrt(parts - 1) * np.std([one[name] for one in each])) for name in each[0]}


def _sums(log_likelihood: np.ndarray, parts: int) -> np.ndarray:
    """Return the log of each part's mean of 1 / likelihood, shape (patient, part); a constant factor is left out."""
    split = np.array_split(log_likelihood, parts, axis=1)
    return np.stack([logsumexp(-part, axis=1) - np.log(part.shape[1]) for part in split], axis=1)
