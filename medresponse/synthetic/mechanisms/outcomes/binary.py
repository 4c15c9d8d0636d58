"""An adverse event by the end of follow-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from scipy.special import expit, logit, ndtr

from medresponse.synthetic.mechanisms.kinds import Noise, Outcome, Potential, Signal
from medresponse.synthetic.mechanisms.knobs import between, mechanism
from medresponse.synthetic.mechanisms.quadrature import over_normal
from medresponse.synthetic.mechanisms.surfaces import Shape


@mechanism(Outcome, "binary")
@dataclass(frozen=True, kw_only=True)
class BinaryOutcome:
    """An event whose log odds are those of `base` less the predictor, which is on the log-odds scale.

    Parameters
    ----------
    surface : str
        Shape of prognosis and of the effects' modification.
    base : float
        Probability of the event under the reference at average prognosis, within (0, 1).
    prognosis : float
        Standard deviation of the log odds over patients, 0 to 3.
    """

    surface: Shape = "linear"
    base: float = 0.3
    prognosis: float = 0.8

    def __post_init__(self) -> None:
        between("outcome.base", self.base, 0.0, 1.0, open_low=True, open_high=True)
        between("outcome.prognosis", self.prognosis, 0.0, 3.0)

    @property
    def spreads(self) -> tuple[float, ...]:
        """The prognosis'."""
        return (self.prognosis,)

    @property
    def unit(self) -> float:
        """Standard deviation of a logistic variable, on which intraclass correlations of log odds are stated."""
        return float(np.pi / np.sqrt(3))

    @property
    def endpoints(self) -> Mapping[str, int]:
        """The event, which is worse."""
        return {"event": -1}

    @property
    def is_time(self) -> bool:
        """No."""
        return False

    def check(self, treatments: tuple[str, ...]) -> None:
        """Nothing."""

    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """Return one binary outcome, ``event``."""
        return {
            "event": {
                "kind": "binary", "column": "event", "event_value": True, "other_value": False,
                "event_label": "event", "free_label": "no event", "direction": "event_is_worse",
            }
        }  # fmt: skip

    def means(self, signal: Signal, *, given_unseen: bool) -> xr.DataArray:
        """Return probabilities of the event."""
        predictor = signal.prognosis[:, :1] + signal.effect
        if given_unseen:
            return _endpoint(self._risk(predictor + signal.unseen_sum))
        return _endpoint(over_normal(self._risk, predictor, signal.unseen_sd))

    def draw(self, signal: Signal, noise: Noise) -> Potential:
        """Return events."""
        risk = self.means(signal, given_unseen=True).values[:, :, 0]
        events = ndtr(noise.normal("outcome")) < risk
        return Potential(_endpoint(events.astype(float)), {"event": events})

    def observe(
        self, potential: Potential, received: np.ndarray, censored_at: np.ndarray | None
    ) -> dict[str, pl.Series]:
        """Return the event under the treatment received."""
        return {"event": pl.Series("event", potential.raw["event"][np.arange(len(received)), received])}

    def _risk(self, predictor: np.ndarray) -> np.ndarray:
        return np.asarray(expit(logit(self.base) - predictor))


def _endpoint(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(
        values[:, :, None], dims=("patient", "treatment", "endpoint"), coords={"endpoint": ["event"]}
    )
