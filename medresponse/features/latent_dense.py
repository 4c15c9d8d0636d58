"""The joint latent-normal model with a covariance in full, by Gibbs sampling: see `latent_normal`.

A sweep draws each latent in turn given all the others, so its cost grows with the square of their number, and
that of the parameters with the cube.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medresponse.features.readings import Readings, truncated

BURN_IN = 100
THINNING = 25
SWEEPS_NEW = 20


def fit_dense(
    readings: Readings,
    companions: np.ndarray,
    *,
    imputations: int,
    rng: np.random.Generator,
    shifts: Mapping[int, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the model to training rows and draw completed codes; see `fit_latent_normal`.

    Returns
    -------
    mean : numpy.ndarray
        Shape (imputation, latent).
    covariance : numpy.ndarray
        Shape (imputation, latent, latent).
    completed : numpy.ndarray
        Shape (imputation, patient, feature), `THINNING` sweeps apart after `BURN_IN`.
    """
    sampler = _Dense(readings, companions)
    size = (len(sampler.z), sampler.z.shape[1])
    sampler.start(rng.random(size))
    keep = readings.n_latents
    means, covariances, draws = [], [], []
    for step in range(BURN_IN + THINNING * imputations):
        mean, covariance = _draw_parameters(sampler.z, rng)
        sampler.sweep(mean, np.linalg.inv(covariance), rng.random(size))
        if step >= BURN_IN and (step - BURN_IN) % THINNING == THINNING - 1:
            means.append(mean[:keep])
            covariances.append(covariance[:keep, :keep])
            spread = np.sqrt(np.diagonal(covariances[-1]))
            draws.append(readings.completed(sampler.z, spread=spread, shifts=shifts))
    return np.array(means), np.array(covariances), np.array(draws)


def complete_dense(
    mean: np.ndarray,
    covariance: np.ndarray,
    readings: Readings,
    *,
    each: int,
    generators: list[np.random.Generator],
    shifts: Mapping[int, float],
) -> np.ndarray:
    """Return completions (patient, imputation, each, feature) of readings that repeat each patient's row."""
    n, (imputations, q) = len(generators), mean.shape
    results = np.empty((n, imputations, each, len(readings.slices)))
    uniforms = np.stack([g.random((imputations, SWEEPS_NEW + 1, each, q)) for g in generators])
    for m in range(imputations):
        sampler = _Dense(readings, np.empty((n * each, 0)))
        noise = iter(uniforms[:, m].transpose(1, 0, 2, 3).reshape(SWEEPS_NEW + 1, n * each, q))
        sampler.start(next(noise))
        precision = np.linalg.inv(covariance[m])
        for uniform in noise:
            sampler.sweep(mean[m], precision, uniform)
        spread = np.sqrt(np.diagonal(covariance[m]))
        results[:, m] = readings.completed(sampler.z, spread=spread, shifts=shifts).reshape(n, each, -1)
    return results


def _draw_parameters(z: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw (mean, covariance) given latents: flat prior on the mean, IW(q + 2, I) on the covariance."""
    n, q = z.shape
    average = z.mean(axis=0)
    scatter = np.eye(q) + (z - average).T @ (z - average)
    # Bartlett's decomposition of a Wishart draw of the precision, df = n - 1 + q + 2.
    lower = np.linalg.cholesky(np.linalg.inv(scatter))
    bartlett = np.tril(rng.standard_normal((q, q)), k=-1)
    bartlett[np.diag_indices(q)] = np.sqrt(rng.chisquare(n + q + 1 - np.arange(q)))
    factor = lower @ bartlett
    covariance = np.linalg.inv(factor @ factor.T)
    covariance = (covariance + covariance.T) / 2
    mean = average + np.linalg.cholesky(covariance / n) @ rng.standard_normal(q)
    return mean, covariance


class _Dense:
    """Gibbs state: latents `z` of shape (row, latent), features first, companions last."""

    def __init__(self, readings: Readings, companions: np.ndarray) -> None:
        self.readings = readings
        self.z = np.zeros((len(readings.codes), readings.n_latents + companions.shape[1]))
        self.z[:, readings.n_latents :] = companions

    def start(self, uniform: np.ndarray) -> None:
        """Start from independent draws within the bounds that the known values set."""
        known, (_, q) = self.readings, self.z.shape
        for i in known.continuous:
            self.z[:, known.first[i]] = np.where(known.missing[:, i], 0.0, known.codes[:, i])
        self.sweep(np.zeros(q), np.eye(q), uniform)

    def sweep(self, mean: np.ndarray, precision: np.ndarray, uniform: np.ndarray) -> None:
        """Draw each feature's latents given all the others and their readings, in turn."""
        for i, feature in enumerate(self.readings.encoding.features):
            if feature.type == "continuous":
                self._draw_continuous(i, mean, precision, uniform)
                continue
            for j in range(self.readings.slices[i].start, self.readings.slices[i].stop):
                location = self._location(slice(None), j, mean, precision)
                bounds = self.readings.bounds(i, j, self.z)
                self.z[:, j] = truncated(location, 1.0 / np.sqrt(precision[j, j]), *bounds, uniform[:, j])

    def _draw_continuous(self, i: int, mean: np.ndarray, precision: np.ndarray, uniform: np.ndarray) -> None:
        """Draw missing values, and true values given their noisy readings; exact ones stand."""
        rows, j = self.readings.drawn[:, i], int(self.readings.first[i])
        if not rows.any():
            return
        location = self._location(rows, j, mean, precision)
        information = self.readings.information[rows, i]
        total = precision[j, j] + information
        reading = np.where(information > 0, self.readings.codes[rows, i], 0.0)
        location = location + information / total * (reading - location)
        self.z[rows, j] = truncated(location, 1.0 / np.sqrt(total), -np.inf, np.inf, uniform[rows, j])

    def _location(
        self, rows: np.ndarray | slice, j: int, mean: np.ndarray, precision: np.ndarray
    ) -> np.ndarray:
        """Return the mean of latent `j` given all the other latents."""
        pull = self.z[rows] @ precision[:, j] - mean @ precision[:, j]
        return self.z[rows, j] - pull / precision[j, j]
