"""Two causes that compete, one of them untouched by treatment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from scipy.special import log_ndtr

from medresponse.synthetic.mechanisms.kinds import Noise, Outcome, Potential, Signal
from medresponse.synthetic.mechanisms.knobs import between, each_between, mechanism, rising
from medresponse.synthetic.mechanisms.quadrature import over_normal, over_time
from medresponse.synthetic.mechanisms.surfaces import Shape

CAUSES = ("progression", "death")
_SOONEST = 1e-3  # months; no follow-up is zero


@mechanism(Outcome, "competing")
@dataclass(frozen=True, kw_only=True)
class CompetingOutcome:
    """Progression, which treatment delays, and death without it, which has a prognosis of its own.

    Cause-specific cumulative hazards are ``Z exp(-predictor_j) (t / scale_j)^shape`` with one gamma frailty Z of mean 1
    for both. With H their sum without Z, the share free of both is ``(1 + frailty H)^(-1/frailty)`` (Aalen, Borgan & Gjessing
    2008, section 6.2.3); of one shape, each cause has the same share of the hazard at all times, and so of all that happens.

    Parameters
    ----------
    surface : str
        Shape of prognosis and of the effects' modification.
    shape : float
        Weibull shape of both causes.
    scales : (float, float)
        Months, of progression and of death.
    frailty : float
        Variance of the frailty, 0 to 3.
    prognosis : float
        Standard deviation of each log hazard over patients, 0 to 3.
    horizons : tuple of float
        Months at which incidences and event-free time are known.
    """

    surface: Shape = "linear"
    shape: float = 1.3
    scales: tuple[float, float] = (20.0, 40.0)
    frailty: float = 0.3
    prognosis: float = 0.6
    horizons: tuple[float, ...] = (12.0, 24.0)

    def __post_init__(self) -> None:
        between("outcome.shape", self.shape, 0.2, 5.0)
        each_between("outcome.scales", self.scales, 0.0, np.inf, n=2, open_low=True, open_high=True)
        between("outcome.frailty", self.frailty, 0.0, 3.0)
        between("outcome.prognosis", self.prognosis, 0.0, 3.0)
        rising("outcome.horizons", self.horizons)

    @property
    def spreads(self) -> tuple[float, ...]:
        """The prognosis', of either cause."""
        return (self.prognosis, self.prognosis)

    @property
    def unit(self) -> float:
        """Standard deviation of the log of an exponential variable, on which intraclass correlations are stated."""
        return float(np.pi / np.sqrt(6))

    @property
    def endpoints(self) -> Mapping[str, int]:
        """Incidence of each cause, and months free of both, by the horizon."""
        return {**{f"cif_{cause}": -1 for cause in CAUSES}, "rmst": 1}

    @property
    def is_time(self) -> bool:
        """Yes."""
        return True

    def check(self, treatments: tuple[str, ...]) -> None:
        """Nothing."""

    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """Return one outcome of competing risks, ``time``, in months."""
        return {
            "time": {
                "kind": "competing_risks", "time": "time", "event": "event", "causes": {c: c for c in CAUSES},
                "censored_value": "censored", "unit": "month", "free_label": "event-free",
            }
        }  # fmt: skip

    def means(self, signal: Signal, *, given_unseen: bool) -> xr.DataArray:
        """Return incidences and restricted mean event-free time at each horizon."""
        first = signal.prognosis[:, :1] + signal.effect + (signal.unseen_sum if given_unseen else 0.0)
        sd = np.zeros_like(signal.unseen_sd) if given_unseen else signal.unseen_sd
        second = np.exp(-signal.prognosis[:, 1:])

        def of(predictor: np.ndarray) -> np.ndarray:
            rates = (np.exp(-predictor), np.broadcast_to(second, predictor.shape))
            return np.stack([self._by(horizon, rates) for horizon in self.horizons], axis=-1)

        return self._endpoints(over_normal(of, first, sd))

    def draw(self, signal: Signal, noise: Noise) -> Potential:
        """Return times and causes, and what they say of each horizon."""
        n, k = signal.effect.shape
        predictors = (
            signal.prognosis[:, :1] + signal.effect + signal.unseen_sum,
            np.broadcast_to(signal.prognosis[:, 1:], (n, k)),
        )
        frailty = np.ones((n, 1))
        if self.frailty:
            frailty = noise.patient("frailty").gamma(1 / self.frailty, self.frailty, (n, 1))
        times = [
            scale * (-log_ndtr(noise.normal(f"outcome {cause}")) * np.exp(eta) / frailty) ** (1 / self.shape)
            for cause, scale, eta in zip(CAUSES, self.scales, predictors, strict=True)
        ]
        time, cause = np.minimum(*times), (times[1] < times[0]).astype(int)
        ends = np.asarray(self.horizons)
        by = time[..., None] <= ends
        found = [by & (cause[..., None] == j) for j in range(len(CAUSES))]
        return Potential(
            self._endpoints(np.stack([*found, np.minimum(time[..., None], ends)], axis=2)),
            {"time": time, "cause": cause},
        )

    def observe(
        self, potential: Potential, received: np.ndarray, censored_at: np.ndarray | None
    ) -> dict[str, pl.Series]:
        """Return follow-up and what ended it."""
        rows = np.arange(len(received))
        time, cause = potential.raw["time"][rows, received], potential.raw["cause"][rows, received]
        end = np.full(len(time), np.inf) if censored_at is None else censored_at
        codes = np.where(time <= end, cause + 1, 0).astype(np.uint32)
        followed = np.maximum(np.minimum(time, end), _SOONEST)
        event = pl.Series("event", codes).cat.to(pl.Enum(["censored", *CAUSES]))
        return {"time": pl.Series("time", followed), "event": event}

    def _by(self, horizon: float, rates: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return incidences and event-free time by one horizon, shape (patient, treatment, 3)."""
        parts = [rate * (horizon / s) ** self.shape for rate, s in zip(rates, self.scales, strict=True)]
        hazard = parts[0] + parts[1]
        gone = -np.expm1(self._log_free(hazard))
        free = sum(
            weight * np.exp(self._log_free(hazard * (t / horizon) ** self.shape))
            for t, weight in zip(*over_time(horizon), strict=True)
        )
        return np.stack([*(gone * (part / hazard) for part in parts), np.asarray(free)], axis=-1)

    def _log_free(self, hazard: np.ndarray) -> np.ndarray:
        if not self.frailty:
            return -hazard
        return np.asarray(-np.log1p(self.frailty * hazard) / self.frailty)

    def _endpoints(self, values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(
            values.astype(float), dims=("patient", "treatment", "endpoint", "horizon"),
            coords={"endpoint": list(self.endpoints), "horizon": list(self.horizons)},
        )  # fmt: skip
