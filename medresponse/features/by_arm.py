"""Imputation arm by arm: the joint latent-normal model of each treatment's patients by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medresponse.features.encoding import Encoding
from medresponse.features.latent_normal import DENSE_LATENTS, LatentNormal, fit_latent_normal
from medresponse.features.latent_redraw import Given

PATIENTS_PER_LATENT = 5


def arms_suffice(encoding: Encoding, codes: np.ndarray, treatment_idx: np.ndarray) -> bool:
    """Say whether every arm has five patients or more a latent variable, so that its own model can be learned.

    Each feature must be known of five patients or more for each of its own latents, too: without any, its mean in that arm has a
    flat prior and nothing else, and the chain would wander for ever.

    Parameters
    ----------
    encoding : Encoding
    codes : numpy.ndarray
        Shape (patient, feature), NaN where missing.
    treatment_idx : numpy.ndarray
        Shape (patient,).
    """
    arms, sizes = np.unique(treatment_idx, return_counts=True)
    latents = max(len(encoding.main_labels), 1)
    if len(arms) < 2 or latents > DENSE_LATENTS or sizes.min() < PATIENTS_PER_LATENT * latents:
        return False
    known, own = ~np.isnan(codes), np.array([len(f.column_labels) for f in encoding.features], dtype=int)
    return all((known[treatment_idx == arm].sum(axis=0) >= PATIENTS_PER_LATENT * own).all() for arm in arms)


def fit_by_arm(
    encoding: Encoding,
    codes: np.ndarray,
    companions: np.ndarray,
    treatment_idx: np.ndarray,
    *,
    imputations: int,
    rng: np.random.Generator,
    errors: np.ndarray | None = None,
    shifts: Mapping[int, float] | None = None,
    given: Given | None = None,
) -> tuple[tuple[LatentNormal, ...], np.ndarray]:
    """Fit the joint model to each arm and draw completed codes; see `fit_latent_normal`.

    Where features modify effects, both the slope and the variance of a feature given the outcome differ between
    arms: one model for all arms, even with products of outcome and treatment, holds the variance equal and draws the
    modification towards zero.

    Parameters
    ----------
    companions : numpy.ndarray
        Outcomes, without treatments.
    treatment_idx : numpy.ndarray
        Shape (patient,).

    Returns
    -------
    models : tuple of LatentNormal
        One an arm, in the order of their numbers; see `over_arms`.
    completed : numpy.ndarray
        Shape (imputation, patient, feature).
    """
    completed = np.empty((imputations, *codes.shape))
    models = []
    for place, arm in enumerate(np.unique(treatment_idx)):
        own = treatment_idx == arm
        model, completed[:, own] = fit_latent_normal(
            encoding,
            codes[own],
            companions[own],
            imputations=imputations,
            rng=rng,
            errors=None if errors is None else errors[own],
            shifts=shifts,
            given=None if given is None else given.of(own, place),
        )
        models.append(model)
    return tuple(models), completed


def over_arms(models: Sequence[LatentNormal], treatment_idx: np.ndarray) -> LatentNormal:
    """Return a model for new patients, whose arm is not theirs yet: mean and covariance of the features over all arms."""
    shares = np.unique(treatment_idx, return_counts=True)[1] / len(treatment_idx)
    mean = sum(share * model.mean for share, model in zip(shares, models, strict=True))
    covariance = np.zeros_like(models[0].covariance)
    for share, model in zip(shares, models, strict=True):
        apart = model.mean - mean
        assert model.covariance is not None
        covariance += share * (model.covariance + apart[:, :, None] * apart[:, None, :])
    return LatentNormal(np.asarray(mean), covariance)
