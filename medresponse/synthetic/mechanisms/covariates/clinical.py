"""Correlated clinical columns of mixed types, made up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from medresponse.cohort import Cohort
from medresponse.cohort.feature import Feature
from medresponse.core.errors import SpecError
from medresponse.synthetic.mechanisms.column import Column, Values, standardised
from medresponse.synthetic.mechanisms.kinds import Covariates
from medresponse.synthetic.mechanisms.knobs import between, mechanism


@dataclass(frozen=True)
class _Number:
    """Normal, or lognormal if `log`, with `decimals` recorded."""

    name: str
    block: str
    unit: str
    centre: float
    scale: float
    decimals: int
    log: bool = False


@dataclass(frozen=True)
class _Levels:
    """Levels with their shares, by cutting a normal; scores are their ranks."""

    name: str
    block: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    type: str


# Plausible adults of an oncology or cardiology clinic; centres and spreads are assumptions, no source was fitted.
_MENU: tuple[_Number | _Levels, ...] = (
    _Number("age", "history", "year", 62.0, 10.0, 0),
    _Levels("sex", "history", ("female", "male"), (0.5, 0.5), "binary"),
    _Number("bmi", "history", "kg/m2", float(np.log(27.0)), 0.17, 1, log=True),
    _Levels("smoking", "lifestyle", ("never", "former", "current"), (0.45, 0.35, 0.2), "categorical"),
    _Number("systolic_pressure", "history", "mmHg", 135.0, 18.0, 0),
    _Number("creatinine", "history", "umol/L", float(np.log(80.0)), 0.3, 0, log=True),
    _Levels("diabetes", "history", ("no", "yes"), (0.8, 0.2), "binary"),
    _Levels("performance_status", "history", ("0", "1", "2"), (0.5, 0.35, 0.15), "ordinal"),
    _Number("haemoglobin", "history", "g/dL", 13.5, 1.5, 1),
    _Number("exercise", "lifestyle", "h", float(np.log(2.0)), 0.7, 1, log=True),
    _Levels("earlier_event", "history", ("no", "yes"), (0.7, 0.3), "binary"),
    _Number("lactate_dehydrogenase", "history", "U/L", float(np.log(200.0)), 0.35, 0, log=True),
)


@mechanism(Covariates, "gaussian_copula")
@dataclass(frozen=True, kw_only=True)
class GaussianCopula:
    """Columns whose normal scores share one common factor.

    Parameters
    ----------
    p : int
        Columns, 3 to 200: a menu of clinical ones, then standard normal markers.
    correlation : float
        Between any two normal scores, 0 to 0.9.
    """

    p: int = 20
    correlation: float = 0.2

    def __post_init__(self) -> None:
        between("covariates.p", self.p, 3, 200)
        between("covariates.correlation", self.correlation, 0.0, 0.9)

    def columns(self, source: Cohort | None) -> tuple[Column, ...]:
        """Return the menu's first columns, and markers for the rest."""
        if source is not None:
            raise SpecError(
                "covariates: gaussian_copula makes patients up and takes no cohort; use real_resample or fitted_copula",
                code="knobs_contradict",
            )
        return tuple(_column(item) for item in self._items())

    def draw(self, n: int, rng: np.random.Generator, source: Cohort | None, *, shift: float) -> Values:
        """Return values; `shift` moves every normal score."""
        items = self._items()
        z = rng.standard_normal((n, len(items)))
        z *= np.sqrt(1.0 - self.correlation)
        z += np.sqrt(self.correlation) * rng.standard_normal((n, 1)) + shift
        return {item.name: _values(item, z[:, j]) for j, item in enumerate(items)}

    def _items(self) -> list[_Number | _Levels]:
        markers = range(1, self.p - len(_MENU) + 1)
        return [
            *_MENU[: self.p],
            *(_Number(f"marker_{j:02d}", "history", "score", 0.0, 1.0, 3) for j in markers),
        ]


def _column(item: _Number | _Levels) -> Column:
    if isinstance(item, _Number):
        feature = Feature(type="continuous", unit=item.unit, transform="log" if item.log else "none")
        return Column(name=item.name, block=item.block, feature=feature, centre=item.centre, scale=item.scale)
    feature = Feature(type=item.type, levels=item.levels)  # type: ignore[arg-type]
    scores = standardised(tuple(float(j) for j in range(len(item.levels))), item.shares)
    return Column(name=item.name, block=item.block, feature=feature, level_scores=scores)


def _values(item: _Number | _Levels, z: np.ndarray) -> np.ndarray:
    if isinstance(item, _Levels):
        return np.asarray(np.searchsorted(ndtri(np.cumsum(item.shares)[:-1]), z))
    values = item.centre + item.scale * z
    if item.log:  # what is recorded as 0 has no logarithm
        return np.asarray(np.maximum(np.round(np.exp(values), item.decimals), 10.0**-item.decimals))
    return np.asarray(np.round(values, item.decimals))
