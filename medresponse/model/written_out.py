"""Models whose density is written out by hand: normal outcomes and `families.Rowwise` ones under normal and horseshoe priors.

PyMC's graph of such a model is some 250 small operations, which cost more than the product with compressed data. The same
density written out is one pass over the coefficients and one over the data (`inference.written_kernel`); tests hold it to the
graph, value, gradient and every quantity. What it covers is what `written_out` says; other models are compiled from their graphs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medresponse.families import Arrays, Compressing, Rowwise
from medresponse.features import Layout
from medresponse.model.design import Design
from medresponse.model.spec import ModelSpec
from medresponse.model.written_parts import RUN, Part, entries, parts_of, rooms, sampled, table_of
from medresponse.model.written_rows import WrittenRows, tail_of


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
        difference from (nearly) least squares, where rounding does not matter. G, the sums of squares and products over patients,
        is held arm by arm, in the columns that all arms share: those of a contrast are multiples of them.

        Returns
        -------
        dict
            ``table``: kind, place of the first parameter, of the first coefficient, size, and place of the first half-t scale of each
            part, shape (part, 5); the last part is empty. ``numbers``: those of the parts and their constants, shape (part, 6). ``turn``,
            ``turned``: entries of the matrix from sampled coefficients to the layout's that are not zero, shape (entry,), and
            their rows and columns, shape (entry, 2). ``informed``: estimates and errors, shape (2, coefficients in whole runs of
            `RUN`). ``df``: degrees of freedom of half-t scales and one over these, shape (2, half-t scales in whole runs). ``room``:
            where the kernel writes what it needs in between, so that a packing of the data is for one thread. ``means`` of
            the columns, in outcome standard deviations: shape (coefficients in whole runs,). ``around``, ``rest``: the same, and
            behind the intercept's. ``arms``: shape (treatment, column, column), columns in multiples of four. ``weights``: of each arm's
            columns in those of the intercept and the contrasts, shape (treatment, 1 + contrast). ``where``: places in contrasts x
            columns of each coefficient and of the intercept, shape (coefficient + 1,). ``folded``: more room, shape
            (2 x (1 + contrast) + 2, column). ``scalars``: patients, spread, centre, least misfit, scale of the residual's
            prior, unit information, number of parameters.
        """
        turn, estimate, error = sampled(self.parts, data)
        triangle = np.column_stack([data["triangle"][:, :1], data["triangle"][:, 1:] @ turn])
        gram = triangle.T @ triangle
        around = np.linalg.solve(_definite(gram), triangle.T @ data["rotated"])
        left = data["rotated"] - triangle @ around
        scalars = [
            data["n_patients"], data["spread"], data["center"], left @ left + data["residual_ss"], self.residual_sigma,
            data["unit_information_sd"], len(self.start),
        ]  # fmt: skip
        table, numbers = table_of(self.parts)
        weights, where, arms = np.array(self.weights), np.array(self.where), self._by_arm(gram)
        width = arms.shape[1]

        def behind(values: np.ndarray) -> np.ndarray:
            """Return something of the intercept and each coefficient with the intercept behind, and zeros before it."""
            more = np.zeros(-len(values[1:]) % RUN)
            return np.concatenate([values[1:], more, values[:1]])

        return {
            "table": table,
            "numbers": numbers,
            **entries(turn),
            **rooms(self.parts, len(self.start), estimate, error),
            "means": behind(triangle[0] / triangle[0, 0] / data["spread"])[:-1],
            "around": behind(around),
            "rest": behind(triangle.T @ left),
            "arms": arms,
            "weights": weights,
            "where": np.roll(where @ (width, 1), -1),
            "folded": np.zeros((2 * weights.shape[1] + 2, width)),
            "scalars": np.array([float(value) for value in scalars]),
        }

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
        own = np.tensordot(np.linalg.inv(weights.T), sums, axes=1)
        more = -width % 4
        return np.pad(own, ((0, 0), (0, more), (0, more)))


def _definite(gram: np.ndarray) -> np.ndarray:
    """Return sums of squares and products with so much more in the diagonal that equations in them can be solved."""
    diagonal = np.diag(gram)
    return gram + np.diag(1e-10 * diagonal + np.finfo(float).tiny)


def written_out(spec: ModelSpec, design: Design) -> WrittenOut | WrittenRows | None:
    """Return the model as its parts, None where it holds anything that is not written out.

    It is for a compressed normal outcome, or rows in a form of `families.Rowwise`, with estimates (more than twice as many patients as
    coefficients), under priors that `parts_of` knows.
    """
    family, layout, parts = spec.family, design.layout, parts_of(spec, design)
    if parts is None:
        return None
    if isinstance(family, Rowwise):
        rows = family.rows(design.data[0])
        if rows is None:
            return None
        return WrittenRows(parts=parts, layout=layout, family=family, tail=tail_of(rows, layout))
    if not ("triangle" in design.data[0] and isinstance(family, Compressing) and family.residual_sigma):
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
