"""A continuous score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
import xarray as xr
from scipy.special import expit

from medresponse.synthetic.mechanisms.kinds import Noise, Outcome, Potential, Signal
from medresponse.synthetic.mechanisms.knobs import between, contradicts, mechanism
from medresponse.synthetic.mechanisms.surfaces import Shape


@mechanism(Outcome, "gaussian")
@dataclass(frozen=True, kw_only=True)
class GaussianOutcome:
    """A score of mean `mean` and standard deviation `sd` under the reference; higher is better.

    Parameters
    ----------
    surface : str
        Shape of prognosis and of the effects' modification.
    explained : float
        Share of the variance under the reference that observables explain, 0 to below 1.
    noise : str
        ``iid``, or ``heteroskedastic``: residual variances grow with prognosis, by ``2 expit(1.5 z)`` where that is z standard
        deviations from its mean: 1 on average of a symmetric surface, 0.93 of an exponential one. Not where `explained` is 0.
    mean, sd : float
        In points. Predictors are in units of `sd`.
    """

    surface: Shape = "linear"
    explained: float = 0.5
    noise: Literal["iid", "heteroskedastic"] = "iid"
    mean: float = 50.0
    sd: float = 10.0

    def __post_init__(self) -> None:
        between("outcome.explained", self.explained, 0.0, 1.0, open_high=True)
        between("outcome.mean", self.mean, -np.inf, np.inf, open_low=True, open_high=True)
        between("outcome.sd", self.sd, 0.0, np.inf, open_low=True, open_high=True)
        if self.noise == "heteroskedastic" and not self.explained:
            raise contradicts(
                "outcome.noise", "heteroskedastic found; legal is iid where outcome.explained is 0"
            )

    @property
    def spreads(self) -> tuple[float, ...]:
        """Root of the share explained."""
        return (float(np.sqrt(self.explained)),)

    @property
    def unit(self) -> float:
        """1: predictors are in standard deviations of the outcome."""
        return 1.0

    @property
    def endpoints(self) -> Mapping[str, int]:
        """The score."""
        return {"score": 1}

    @property
    def is_time(self) -> bool:
        """No."""
        return False

    def check(self, treatments: tuple[str, ...]) -> None:
        """Nothing."""

    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """Return one continuous outcome, ``score``."""
        return {
            "score": {
                "kind": "continuous", "column": "score", "unit": "points", "label": "score",
                "direction": "higher_is_better",
            }
        }  # fmt: skip

    def means(self, signal: Signal, *, given_unseen: bool) -> xr.DataArray:
        """Return the mean score; what is unseen has mean zero."""
        predictor = signal.prognosis[:, :1] + signal.effect + (signal.unseen_sum if given_unseen else 0.0)
        return self._endpoint(self.mean + self.sd * predictor)

    def draw(self, signal: Signal, noise: Noise) -> Potential:
        """Return scores."""
        spread = np.full((len(signal.prognosis), 1), np.sqrt(1 - self.explained))
        if self.noise == "heteroskedastic":
            spread = spread * np.sqrt(2 * expit(1.5 * signal.prognosis[:, :1] / self.spreads[0]))
        mean = self.means(signal, given_unseen=True)
        values = mean + self.sd * self._endpoint(spread * noise.normal("outcome"))
        return Potential(values, {"score": values.values[:, :, 0]})

    def observe(
        self, potential: Potential, received: np.ndarray, censored_at: np.ndarray | None
    ) -> dict[str, pl.Series]:
        """Return the score under the treatment received."""
        return {"score": pl.Series("score", potential.raw["score"][np.arange(len(received)), received])}

    def _endpoint(self, values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(
            values[:, :, None], dims=("patient", "treatment", "endpoint"), coords={"endpoint": ["score"]}
        )
