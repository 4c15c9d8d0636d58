"""What the parts of a scenario are: each kind is one file and one registration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.synthetic.mechanisms.column import Column, Values
from medresponse.synthetic.mechanisms.surfaces import Shape


@dataclass(frozen=True)
class Scores:
    """What mechanisms see of patients.

    Parameters
    ----------
    values : mapping
        Column -> values.
    table : numpy.ndarray
        Scores, shape (patient, column), in the order of `names`.
    names : tuple of str
    blocks : mapping
        ``covariates`` and ``genome`` -> positions of their columns in `names`.
    """

    values: Values
    table: np.ndarray
    names: tuple[str, ...]
    blocks: Mapping[str, np.ndarray]

    @property
    def n(self) -> int:
        """Patients."""
        return len(self.table)

    def of(self, name: str) -> np.ndarray:
        """Return one column's scores, shape (patient,)."""
        return self.table[:, self.names.index(name)]


@dataclass(frozen=True)
class Signal:
    """Predictors of outcomes; higher is better for the patient.

    Parameters
    ----------
    prognosis : numpy.ndarray
        From observables, shape (patient, predictor); a known site's effect is in the first.
    effect : numpy.ndarray
        Of each treatment against the reference, from observables, shape (patient, treatment).
    unseen : numpy.ndarray
        Added to the first predictor by what no analyst sees (hidden cause, a new site), shape (patient, 1).
    unseen_effect : numpy.ndarray
        Added to the effects by it (a new site's own), shape (patient, treatment).
    unseen_variance : float
        Of the normal term `unseen`.
    unseen_effect_variance : numpy.ndarray
        Of `unseen_effect` under each treatment, shape (treatment,).
    """

    prognosis: np.ndarray
    effect: np.ndarray
    unseen: np.ndarray
    unseen_effect: np.ndarray
    unseen_variance: float
    unseen_effect_variance: np.ndarray

    @property
    def unseen_sum(self) -> np.ndarray:
        """Both unseen terms where effects add to the first predictor, shape (patient, treatment)."""
        return self.unseen + self.unseen_effect

    @property
    def unseen_sd(self) -> np.ndarray:
        """Standard deviation of `unseen_sum` under each treatment, shape (treatment,)."""
        return np.sqrt(self.unseen_variance + self.unseen_effect_variance)

    @property
    def n_treatments(self) -> int:
        """Treatments."""
        return self.effect.shape[1]


@dataclass(frozen=True)
class Noise:
    """Random parts of outcomes.

    Parameters
    ----------
    normal : callable
        (label) -> standard normals of shape (patient, treatment), correlated over treatments as the scenario's coupling
        says; another label gives an independent set.
    patient : callable
        (label) -> a random generator for what patients carry whatever their treatment (frailty, growth).
    """

    normal: Callable[[str], np.ndarray]
    patient: Callable[[str], np.random.Generator]


@dataclass(frozen=True)
class Potential:
    """One realised outcome under each treatment.

    Parameters
    ----------
    endpoints : xarray.DataArray
        On the scale of the means: (patient, treatment, endpoint[, horizon]).
    raw : mapping
        What can be observed, before censoring: name -> (patient, treatment[, ...]).
    """

    endpoints: xr.DataArray
    raw: Mapping[str, np.ndarray]


class Covariates(Protocol):
    """Baseline columns and how patients are drawn."""

    def columns(self, source: Cohort | None) -> tuple[Column, ...]:
        """Return the columns; `source` is the real cohort of a semi-synthetic scenario."""
        ...

    def draw(self, n: int, rng: np.random.Generator, source: Cohort | None, *, shift: float) -> Values:
        """Return values of `n` patients; `shift` moves them, in standard deviations (new sites differ)."""
        ...


class Genome(Protocol):
    """Genetic columns."""

    def columns(self, world: Callable[[], np.random.Generator]) -> tuple[Column, ...]:
        """Return the columns; `world` starts the generator of what is drawn once for all patients, anew."""
        ...

    def draw(self, n: int, rng: np.random.Generator, world: Callable[[], np.random.Generator]) -> Values:
        """Return values of `n` patients."""
        ...


class Assignment(Protocol):
    """How patients come by their treatments."""

    @property
    def randomised(self) -> bool:
        """Whether by design."""
        ...

    def check(self, treatments: tuple[str, ...], *, has_sites: bool) -> None:
        """Refuse knobs that do not fit the treatments."""
        ...

    def leanings(self, treatments: tuple[str, ...]) -> Mapping[str, Shape]:
        """Return label -> shape of the standardised surfaces that choose treatments; none if by design."""
        ...

    def propensity(self, leanings: np.ndarray, boxed: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return the probability of each treatment, shape (patient, treatment).

        Parameters
        ----------
        leanings : numpy.ndarray
            Towards each treatment but the reference, shape (patient, treatment - 1).
        boxed : numpy.ndarray
            Whether the patient is in the part of the population that never gets an active treatment where overlap fails.
        start : numpy.ndarray
            Log odds of each treatment but the reference where the leaning is zero.
        """
        ...

    def shares(self, n_treatments: int) -> np.ndarray:
        """Return the share of each treatment in the population, shape (treatment,)."""
        ...

    def draw(
        self, propensity: np.ndarray, strata: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Return positions of treatments, shape (patient,)."""
        ...


class Effect(Protocol):
    """How each treatment's effect depends on the patient."""

    def check(self, treatments: tuple[str, ...], names: Sequence[str]) -> None:
        """Refuse knobs that do not fit the treatments or columns."""
        ...

    def surfaces(self, treatments: tuple[str, ...]) -> tuple[str, ...]:
        """Return labels of standardised surfaces that the effect is made of; equal labels share one surface."""
        ...

    def values(
        self, treatments: tuple[str, ...], scores: Scores, surfaces: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return effects on the predictor, shape (patient, treatment), zero for the reference; positive is better."""
        ...


class Outcome(Protocol):
    """A law of outcomes given predictors."""

    @property
    def surface(self) -> Shape:
        """Shape of prognosis and of the effects' modification."""
        ...

    @property
    def spreads(self) -> tuple[float, ...]:
        """Standard deviation of each predictor's prognostic part."""
        ...

    @property
    def unit(self) -> float:
        """Standard deviation of the outcome given the predictors' mean, in units of the predictor; scales sites."""
        ...

    @property
    def endpoints(self) -> Mapping[str, int]:
        """Endpoint -> +1 if higher is better for the patient, -1 if lower is."""
        ...

    @property
    def is_time(self) -> bool:
        """Whether follow-up can be censored."""
        ...

    def check(self, treatments: tuple[str, ...]) -> None:
        """Refuse knobs that do not fit the treatments."""
        ...

    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the schema of outcomes as plain data."""
        ...

    def means(self, signal: Signal, *, given_unseen: bool) -> xr.DataArray:
        """Return E[Y(k) | x] or E[Y(k) | x, unseen], dims (patient, treatment, endpoint[, horizon])."""
        ...

    def draw(self, signal: Signal, noise: Noise) -> Potential:
        """Return one realised outcome under each treatment."""
        ...

    def observe(
        self, potential: Potential, received: np.ndarray, censored_at: np.ndarray | None
    ) -> dict[str, pl.Series]:
        """Return the outcome columns of a table under the treatments received."""
        ...


class Censoring(Protocol):
    """When follow-up ends."""

    @property
    def target(self) -> float | None:
        """Share of patients to be censored, None if it is not set."""
        ...

    @property
    def end(self) -> float | None:
        """Time at which everybody's follow-up ends, None if at no fixed time."""
        ...

    def hazard(self, signal: Signal, log_rate: float) -> np.ndarray:
        """Return each patient's hazard of censoring per unit of time, shape (patient,); zeros if by design alone."""
        ...

    def draw(self, hazard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return times at which follow-up ends, infinite for never, shape (patient,)."""
        ...


class Missing(Protocol):
    """Which values of features are not recorded."""

    def probability(self, scores: Scores, starts: Mapping[str, float]) -> Mapping[str, np.ndarray]:
        """Return column -> probability that its value is missing, shape (patient,); `starts` are log odds at score zero."""
        ...

    def columns(self, names: Sequence[str]) -> Mapping[str, float]:
        """Return column -> share of its values to be missing."""
        ...


class Dropout(Protocol):
    """Whose outcome is not recorded."""

    @property
    def target(self) -> float:
        """Share of outcomes to be missing."""
        ...

    def probability(self, response: np.ndarray, signal: Signal, start: float) -> np.ndarray:
        """Return the probability that each patient's outcome is missing.

        Parameters
        ----------
        response : numpy.ndarray
            First endpoint that would be observed, standardised in the population, higher is better; shape (patient,).
        signal : Signal
        start : float
            Log odds where these are zero.
        """
        ...
