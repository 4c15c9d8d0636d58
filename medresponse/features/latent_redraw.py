"""Imputed values redrawn given the outcome's own model, by Gibbs sampling: see `latent_normal`.

The joint model of features and outcome (`latent_dense`) knows the outcome as a normal companion, which is not the model that
is fitted. Here features have the same latent-normal model without the outcome, and what is missing is drawn given that and
the likelihood of each patient's outcome under one draw of the outcome's model: with an alternation of the two, every unknown
is drawn from one and the same posterior.

A value that is not known exactly is drawn by iterated sampling importance resampling: candidates come from its normal
distribution given the patient's other features, and the next value is one of them or the present one, with chances
proportional to the likelihood of the patient's outcome. That leaves the posterior invariant whatever their number. Shifts of
values missing not at random take part: the likelihood is that of the shifted value, the latent keeps to the unshifted one. (The
unit of a discrete feature's shift, its latent's spread, is drawn as if outcomes said nothing of it.)

References
----------
Bartlett, Seaman, White & Carpenter (2015), Stat Methods Med Res 24:462 (imputations compatible with the substantive model).
Andrieu, Lee & Vihola (2018), Bernoulli 24:842 (iterated sampling importance resampling).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from medresponse.features.latent_dense import SWEEPS_NEW, Dense, draw_parameters
from medresponse.features.readings import Readings

SWEEPS = 4
CANDIDATES = 100  # of each value, the present one among them; fewer where patients are many
_FEWEST = 8
_NUMBERS = 4_000_000  # codes of candidates held at once

Likelihood = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Given:
    """What imputed values are redrawn given.

    Parameters
    ----------
    completed : numpy.ndarray
        Completed codes to start from, shape (imputation, patient, feature).
    mean, covariance : numpy.ndarray
        Of the features' latents, given which those behind the completed codes are drawn first: shapes (imputation, latent) and
        (imputation, latent, latent).
    likelihoods : sequence of callables
        One an imputation: from positions of patients (row,) and codes (row, candidate, feature) to the log-likelihoods of their
        outcomes, shape (row, candidate).
    arms : sequence of (numpy.ndarray, numpy.ndarray)
        Mean and covariance of each arm's own model, where arms have such, in the order of their numbers.
    """

    completed: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    likelihoods: Sequence[Likelihood]
    arms: Sequence[tuple[np.ndarray, np.ndarray]] = ()

    def of(self, own: np.ndarray, arm: int) -> Given:
        """Return the same for the patients of an arm, chosen by a mask of shape (patient,); `arm` is its place among the arms."""
        position = np.flatnonzero(own)
        mean, covariance = self.arms[arm] if self.arms else (self.mean, self.covariance)

        def among(likelihood: Likelihood) -> Likelihood:
            return lambda rows, codes: likelihood(position[rows], codes)

        return Given(self.completed[:, own], mean, covariance, [among(one) for one in self.likelihoods])


def redraw_dense(
    readings: Readings,
    companions: np.ndarray,
    given: Given,
    *,
    rng: np.random.Generator,
    shifts: Mapping[int, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Redraw completed codes, `SWEEPS` sweeps from where each imputation stands; returns as `latent_dense.fit_dense`.

    `companions` are treatments where arms have no models of their own; never outcomes.
    """
    keep = readings.n_latents
    means, covariances, completed = [], [], []
    for m, likelihood in enumerate(given.likelihoods):
        latents = latents_of(readings, given.completed[m], given.mean[m], given.covariance[m], shifts, rng)
        chain = _Chain(readings, companions, latents, likelihood, shifts, rng)
        for _ in range(SWEEPS):
            mean, covariance = draw_parameters(chain.state.z, rng)
            chain.sweep(mean, covariance)
        means.append(mean[:keep])
        covariances.append(covariance[:keep, :keep])
        completed.append(chain.codes)
    return np.array(means), np.array(covariances), np.array(completed)


def latents_of(
    readings: Readings, codes: np.ndarray, mean: np.ndarray, covariance: np.ndarray, shifts: Mapping[int, float],
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Draw the latents behind completed codes, unshifted, shape (patient, latent), at given parameters.

    Independent ones would not do: what rare levels of two features say of their correlation is forgotten at once, and comes
    back over dozens of sweeps.
    """
    unshifted = codes.copy()
    for i, shift in shifts.items():
        if readings.encoding.features[i].type == "continuous":
            unshifted[readings.missing[:, i], i] -= shift
    exact = Dense(Readings(readings.encoding, unshifted), np.empty((len(codes), 0)))
    exact.start(rng.random((len(codes), readings.n_latents)))
    own = (np.require(value, float, ["C", "W"]) for value in (mean, covariance))
    exact.run(SWEEPS_NEW, *own, rng=rng, draws_parameters=False)
    for i, shift in shifts.items():
        if readings.encoding.features[i].type != "continuous":
            j = readings.first[i]
            exact.z[readings.missing[:, i], j] -= shift * np.sqrt(covariance[j, j])
    return exact.z


class _Chain:
    """Gibbs state of one imputation: latents, and the completed codes that are read off them."""

    def __init__(
        self, readings: Readings, companions: np.ndarray, latents: np.ndarray, likelihood: Likelihood,
        shifts: Mapping[int, float], rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.readings, self.codes, self._likelihood, self._rng = readings, readings.codes, likelihood, rng
        self._shifts = shifts
        self.state = Dense(readings, companions)
        self.state.z[:, : readings.n_latents] = latents
        self._open = [np.flatnonzero(readings.drawn[:, i]) for i in range(len(readings.slices))]
        most = max((len(rows) for rows in self._open), default=1) * self.codes.shape[1]
        self._candidates = min(CANDIDATES, max(_FEWEST, _NUMBERS // max(most, 1)))

    def sweep(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        """Draw each feature's latents given all the others, what is known, and the outcome."""
        known, precision = self.readings, np.linalg.inv(covariance)
        spread = np.sqrt(np.diagonal(covariance))
        self.codes = known.completed(self.state.z, spread=spread, shifts=self._shifts)
        for i, feature in enumerate(known.encoding.features):
            discrete = feature.type != "continuous"
            for j in range(known.slices[i].start, known.slices[i].stop):
                present = self.state.z[self._open[i], j]
                if discrete:
                    self.state.draw_discrete(i, j, mean, precision, self._rng.random(len(self.codes)))
                if len(present):
                    self.state.z[self._open[i], j] = present
                    self._choose(i, j, mean, precision, spread)

    def _choose(self, i: int, j: int, mean: np.ndarray, precision: np.ndarray, spread: np.ndarray) -> None:
        """Draw latent `j` of the patients whose feature `i` is not known exactly."""
        known, rows, many = self.readings, self._open[i], self._candidates
        location, sd = self.state.given_others(i, j, rows, mean, precision)
        latents = np.repeat(self.state.z[rows][:, None, known.slices[i]], many, axis=1)
        noise = ndtri(self._rng.random((len(rows), many - 1)))
        latents[:, 1:, j - known.slices[i].start] = location[:, None] + sd[:, None] * noise
        unit = spread[j] if known.encoding.features[i].type != "continuous" else 1.0
        shift = np.where(known.missing[rows, i], self._shifts.get(i, 0.0) * unit, 0.0)
        values = known.code_of(i, latents + shift[:, None, None])
        log_weight = np.nan_to_num(self._log_likelihoods(i, rows, values), nan=-np.inf)
        best = log_weight.max(axis=1, keepdims=True)
        weight = np.exp(log_weight - np.where(np.isfinite(best), best, 0.0)).cumsum(axis=1)
        chosen = (self._rng.random((len(rows), 1)) * weight[:, -1:] > weight).sum(axis=1)
        each = np.arange(len(rows))
        self.state.z[rows, j] = latents[each, chosen, j - known.slices[i].start]
        self.codes[rows, i] = values[each, chosen]

    def _log_likelihoods(self, i: int, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return log-likelihoods (row, candidate) of values of feature `i`, of so many patients at once as memory is meant for."""
        found, size = np.empty(values.shape), max(1, _NUMBERS // (values.shape[1] * self.codes.shape[1]))
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            codes = np.repeat(self.codes[rows[some]][:, None, :], values.shape[1], axis=1)
            codes[..., i] = values[some]
            found[some] = self._likelihood(rows[some], codes)
        return found
