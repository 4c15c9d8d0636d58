"""Parameters of a normal outcome drawn with the true values of noisily read features integrated out, and these after them.

Where a noisy feature explains nearly all of an outcome, true values given parameters and parameters given true values pin each
other: drawn in turn, they move by small steps, and the residual standard deviation needs hundreds of them to forget where it began.
Under a normal residual the true values, normal given the features, can be integrated out: for ``x ~ N(m, V)`` and slopes b, the
outcome is normal around its predictor at m with variance ``sigma^2 + b' V b``. So all parameters are drawn from their law
without the true values, and these given them: a partially collapsed Gibbs step, which leaves the posterior of all unknowns
invariant (van Dyk & Park 2008).

*The draw.* A short fit in which m stands for the true values has a residual of its own, s, that takes up what the noise adds.
Coefficients and intercept of its draws are candidates, the present ones with them. In turn one of them is chosen given sigma, with
chances proportional to the wanted density over that of candidates (iterated sampling importance resampling, as in
`features.latent_redraw`), and sigma is drawn given it. The priors of coefficients and intercept, whatever they are, are in both
densities and cancel; s is integrated out numerically.

References
----------
van Dyk & Park (2008), J Am Stat Assoc 103:790. Andrieu, Lee & Vihola (2018), Bernoulli 24:842. Neal (2003), Ann Stat 31:705 (the
slice in which sigma is drawn). Carroll, Ruppert, Stefanski & Crainiceanu (2006), Measurement Error in Nonlinear Models, ch. 4 and 8
(the fit to means, and the likelihood of readings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from medresponse.cohort import Cohort
from medresponse.core.rng import stream
from medresponse.families import Arrays, Compressing
from medresponse.features import Encoding, TrueValues, group_indices, noisy_features
from medresponse.inference.slices import slice_step
from medresponse.model import ModelSpec, Prepared, true_value_laws, with_codes, with_models

CANDIDATES = 100  # draws of the short fit; of many patients fewer are looked at, far apart
_FEWEST = 8
_NUMBERS = 4_000_000  # predictors and slopes held at once
_LAWS = 50_000_000  # numbers of all imputations' laws: 0.4 GB, and a few times as much while they are made
_TURNS = 20  # between coefficients and sigma
_NAMES = ("coefficients", "intercept", "sigma")
_GRID = np.linspace(-8.0, 8.0, 101)  # in standard deviations of log s

type Parameters = Mapping[str, np.ndarray]


def collapses(spec: ModelSpec, encoding: Encoding, errors: np.ndarray | None) -> bool:
    """Say whether features are read with error, and the mean of a normal outcome is linear in the true values.

    Not where so many are read with error that the covariances of patients' true values would take too much memory.
    """
    family, noisy = spec.family, {encoding.names[i] for i in noisy_features(errors)}
    bent = {curve.feature for curve in encoding.curves} | {
        name for pair in encoding.interactions for name in pair
    }
    linear = not (noisy & bent or encoding.propensity or spec.searches)
    if errors is None or not noisy or len(errors) * len(noisy) ** 2 * spec.missing.imputations > _LAWS:
        return False
    return linear and isinstance(family, Compressing) and family.residual_sigma is not None


def at_means(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, observed: Arrays, *, seed: int
) -> Collapsed:
    """Put means in the place of true values, given the features alone, under a draw of the features' model an imputation.

    Parameters
    ----------
    spec : ModelSpec
        Of which `collapses` holds.
    prepared : Prepared
        Imputations as they stand.
    cohort : Cohort
    observed : mapping
        Outcomes, as `Cohort.outcome` gives them.
    seed : int
    """
    laws = true_value_laws(spec, prepared, cohort, seed=seed)
    codes = prepared.codes.copy()
    for m, law in enumerate(laws):
        codes[m][:, law.features] = law.mean
    constants = prepared.constants
    outcome = spec.family.observe(observed, cohort.treatment_idx, constants)["outcome"] + constants["center"]
    assert isinstance(spec.family, Compressing) and spec.family.residual_sigma is not None
    return Collapsed(
        prepared=with_models(with_codes(spec, prepared, cohort, observed, codes), laws, cohort.treatment_idx), laws=laws,
        outcome=outcome,
        scale=float(constants["spread"]) * spec.family.residual_sigma, treatment_idx=cohort.treatment_idx,
        groups=group_indices(prepared.layout, cohort),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Collapsed:
    """A normal outcome given readings.

    Parameters
    ----------
    prepared : Prepared
        What is fitted for candidates: means in the place of true values, and the models of features that both are given.
    laws : tuple of TrueValues
        One an imputation.
    outcome : numpy.ndarray
        On the model's scale, shape (patient,).
    scale : float
        Of sigma's half-normal prior.
    treatment_idx : numpy.ndarray
    groups : mapping
    """

    prepared: Prepared
    laws: tuple[TrueValues, ...]
    outcome: np.ndarray
    scale: float
    treatment_idx: np.ndarray
    groups: dict[str, np.ndarray]

    def draw(
        self, candidates: Sequence[Parameters], present: Sequence[Parameters] | None, *, seed: int
    ) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
        """Draw parameters, and true values given them.

        Parameters
        ----------
        candidates : sequence of mappings
            Posterior draws of the fits to `prepared`, one mapping an imputation.
        present : sequence of mappings, optional
            One draw an imputation, of the step before. Without, the result is a start: one of the candidates, whatever came before.
        seed : int

        Returns
        -------
        parameters : list of dict
            One draw an imputation, with its dimension.
        codes : numpy.ndarray
            Completed, shape (imputation, patient, feature).
        """
        rng, found, codes = stream(seed, "collapsed"), [], self.prepared.codes.copy()
        for m, law in enumerate(self.laws):
            some = self._some(len(candidates[m]["sigma"]), len(law.features))
            own = [{name: candidates[m][name][some] for name in _NAMES}]
            own += [] if present is None else [{name: present[m][name] for name in _NAMES}]
            every = {name: np.concatenate([one[name] for one in own]) for name in _NAMES}
            residuals, loads = self._residuals(codes[m], every), self._loads(codes[m], law, every)
            chosen, sigma = self._choose(residuals**2, (loads**2).sum(axis=2), float(every["sigma"][-1]), rng)
            one = {name: value[[chosen]] for name, value in every.items()} | {"sigma": np.array([sigma])}
            codes[m][:, law.features] += _departures(law, residuals[:, chosen], loads[:, chosen], sigma, rng)
            found.append(one)
        return found, codes

    def _some(self, draws: int, noisy: int) -> np.ndarray:
        """Return which of so many draws are candidates: all, or as many as memory is meant for, spread over the chain."""
        count = min(draws, max(_FEWEST, _NUMBERS // (len(self.outcome) * noisy)))
        return np.linspace(draws - 1, 0, count).round().astype(int)[::-1]

    def _eta(self, codes: np.ndarray, parameters: Parameters) -> np.ndarray:
        layout, columns = self.prepared.layout, self.prepared.encoding.columns(codes)
        return layout.linear_predictor(columns, self.treatment_idx, self.groups, parameters["coefficients"])

    def _residuals(self, codes: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Return outcomes less their means at the means of the true values, shape (patient, draw)."""
        return self.outcome[:, None] - parameters["intercept"] - self._eta(codes, parameters)

    def _loads(self, codes: np.ndarray, law: TrueValues, parameters: Parameters) -> np.ndarray:
        """Return slopes in independent units of the true values, shape (patient, draw, noisy feature)."""
        slopes, at = [], self._eta(codes, parameters)
        for feature in law.features:
            moved = codes.copy()
            moved[:, feature] += 1.0
            slopes.append(self._eta(moved, parameters) - at)
        return np.einsum("kis,ikl->isl", np.array(slopes), law.root)

    def _choose(
        self, squares: np.ndarray, added: np.ndarray, sigma: float, rng: np.random.Generator
    ) -> tuple[int, float]:
        """Choose a candidate and draw sigma, in turn; squared residuals and added variances have shape (patient, candidate)."""
        log_candidate, chosen = self._log_candidate(squares.sum(axis=0)), 0
        for _ in range(_TURNS):
            variance = sigma**2 + added
            weight = -0.5 * (np.log(variance) + squares / variance).sum(axis=0) - log_candidate
            chances = np.exp(weight - weight.max()).cumsum()
            chosen = int((rng.random() * chances[-1] > chances).sum())
            sigma = self._sigma(sigma, squares[:, chosen], added[:, chosen], rng)
        return chosen, sigma

    def _log_candidate(self, squares: np.ndarray) -> np.ndarray:
        """Return candidates' log density but for what cancels: ``log of the integral of s^-n exp(-squares / 2 s^2)`` over s's prior.

        By the trapezoidal rule in log s, around the most likely value.
        """
        n, scale2 = len(self.outcome), self.scale**2
        most = 2 * squares / (n - 1 + np.sqrt((n - 1) ** 2 + 4 * squares / scale2))  # s^2
        width = (2 * squares / most + 2 * most / scale2) ** -0.5
        s2 = most[:, None] * np.exp(2 * width[:, None] * _GRID)
        log = -0.5 * ((n - 1) * np.log(s2) + squares[:, None] / s2 + s2 / scale2)
        return np.asarray(logsumexp(log, axis=1) + np.log(width))

    def _sigma(self, sigma: float, squares: np.ndarray, added: np.ndarray, rng: np.random.Generator) -> float:
        """Draw sigma given one candidate."""

        def log_density(log_sigma: float) -> float:
            variance = np.exp(2 * log_sigma) + added
            log_prior = log_sigma - 0.5 * (np.exp(log_sigma) / self.scale) ** 2
            return float(log_prior - 0.5 * (np.log(variance) + squares / variance).sum())

        return float(np.exp(slice_step(log_density, np.log(sigma), rng, width=1.0)))


def _departures(
    law: TrueValues, residual: np.ndarray, load: np.ndarray, sigma: float, rng: np.random.Generator
) -> np.ndarray:
    """Return true values less their means, shape (patient, noisy feature): drawn without the outcome, then moved by what it says."""
    units = rng.standard_normal(load.shape)
    off = residual - (load * units).sum(axis=1) - sigma * rng.standard_normal(len(load))
    units += load * (off / (sigma**2 + (load**2).sum(axis=1)))[:, None]
    return np.einsum("ikl,il->ik", law.root, units)
