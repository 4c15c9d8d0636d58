"""The design: which coefficient multiplies what, for building a model and for scoring it.

One linear predictor serves every family (design section 3):

    eta_ik = x_i' b  +  c_k' (delta + G x_i)  +  a_site(i)  +  x_i' s_site(i)  +  c_k' d_site(i)

`c_k` is row k of the treatment contrasts: orthonormal sum-to-zero contrasts divided by sqrt(2), so that a
coefficient's prior standard deviation is that of the difference between any two treatments, whichever is the
reference. `G` has one row a contrast, over the columns of the blocks that may modify the effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np


def treatment_contrasts(n_treatments: int) -> np.ndarray:
    """Return contrasts of shape (treatment, contrast); (1, 0) for a single arm.

    Rows sum to zero over treatments, and independent coefficients of standard deviation s give every pairwise
    difference the standard deviation s.
    """
    if n_treatments < 2:
        return np.zeros((1, 0))
    contrasts = np.zeros((n_treatments, n_treatments - 1))
    for j in range(1, n_treatments):  # Helmert: treatment j against the mean of those before it
        contrasts[:j, j - 1] = -1.0 / j
        contrasts[j, j - 1] = 1.0
    return contrasts / np.linalg.norm(contrasts, axis=0) / np.sqrt(2.0)


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """One pooled grouping (site, study) with the labels seen in training.

    Parameters
    ----------
    column : str
        A site column, or several joined by ``/`` for groups nested in others (``country/hospital``): then a group
        is a combination of their values.
    labels : tuple of str
    slopes : tuple of int
        Positions of the feature columns whose coefficients vary over the groups.
    """

    column: str
    labels: tuple[str, ...]
    slopes: tuple[int, ...] = ()

    @property
    def stem(self) -> str:
        """Start of the names of this grouping's variables."""
        return self.column.replace("/", "_in_")

    def index(self, values: Sequence[str]) -> np.ndarray:
        """Return each value's position among `labels`, -1 for a group that training never saw."""
        position = {label: i for i, label in enumerate(self.labels)}
        return np.fromiter(map(position.get, values, repeat(-1)), dtype=np.int64, count=len(values))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Order of the coefficients in the vector that multiplies the design matrix.

    Parameters
    ----------
    columns : tuple of str
        Labels of the feature columns (prognostic part).
    modifiers : tuple of int
        Positions in `columns` that may modify the treatment effect.
    contrasts : tuple of tuple of float
        Treatment contrasts, (treatment, contrast).
    groupings : tuple of Grouping
        Pooled grouping columns, each with an intercept and, with several treatments, a treatment effect.
    """

    columns: tuple[str, ...]
    modifiers: tuple[int, ...]
    contrasts: tuple[tuple[float, ...], ...]
    groupings: tuple[Grouping, ...] = ()

    @property
    def contrast_matrix(self) -> np.ndarray:
        """Contrasts as an array of shape (treatment, contrast)."""
        return np.array(self.contrasts, dtype=float).reshape(len(self.contrasts), -1)

    @property
    def n_contrasts(self) -> int:
        """Number of treatment contrasts: treatments - 1."""
        return len(self.contrasts[0])

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Part of the predictor -> its slice of the coefficient vector.

        ``prognostic``, ``treatment``, ``modifier`` (contrast-major) and, for each grouping column g,
        ``g.intercept``, ``g.slope`` (column-major) and ``g.treatment`` (contrast-major).
        """
        r = self.n_contrasts
        widths = {"prognostic": len(self.columns), "treatment": r, "modifier": r * len(self.modifiers)}
        for grouping in self.groupings:
            widths[f"{grouping.column}.intercept"] = len(grouping.labels)
            widths[f"{grouping.column}.slope"] = len(grouping.slopes) * len(grouping.labels)
            widths[f"{grouping.column}.treatment"] = r * len(grouping.labels)
        ends = np.cumsum(list(widths.values()))
        return {
            name: slice(int(end) - width, int(end))
            for (name, width), end in zip(widths.items(), ends, strict=True)
        }

    @property
    def n_coefficients(self) -> int:
        """Length of the coefficient vector."""
        return max((part.stop for part in self.slices.values()), default=0)

    @property
    def coefficient_labels(self) -> tuple[str, ...]:
        """One readable label a coefficient."""
        contrasts = [f"contrast {j + 1}" for j in range(self.n_contrasts)]
        labels = [*self.columns, *contrasts]
        labels += [f"{c} x {self.columns[m]}" for c in contrasts for m in self.modifiers]
        for grouping in self.groupings:
            labels += [f"{grouping.column}={g}" for g in grouping.labels]
            labels += [
                f"{self.columns[j]} x {grouping.column}={g}" for j in grouping.slopes for g in grouping.labels
            ]
            labels += [f"{c} x {grouping.column}={g}" for c in contrasts for g in grouping.labels]
        return tuple(labels)

    @property
    def n_dense(self) -> int:
        """Number of coefficients before those of the groupings."""
        return self.slices["modifier"].stop

    def dense(self, columns: np.ndarray, treatment_idx: np.ndarray) -> np.ndarray:
        """Return the part of the design without groupings, shape (patient, n_dense)."""
        contrast = self.contrast_matrix[treatment_idx]
        return np.concatenate(
            [columns, contrast, _interact(contrast, columns[:, list(self.modifiers)])], axis=1
        )

    def matrix(
        self, columns: np.ndarray, treatment_idx: np.ndarray, groups: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Return the design matrix of shape (patient, coefficient) for known groups.

        Parameters
        ----------
        columns : numpy.ndarray
            Feature columns, shape (patient, column).
        treatment_idx : numpy.ndarray
            Shape (patient,).
        groups : dict
            Grouping column -> index of each patient's group, shape (patient,).
        """
        contrast = self.contrast_matrix[treatment_idx]
        parts = [self.dense(columns, treatment_idx)]
        for grouping in self.groupings:
            onehot = np.eye(len(grouping.labels))[groups[grouping.column]]
            parts += [
                onehot,
                _interact(columns[:, list(grouping.slopes)], onehot),
                _interact(contrast, onehot),
            ]
        return np.concatenate(parts, axis=1)

    def means(self, columns: np.ndarray, contrast: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Return the means of the columns of `matrix`, shape (coefficient,), without forming it.

        Parameters
        ----------
        columns : numpy.ndarray
            Shape (patient, column).
        contrast : numpy.ndarray
            Contrasts of each patient's treatment, shape (patient, contrast).
        groups : sequence of numpy.ndarray
            One a grouping, in their order: index of each patient's group, shape (patient,).
        """
        ones = np.column_stack([np.ones(len(columns)), contrast])
        sums = ones.T @ columns
        parts = [sums[0], ones[:, 1:].sum(axis=0), sums[1:, list(self.modifiers)].ravel()]
        for grouping, own in zip(self.groupings, groups, strict=True):
            n = len(grouping.labels)

            def by_group(weights: np.ndarray, own: np.ndarray = own, n: int = n) -> np.ndarray:
                return np.bincount(own, weights, minlength=n)

            parts.append(by_group(ones[:, 0]))
            parts += [by_group(columns[:, i]) for i in grouping.slopes]
            parts += [by_group(weights) for weights in contrast.T]
        return np.concatenate(parts) / len(columns)

    def linear_predictor(
        self,
        columns: np.ndarray,
        treatment_idx: np.ndarray,
        groups: dict[str, np.ndarray],
        coefficients: np.ndarray,
    ) -> np.ndarray:
        """Return ``matrix(...) @ coefficients.T``, shape (patient, draw), without forming the groups' columns.

        Parameters
        ----------
        columns, treatment_idx, groups
            As for `matrix`.
        coefficients : numpy.ndarray
            Shape (draw, coefficient).
        """
        parts, contrast, draws = self.slices, self.contrast_matrix[treatment_idx], len(coefficients)
        eta = self.dense(columns, treatment_idx) @ coefficients[:, : self.n_dense].T
        for grouping in self.groupings:
            own, n = groups[grouping.column], len(grouping.labels)
            eta += coefficients[:, parts[f"{grouping.column}.intercept"]].T[own]
            slopes = coefficients[:, parts[f"{grouping.column}.slope"]].T.reshape(
                len(grouping.slopes), n, draws
            )
            for position, slope in zip(grouping.slopes, slopes, strict=True):
                eta += columns[:, [position]] * slope[own]
            effects = coefficients[:, parts[f"{grouping.column}.treatment"]].T.reshape(
                self.n_contrasts, n, draws
            )
            for j, effect in enumerate(effects):
                eta += contrast[:, [j]] * effect[own]
        return eta


def _interact(contrast: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return products of shape (patient, contrast * column), contrast-major."""
    return (contrast[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
