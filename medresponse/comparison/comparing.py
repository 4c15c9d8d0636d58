"""Choosing a spec: expected predictive accuracy of several specs on one cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from medresponse.cohort import Cohort
from medresponse.cohort.splits import grouped_folds, random_folds
from medresponse.comparison.result import Comparison, compared
from medresponse.core.errors import FitError, SpecError
from medresponse.inference import Engine, Fit, Limits, engine_for, fit, fit_many
from medresponse.inference.diagnostics import psis_loo
from medresponse.inference.fitting import only_outcome, pointwise_log_likelihood
from medresponse.model import ModelSpec
from medresponse.response import log_predictive_density

_DRAWS_LOO = 4000


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
        For the specs that it suits; the others (trees and hinges under `Nuts`, all else under `Gibbs`) get their own default.
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
    FitError
        If a fit fails or is interrupted.
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
                spec, training, outcome=name, engine=engine_for(spec, engine), limits=limits, seed=seed
            )
            _require_whole(fits, len(training))
            density = np.empty(cohort.n)
            for mask, fitted in zip(masks, fits, strict=True):
                density[mask] = log_predictive_density(fitted, cohort.where(mask))
            pointwise[label], bad_k[label] = density, None
            passed[label] = all(fitted.diagnostics.passed for fitted in fits)
        else:
            fitted = fit(
                spec, cohort, outcome=name, engine=engine_for(spec, engine), limits=limits, seed=seed
            )
            _require_whole([fitted], 1)
            pointwise[label], bad_k[label] = _leave_one_out(fitted, cohort)
            passed[label] = fitted.diagnostics.passed
    return compared("kfold" if held_out else "loo", specs, pointwise, bad_k, passed)


def _require_whole(fits: Sequence[Fit], asked: int) -> None:
    if len(fits) < asked or any(f.diagnostics.chains < f.diagnostics.chains_asked for f in fits):
        raise FitError(
            "the fits of the comparison were interrupted: nothing was compared", code="interrupted"
        )


def compare_fits(
    fits: Mapping[str, Fit], cohort: Cohort, *, method: Literal["loo", "new_patients"] = "loo"
) -> Comparison:
    """Compare fits that are there already by how well they predict patients they have not seen.

    Parameters
    ----------
    fits : mapping
        Name -> fit, all of the same outcome.
    cohort : Cohort
        For ``loo`` the one they were all made from, for ``new_patients`` one of other patients (another trial, a hold-out).
    method : str
        ``loo``: as in `compare_specs`, without a refit; needs fits made in this process, since a saved one holds no
        patient's row. ``new_patients``: the log predictive density of the patients of `cohort`.

    Raises
    ------
    SpecError
        If fewer than two fits are given, they are of several outcomes, their log densities are of different scales of
        the outcome, or `cohort` is not what `method` asks for.
    """
    specs = {label: fitted.spec for label, fitted in fits.items()}
    _check(specs)
    _check_fits(fits, cohort, method)
    bad_k: dict[str, int | None] = dict.fromkeys(fits)
    pointwise = {}
    for label, fitted in fits.items():
        if method == "loo":
            pointwise[label], bad_k[label] = _leave_one_out(fitted, cohort)
        else:
            pointwise[label] = log_predictive_density(fitted, cohort)
    passed = {label: fitted.diagnostics.passed for label, fitted in fits.items()}
    return compared(method, specs, pointwise, bad_k, passed)


def training_log_likelihood(fitted: Fit, cohort: Cohort) -> np.ndarray:
    """Return what ``loo`` starts from: pointwise log-likelihoods of the training patients, shape (patient, draw).

    Of at most 4,000 draws, imputation by imputation, each on its own completed features.

    Parameters
    ----------
    fitted : Fit
        Made in this process: a saved fit holds no patient's row.
    cohort : Cohort
        The one it was made from.
    """
    thin = fitted.thinned(_DRAWS_LOO)
    imputation = thin.posterior["imputation"].values
    parts = [
        pointwise_log_likelihood(thin.kept(chain=imputation == m), cohort, imputation=int(m))
        for m in np.unique(imputation)
    ]
    return np.concatenate(parts, axis=1)


def _leave_one_out(fitted: Fit, cohort: Cohort) -> tuple[np.ndarray, int]:
    """Return log predictive densities of the training patients and how many have a Pareto k above 0.7."""
    pointwise, shapes = psis_loo(training_log_likelihood(fitted, cohort))
    return pointwise, int((~(shapes <= 0.7)).sum())


def _masks(cohort: Cohort, folds: int, groups: str | None, seed: int) -> list[np.ndarray]:
    if groups is not None:
        return [mask for _, mask in grouped_folds(cohort, by=groups)]
    fold = random_folds(cohort, folds=folds, seed=seed)
    return [fold == k for k in range(folds)]


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


def _check_fits(fits: Mapping[str, Fit], cohort: Cohort, method: str) -> None:
    if method not in ("loo", "new_patients"):
        raise SpecError(f"method: {method!r} is not allowed; valid are 'loo' and 'new_patients'")
    outcomes = {label: fitted.outcome for label, fitted in fits.items()}
    if len(set(outcomes.values())) > 1:
        named = ", ".join(f"{label}: {outcome}" for label, outcome in outcomes.items())
        raise SpecError(f"the fits are of several outcomes ({named}); compare fits of one")
    for label, fitted in fits.items():
        own = fitted.provenance.cohort_fingerprint == cohort.fingerprint
        if method == "loo" and not own:
            raise SpecError(
                f"{label} was not fitted to this cohort; give the one it was fitted to, or say method='new_patients'"
            )
        if method == "loo" and fitted.codes is None:
            raise SpecError(
                f"{label} was read from disk, where no patient's row is kept: leaving one out needs the fit itself; fit "
                "it again (compare_specs), or compare on other patients with method='new_patients'"
            )
        if method == "new_patients" and own:
            raise SpecError(f"{label} was fitted to this very cohort; say method='loo'")
