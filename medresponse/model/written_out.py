"""Models whose density is written out by hand: compressed normal outcomes under normal and horseshoe priors.

PyMC's graph of such a model is some 250 small operations, which cost more than the product with the data. The same density
written out is one pass over the coefficients and one product (`inference.written_kernel`); tests hold it to the graph, value,
gradient and every quantity. What it covers is what `written_out` says; other models are compiled from their graphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medresponse.families import Arrays, Compressing
from medresponse.features import Layout
from medresponse.model.build import UNKNOWN, mean_and_deviations
from medresponse.model.design import Design
from medresponse.model.spec import ModelSpec
from medresponse.priors import Exchangeable, HalfNormal, Horseshoe, Normal, Prior, ScalePrior

FIXED, POOLED, HORSESHOE = 0, 1, 2  # how a part's standard deviations come about


@dataclass(frozen=True, kw_only=True)
class Part:
    """Coefficients under one prior.

    Parameters
    ----------
    variables : tuple of (str, tuple of int)
        Names and shapes of the model's variables, in its order; the last holds the coefficients, positive ones come before.
    kind : int
    numbers : tuple of float
        ``FIXED``: standard deviation. ``POOLED``: scale of its half-normal prior. ``HORSESHOE``: global scale in units of
        `Scales.unit_information_sd`, degrees of freedom of the global and the local scales, scale and degrees of freedom of the
        slab.
    rows : tuple of int
        Places in the layout's vector of coefficients.
    groups : int
        Number of groups if these are effects of groups, sampled along their mean and deviations; else 0.
    """

    variables: tuple[tuple[str, tuple[int, ...]], ...]
    kind: int
    numbers: tuple[float, ...]
    rows: tuple[int, ...]
    groups: int = 0

    @property
    def start(self) -> tuple[float, ...]:
        """Where chains begin: logarithms of the scales' support points, and zero."""
        m = len(self.rows)
        scales: list[float] = [math.log(self.numbers[0])] if self.kind == POOLED else []
        if self.kind == HORSESHOE:
            _, global_df, local_df, _, slab_df = self.numbers
            scales += [0.0, _log_support(global_df), *m * [0.0], *m * [_log_support(local_df)]]
            scales += [_log_support(slab_df)]
        return (*scales, *m * (0.0,))

    @property
    def constant(self) -> float:
        """Constant of the log density of the part's scales."""
        half_normal = 0.5 * math.log(2 / math.pi)
        if self.kind == POOLED:
            return half_normal - math.log(self.numbers[0])
        if self.kind == FIXED:
            return 0.0
        _, global_df, local_df, _, slab_df = self.numbers
        mixes = [_log_norm(global_df), _log_norm(slab_df), *len(self.rows) * [_log_norm(local_df)]]
        return (1 + len(self.rows)) * half_normal + sum(mixes)


@dataclass(frozen=True, kw_only=True)
class WrittenOut:
    """A model as its parts.

    Parameters
    ----------
    parts : tuple of Part
        Together they hold every coefficient once.
    residual_sigma : float
        Scale of the half-normal prior of the residual standard deviation, in units of the outcome's.
    weights : tuple of tuple of float
        One and the contrasts of each treatment, shape (treatment, 1 + contrast).
    where : tuple of (int, int)
        Which of `weights` multiplies which shared column for the intercept and each coefficient, in the order of the parts.
    """

    parts: tuple[Part, ...]
    residual_sigma: float
    weights: tuple[tuple[float, ...], ...]
    where: tuple[tuple[int, int], ...]

    @property
    def start(self) -> tuple[float, ...]:
        """Where chains begin, before jitter, on the unconstrained scale."""
        return (*(v for part in self.parts for v in part.start), 0.0, math.log(self.residual_sigma))

    @property
    def quantities(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes of what is kept of a draw, but for the log density of the priors: variables, then what they make."""
        count = sum(len(part.rows) for part in self.parts)
        every = [variable for part in self.parts for variable in part.variables]
        return (
            *every,
            ("mean", ()),
            ("residual", ()),
            ("coefficients", (count,)),
            ("sigma", ()),
            ("intercept", ()),
        )

    def arrange(self, data: Arrays) -> dict[str, np.ndarray]:
        """Return what the written density reads, from a data set of the design.

        Coefficients are in the order of the parts and along the directions in which they are sampled. The misfit of
        ``theta``, the intercept and the coefficients, is ``d' G d - 2 d' rest + least``, with d = theta - `around` their
        difference from least squares, where rounding does not matter. G, the sums of squares and products over patients,
        is held arm by arm, in the columns that all arms share: those of a contrast are multiples of them.

        Returns
        -------
        dict
            ``table``: kind, place of the first parameter, of the first coefficient, and size of each part, shape (part, 4).
            ``numbers``: those of the parts and their constants, shape (part, 6). ``turn``: from sampled coefficients to the layout's, shape (coefficient,
            coefficient). ``estimate``, ``error``, ``means`` (of the columns, in outcome standard deviations): shape
            (coefficient,). ``around``, ``rest``: shape (1 + coefficient,). ``arms``: shape (treatment, column, column).
            ``weights``: of each arm's columns in those of the intercept and the contrasts, shape (treatment, 1 + contrast).
            ``where``: contrast and column of the intercept and of each coefficient, shape (1 + coefficient, 2). ``scalars``: patients, spread,
            centre, least misfit, scale of the residual's prior, unit information, number of
            parameters.
        """
        turn, estimate, error = self._sampled(data)
        triangle = np.column_stack([data["triangle"][:, :1], data["triangle"][:, 1:] @ turn])
        around = np.linalg.lstsq(triangle, data["rotated"], rcond=1e-8)[0]
        left = data["rotated"] - triangle @ around
        scalars = [
            data["n_patients"], data["spread"], data["center"], left @ left + data["residual_ss"], self.residual_sigma,
            data["unit_information_sd"], len(self.start),
        ]  # fmt: skip
        numbers = np.zeros((len(self.parts), 6))
        for row, part in zip(numbers, self.parts, strict=True):
            row[: len(part.numbers)], row[5] = part.numbers, part.constant
        return {
            "table": self._table(),
            "numbers": numbers,
            "turn": turn,
            "estimate": estimate,
            "error": error,
            "means": triangle[0, 1:] / triangle[0, 0] / data["spread"],
            "around": around,
            "rest": triangle.T @ left,
            "arms": self._by_arm(triangle.T @ triangle),
            "weights": np.array(self.weights),
            "where": np.array(self.where),
            "scalars": np.array([float(value) for value in scalars]),
        }

    def _table(self) -> np.ndarray:
        rows, parameter, coefficient = [], 0, 0
        for part in self.parts:
            rows.append((part.kind, parameter, coefficient, len(part.rows)))
            parameter += len(part.start)
            coefficient += len(part.rows)
        return np.array(rows, dtype=np.int64).reshape(-1, 4)

    def _by_arm(self, gram: np.ndarray) -> np.ndarray:
        """Return each arm's sums of squares and products of the shared columns, from those of all coefficients.

        With `weights` W and arms' own sums G_k, the sums between a shared column and one times contrast j are
        ``sum_k W_kj G_k``, for each j: as many equations as arms. Two columns that modify nothing need only their sum over arms,
        which is dealt out evenly.
        """
        weights, where = np.array(self.weights), np.array(self.where)
        width = int(where[:, 1].max()) + 1
        at = np.full((weights.shape[1], width), -1)
        at[where[:, 0], where[:, 1]] = np.arange(len(where))
        sums = np.zeros((len(at), width, width))
        for j, places in enumerate(at):
            has = places >= 0
            block = gram[np.ix_(at[0], places[has])]
            sums[j][:, has], sums[j][has] = block, block.T
        return np.tensordot(np.linalg.inv(weights.T), sums, axes=1)

    def _sampled(self, data: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the matrix from sampled coefficients to the layout's, and estimates and errors of the sampled ones."""
        count = len(data["estimate"])
        turn, at = np.zeros((count, count)), 0
        estimate, error = np.empty(count), np.empty(count)
        for part in self.parts:
            rows, size = np.array(part.rows, dtype=int), len(part.rows)
            here = slice(at, at + size)
            own, spread = data["estimate"][rows], data["error"][rows]
            if part.groups:
                n, copies = part.groups, size // part.groups
                directions = mean_and_deviations(n)
                turn[rows, here] = np.kron(np.eye(copies), directions)
                unknown = np.where(np.arange(n) == 0, UNKNOWN, 1.0)
                own = (own.reshape(copies, n) @ directions).ravel()
                spread = (np.sqrt(spread.reshape(copies, n) ** 2 @ directions**2) * unknown).ravel()
            else:
                turn[rows, np.arange(at, at + size)] = 1.0
            estimate[here], error[here] = own, spread
            at += size
        return turn, estimate, error


def written_out(spec: ModelSpec, design: Design) -> WrittenOut | None:
    """Return the model as its parts, None where it holds anything that is not written out.

    It is for a compressed normal outcome with estimates (more than twice as many patients as coefficients), half-normal
    scales, exchangeable treatments, blocks under `Normal` (not centred) or `Horseshoe`, and groups without slopes.
    """
    family, data, layout = spec.family, design.data[0], design.layout
    if not isinstance(family, Compressing) or not {"triangle", "estimate"} <= set(data):
        return None
    plain = isinstance(spec.treatments, Exchangeable) and not design.curves and not spec.centred
    groups_plain = not any(grouping.slopes for grouping in layout.groupings)
    if not (
        plain and groups_plain and family.residual_sigma and set(design.column_blocks) <= set(spec.blocks)
    ):
        return None
    blocks, places = np.array(design.column_blocks), np.arange(layout.n_coefficients)
    found: list[Part | None] = []
    for block, prior in spec.blocks.items():
        found += _part(f"prognostic_{block}", prior, np.flatnonzero(blocks == block))
    if layout.n_contrasts:
        found += _part("treatment_effect", spec.treatment, places[layout.slices["treatment"]])
        modifier = places[layout.slices["modifier"]].reshape(layout.n_contrasts, -1)
        own = blocks[list(layout.modifiers)] if layout.modifiers else np.array([], dtype=str)
        for block, prior in spec.modifier_priors.items():
            found += _part(f"modifier_{block}", prior, modifier[:, own == block].ravel())
    for grouping in layout.groupings:
        kinds = [
            ("intercept", "", spec.pooling_scale),
            ("treatment", "_treatment", spec.pooling_treatment_scale),
        ]
        for key, suffix, scale in kinds:
            rows = places[layout.slices[f"{grouping.column}.{key}"]]
            found += _groups(f"{grouping.stem}{suffix}", scale, rows, len(grouping.labels))
    parts = tuple(part for part in found if part is not None)
    if len(parts) < len(found):
        return None
    where = _where(layout)
    return WrittenOut(
        parts=parts,
        residual_sigma=family.residual_sigma,
        weights=tuple((1.0, *row) for row in layout.contrasts),
        where=((0, 0), *(where[row] for part in parts for row in part.rows)),
    )


def _where(layout: Layout) -> list[tuple[int, int]]:
    """Return contrast, counted from 1 (0 for none), and shared column (0 for ones) of each of the layout's coefficients."""
    contrasts, columns = range(1, 1 + layout.n_contrasts), len(layout.columns)
    found = [(0, 1 + i) for i in range(columns)]
    found += [(j, 0) for j in contrasts] + [(j, 1 + i) for j in contrasts for i in layout.modifiers]
    before = 1 + columns
    for grouping in layout.groupings:
        own = range(before, before + len(grouping.labels))
        found += [(j, group) for j in (0, *contrasts) for group in own]
        before += len(grouping.labels)
    return found


def _part(name: str, prior: Prior, rows: np.ndarray) -> list[Part | None]:
    """Return a block's part, None in its place where its prior is not written out; nothing without columns."""
    m = len(rows)
    coefficients = (name, (m,))
    if not m:
        return []
    if isinstance(prior, Normal) and not prior.centred:
        before = ((f"{name}_scale", ()),) if prior.pooled else ()
        kind = POOLED if prior.pooled else FIXED
        return [
            Part(
                variables=(*before, coefficients),
                kind=kind,
                numbers=(prior.sigma,),
                rows=tuple(rows.tolist()),
            )
        ]
    if isinstance(prior, Horseshoe):
        p0 = prior.expected_nonzero
        numbers = (p0 / max(m - p0, 1.0), prior.global_df, prior.local_df, prior.slab_scale, prior.slab_df)
        shapes: Mapping[str, tuple[int, ...]] = {
            "global_base": (), "global_mix": (), "local_base": (m,), "local_mix": (m,), "slab": (),
        }  # fmt: skip
        variables = (*((f"{name}_{what}", shape) for what, shape in shapes.items()), coefficients)
        return [Part(variables=variables, kind=HORSESHOE, numbers=numbers, rows=tuple(rows.tolist()))]
    return [None]


def _groups(name: str, scale: ScalePrior, rows: np.ndarray, groups: int) -> list[Part | None]:
    if not len(rows):
        return []
    if not isinstance(scale, HalfNormal):
        return [None]
    variables = ((f"{name}_scale", ()), (f"{name}_along", (len(rows),)))
    rows_ = tuple(rows.tolist())
    return [Part(variables=variables, kind=POOLED, numbers=(scale.sigma,), rows=rows_, groups=groups)]


def _log_support(df: float) -> float:
    """Return the logarithm of where an inverse gamma (df / 2, df / 2) starts: its mean where it has one, else its mode."""
    half = df / 2
    return math.log(half / (half - 1) if half > 1 else half / (half + 1))


def _log_norm(df: float) -> float:
    """Return the constant of the log density of an inverse gamma (df / 2, df / 2)."""
    return df / 2 * math.log(df / 2) - math.lgamma(df / 2)
