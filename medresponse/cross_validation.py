"""`validate`: the record that a clinician report needs, from refits that leave patients out."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from medresponse.cohort import Cohort
from medresponse.cohort.splits import grouped_folds, random_folds
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError, FitError
from medresponse.inference import Engine, Fit, fit_many
from medresponse.response import respond
from medresponse.validation import GateLimits, ValidationRecord, held_out, make_record

log = logging.getLogger("medresponse.validation")


def validate(
    fit: Fit,
    cohort: Cohort,
    *,
    horizon: float | None = None,
    unit: str | None = None,
    estimand: str | None = None,
    part: str | None = None,
    worthwhile: float | None = None,
    folds: int = 5,
    groups: str | None = None,
    new_patients: bool = False,
    limits: GateLimits | None = None,
    engine: Engine | None = None,
    seed: int | None = None,
    days: int = 365,
    checkpoint: str | Path | None = None,
) -> ValidationRecord:
    """Validate a fit for one question on patients that it, or a refit of it, has not seen.

    Parameters
    ----------
    fit : Fit
    cohort : Cohort
        The training cohort, which is predicted fold by fold; or, with `new_patients`, others.
    horizon, unit, estimand, part
        The question, as for `respond`.
    worthwhile : float, optional
        Smallest worthwhile benefit in the responses' unit, the one that reports will be made with.
    folds : int
        Random folds; a fifth of the patients left out each time by default.
    groups : str, optional
        Column whose groups (sites, studies) are left out one at a time, in place of random folds.
    new_patients : bool
        The patients are others than those that the model learned from (another trial, later patients): they are predicted
        by the fit itself. Whether that is so cannot be checked here, and the record says that it was claimed.
    limits : GateLimits, optional
        Fixed before anything is measured; they are part of the record.
    engine : Engine, optional
        Of the refits; the fit's own by default.
    seed : int, optional
        Of folds and refits; the fit's own by default.
    days : int
        How long the record holds.
    checkpoint : path, optional
        Folder for finished chains of the refits.

    Returns
    -------
    ValidationRecord
        Passed or not; `failures` says why not. `save` writes it and enters it in the audit log.

    Raises
    ------
    DataError
        If the cohort is not the one that the fit learned from (or is, with `new_patients`).
    SpecError
        If the question is not the family's, or a worthwhile benefit is needed and missing.
    FitError
        If the refits were interrupted.
    """
    _check_cohort(fit, cohort, new_patients)
    responses = respond(fit, cohort, horizon=horizon, unit=unit, estimand=estimand, part=part)
    own_seed = fit.provenance.seed if seed is None else seed
    if new_patients:
        held = held_out(
            responses, [fit], cohort, [np.ones(cohort.n, dtype=bool)], seed=own_seed,
            method="patients that the model is said not to have learned from",
        )  # fmt: skip
        return make_record(held, worthwhile=worthwhile, limits=limits, days=days)
    masks, method = _masks(cohort, folds, groups, own_seed)
    log.info("validating by %s", method)
    used = engine or from_plain(Engine, fit.provenance.engine, path="engine")  # type: ignore[type-abstract]
    fits = fit_many(
        fit.spec, [cohort.where(~mask) for mask in masks], outcome=fit.outcome, engine=used,
        limits=fit.diagnostics.limits, seed=own_seed, checkpoint=checkpoint,
    )  # fmt: skip
    if len(fits) < len(masks) or any(f.diagnostics.chains < f.diagnostics.chains_asked for f in fits):
        raise FitError(
            "the refits of the validation were interrupted: nothing was recorded", code="interrupted"
        )
    held = held_out(responses, fits, cohort, masks, method=method, seed=own_seed)
    return make_record(held, worthwhile=worthwhile, limits=limits, days=days)


def _check_cohort(fit: Fit, cohort: Cohort, new_patients: bool) -> None:
    own = cohort.fingerprint == fit.provenance.cohort_fingerprint
    if own and new_patients:
        raise DataError(
            "the model learned from these very patients; leave new_patients out", code="cohort_mismatch"
        )
    if not own and not new_patients:
        raise DataError(
            "this is not the cohort that the model learned from (fingerprints differ): give that one, or say "
            "new_patients if none of these patients was in it",
            code="cohort_mismatch",
        )


def _masks(cohort: Cohort, folds: int, groups: str | None, seed: int) -> tuple[list[np.ndarray], str]:
    if groups is not None:
        found = grouped_folds(cohort, by=groups)
        return [mask for _, mask in found], f"leaving out one {groups} at a time, {len(found)} in all"
    fold = random_folds(cohort, folds=folds, seed=seed)
    return [fold == k for k in range(folds)], f"{folds}-fold cross-validation"
