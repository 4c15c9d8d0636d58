"""Tumour size under a dose: growth, decay by the drug, and an adverse event that grows with the dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from scipy.special import expit, logit, ndtr

from medresponse.synthetic.mechanisms.kinds import Noise, Outcome, Potential, Signal
from medresponse.synthetic.mechanisms.knobs import (
    between,
    contradicts,
    each_between,
    mechanism,
    one_each,
    rising,
)
from medresponse.synthetic.mechanisms.quadrature import hermite, over_normal
from medresponse.synthetic.mechanisms.surfaces import Shape

_ORDER = 8  # of each of two integrals over patients' own growth and decay
_HIDDEN_ORDER = 40  # of that over growth where a hidden cause or a new site spreads it further
_LARGE = 700.0  # exponents beyond which exp(x) is no number, and log(exp(x) - 1 + exp(-d)) is x


@mechanism(Outcome, "tumour_growth")
@dataclass(frozen=True, kw_only=True)
class TumourGrowthOutcome:
    """Size at t weeks over that at baseline: ``exp(-d t) + exp(g t) - 1`` (Stein et al. 2011, Clin Cancer Res 17:907).

    The decay under treatment k is ``d = decay dose_k / (ed50 exp(-effect_k) + dose_k)``, Emax with a Hill coefficient of 1,
    and ``g = growth exp(-prognosis)``; both vary over patients by lognormal factors. The adverse event has log odds
    ``logit(adverse) + harm dose_k / max(dose)`` less a prognosis of its own.

    Parameters
    ----------
    surface : str
        Shape of prognoses and of the effects' modification.
    doses : tuple of float
        In mg a day, one for each treatment, 0 for the reference. Most trials span a factor of 4 or less, so that Emax and
        ED50 are told apart weakly.
    ed50 : float
        In mg a day.
    decay, growth : float
        Each week. Medians of log10 growth a day in five trials of prostate cancer lie between -3.2 and -2.1: 0.005 to
        0.06 a week. That of decay is assumed.
    spread : float
        Standard deviation of the logs of both over patients, beyond what features say, 0 to 1.
    error : float
        Standard deviation of a measured log size, 0 to 1.
    adverse : float
        Probability of the adverse event without the drug, within (0, 1).
    harm : float
        Log odds ratio of the highest dose, 0 to 5.
    prognosis : float
        Standard deviation of the log growth, and of the adverse event's log odds, that features say, 0 to 3.
    visits : tuple of float
        Weeks at which size is measured; the last is the outcome's.
    """

    surface: Shape = "linear"
    doses: tuple[float, ...] = (0.0, 25.0, 50.0, 100.0)
    ed50: float = 40.0
    decay: float = 0.06
    growth: float = 0.02
    spread: float = 0.3
    error: float = 0.1
    adverse: float = 0.05
    harm: float = 2.0
    prognosis: float = 0.4
    visits: tuple[float, ...] = (4.0, 8.0, 12.0, 16.0)

    def __post_init__(self) -> None:
        for name in ("ed50", "decay", "growth"):
            between(f"outcome.{name}", getattr(self, name), 0.0, np.inf, open_low=True, open_high=True)
        for name in ("spread", "error"):
            between(f"outcome.{name}", getattr(self, name), 0.0, 1.0)
        between("outcome.adverse", self.adverse, 0.0, 1.0, open_low=True, open_high=True)
        between("outcome.harm", self.harm, 0.0, 5.0)
        between("outcome.prognosis", self.prognosis, 0.0, 3.0)
        each_between("outcome.doses", self.doses, 0.0, np.inf)
        rising("outcome.visits", self.visits)

    @property
    def spreads(self) -> tuple[float, ...]:
        """The prognosis', of growth and of the adverse event."""
        return (self.prognosis, self.prognosis)

    @property
    def unit(self) -> float:
        """Standard deviation of the log growth over patients, on which intraclass correlations are stated."""
        return float(np.hypot(self.spread, self.prognosis))

    @property
    def endpoints(self) -> Mapping[str, int]:
        """Log of size at the last visit over that at baseline, and the adverse event; both worse if higher."""
        return {"log_ratio": -1, "adverse": -1}

    @property
    def is_time(self) -> bool:
        """No."""
        return False

    def check(self, treatments: tuple[str, ...]) -> None:
        """Refuse doses that are not one for each treatment, 0 for the reference."""
        one_each("outcome.doses", self.doses, treatments, active=False)
        if self.doses[0] != 0.0 or min(self.doses[1:]) <= 0.0:
            raise contradicts("outcome.doses", "legal are 0 for the reference and above 0 for the others")

    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """Return a continuous and a binary outcome, ``log_ratio`` and ``adverse``."""
        return {
            "log_ratio": {
                "kind": "continuous", "column": "log_ratio", "unit": "1", "direction": "lower_is_better",
                "label": "log of tumour size over that at baseline",
            },
            "adverse": {
                "kind": "binary", "column": "adverse", "event_value": True, "other_value": False,
                "event_label": "adverse event", "free_label": "no adverse event", "direction": "event_is_worse",
            },
        }  # fmt: skip

    def means(self, signal: Signal, *, given_unseen: bool) -> xr.DataArray:
        """Return the mean log ratio and the risk of the adverse event."""
        eta, effect, end = signal.prognosis[:, :1], signal.effect, self.visits[-1]
        hidden, sd = 0.0, np.zeros_like(signal.unseen_effect_variance)
        if given_unseen:
            eta, effect = eta + signal.unseen, effect + signal.unseen_effect
        else:
            hidden, sd = signal.unseen_variance, np.sqrt(signal.unseen_effect_variance)
        spread = np.sqrt(
            self.spread**2 + hidden
        )  # a patient's own growth and what is hidden add up on the log

        def ratio(potency: np.ndarray) -> np.ndarray:
            found = np.zeros_like(potency)
            for z, w in hermite(_ORDER):
                decayed = self._decay(potency) * np.exp(self.spread * z) * end
                for u, v in hermite(_HIDDEN_ORDER if hidden else _ORDER):
                    found += w * v * _log_size(decayed, self.growth * np.exp(spread * u - eta) * end)
            return found

        return _endpoints(over_normal(ratio, effect, sd), self._harm(signal))

    def draw(self, signal: Signal, noise: Noise) -> Potential:
        """Return sizes at each visit and adverse events."""
        own = noise.patient("growth and decay").standard_normal((2, len(signal.prognosis), 1))
        growth = self.growth * np.exp(self.spread * own[0] - signal.prognosis[:, :1] - signal.unseen)
        decay = self._decay(signal.effect + signal.unseen_effect) * np.exp(self.spread * own[1])
        sizes = [
            _log_size(decay * t, growth * t) + self.error * noise.normal(f"size at {t:g}")
            for t in self.visits
        ]
        events = ndtr(noise.normal("adverse")) < self._harm(signal)
        raw = {"log_ratio": sizes[-1], "adverse": events, "visits": np.stack(sizes, axis=-1)}
        return Potential(_endpoints(sizes[-1], events.astype(float)), raw)

    def observe(
        self, potential: Potential, received: np.ndarray, censored_at: np.ndarray | None
    ) -> dict[str, pl.Series]:
        """Return the last size and the adverse event under the treatment received."""
        rows = np.arange(len(received))
        return {
            name: pl.Series(name, potential.raw[name][rows, received]) for name in ("log_ratio", "adverse")
        }

    def _decay(self, effect: np.ndarray) -> np.ndarray:
        doses = np.asarray(self.doses)
        return self.decay * doses / (self.ed50 * np.exp(-effect) + doses)

    def _harm(self, signal: Signal) -> np.ndarray:
        dose = np.asarray(self.doses) / max(self.doses)
        return np.asarray(expit(logit(self.adverse) + self.harm * dose - signal.prognosis[:, 1:]))


def _log_size(decayed: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """Return the log of ``exp(-decayed) + exp(grown) - 1``, a number however much has grown."""
    size = np.log(np.exp(-decayed) + np.expm1(np.minimum(grown, _LARGE)))
    return np.asarray(np.where(grown > _LARGE, grown, size))


def _endpoints(ratio: np.ndarray, adverse: np.ndarray) -> xr.DataArray:
    return xr.DataArray(
        np.stack([ratio, adverse], axis=-1), dims=("patient", "treatment", "endpoint"),
        coords={"endpoint": ["log_ratio", "adverse"]},
    )  # fmt: skip
