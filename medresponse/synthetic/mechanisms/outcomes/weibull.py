"""Time to an event whose hazards need not be proportional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from scipy.special import log_ndtr

from medresponse.synthetic.mechanisms.kinds import Noise, Outcome, Potential, Signal
from medresponse.synthetic.mechanisms.knobs import (
    between,
    contradicts,
    each_between,
    mechanism,
    one_each,
    rising,
)
from medresponse.synthetic.mechanisms.quadrature import over_normal, over_time
from medresponse.synthetic.mechanisms.surfaces import Shape

_SOONEST = 1e-3  # months; no follow-up is zero


@mechanism(Outcome, "weibull")
@dataclass(frozen=True, kw_only=True)
class WeibullOutcome:
    """A Weibull time with gamma frailty.

    The cumulative hazard is ``Z exp(-prognosis) B_k(t)`` with ``B_k(t) = exp(-effect_k) (t / scale)^shape_k``; with a
    delay d, treatments act from then on: ``B_k(t) = B(t)`` before d and ``B(d) + exp(-effect_k) (B(t) - B(d))`` after.
    Z is gamma of mean 1, so that survival without it is ``(1 + frailty H)^(-1 / frailty)`` (Aalen, Borgan & Gjessing
    2008, section 6.2.3).

    Parameters
    ----------
    surface : str
        Shape of prognosis and of the effects' modification.
    shapes : tuple of float
        Weibull shape, one for all treatments or one for each; hazards of different shapes cross.
    scale : float
        Months by which a share 1 - 1/e of average patients under the reference has had the event.
    delay : float
        Months until treatments act; 0 for at once. Not together with several shapes.
    frailty : float
        Variance of the frailty, 0 to 3.
    prognosis : float
        Standard deviation of the log hazard, 0 to 3; 0.4 to 0.9 in four public survival data sets.
    horizons : tuple of float
        Months at which survival and event-free time are known.
    """

    surface: Shape = "linear"
    shapes: tuple[float, ...] = (1.2,)
    scale: float = 24.0
    delay: float = 0.0
    frailty: float = 0.0
    prognosis: float = 0.6
    horizons: tuple[float, ...] = (12.0, 24.0)

    def __post_init__(self) -> None:
        each_between("outcome.shapes", self.shapes, 0.2, 5.0)
        between("outcome.scale", self.scale, 0.0, np.inf, open_low=True, open_high=True)
        between("outcome.delay", self.delay, 0.0, np.inf, open_high=True)
        between("outcome.frailty", self.frailty, 0.0, 3.0)
        between("outcome.prognosis", self.prognosis, 0.0, 3.0)
        rising("outcome.horizons", self.horizons)
        if self.delay and len(set(self.shapes)) > 1:
            raise contradicts("outcome.delay", f"{self.delay:g} found; legal is 0 where shapes differ")

    @property
    def spreads(self) -> tuple[float, ...]:
        """The prognosis'."""
        return (self.prognosis,)

    @property
    def unit(self) -> float:
        """Standard deviation of the log of an exponential variable, on which intraclass correlations are stated."""
        return float(np.pi / np.sqrt(6))

    @property
    def endpoints(self) -> Mapping[str, int]:
        """Probability of being event-free, and event-free months, both by the horizon."""
        return {"survival": 1, "rmst": 1}

    @property
    def is_time(self) -> bool:
        """Yes."""
        return True

    def check(self, treatments: tuple[str, ...]) -> None:
        """Refuse shapes that are neither one nor one for each treatment."""
        if len(self.shapes) != 1:
            one_each("outcome.shapes", self.shapes, treatments, active=False)

    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """Return one time to event, ``time``, in months."""
        return {
            "time": {
                "kind": "time_to_event", "time": "time", "event": "event", "event_value": True,
                "censored_value": False, "unit": "month", "event_label": "event", "free_label": "event-free",
            }
        }  # fmt: skip

    def means(self, signal: Signal, *, given_unseen: bool) -> xr.DataArray:
        """Return survival and restricted mean event-free time at each horizon."""
        eta, effect = np.broadcast_to(signal.prognosis[:, :1], signal.effect.shape), signal.effect
        both, late = np.zeros_like(signal.unseen_sd), np.zeros_like(signal.unseen_sd)
        if given_unseen:
            eta, effect = eta + signal.unseen, effect + signal.unseen_effect
        elif not self.delay:  # effects add to the prognosis, what is unseen of both too
            both = signal.unseen_sd
        else:
            both, late = (
                np.full_like(both, np.sqrt(signal.unseen_variance)),
                np.sqrt(signal.unseen_effect_variance),
            )

        def survival(t: float) -> np.ndarray:
            def given_effect(own: np.ndarray) -> np.ndarray:
                base = self._base(t, own)
                return over_normal(lambda z: self._free(base * np.exp(-z)), eta, both)

            return over_normal(given_effect, effect, late)

        found = np.empty((*signal.effect.shape, 2, len(self.horizons)))
        for j, horizon in enumerate(self.horizons):
            found[:, :, 0, j] = survival(horizon)
            found[:, :, 1, j] = sum(
                w * survival(t) for t, w in zip(*over_time(horizon, bend=self.delay), strict=True)
            )
        return self._endpoints(found)

    def draw(self, signal: Signal, noise: Noise) -> Potential:
        """Return event times, and what they say of each horizon."""
        n, k = signal.effect.shape
        target = -log_ndtr(noise.normal("outcome")) * np.exp(signal.prognosis[:, :1] + signal.unseen)
        if self.frailty:
            target = target / noise.patient("frailty").gamma(1 / self.frailty, self.frailty, (n, 1))
        shapes, gain = np.broadcast_to(self.shapes, k), np.exp(signal.effect + signal.unseen_effect)
        at_delay = (self.delay / self.scale) ** shapes
        late = np.maximum(target - at_delay, 0.0) * gain
        time = self.scale * (np.minimum(target, at_delay) + late) ** (1 / shapes)
        ends = np.asarray(self.horizons)
        found = np.stack([time[..., None] > ends, np.minimum(time[..., None], ends)], axis=2)
        return Potential(self._endpoints(found), {"time": time})

    def observe(
        self, potential: Potential, received: np.ndarray, censored_at: np.ndarray | None
    ) -> dict[str, pl.Series]:
        """Return follow-up and whether it ended with the event."""
        time = potential.raw["time"][np.arange(len(received)), received]
        end = np.full(len(time), np.inf) if censored_at is None else censored_at
        followed = np.maximum(np.minimum(time, end), _SOONEST)
        return {"time": pl.Series("time", followed), "event": pl.Series("event", time <= end)}

    def _base(self, t: float, effect: np.ndarray) -> np.ndarray:
        shapes = np.broadcast_to(self.shapes, effect.shape[1])
        early = (min(t, self.delay) / self.scale) ** shapes
        return early + np.exp(-effect) * ((t / self.scale) ** shapes - early)

    def _free(self, hazard: np.ndarray) -> np.ndarray:
        if not self.frailty:
            return np.exp(-hazard)
        return np.exp(-np.log1p(self.frailty * hazard) / self.frailty)

    def _endpoints(self, values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(
            values, dims=("patient", "treatment", "endpoint", "horizon"),
            coords={"endpoint": list(self.endpoints), "horizon": list(self.horizons)},
        )  # fmt: skip
