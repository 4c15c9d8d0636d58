"""True values behind noisy readings, given the features alone: see `inference.collapsing`.

In the joint model without the outcome (`latent_normal`), the true values of a patient's noisily read features are normal given
the latents of all other features and the readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.features.encoding import Encoding
from medresponse.features.latent_dense import draw_parameters
from medresponse.features.latent_redraw import latents_of
from medresponse.features.readings import Readings, checked_shifts

_EXACT = 1e12  # information of a value that is known: its variance is nothing beside any other


@dataclass(frozen=True)
class TrueValues:
    """Normal laws of one imputation's true values.

    Parameters
    ----------
    features : tuple of int
        Which features are read with error.
    mean : numpy.ndarray
        Codes, shape (patient, noisy feature).
    root : numpy.ndarray
        Lower triangles whose product with their own transpose is the covariance, shape (patient, noisy feature, noisy feature);
        0 where a value is known.
    models : tuple of (numpy.ndarray, numpy.ndarray)
        Mean and covariance of the latents under which that is their law, one pair a model.
    """

    features: tuple[int, ...]
    mean: np.ndarray
    root: np.ndarray
    models: tuple[tuple[np.ndarray, np.ndarray], ...]


def noisy_features(errors: np.ndarray | None) -> tuple[int, ...]:
    """Return the positions of features some of whose readings have an error; `errors` are those of `fit_latent_normal`."""
    if errors is None:
        return ()
    return tuple(np.flatnonzero((np.nan_to_num(errors) > 0).any(axis=0)).tolist())


def true_values(
    encoding: Encoding,
    codes: np.ndarray,
    companions: np.ndarray,
    completed: np.ndarray,
    models: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    errors: np.ndarray,
    arms: np.ndarray,
    shifts: Mapping[int, float],
    rng: np.random.Generator,
) -> TrueValues:
    """Return the law of true values under a draw of the features' model, given one imputation.

    Parameters
    ----------
    encoding, codes, errors, shifts
        As for `fit_latent_normal`.
    companions : numpy.ndarray
        Treatments, where arms have no models of their own.
    completed : numpy.ndarray
        The imputation, shape (patient, feature).
    models : sequence of (numpy.ndarray, numpy.ndarray)
        Mean and covariance of the latents that the imputation was drawn given, from which follow those behind discrete features:
        one pair for each of `arms`.
    arms : numpy.ndarray
        Which model is whose, shape (patient,).
    rng : numpy.random.Generator
    """
    noisy = noisy_features(errors)
    mean = np.empty((len(codes), len(noisy)))
    root = np.empty((len(codes), len(noisy), len(noisy)))
    shifts = checked_shifts(encoding, shifts)
    drawn = []
    for arm, model in zip(np.unique(arms), models, strict=True):
        own = arms == arm
        readings = Readings(encoding, codes[own], errors[own])
        latents = latents_of(readings, completed[own], *model, shifts, rng)
        z = np.column_stack([latents, companions[own]])
        center, covariance = draw_parameters(z, rng)
        mean[own], root[own] = _given_others(readings, z, noisy, shifts, center, covariance)
        keep = readings.n_latents
        drawn.append((center[:keep], covariance[:keep, :keep]))
    return TrueValues(noisy, mean, root, tuple(drawn))


def _given_others(
    readings: Readings, z: np.ndarray, noisy: tuple[int, ...], shifts: Mapping[int, float], mean: np.ndarray,
    covariance: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return `TrueValues.mean` and `TrueValues.root` given the other latents among `z`, under their mean and covariance."""
    precision, at, which = np.linalg.inv(covariance), readings.first[list(noisy)], list(noisy)
    apart = z - mean
    apart[:, at] = 0.0
    known = ~readings.drawn[:, which]
    information = np.where(known, _EXACT, readings.information[:, which])
    reading = np.where(information > 0, readings.codes[:, which], 0.0)
    own = precision[np.ix_(at, at)]
    found = np.linalg.inv(own + information[:, :, None] * np.eye(len(at)))
    weighed = own @ mean[at] - apart @ precision[:, at] + information * reading
    location = np.einsum("ijk,ik->ij", found, weighed)
    delta = np.array([shifts.get(i, 0.0) for i in noisy])
    location = np.where(
        known, readings.codes[:, which], location + np.where(readings.missing[:, which], delta, 0.0)
    )
    root = np.linalg.cholesky(found)
    root[known] = 0.0
    return location, root
