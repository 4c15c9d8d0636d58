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

from medresponse.features.latent_dense import SWEEPS_NEW, Dense, run_steps
from medresponse.features.readings import Readings

SWEEPS = 4
CANDIDATES = 100  # of each value, the present one among them; fewer where patients are many
_FEWEST = 8
_NUMBERS = 4_000_000  # codes of candidates held at once

Likelihood = Callable[[range, np.ndarray, np.ndarray], np.ndarray]


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
    likelihood : callable
        From numbers of imputations, positions of patients (row,) and codes (imputation, row, candidate, feature) to the
        log-likelihoods of their outcomes, shape (imputation, row, candidate).
    arms : sequence of (numpy.ndarray, numpy.ndarray)
        Mean and covariance of each arm's own model, where arms have such, in the order of their numbers.
    """

    completed: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    likelihood: Likelihood
    arms: Sequence[tuple[np.ndarray, np.ndarray]] = ()

    def of(self, own: np.ndarray, arm: int) -> Given:
        """Return the same for the patients of an arm, chosen by a mask of shape (patient,); `arm` is its place among the arms."""
        position = np.flatnonzero(own)
        mean, covariance = self.arms[arm] if self.arms else (self.mean, self.covariance)

        def among(which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
            return self.likelihood(which, position[rows], codes)

        return Given(self.completed[:, own], mean, covariance, among)


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
    keep, parts, held = readings.n_latents, [], _candidates(readings)
    together = max(1, _NUMBERS // max(held * int(readings.drawn.any(axis=1).sum()) * len(readings.slices), 1))
    for first in range(0, len(given.completed), together):
        which = range(first, min(first + together, len(given.completed)))
        chains = _Chains(readings, companions, given, which, shifts, rng)
        for _ in range(SWEEPS):
            chains.sweep()
        parts.append((chains.mean[:, :keep], chains.covariance[:, :keep, :keep], chains.codes))
    mean, covariance, completed = map(np.concatenate, zip(*parts, strict=True))
    return mean, covariance, completed


def _candidates(readings: Readings) -> int:
    return candidates_for(int(readings.drawn.sum(axis=0).max(initial=1)), len(readings.slices))


def candidates_for(patients: int, features: int) -> int:
    """Return how many candidates are weighed for a value where no feature is imputed in more than so many patients."""
    return min(CANDIDATES, max(_FEWEST, _NUMBERS // max(patients * features, 1)))


def latents_of(
    readings: Readings, codes: np.ndarray, mean: np.ndarray, covariance: np.ndarray, shifts: Mapping[int, float],
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Draw the latents behind completed codes, unshifted, shape (patient, latent), at given parameters.

    Independent ones would not do: what rare levels of two features say of their correlation is forgotten at once, and comes
    back over dozens of sweeps.
    """
    unshifted = codes.copy()
    discrete: list[int] = []
    for i, shift in shifts.items():
        if readings.encoding.features[i].type == "continuous":
            unshifted[readings.missing[:, i], i] -= shift
        else:
            discrete.append(i)
    exact = Dense(Readings(readings.encoding, unshifted), np.empty((len(codes), 0)))
    exact.start(rng.random((len(codes), readings.n_latents)))
    known, unit = exact.readings.known(), np.sqrt(np.diagonal(covariance))
    # A level that was read off a shifted latent holds the unshifted one between cut points that are shifted the other way.
    lower = np.array([shifts[i] * unit[readings.first[i]] for i in discrete])
    lacking = readings.missing[:, discrete]
    for pattern in np.unique(lacking, axis=0):
        rows, edges = np.flatnonzero((lacking == pattern).all(axis=1)), known.edges.copy()
        edges[discrete] -= np.where(pattern, lower, 0.0)[:, None]
        z, own = exact.z[rows], known._replace(codes=known.codes[rows], edges=edges)
        run_steps(rng, SWEEPS_NEW, z, own, mean.copy(), covariance.copy(), draws_parameters=False)
        exact.z[rows] = z
    return exact.z


class _Chains:
    """Gibbs state of some imputations, side by side: latents, and the completed codes that are read off them.

    Attributes
    ----------
    mean, covariance : numpy.ndarray
        Drawn last, companions' too, shapes (imputation, latent) and (imputation, latent, latent).
    codes : numpy.ndarray
        Shape (imputation, patient, feature).
    """

    def __init__(
        self, readings: Readings, companions: np.ndarray, given: Given, which: range, shifts: Mapping[int, float],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self._readings, self._known, self._shifts, self._rng = readings, readings.known(), shifts, rng
        self._which, self._likelihood = which, given.likelihood
        self.codes, keep = given.completed[which.start : which.stop], readings.n_latents
        q = keep + companions.shape[1]
        self._z = np.empty((len(which), len(companions), q))
        for z, m in zip(self._z, which, strict=True):
            z[:, :keep] = latents_of(
                readings, given.completed[m], given.mean[m], given.covariance[m], shifts, rng
            )
            z[:, keep:] = companions
        self.mean, self.covariance = np.zeros((len(which), q)), np.tile(np.eye(q), (len(which), 1, 1))
        self._open = [np.flatnonzero(readings.drawn[:, i]) for i in range(len(readings.slices))]
        self._candidates = _candidates(readings)

    def sweep(self) -> None:
        """Draw the features' parameters, latents behind known levels, and what is not known exactly given the outcome too."""
        known = self._readings
        for z, mean, covariance in zip(self._z, self.mean, self.covariance, strict=True):
            run_steps(self._rng, 1, z, self._known, mean, covariance, leaves_open=True)
        precision = np.linalg.inv(self.covariance)
        spread = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        self.codes = np.stack(
            [known.completed(z, spread=s, shifts=self._shifts) for z, s in zip(self._z, spread, strict=True)]
        )
        for i, rows in enumerate(self._open):
            for j in range(known.slices[i].start, known.slices[i].stop) if len(rows) else ():
                self._choose(i, j, precision, spread)

    def _choose(self, i: int, j: int, precision: np.ndarray, spread: np.ndarray) -> None:
        """Draw latent `j` of the patients whose feature `i` is not known exactly."""
        known, rows, many, own = self._readings, self._open[i], self._candidates, self._readings.slices[i]
        location, sd = self._given_others(i, j, precision)
        latents = np.repeat(self._z[:, rows, None, own], many, axis=2)
        noise = ndtri(self._rng.random((*location.shape, many - 1)))
        latents[:, :, 1:, j - own.start] = location[..., None] + sd[..., None] * noise
        unit = spread[:, j, None] if known.encoding.features[i].type != "continuous" else 1.0
        shift = np.where(known.missing[rows, i], self._shifts.get(i, 0.0) * unit, 0.0)
        values = known.code_of(i, latents + np.broadcast_to(shift, location.shape)[..., None, None])
        log_weight = np.nan_to_num(self._log_likelihoods(i, rows, values), nan=-np.inf)
        best = log_weight.max(axis=2, keepdims=True)
        weight = np.exp(log_weight - np.where(np.isfinite(best), best, 0.0)).cumsum(axis=2)
        chosen = (self._rng.random((*location.shape, 1)) * weight[..., -1:] > weight).sum(axis=2)[..., None]
        self._z[:, rows, j] = np.take_along_axis(latents[..., j - own.start], chosen, axis=2)[..., 0]
        self.codes[:, rows, i] = np.take_along_axis(values, chosen, axis=2)[..., 0]

    def _given_others(self, i: int, j: int, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and sd (imputation, row) of latent `j` given all the others and a noisy reading of feature `i`, if any."""
        rows = self._open[i]
        present, own = self._z[:, rows], precision[:, j, j, None]
        pull = np.einsum("mrq,mq->mr", present - self.mean[:, None], precision[:, :, j])
        location, information = present[..., j] - pull / own, self._readings.information[rows, i]
        total = own + information
        reading = np.where(information > 0, self._readings.codes[rows, i], 0.0)
        return location + information / total * (reading - location), 1.0 / np.sqrt(total)

    def _log_likelihoods(self, i: int, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return log-likelihoods (imputation, row, candidate) of values of feature `i`, of as many rows at once as memory is meant for."""
        found, features = np.empty(values.shape), self.codes.shape[2]
        size = max(1, _NUMBERS // (len(values) * values.shape[2] * features))
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            codes = np.repeat(self.codes[:, rows[some], None], values.shape[2], axis=2)
            codes[..., i] = values[:, some]
            found[:, some] = self._likelihood(self._which, rows[some], codes)
        return found
