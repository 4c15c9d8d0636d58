"""Missing features by a joint latent-normal model of mixed types, drawn by Gibbs sampling.

Every feature has one or more latent normal variables: a continuous feature is its own latent; a binary,
ordinal or dosage feature is a latent cut at the normal quantiles of its training shares; a categorical
feature with L levels has L - 1 latents, the level being the largest of them, or the baseline level if all are
negative. The latents are jointly normal with unknown mean and covariance, so any pattern of missing values is
drawn from its conditional distribution given everything observed. In training the outcome and the treatment
take part as further variables (leaving the outcome out would pull imputed associations to zero); for a new
patient they are marginalised.

References
----------
Carpenter, Goldstein & Kenward (2011), REALCOM-IMPUTE, J Stat Softw 45(5). Quartagno & Carpenter (2019), Stat
Med 38:2455 (latent normals for nominal variables). Hoff (2007), Ann Appl Stat 1:265 (copula with latent
normals). White & Royston (2009), Stat Med 28:1982 (event and Nelson-Aalen estimate as predictors).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from medresponse.features.encoding import Encoding, FeatureEncoding

BURN_IN = 100
THINNING = 25
SWEEPS_NEW = 20


@dataclass(frozen=True)
class LatentNormal:
    """Posterior draws of the joint latent-normal model, enough to impute a new patient.

    Parameters
    ----------
    mean : numpy.ndarray
        Shape (imputation, latent).
    covariance : numpy.ndarray
        Shape (imputation, latent, latent).
    """

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def imputations(self) -> int:
        """Number of parameter draws, one an imputation."""
        return len(self.mean)

    def complete(
        self, encoding: Encoding, codes: np.ndarray, *, each: int, generators: list[np.random.Generator]
    ) -> np.ndarray:
        """Draw completions of patients with missing features.

        Parameters
        ----------
        encoding : Encoding
        codes : numpy.ndarray
            Shape (patient, feature), NaN where missing.
        each : int
            Completions under each parameter draw.
        generators : list of numpy.random.Generator
            One a patient, so that a patient's draws do not depend on who else is scored.

        Returns
        -------
        numpy.ndarray
            Shape (patient, imputation * each, feature), without NaN; imputation-major.
        """
        n, q = len(codes), self.mean.shape[1]
        results = np.empty((n, self.imputations, each, codes.shape[1]))
        uniforms = np.stack([g.random((self.imputations, SWEEPS_NEW + 1, each, q)) for g in generators])
        repeated = np.repeat(codes, each, axis=0)
        for m in range(self.imputations):
            sampler = _Latents(encoding, repeated, np.empty((n * each, 0)))
            noise = iter(uniforms[:, m].transpose(1, 0, 2, 3).reshape(SWEEPS_NEW + 1, n * each, q))
            sampler.start(next(noise))
            precision = np.linalg.inv(self.covariance[m])
            for uniform in noise:
                sampler.sweep(self.mean[m], precision, uniform)
            results[:, m] = sampler.completed_codes().reshape(n, each, -1)
        return results.reshape(n, self.imputations * each, -1)


def fit_latent_normal(
    encoding: Encoding,
    codes: np.ndarray,
    companions: np.ndarray,
    *,
    imputations: int,
    rng: np.random.Generator,
) -> tuple[LatentNormal, np.ndarray]:
    """Fit the joint model to training rows and draw completed codes.

    Parameters
    ----------
    encoding : Encoding
    codes : numpy.ndarray
        Shape (patient, feature), NaN where missing.
    companions : numpy.ndarray
        Fully observed numbers that imputation conditions on in training (outcome, treatment), shape
        (patient, companion), roughly standardised.
    imputations : int
        Completed data sets to draw, `THINNING` Gibbs sweeps apart after `BURN_IN`.
    rng : numpy.random.Generator

    Returns
    -------
    model : LatentNormal
    completed : numpy.ndarray
        Shape (imputation, patient, feature), equal to `codes` where those are known.
    """
    sampler = _Latents(encoding, codes, companions)
    sampler.start(rng.random((len(codes), sampler.n_latents)))
    keep = sampler.n_features_latents
    means, covariances, completed = [], [], []
    for step in range(BURN_IN + THINNING * imputations):
        mean, covariance = _draw_parameters(sampler.z, rng)
        sampler.sweep(mean, np.linalg.inv(covariance), rng.random((len(codes), sampler.n_latents)))
        if step >= BURN_IN and (step - BURN_IN) % THINNING == THINNING - 1:
            means.append(mean[:keep])
            covariances.append(covariance[:keep, :keep])
            completed.append(sampler.completed_codes())
    return LatentNormal(np.array(means), np.array(covariances)), np.array(completed)


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


class _Latents:
    """Gibbs state: latents `z` of shape (row, latent), features first, companions last."""

    def __init__(self, encoding: Encoding, codes: np.ndarray, companions: np.ndarray) -> None:
        self.encoding, self.codes = encoding, codes
        self.missing = np.isnan(codes)
        self.slices: list[slice] = []
        position = 0
        for feature in encoding.features:
            width = len(feature.levels) - 1 if feature.type == "categorical" else 1
            self.slices.append(slice(position, position + width))
            position += width
        self.n_features_latents = position
        self.n_latents = position + companions.shape[1]
        self.z = np.zeros((len(codes), self.n_latents))
        self.z[:, position:] = companions
        self.cuts = [_cuts(feature) for feature in encoding.features]

    def start(self, uniform: np.ndarray) -> None:
        """Start from independent draws within the bounds that the known values set."""
        flat_mean, unit = np.zeros(self.n_latents), np.eye(self.n_latents)
        for i, feature in enumerate(self.encoding.features):
            if feature.type == "continuous":
                self.z[:, self.slices[i]] = np.where(self.missing[:, i], 0.0, self.codes[:, i])[:, None]
        self.sweep(flat_mean, unit, uniform)

    def sweep(self, mean: np.ndarray, precision: np.ndarray, uniform: np.ndarray) -> None:
        """Draw each feature's latents given all the others, in turn."""
        for i, feature in enumerate(self.encoding.features):
            for j in range(self.slices[i].start, self.slices[i].stop):
                rows: np.ndarray | slice = slice(None)
                if feature.type == "continuous":
                    if not self.missing[:, i].any():
                        continue
                    rows = self.missing[:, i]
                spread = 1.0 / np.sqrt(precision[j, j])
                pull = self.z[rows] @ precision[:, j] - mean @ precision[:, j]
                location = self.z[rows, j] - pull / precision[j, j]
                lower, upper = self._bounds(i, j, feature)
                self.z[rows, j] = _truncated(location, spread, lower, upper, uniform[rows, j])

    def _bounds(
        self, i: int, j: int, feature: FeatureEncoding
    ) -> tuple[np.ndarray | float, np.ndarray | float]:
        if feature.type == "continuous":
            return -np.inf, np.inf
        known = ~self.missing[:, i]
        code = np.where(known, self.codes[:, i], 0).astype(int)
        if feature.type != "categorical":
            edges = self.cuts[i]
            return np.where(known, edges[code], -np.inf), np.where(known, edges[code + 1], np.inf)
        # Level a wins if its latent is the largest and positive; the baseline wins if all are negative.
        order = [level for level in range(len(feature.levels)) if level != feature.baseline]
        mine = order[j - self.slices[i].start]
        others = self.z[:, self.slices[i]].copy()
        others[:, j - self.slices[i].start] = 0.0  # also the threshold against the baseline
        winner = np.zeros(len(code))
        for k, level in enumerate(order):
            winner = np.where(code == level, self.z[:, self.slices[i].start + k], winner)
        lower = np.where(known & (code == mine), others.max(axis=1), -np.inf)
        upper = np.where(known & (code != mine), winner, np.inf)
        return lower, upper

    def completed_codes(self) -> np.ndarray:
        """Return codes with the missing ones read off the latents."""
        completed = self.codes.copy()
        for i, feature in enumerate(self.encoding.features):
            rows = self.missing[:, i]
            latent = self.z[rows, self.slices[i]]
            if feature.type == "continuous":
                completed[rows, i] = latent[:, 0]
            elif feature.type == "categorical":
                order = np.array([k for k in range(len(feature.levels)) if k != feature.baseline])
                best = order[latent.argmax(axis=1)] if len(latent) else np.empty(0)
                completed[rows, i] = np.where(latent.max(axis=1, initial=-np.inf) > 0, best, feature.baseline)
            else:
                completed[rows, i] = np.searchsorted(self.cuts[i][1:-1], latent[:, 0], side="left")
        return completed


def _cuts(feature: FeatureEncoding) -> np.ndarray:
    """Return cut points -inf, ..., inf at the normal quantiles of the cumulative training shares."""
    if feature.type in ("continuous", "categorical"):
        return np.empty(0)
    # A level that training never saw keeps a sliver, so that its latent interval is not empty.
    shares = np.maximum(np.array(feature.shares), 1e-4)
    cumulative = np.cumsum(shares / shares.sum())[:-1]
    return np.concatenate([[-np.inf], ndtri(cumulative), [np.inf]])


def _truncated(
    location: np.ndarray,
    spread: float,
    lower: np.ndarray | float,
    upper: np.ndarray | float,
    uniform: np.ndarray,
) -> np.ndarray:
    """Draw normals truncated to (lower, upper) by inversion, in the tail where that is exact."""
    a, b = (lower - location) / spread, (upper - location) / spread
    flip = a > 0  # invert in the lower tail, where ndtr keeps its digits
    a, b = np.where(flip, -b, a), np.where(flip, -a, b)
    low, high = ndtr(a), ndtr(b)
    draw = ndtri(low + uniform * (high - low))
    draw = np.clip(draw, np.maximum(a, -38.0), np.minimum(b, 38.0))
    return location + spread * np.where(flip, -draw, draw)
