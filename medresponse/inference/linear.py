"""The linear part of a model with trees: all its coefficients drawn in one block, under normal priors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.features import Layout
from medresponse.inference.slices import ScaleStep
from medresponse.model import ModelSpec, Prepared
from medresponse.priors import Exchangeable, Normal, Prior


class LinearPart:
    """Intercept, treatment effects, linear blocks and pooled groups: a design and its normal prior.

    Parameters
    ----------
    spec : ModelSpec
    prepared : Prepared
    columns : numpy.ndarray
        Feature columns of one completed data set, shape (patient, column).
    treatment_idx : numpy.ndarray
    groups : dict
        Grouping column -> index of each patient's group.
    intercept : tuple of float
        Mean and standard deviation of the intercept's prior.

    Raises
    ------
    SpecError
        If a prior is not normal with a fixed scale, or treatments are pooled otherwise than exchangeably.
    """

    def __init__(
        self, spec: ModelSpec, prepared: Prepared, columns: np.ndarray, treatment_idx: np.ndarray,
        groups: dict[str, np.ndarray], *, intercept: tuple[float, float],
    ) -> None:  # fmt: skip
        layout = prepared.layout
        self._sd, self._pooled = _prior_sds(spec, prepared), _Pooled(spec, layout)
        self._used = self._sd > 0
        for part in self._pooled.parts.values():
            self._used[part] = True
        design = layout.matrix(columns, treatment_idx, groups)[:, self._used]
        self._design = np.column_stack([np.ones(len(columns)), design])
        self._gram: np.ndarray | None = None
        self._prior_mean = np.zeros(self._design.shape[1])
        self._prior_mean[0], self._intercept_sd = intercept
        self._all = self._prior_mean.copy()

    @property
    def intercept(self) -> float:
        """Intercept now."""
        return float(self._all[0])

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients in the order of the layout, 0 where the spec has no linear term."""
        result = np.zeros(len(self._used))
        result[self._used] = self._all[1:]
        return result

    @property
    def scales(self) -> dict[str, np.ndarray]:
        """Scales of pooled groups by variable name."""
        return self._pooled.values

    @property
    def fitted(self) -> np.ndarray:
        """The linear part at the training patients, intercept included."""
        return self._design @ self._all

    @property
    def block(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Design (patient, column) with the intercept first, and prior precision and mean of its coefficients."""
        sd = self._sd.copy()
        for name, part in self._pooled.parts.items():
            sd[part] = self._pooled.scale_of(name)
        precision = 1 / np.concatenate([[self._intercept_sd], sd[self._used]]) ** 2
        return self._design, precision, self._prior_mean

    def prior_draws(self, draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return ``intercept``, ``coefficients`` and scales from their prior, each of shape (draw, ...)."""
        sd = np.tile(self._sd, (draws, 1))
        scales = {name: self._pooled.prior_draws(name, draws, rng) for name in self._pooled.parts}
        for name, part in self._pooled.parts.items():
            sd[:, part] = scales[name][:, None]
        coefficients = sd * rng.standard_normal(sd.shape)
        intercept = self._prior_mean[0] + self._intercept_sd * rng.standard_normal(draws)
        return {"intercept": intercept, "coefficients": coefficients} | self._pooled.stacked(scales)

    def draw(self, residual: np.ndarray, precision: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw coefficients and scales given the residual of everything fitted; return the new residual."""
        target = residual + self.fitted
        _, prior, _ = self.block
        factor = np.linalg.cholesky(self._weighted_gram(precision) + np.diag(prior))
        right = self._design.T @ (precision * target) + prior * self._prior_mean
        mean = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
        self._all = mean + np.linalg.solve(factor.T, rng.standard_normal(len(mean)))
        self._pooled.draw(self.coefficients, rng)
        residual = target - self.fitted
        for name, part in self._pooled.parts.items():
            residual = self._rescale(name, part, residual, precision, rng)
        return residual

    def _rescale(
        self, name: str, part: slice, residual: np.ndarray, precision: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw a scale again with its coefficients as multiples of it, and return the new residual.

        Given the coefficients a small scale hardly moves; given their multiples a large one does not. Drawing both
        ways in turn mixes at either end (Yu & Meng 2011, J Comput Graph Stat 20:531, interweaving).
        """
        own = 1 + np.flatnonzero(np.isin(np.flatnonzero(self._used), np.arange(part.start, part.stop)))
        before = self._pooled.scale_of(name)
        unit = self._design[:, own] @ (self._all[own] / before)
        target = residual + before * unit
        slope, curvature = float(unit @ (precision * target)), float(unit @ (precision * unit))
        after = self._pooled.redraw(name, lambda s: s * slope - s**2 * curvature / 2, rng)
        self._all[own] *= after / before
        return target - after * unit

    def _weighted_gram(self, precision: np.ndarray) -> np.ndarray:
        if np.ptp(precision) > 0:
            return (self._design * precision[:, None]).T @ self._design
        if self._gram is None:
            self._gram = self._design.T @ self._design
        return precision[0] * self._gram


class _Pooled:
    """Scales of pooled groups, each drawn given its own coefficients."""

    def __init__(self, spec: ModelSpec, layout: Layout) -> None:
        self.parts: dict[str, slice] = {}
        self._steps: dict[str, ScaleStep] = {}
        self._stacked: dict[str, list[str]] = {}
        for grouping in layout.groupings:
            column, stem, n = grouping.column, grouping.stem, len(grouping.labels)
            slices = layout.slices
            self._add(f"{stem}_scale", slices[f"{column}.intercept"], ScaleStep(spec.pooling_scale))
            start = slices[f"{column}.slope"].start
            names = [f"{stem}_slope_scale_{j}" for j in range(len(grouping.slopes))]
            for j, name in enumerate(names):
                self._add(name, slice(start + j * n, start + (j + 1) * n), ScaleStep(spec.slope_scale))
            if names:
                self._stacked[f"{stem}_slope_scale"] = names
            if layout.n_contrasts:
                step = ScaleStep(spec.pooling_treatment_scale)
                self._add(f"{stem}_treatment_scale", slices[f"{column}.treatment"], step)

    def _add(self, name: str, part: slice, step: ScaleStep) -> None:
        self.parts[name], self._steps[name] = part, step

    def scale_of(self, name: str) -> float:
        return self._steps[name].value

    @property
    def values(self) -> dict[str, np.ndarray]:
        return self.stacked({name: np.asarray(step.value) for name, step in self._steps.items()})

    def prior_draws(self, name: str, draws: int, rng: np.random.Generator) -> np.ndarray:
        return self._steps[name].prior_draws(draws, rng)

    def stacked(self, scales: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the scales with those of several slopes joined into one variable, as they are under other engines."""
        joined = {
            name: np.stack([scales[n] for n in parts], axis=-1) for name, parts in self._stacked.items()
        }
        inner = {n for parts in self._stacked.values() for n in parts}
        return {name: values for name, values in scales.items() if name not in inner} | joined

    def draw(self, coefficients: np.ndarray, rng: np.random.Generator) -> None:
        for name, part in self.parts.items():
            own = coefficients[part]
            count, squares = len(own), float(own @ own)
            self.redraw(name, lambda s, c=count, q=squares: -c * np.log(s) - q / (2 * s**2), rng)  # type: ignore[misc]

    def redraw(self, name: str, log_likelihood: Callable[[float], float], rng: np.random.Generator) -> float:
        return self._steps[name].draw(log_likelihood, rng)


def _prior_sds(spec: ModelSpec, prepared: Prepared) -> np.ndarray:
    """Return prior standard deviations in the order of the layout, 0 where there is no linear term or a pooled one."""
    layout, blocks = prepared.layout, np.array(prepared.encoding.column_blocks)
    sds = np.zeros(layout.n_coefficients)
    for block, prior in spec.blocks.items():
        sds[: len(blocks)][blocks == block] = _fixed_normal(f"blocks.{block}", prior)
    if layout.n_contrasts:
        if not isinstance(spec.treatments, Exchangeable):
            raise SpecError("spec.treatments: with trees, treatments are pooled exchangeably only")
        sds[layout.slices["treatment"]] = _fixed_normal("treatment", spec.treatment)
        own = blocks[list(layout.modifiers)]
        each = np.zeros(len(own))
        for block, prior in spec.modifier_priors.items():
            each[own == block] = _fixed_normal(f"modifiers.{block}", prior)
        sds[layout.slices["modifier"]] = np.tile(each, layout.n_contrasts)
    return sds


def _fixed_normal(entry: str, prior: Prior) -> float:
    if not isinstance(prior, Normal) or prior.pooled:
        raise SpecError(f"spec.{entry}: with trees, linear terms need a normal prior with a fixed scale")
    return prior.sigma
