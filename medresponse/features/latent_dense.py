"""The joint latent-normal model with a covariance in full, by Gibbs sampling: see `latent_normal`.

A sweep draws each latent in turn given all the others, so its cost grows with the square of their number, and
that of the parameters with the cube. In training the sampler is one chain of all rows, which runs as machine code
(`latent_steps`); new patients have many chains of few rows, which numpy runs side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medresponse.core.machine_code import compiled
from medresponse.features.readings import KNOWN, Known, Readings, truncated

BURN_IN = 100
THINNING = 25
SWEEPS_NEW = 20
CHAINS_NEW = 4  # of a new patient, and the sweeps between states of one that are kept
APART_NEW = 2


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
    sampler = Dense(readings, companions)
    size = (len(sampler.z), sampler.z.shape[1])
    sampler.start(rng.random(size))
    keep, q = readings.n_latents, sampler.z.shape[1]
    mean, covariance, known = np.zeros(q), np.eye(q), readings.known()
    means, covariances, draws = [], [], []
    for kept in range(imputations):
        steps = THINNING if kept else BURN_IN + THINNING
        run_steps(rng, steps, sampler.z, known, mean, covariance)
        means.append(mean[:keep].copy())
        covariances.append(covariance[:keep, :keep].copy())
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
    """Return completions (patient, imputation, each, feature) of new patients.

    A patient has `chains_new(each)` chains, and `readings` as many rows in turn. Of each chain, states `APART_NEW` sweeps apart
    are kept after `SWEEPS_NEW`; then what is missing is drawn anew, jointly, from its normal distribution given all other
    latents: one factorisation for patients who lack the same features. Patients of whom only exact numbers are known
    (`needs_chain`), who come by themselves, have nothing to sweep, and independent draws.
    """
    chains = chains_new(each)
    n, (imputations, q), kept = len(generators), mean.shape, -(-each // chains)
    sweeps = SWEEPS_NEW + APART_NEW * (kept - 1) if needs_chain(readings).any() else 0
    results = np.empty((n, imputations, kept, chains, len(readings.slices)))
    uniforms = np.stack([g.random((imputations, 1 + sweeps, chains, q)) for g in generators], axis=2)
    normals = np.stack([g.standard_normal((imputations, kept, chains, q)) for g in generators], axis=2)
    patterns = _missing_together(readings)
    for m in range(imputations):
        sampler, precision = Dense(readings, np.empty((n * chains, 0))), np.linalg.inv(covariance[m])
        noise = uniforms[m].reshape(1 + sweeps, n * chains, q)
        sampler.start(noise[0])
        states = np.empty((kept, n * chains, q))
        states[:] = sampler.z
        for sweep in range(1, 1 + sweeps):
            sampler.sweep(mean[m], precision, noise[sweep])
            state, between = divmod(sweep - SWEEPS_NEW, APART_NEW)
            if state >= 0 and not between:
                states[state] = sampler.z
        _draw_missing(states, mean[m], precision, patterns, normals[m].reshape(states.shape))
        spread = np.sqrt(np.diagonal(covariance[m]))
        for state, z in enumerate(states):
            codes = readings.completed(z, spread=spread, shifts=shifts)
            results[:, m, state] = codes.reshape(n, chains, -1)
    return results.reshape(n, imputations, kept * chains, -1)[:, :, :each]


def chains_new(each: int) -> int:
    """Return how many chains give a new patient's completions under one parameter draw."""
    return min(each, CHAINS_NEW)


def needs_chain(readings: Readings) -> np.ndarray:
    """Say of which rows a known value leaves its latent open: a level, or a reading with error. Shape (row,)."""
    discrete = np.concatenate([readings.ordered, np.array(readings.categorical, dtype=int)])
    return (~readings.missing[:, discrete]).any(axis=1) | (readings.information > 0).any(axis=1)


def _missing_together(readings: Readings) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rows that lack the same features, with the latents of these, for every pattern."""
    lacking = np.repeat(readings.missing, readings.widths, axis=1)
    patterns, own = np.unique(lacking, axis=0, return_inverse=True)
    return [
        (np.flatnonzero(own == k), np.flatnonzero(pattern))
        for k, pattern in enumerate(patterns)
        if pattern.any()
    ]


def _draw_missing(
    states: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    patterns: list[tuple[np.ndarray, np.ndarray]],
    normals: np.ndarray,
) -> None:
    """Draw missing latents of states (state, row, latent) given the others, in place."""
    for rows, latents in patterns:
        others = states[:, rows] - mean
        others[..., latents] = 0.0
        covariance = np.linalg.inv(precision[np.ix_(latents, latents)])
        location = mean[latents] - _rows_times(others, precision[:, latents] @ covariance)
        noise = _rows_times(normals[:, rows][..., latents], np.linalg.cholesky(covariance).T)
        states[:, rows[:, None], latents] = location + noise


def _rows_times(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return ``rows @ matrix`` with digits that do not depend on how many rows there are, as those of BLAS may."""
    return np.stack([(rows * column).sum(axis=-1) for column in matrix.T], axis=-1)


def run_steps(
    rng: np.random.Generator, steps: int, z: np.ndarray, known: Known, mean: np.ndarray, covariance: np.ndarray, *,
    draws_parameters: bool = True, leaves_open: bool = False,
) -> None:  # fmt: skip
    """Draw mean and covariance, unless they stand, and then every latent in turn, `steps` times; all follow in place.

    With `leaves_open`, latents of missing and of noisy values stand.
    """
    from medresponse.features.latent_steps import gibbs_steps  # which imports numba

    run = compiled(gibbs_steps, "rng", "i8", "b1", "b1", "f8[2]", KNOWN, "f8[1]", "f8[2]")
    run(rng, steps, draws_parameters, leaves_open, z, known, mean, covariance)


def draw_parameters(z: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw (mean, covariance) given latents: flat prior on the mean, IW(q + 2, I) on the covariance."""
    from medresponse.features import latent_steps  # which imports numba

    q = z.shape[1]
    mean, covariance = np.empty(q), np.empty((q, q))
    draw = compiled(latent_steps.draw_parameters, "rng", "f8[2]", "f8[1]", "f8[2]")
    draw(rng, np.require(z, float, ["C", "W"]), mean, covariance)
    return mean, covariance


class Dense:
    """Gibbs state: latents `z` of shape (row, latent), features first, companions last."""

    def __init__(self, readings: Readings, companions: np.ndarray) -> None:
        self.readings = readings
        self.z = np.zeros((len(readings.codes), readings.n_latents + companions.shape[1]))
        self.z[:, readings.n_latents :] = companions
        self._bounds = {
            i: readings.bounds(i, readings.slices[i].start, self.z) for i in readings.ordered.tolist()
        }

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
                self.draw_discrete(i, j, mean, precision, uniform[:, j])

    def draw_discrete(
        self, i: int, j: int, mean: np.ndarray, precision: np.ndarray, uniform: np.ndarray
    ) -> None:
        """Draw latent `j` of discrete feature `i` given all the others, within the bounds of known levels."""
        location = self._location(slice(None), j, mean, precision)
        bounds = self._bounds.get(i) or self.readings.bounds(i, j, self.z)
        self.z[:, j] = truncated(location, 1.0 / np.sqrt(precision[j, j]), *bounds, uniform)

    def given_others(
        self, i: int, j: int, rows: np.ndarray, mean: np.ndarray, precision: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and sd (row,) of latent `j` given all the others and a noisy reading of feature `i`, if any."""
        location, information = (
            self._location(rows, j, mean, precision),
            self.readings.information[rows, i],
        )
        total = precision[j, j] + information
        reading = np.where(information > 0, self.readings.codes[rows, i], 0.0)
        return location + information / total * (reading - location), 1.0 / np.sqrt(total)

    def _draw_continuous(self, i: int, mean: np.ndarray, precision: np.ndarray, uniform: np.ndarray) -> None:
        """Draw missing values, and true values given their noisy readings; exact ones stand."""
        rows, j = np.flatnonzero(self.readings.drawn[:, i]), int(self.readings.first[i])
        if len(rows):
            location, sd = self.given_others(i, j, rows, mean, precision)
            self.z[rows, j] = truncated(location, sd, -np.inf, np.inf, uniform[rows, j])

    def _location(
        self, rows: np.ndarray | slice, j: int, mean: np.ndarray, precision: np.ndarray
    ) -> np.ndarray:
        """Return the mean of latent `j` given all the other latents."""
        pull = self.z[rows] @ precision[:, j] - mean @ precision[:, j]
        return self.z[rows, j] - pull / precision[j, j]
