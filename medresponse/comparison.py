"""Choosing a spec: expected predictive accuracy of several specs on one cohort, and stacking weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
import polars as pl
from scipy.special import logsumexp

from medresponse.cohort import Cohort
from medresponse.cohort.splits import grouped_folds, random_folds
from medresponse.core.errors import SpecError
from medresponse.inference import Engine, Fit, Gibbs, Limits, fit, fit_many
from medresponse.inference.diagnostics import psis_loo
from medresponse.inference.fitting import only_outcome, pointwise_log_likelihood
from medresponse.model import ModelSpec
from medresponse.response.predict import encode_patients, linear_predictors

_CLEAR = 4.0  # a difference in elpd below this is small whatever its standard error (Sivula et al. 2020)
_DRAWS_LOO = 4000


@dataclass(frozen=True)
class Comparison:
    """How well each spec predicts patients it has not seen.

    Parameters
    ----------
    method : str
        ``loo`` or ``kfold``.
    table : polars.DataFrame
        Best first: ``spec, elpd, se, difference, se_difference, weight, bad_k, diagnostics``. `elpd` is the expected
        log predictive density summed over patients, `difference` that to the best spec with its standard error,
        `weight` the stacking weight, `bad_k` the number of patients whose Pareto k exceeds 0.7 (None for K-fold),
        `diagnostics` whether every fit behind the row passed.
    pointwise : mapping
        Spec -> log predictive density of each patient, shape (patient,).
    flags : tuple of str
        What a reader must know before choosing.
    """

    method: str
    table: pl.DataFrame
    pointwise: Mapping[str, np.ndarray]
    flags: tuple[str, ...]

    @property
    def best(self) -> str:
        """The spec with the highest elpd."""
        return str(self.table["spec"][0])

    def _repr_html_(self) -> str:
        body = self.table.with_columns(pl.selectors.float().round(2))._repr_html_()
        flags = "".join(f"<li>{escape(flag)}</li>" for flag in self.flags)
        return f"<p><b>Comparison by {self.method}</b></p>{body}<ul>{flags}</ul>"


def compare_specs(
    specs: Mapping[str, ModelSpec],
    cohort: Cohort,
    *,
    outcome: str | None = None,
    method: Literal["loo", "kfold"] = "loo",
    folds: int = 10,
    groups: str | None = None,
    engine: Engine | None = None,
    limits: Limits | None = None,
    seed: int,
) -> Comparison:
    """Fit several specs to one cohort and compare how well they predict patients they have not seen.

    Parameters
    ----------
    specs : mapping
        Name -> spec, all of the same outcome.
    cohort : Cohort
    outcome : str, optional
        May be left out if the cohort has one.
    method : str
        ``loo``: Pareto-smoothed importance sampling from one fit each (Vehtari, Gelman & Gabry 2017, Stat Comput
        27:1413). ``kfold``: a refit without each fold; a held-out patient's missing features are drawn without that
        patient's outcome, which the training fit behind ``loo`` has seen.
    folds : int
        Random folds for ``kfold``.
    groups : str, optional
        Column whose groups (sites, studies) are left out one at a time; implies ``kfold``.
    engine : Engine, optional
        For the specs that it suits; the others (trees under `Nuts`, all else under `Gibbs`) get their own default.
    limits, seed
        As for `fit`.

    Returns
    -------
    Comparison
        Weights by stacking of predictive distributions (Yao, Vehtari, Simpson & Gelman 2018, Bayesian Anal 13:917).

    Raises
    ------
    SpecError
        If fewer than two specs are given, or their log densities are of different scales of the outcome.
    """
    _check(specs)
    name = outcome or only_outcome(cohort)
    held_out = method == "kfold" or groups is not None
    pointwise: dict[str, np.ndarray] = {}
    bad_k: dict[str, int | None] = {}
    passed: dict[str, bool] = {}
    for label, spec in specs.items():
        if held_out:
            masks = _masks(cohort, folds, groups, seed)
            training = [cohort.where(~mask) for mask in masks]
            fits = fit_many(
                spec, training, outcome=name, engine=_suited(engine, spec), limits=limits, seed=seed
            )
            density = np.empty(cohort.n)
            for mask, fitted in zip(masks, fits, strict=True):
                density[mask] = log_predictive_density(fitted, cohort.where(mask))
            pointwise[label], bad_k[label] = density, None
            passed[label] = all(fitted.diagnostics.passed for fitted in fits)
        else:
            fitted = fit(spec, cohort, outcome=name, engine=_suited(engine, spec), limits=limits, seed=seed)
            pointwise[label], shapes = psis_loo(_training_log_likelihood(fitted, cohort))
            bad_k[label], passed[label] = int((~(shapes <= 0.7)).sum()), fitted.diagnostics.passed
    table = _table(pointwise, bad_k, passed)
    return Comparison("kfold" if held_out else "loo", table, pointwise, _flags(specs, table, pointwise))


def log_predictive_density(fitted: Fit, cohort: Cohort) -> np.ndarray:
    """Return the log predictive density of patients that `fitted` has not seen, shape (patient,).

    Under the treatment each received; averaged over posterior draws, and over what is not known of missing features
    and new groups.
    """
    family, parameters = fitted.spec.family, fitted.family_draws()
    outcome, treatment_idx = cohort.outcome(fitted.outcome), cohort.treatment_idx
    patients = encode_patients(fitted, cohort)
    parts = []
    for rows, eta in linear_predictors(fitted, patients, seed=fitted.provenance.seed):
        own = treatment_idx[rows]
        received = eta[..., np.arange(len(own)), own, :]
        some = {key: value[rows] if np.ndim(value) else value for key, value in outcome.items()}
        values = family.log_likelihood(received, some, own, parameters, fitted.constants)
        parts.append(logsumexp(values, axis=-1) - np.log(values.shape[-1]))
    return np.concatenate(parts)


def stacking_weights(pointwise: np.ndarray) -> np.ndarray:
    """Return the weights on the simplex that maximise the summed log of the mixture's predictive density.

    Parameters
    ----------
    pointwise : numpy.ndarray
        Log predictive densities, shape (patient, spec).

    Notes
    -----
    The objective is concave; expectation-maximisation of mixture weights climbs it without a step size.
    """
    density = np.exp(pointwise - pointwise.max(axis=1, keepdims=True))
    weights = np.full(pointwise.shape[1], 1 / pointwise.shape[1])
    for _ in range(20_000):
        share = density * weights
        updated = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(updated - weights).max() < 1e-9:
            break
        weights = updated
    return weights


def _training_log_likelihood(fitted: Fit, cohort: Cohort) -> np.ndarray:
    """Return pointwise log-likelihoods over the draws of all imputations, each on its own features."""
    thin = fitted.thinned(_DRAWS_LOO)
    imputation = thin.posterior["imputation"].values
    parts = [
        pointwise_log_likelihood(thin.kept(chain=imputation == m), cohort, imputation=int(m))
        for m in np.unique(imputation)
    ]
    return np.concatenate(parts, axis=1)


def _masks(cohort: Cohort, folds: int, groups: str | None, seed: int) -> list[np.ndarray]:
    if groups is not None:
        return [mask for _, mask in grouped_folds(cohort, by=groups)]
    fold = random_folds(cohort, folds=folds, seed=seed)
    return [fold == k for k in range(folds)]


def _table(
    pointwise: Mapping[str, np.ndarray], bad_k: Mapping[str, int | None], passed: Mapping[str, bool]
) -> pl.DataFrame:
    labels = sorted(pointwise, key=lambda label: -float(pointwise[label].sum()))
    best = pointwise[labels[0]]
    weights = stacking_weights(np.column_stack([pointwise[label] for label in labels]))
    rows = []
    for label, weight in zip(labels, weights.tolist(), strict=True):
        own, n = pointwise[label], len(best)
        gap = own - best
        rows.append(
            {
                "spec": label, "elpd": float(own.sum()), "se": float(np.sqrt(n) * own.std(ddof=1)),
                "difference": float(gap.sum()), "se_difference": float(np.sqrt(n) * gap.std(ddof=1)),
                "weight": weight, "bad_k": bad_k[label], "diagnostics": "passed" if passed[label] else "FAILED",
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"bad_k": pl.Int64})


def _flags(
    specs: Mapping[str, ModelSpec], table: pl.DataFrame, pointwise: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    flags, rows = [], table.to_dicts()
    curved = [row for row in rows if _is_curved(specs[row["spec"]])]
    for row in rows:
        if row["diagnostics"] != "passed":
            flags.append(
                f"{row['spec']}: a fit behind it failed its diagnostics; its figures cannot be relied on"
            )
        if row["bad_k"]:
            flags.append(
                f"{row['spec']}: {row['bad_k']} patient(s) with Pareto k above 0.7; compare by kfold"
            )
        if curved and not _is_curved(specs[row["spec"]]):
            gaps = pointwise[curved[0]["spec"]] - pointwise[row["spec"]]
            gap, se = float(gaps.sum()), float(np.sqrt(len(gaps)) * gaps.std(ddof=1))
            if gap > max(_CLEAR, 2 * se):
                flags.append(
                    f"{row['spec']} is linear in its features and predicts worse than {curved[0]['spec']} by "
                    f"{gap:.1f} (standard error {se:.1f}) in log density: the surface is not linear"
                )
    if len(rows) > 1 and -rows[1]["difference"] < max(_CLEAR, 2 * rows[1]["se_difference"]):
        flags.append(
            f"{rows[0]['spec']} and {rows[1]['spec']} cannot be told apart on these patients; prefer the simpler one"
        )
    return tuple(flags)


def _suited(engine: Engine | None, spec: ModelSpec) -> Engine | None:
    return engine if isinstance(engine, Gibbs) == (spec.trees is not None) else None


def _is_curved(spec: ModelSpec) -> bool:
    return bool(spec.terms or spec.interactions or spec.trees is not None)


def _check(specs: Mapping[str, ModelSpec]) -> None:
    if len(specs) < 2:
        raise SpecError("a comparison needs at least two specs")
    scales = {label: getattr(spec.family, "scale", None) for label, spec in specs.items()}
    if len(set(scales.values())) > 1:
        named = ", ".join(f"{label}: {scale}" for label, scale in scales.items())
        raise SpecError(
            f"the specs' families work on different scales of the outcome ({named}), so that their log densities "
            "cannot be compared; compare specs of one scale"
        )
