"""What is reported of each patient under each treatment, from tiles of draws in float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medresponse.core.constant_hazards import WithConstantHazards
from medresponse.core.estimand import ESTIMANDS
from medresponse.core.links import Link, Linked
from medresponse.response.predict import Patients, linear_predictors
from medresponse.response.responses import Responses
from medresponse.response.scoring.by_interval import ByInterval
from medresponse.response.scoring.interpolated import Interpolated
from medresponse.response.scoring.kernels import COMPARISONS, MOMENTS, reductions
from medresponse.response.scoring.predictors import LEAST, Line, Tile, tile_size, tiles
from medresponse.response.scoring.values import Values, sum_of, values_at

_QUANTILES = ("lower", "median", "upper")
_BENEFIT_ENDS = ("benefit_lower", "benefit_upper")


@dataclass(frozen=True, kw_only=True)
class Summaries:
    """Summaries over draws, by columns.

    Parameters
    ----------
    asked : Responses
        The question, its fit and seed; of no patients in particular.
    reference : int
        Position of the treatment that benefits are measured against.
    worthwhile : float
        In the responses' unit.
    losses : numpy.ndarray
        In the responses' unit, shape (treatment, draw), float32.
    level : float or None
        Of the equal-tailed intervals; None leaves quantiles out, which cost most.
    """

    asked: Responses
    reference: int
    worthwhile: float
    losses: np.ndarray
    level: float | None

    @property
    def compares(self) -> bool:
        """Whether treatments are compared: there are several, and one side of what is asked is the better one."""
        return len(self.asked.treatments) > 1 and self.asked.direction != 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the summaries, in order."""
        quantiles = () if self.level is None else _QUANTILES
        if not self.compares:
            return (*MOMENTS, *quantiles)
        ends = () if self.level is None else _BENEFIT_ENDS
        return (*MOMENTS, *quantiles, *COMPARISONS[:2], *ends, *COMPARISONS[2:])

    def tiles(self, patients: Patients) -> Iterator[Tile]:
        """Yield patients in tiles: larger ones for a link, which makes no copies, than for other arithmetic."""
        return tiles(self.asked.fit, patients, LEAST if self._link is None else tile_size(self.asked.fit))

    def of(self, tile: Tile) -> np.ndarray:
        """Return the summaries of a tile of patients, shape (patient, treatment, column).

        What is beyond float32 is computed again in float64, as for a few patients.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            result = self._reduced(self._values(tile))
        beyond = ~np.isfinite(result[..., :2]).all(axis=(1, 2))
        if beyond.any():
            result[beyond] = self._reduced(self._exact(tile, beyond))
        return result

    def prepare(self, patients: Patients) -> None:
        """Compute what all tiles of these patients share."""
        completes = bool(patients.uncertain.any())
        for line in self._lines:
            line.prepare(completes=completes)
        if self._by_interval is not None:
            self._by_interval.prepare()
        if self.interpolates:
            self._interpolated.prepare()

    @property
    def interpolates(self) -> bool:
        """Whether responses are read off polynomials: restricted mean times, which are costly, by a single linear predictor."""
        mean_time = ESTIMANDS[self.asked.estimand.kind].unit == "time"
        known = self._link is not None or self._by_interval is not None
        return mean_time and not known and len(self.asked.fit.predictors) == 1

    @cached_property
    def _link(self) -> Link | None:
        fit = self.asked.fit
        if not isinstance(fit.spec.family, Linked):
            return None
        return fit.spec.family.link(self.asked.estimand, fit.family_draws(), fit.constants)

    @cached_property
    def _by_interval(self) -> ByInterval | None:
        """Responses that rest on constant hazards and have no link."""
        fit = self.asked.fit
        if self._link is not None or not isinstance(fit.spec.family, WithConstantHazards):
            return None
        found = fit.spec.family.constant_hazards(self.asked.estimand, fit.family_draws(), fit.constants)
        return None if found is None else ByInterval(found)

    @cached_property
    def _lines(self) -> tuple[Line, ...]:
        """The line of a link, or each linear predictor."""
        fit, seed, link = self.asked.fit, self.asked.seed, self._link
        if link is not None:
            return (Line(fit=fit, predictor=0, shift=link.shift, factor=link.factor, seed=seed),)
        none, one = np.zeros(fit.n_draws), np.ones(fit.n_draws)
        return tuple(
            Line(fit=fit, predictor=p, shift=none, factor=one, seed=seed) for p in range(len(fit.predictors))
        )

    @cached_property
    def _parameters(self) -> dict[str, np.ndarray]:
        return {name: draws.astype(np.float32) for name, draws in self.asked.fit.family_draws().items()}

    def _values(self, tile: Tile) -> Values:
        parts = [line.at(tile) for line in self._lines]
        if self._link is not None:
            values = values_at(self._link.name, parts[0])
            return Values(
                values.offset * self.asked.factor, values.scale * self.asked.factor, values.relative
            )
        eta = np.stack([sum_of(part) for part in parts])
        if self._by_interval is not None:
            offset, added = self._by_interval.at(eta)
            return Values(offset * self.asked.factor, np.full(len(offset), self.asked.factor), added)
        if not self.interpolates:
            return self._held(self._responses(eta[0] if len(eta) == 1 else eta, self._parameters))
        read, holds = self._interpolated.at(eta[0])
        if not holds.all():
            read[~holds] = self._responses(eta[0][~holds], self._parameters)
        return self._held(read)

    def _exact(self, tile: Tile, keep: np.ndarray) -> Values:
        fit, few = self.asked.fit, tile.rows_where(keep)
        parts = [eta for _, eta in linear_predictors(fit, few, seed=self.asked.seed)]
        return self._held(self._responses(np.concatenate(parts, axis=-3), fit.family_draws()))

    def _responses(self, eta: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
        """Return the family's responses in the digits of eta."""
        asked, fit = self.asked, self.asked.fit
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return asked.factor * fit.spec.family.response(asked.estimand, eta, parameters, fit.constants)

    @cached_property
    def _interpolated(self) -> Interpolated:
        fit, exact = self.asked.fit, self.asked.fit.family_draws()
        return Interpolated(lambda eta: self._responses(eta, exact), len(fit.treatments), fit.n_draws)

    def _held(self, values: np.ndarray) -> Values:
        """Return responses as a patient's mean, in units of the largest distance from it."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            offset = values.mean(axis=(1, 2), dtype=float)
            relative = values - offset[:, None, None].astype(values.dtype)
            scale = np.abs(relative).max(axis=(1, 2)).astype(float)
            scale[~(scale > 0)] = 1.0
            relative = (relative / scale[:, None, None].astype(values.dtype)).astype(np.float32, copy=False)
        return Values(offset, scale, relative)

    def _reduced(self, values: Values) -> np.ndarray:
        asked, scale, offset = self.asked, values.scale[:, None, None], values.offset[:, None, None]
        found = reductions(
            values,
            self.losses,
            reference=self.reference,
            worthwhile=self.worthwhile,
            direction=asked.direction,
        )
        if self.level is None:
            return found if self.compares else found[..., : len(MOMENTS)]
        parts, tail = np.split(found, (len(MOMENTS), len(MOMENTS) + 2), axis=-1), (1 - self.level) / 2
        if self.compares:
            benefit = asked.direction * (values.relative - values.relative[:, [self.reference]])
            ends = _quantiles(benefit, (tail, 1 - tail)) * scale
            ends[:, self.reference] = np.nan
            parts.insert(2, ends)
        quantiles = offset + scale * _quantiles(values.relative, (tail, 0.5, 1 - tail))
        return np.concatenate([parts[0], quantiles, *(parts[1:] if self.compares else ())], axis=-1)


def _quantiles(values: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Return quantiles over the last axis, which is sorted in place: between the two draws around them, by a line."""
    values.sort(axis=-1)
    positions = np.array(levels) * (values.shape[-1] - 1)
    below = np.floor(positions).astype(int)
    above = np.minimum(below + 1, values.shape[-1] - 1)
    low, high = values[..., below].astype(float), values[..., above].astype(float)
    return low + (high - low) * (positions - below)
