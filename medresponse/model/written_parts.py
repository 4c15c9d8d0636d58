"""Priors of coefficients that are written out by hand, part by part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medresponse.families import Arrays
from medresponse.model.build import UNKNOWN, mean_and_deviations
from medresponse.model.design import Design
from medresponse.model.spec import ModelSpec
from medresponse.priors import Exchangeable, HalfNormal, Horseshoe, Normal, Prior, ScalePrior

FIXED, POOLED, HORSESHOE = 0, 1, 2  # how a part's standard deviations come about
ROOM = 20  # rows, the first of prior variances; `inference.written_density` says what they are for
RUN = 32  # numbers that a vectorised loop takes at a time


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
        """Where chains begin: scales at their support points, and zero."""
        m = len(self.rows)
        scales: list[float] = [math.log(self.numbers[0])] if self.kind == POOLED else []
        if self.kind == HORSESHOE:
            scales += [*(1 + m) * [0.0], _log_support(self.numbers[4])]
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
        return _log_half_t(global_df) + len(self.rows) * _log_half_t(local_df) + _log_norm(slab_df)


def table_of(parts: tuple[Part, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts' table and numbers, with an empty part behind; see `WrittenOut.arrange`."""
    rows, parameter, coefficient, scale = [], 0, 0, 0
    numbers = np.zeros((len(parts) + 1, 6))
    for row, part in zip(numbers, parts, strict=False):
        rows.append((part.kind, parameter, coefficient, len(part.rows), scale))
        parameter += len(part.start)
        coefficient += len(part.rows)
        scale += (1 + len(part.rows)) * (part.kind == HORSESHOE)
        row[: len(part.numbers)], row[5] = part.numbers, part.constant
    return np.array([*rows, (FIXED, parameter, coefficient, 0, scale)], dtype=np.int64), numbers


def rooms(
    parts: tuple[Part, ...], size: int, estimate: np.ndarray, error: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what densities read and write in whole runs of `RUN` numbers, as `WrittenOut.arrange` says.

    What stands behind the coefficients and the half-t scales has a density of one and no slope.
    """
    df = [
        part.numbers[local]
        for part in parts
        if part.kind == HORSESHOE
        for local in (1, *len(part.rows) * (2,))
    ]
    n, n_scales = _in_runs(len(estimate)), _in_runs(len(df))
    informed, of_scales = np.zeros((2, n)), np.zeros((2, n_scales))
    informed[1] = 1.0
    informed[:, : len(estimate)] = estimate, error
    of_scales[:, : len(df)] = df, 1 / np.array(df)
    room = np.zeros((ROOM, _in_runs(max(size, n + 1, n_scales))))
    room[0, len(estimate) :] = np.finfo(float).eps ** 2
    return {"informed": informed, "df": of_scales, "room": room}


def _in_runs(n: int) -> int:
    return -(-n // RUN) * RUN


def sampled(parts: tuple[Part, ...], data: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the matrix from sampled coefficients to the layout's, and estimates and errors of the sampled ones."""
    count = len(data["estimate"])
    turn, at = np.zeros((count, count)), 0
    estimate, error = np.empty(count), np.empty(count)
    for part in parts:
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


def entries(turn: np.ndarray) -> dict[str, np.ndarray]:
    """Return the entries of a matrix that are not zero as ``turn``, and their rows and columns as ``turned``, shape (entry, 2)."""
    places = np.argwhere(turn)
    return {"turn": turn[tuple(places.T)], "turned": places}


def parts_of(spec: ModelSpec, design: Design) -> tuple[Part, ...] | None:
    """Return the priors of a model's coefficients as parts, None where one of them is not written out.

    Written out are half-normal scales, exchangeable treatments, blocks under `Normal` (not centred) or `Horseshoe`, and groups
    without slopes, sampled in the coordinates that suit estimates.
    """
    layout = design.layout
    plain = isinstance(spec.treatments, Exchangeable) and not design.curves and not spec.centred
    groups_plain = not any(grouping.slopes for grouping in layout.groupings)
    if "estimate" not in design.data[0] or not (
        plain and groups_plain and set(design.column_blocks) <= set(spec.blocks)
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
    return parts if len(parts) == len(found) else None


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
        shapes: Mapping[str, tuple[int, ...]] = {"global": (), "local": (m,), "slab": ()}
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


def _log_half_t(df: float) -> float:
    """Return the constant of the log density of a half-t of scale 1."""
    return math.log(2) + math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
