"""The joint latent-normal model for many features: covariance of low rank plus a diagonal.

    z_i = mu + B c_i + L f_i + e_i,    f_i ~ N(0, I),    e_ij ~ N(0, psi_j)

with companions c_i (outcome, treatment) as regressors of every latent, so that each feature keeps its own
association with the outcome whatever the factors capture. A sweep costs what the number of latents times
patients times factors says, instead of the cube of the number of latents. For a new patient the companions are
marginalised: B times a root of their covariance is a few more loadings.

Priors, on standardised codes: intercepts N(0, 100), entries of B N(0, 1), psi_j inverse-gamma(3/2, 1/2) (the
marginal prior of a variance in the dense form), loadings of factor k N(0, tau_k^2) with tau_k^2
inverse-gamma(1, 0.01), which switches off factors that the data do not need: their number is a maximum.
`psi_j` is 1 for a binary or categorical feature, whose latents' scale nothing else determines.

What it gives up: `FACTORS` factors hold what is shared by many features, not what one feature shares with a
single neighbour and no other (two variants in perfect linkage); such a value is imputed from the factors alone.

References
----------
Lopes & West (2004), Statist Sinica 14:41 (Gibbs sampling of factor models). Tipping & Bishop (1999), J R Stat
Soc B 61:611, and Bishop (1999), NIPS 11:382 (probabilistic principal components, factors switched off).
Halko, Martinsson & Tropp (2011), SIAM Rev 53:217 (subspace iteration, for the start).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import ndtri

from medresponse.features.readings import Readings, truncated

FACTORS = 20
BURN_IN = 50
THINNING = 10
SWEEPS_NEW = 20
_BLOCK_NUMBERS = 200_000  # row x latent numbers of one temporary: as many as stay in the cache
_INTERCEPT_VARIANCE, _COMPANION_VARIANCE = 100.0, 1.0
_UNIQUE_PRIOR = (1.5, 0.5)  # shape and scale of the inverse-gamma priors
_FACTOR_PRIOR = (1.0, 0.01)


def fit_low_rank(
    readings: Readings,
    companions: np.ndarray,
    *,
    imputations: int,
    rng: np.random.Generator,
    shifts: Mapping[int, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit the model to training rows and draw completed codes; see `fit_latent_normal`.

    Returns
    -------
    mean : numpy.ndarray
        Shape (imputation, latent).
    loadings : numpy.ndarray
        Shape (imputation, latent, factor), companions marginalised.
    uniqueness : numpy.ndarray
        Shape (imputation, latent).
    completed : numpy.ndarray
        Shape (imputation, patient, feature); one read-only array seen `imputations` times if there is
        nothing to draw.
    """
    n = len(readings.codes)
    centred = companions - companions.mean(axis=0)
    fixed = np.column_stack([np.ones(n), centred])
    chain = _Chain(readings, fixed, n_factors=min(FACTORS, readings.n_latents, n))
    chain.start(rng)
    root = _root(np.cov(centred, rowvar=False, ddof=0)) if companions.shape[1] else np.empty((0, 0))
    means, loadings, uniqueness, completed = [], [], [], []
    for step in range(BURN_IN + THINNING * imputations):
        chain.draw_parameters(rng)
        chain.draw_scores(chain.score_precision(), rng.standard_normal((n, chain.n_factors)))
        chain.draw_latents(rng.random(chain.z.shape))
        if step >= BURN_IN and (step - BURN_IN) % THINNING == THINNING - 1:
            regression = chain.coefficients[1 : fixed.shape[1]]
            means.append(chain.coefficients[0])
            loadings.append(np.column_stack([chain.loadings, regression.T @ root]))
            uniqueness.append(chain.uniqueness)
            if readings.drawn.any():
                spread = _spread(loadings[-1], uniqueness[-1])
                completed.append(readings.completed(chain.z, spread=spread, shifts=shifts))
    codes = np.broadcast_to(readings.codes, (imputations, *readings.codes.shape))
    return (
        np.array(means),
        np.array(loadings),
        np.array(uniqueness),
        np.array(completed) if completed else codes,
    )


def complete_low_rank(
    mean: np.ndarray,
    loadings: np.ndarray,
    uniqueness: np.ndarray,
    readings: Readings,
    *,
    each: int,
    generators: list[np.random.Generator],
    shifts: Mapping[int, float],
) -> np.ndarray:
    """Draw completions of new patients, shape (patient, imputation, each, feature).

    Missing and noisy values are integrated out when scores are drawn, so with continuous features alone the
    draws are exact and independent. Known levels need a chain: its states after `SWEEPS_NEW` sweeps.
    """
    n, (imputations, q) = len(generators), mean.shape
    burn_in = 0 if len(readings.continuous) == len(readings.slices) else SWEEPS_NEW
    results = np.empty((n, imputations, each, len(readings.slices)))
    for m in range(imputations):
        chain = _Chain(readings, np.ones((n, 1)), n_factors=loadings.shape[2])
        chain.coefficients = np.vstack([mean[m], loadings[m].T])
        chain.uniqueness = uniqueness[m]
        spread = _spread(loadings[m], uniqueness[m])
        normals = np.stack([g.standard_normal((burn_in + each, chain.n_factors)) for g in generators], axis=1)
        uniforms = np.stack([g.random((1 + burn_in + each, q)) for g in generators], axis=1)
        chain.draw_latents(uniforms[0])
        precision = chain.score_precision()
        for step, (normal, uniform) in enumerate(zip(normals, uniforms[1:], strict=True)):
            chain.draw_scores(precision, normal)
            chain.draw_latents(uniform)
            if step >= burn_in:
                results[:, m, step - burn_in] = readings.completed(chain.z, spread=spread, shifts=shifts)
    return results


def _spread(loadings: np.ndarray, uniqueness: np.ndarray) -> np.ndarray:
    """Return the marginal standard deviation of each latent, shape (latent,)."""
    return np.sqrt((loadings**2).sum(axis=1) + uniqueness)


class _Chain:
    """Gibbs state: latents, scores and parameters.

    Attributes
    ----------
    z : numpy.ndarray
        Shape (row, latent).
    design : numpy.ndarray
        Fixed regressors (the constant first), then scores, shape (row, regressor).
    coefficients : numpy.ndarray
        Shape (regressor, latent).
    uniqueness : numpy.ndarray
        Shape (latent,).
    """

    def __init__(self, readings: Readings, fixed: np.ndarray, *, n_factors: int) -> None:
        self.readings, self.n_factors, self.n_fixed = readings, n_factors, fixed.shape[1]
        self.design = np.column_stack([fixed, np.zeros((len(fixed), n_factors))])
        self.coefficients = np.zeros((self.design.shape[1], readings.n_latents))
        self.uniqueness = np.ones(readings.n_latents)
        self.z = np.zeros((len(fixed), readings.n_latents))
        known = readings.continuous
        self.z[:, readings.first[known]] = np.where(readings.missing[:, known], 0.0, readings.codes[:, known])
        self._free = np.zeros(readings.n_latents, dtype=bool)  # uniqueness that the data determine
        for i, feature in enumerate(readings.encoding.features):
            self._free[readings.slices[i]] = feature.type not in ("binary", "categorical")
        prior = [_INTERCEPT_VARIANCE] + [_COMPANION_VARIANCE] * (self.n_fixed - 1) + [1.0] * n_factors
        self._prior_variance = np.array(prior)

    @property
    def loadings(self) -> np.ndarray:
        """Loadings of shape (latent, factor)."""
        return self.coefficients[self.n_fixed :].T

    def start(self, rng: np.random.Generator) -> None:
        """Start from independent latents and the principal directions of what fixed regressors leave."""
        self.draw_latents(rng.random(self.z.shape))
        fixed = np.linalg.qr(self.design[:, : self.n_fixed])[0]
        basis = rng.standard_normal((len(self.z), self.n_factors))
        for _ in range(5):
            basis = self.z @ (self.z.T @ basis)
            basis = np.linalg.qr(basis - fixed @ (fixed.T @ basis))[0]
        self.design[:, self.n_fixed :] = np.sqrt(len(self.z)) * basis

    def draw_parameters(self, rng: np.random.Generator) -> None:
        """Draw coefficients, uniqueness and the factors' prior variances given latents and scores."""
        cross = self.design.T @ self.design
        product = self.design.T @ self.z
        root = np.sqrt(self._prior_variance)[:, None]
        # One eigendecomposition serves every latent: their posterior precisions differ by a factor only.
        values, vectors = np.linalg.eigh(root * cross * root.T)
        shrunk = 1.0 / (1.0 + np.maximum(values, 0.0)[:, None] / self.uniqueness)
        rotated = shrunk * (vectors.T @ (root * product)) / self.uniqueness
        rotated += np.sqrt(shrunk) * rng.standard_normal(rotated.shape)
        self.coefficients = root * (vectors @ rotated)
        squares = np.einsum("ij,ij->j", self.z, self.z)
        squares += (self.coefficients * (cross @ self.coefficients - 2.0 * product)).sum(axis=0)
        shape, scale = _UNIQUE_PRIOR
        drawn = (scale + np.maximum(squares, 0.0) / 2) / rng.gamma(shape + len(self.z) / 2, size=len(squares))
        self.uniqueness = np.where(self._free, drawn, 1.0)
        shape, scale = _FACTOR_PRIOR
        sums = (self.loadings**2).sum(axis=0) / 2
        drawn = (scale + sums) / rng.gamma(shape + self.z.shape[1] / 2, size=self.n_factors)
        self._prior_variance[self.n_fixed :] = drawn

    def score_precision(self) -> np.ndarray:
        """Return the precision of the scores given known latents and readings, shape (row, factor, factor)."""
        k, drawn = self.n_factors, self.readings.drawn
        precision = np.empty((len(self.z), k, k))
        precision[:] = np.eye(k) + self.loadings.T @ (self.loadings / self.uniqueness[:, None])
        if not drawn.any():
            return precision
        upper = np.triu_indices(k)
        pairs = self.loadings[:, upper[0]] * self.loadings[:, upper[1]]
        for rows in self._blocks():
            sums = self._weighted(rows)[1] @ pairs
            precision[rows, upper[0], upper[1]] = precision[rows, upper[1], upper[0]] = sums
            precision[rows] += np.eye(k)
        return precision

    def draw_scores(self, precision: np.ndarray, normal: np.ndarray) -> None:
        """Draw scores given known latents and readings, missing values and true values integrated out.

        `precision` is what `score_precision` returns; `normal` has shape (row, factor).
        """
        for rows in self._blocks():
            value, weight = self._weighted(rows)
            value -= self.design[rows, : self.n_fixed] @ self.coefficients[: self.n_fixed]
            pull = (value * weight) @ self.loadings
            factor = np.linalg.cholesky(precision[rows]).transpose(0, 2, 1)
            centre = np.linalg.solve(precision[rows], pull[..., None])
            scores = centre + np.linalg.solve(factor, normal[rows, :, None])
            self.design[rows, self.n_fixed :] = scores[..., 0]

    def draw_latents(self, uniform: np.ndarray) -> None:
        """Draw missing values, true values of noisy readings and discrete features' latents given scores.

        `uniform` has shape (row, latent).
        """
        known, spread = self.readings, np.sqrt(self.uniqueness)
        continuous, ordered = known.first[known.continuous], known.first[known.ordered]
        for rows in self._blocks():
            design = self.design[rows]
            i, position = np.nonzero(known.drawn[rows][:, known.continuous])
            if len(i):
                location = (design @ self.coefficients[:, continuous])[i, position]
                row, feature, latent = rows.start + i, known.continuous[position], continuous[position]
                information = known.information[row, feature]
                total = 1.0 / self.uniqueness[latent] + information
                reading = np.where(information > 0, known.codes[row, feature], 0.0)
                location += information / total * (reading - location)
                self.z[row, latent] = location + ndtri(uniform[row, latent]) / np.sqrt(total)
            if len(ordered):
                location = design @ self.coefficients[:, ordered]
                bounds = known.ordered_bounds(rows)
                self.z[rows, ordered] = truncated(
                    location, spread[ordered], *bounds, uniform[rows][:, ordered]
                )
        for f in known.categorical:
            for j in range(known.slices[f].start, known.slices[f].stop):
                location, bounds = self.design @ self.coefficients[:, j], known.bounds(f, j, self.z)
                self.z[:, j] = truncated(location, spread[j], *bounds, uniform[:, j])

    def _weighted(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return what is known of latents and its precision given scores, (row, latent).

        Readings stand in the place of true values; the precision of what is missing is 0.
        """
        known, value = self.readings, self.z[rows].copy()
        weight = np.broadcast_to(1.0 / self.uniqueness, value.shape)
        if not known.drawn[rows].any():
            return value, weight
        weight = weight.copy()
        i, feature = np.nonzero(known.information[rows])
        latent = known.first[feature]
        value[i, latent] = known.codes[rows][i, feature]
        weight[i, latent] = 1.0 / (self.uniqueness[latent] + 1.0 / known.information[rows][i, feature])
        weight[np.repeat(known.missing[rows], known.widths, axis=1)] = 0.0
        return value, weight

    def _blocks(self) -> Iterator[slice]:
        n = len(self.z)
        size = max(1, _BLOCK_NUMBERS // max(self.z.shape[1], 1))
        return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return a root of a covariance that may be singular (collinear companions), shape (n, n)."""
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    return vectors * np.sqrt(np.maximum(values, 0.0))
