"""How several treatments' effects are pooled: the protocol, and what its parts share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from medresponse.priors.base import Column, Prior, Scales


@dataclass(frozen=True, kw_only=True, slots=True)
class TreatmentLevel:
    """What pooling may know of one treatment; doses of all levels are in one unit."""

    name: str
    treatment_class: str | None = None
    dose: float | None = None
    is_reference: bool = False


@runtime_checkable
class TreatmentStructure(Protocol):
    """How the effects of treatments are pooled, on average and as modified by features.

    Both methods take the treatment `contrasts` of the design, shape (treatment, contrast), whose rows are in the
    order of `levels` and whose columns are orthogonal and sum to zero, and return the coefficients that multiply
    them: ``pinv(contrasts) @ delta`` for effects delta, shape (treatment,), of which only differences count.

    They are the variable `name`, whose dimension `dims` the caller has labelled "contrast 1" and so on, for
    modifiers contrast-major "contrast 1 x label". A structure may ask the prior for other components than
    contrasts; a prior that counts columns (`expected_nonzero`) or deals variance out over them then counts
    components. R^2 of an `R2D2` prior is that of the difference between two treatments: at the average patient for
    effects, over patients for modifiers.
    """

    def effects(
        self,
        name: str,
        prior: Prior,
        *,
        levels: tuple[TreatmentLevel, ...],
        contrasts: np.ndarray,
        dims: str,
        scales: Scales,
    ) -> Any:
        """Add the effects at the average patient and return their contrast coefficients, shape (contrast,).

        `scales.column_sd` is not read: two treatments are one apart.

        Raises
        ------
        SpecError
            If the levels lack what the structure needs; the message names them.
        """
        ...

    def modifiers(
        self,
        name: str,
        prior: Prior,
        *,
        columns: tuple[Column, ...],
        levels: tuple[TreatmentLevel, ...],
        contrasts: np.ndarray,
        dims: str,
        scales: Scales,
    ) -> Any:
        """Add one block's effect modification and return its contrast coefficients, shape (contrast, column).

        `scales.column_sd` is that of `columns`, shape (column,). Raises as `effects` does.
        """
        ...


def contrast_labels(contrasts: np.ndarray) -> tuple[str, ...]:
    """Return "contrast 1", ... for contrasts of shape (treatment, contrast)."""
    return tuple(f"contrast {j + 1}" for j in range(contrasts.shape[1]))


def component_effects(
    name: str, prior: Prior, *, components: tuple[str, ...], dims: str, scales: Scales
) -> Any:
    """Ask `prior` for one coefficient a component and return them, shape (component,)."""
    columns = tuple(Column(component) for component in components)
    own = replace(scales, column_sd=_equal_parts(len(components)))
    return prior.coefficients(name, columns=columns, dims=dims, scales=own)


def component_modifiers(
    name: str,
    prior: Prior,
    *,
    components: tuple[str, ...],
    columns: tuple[Column, ...],
    dims: str,
    scales: Scales,
) -> Any:
    """Ask `prior` for one coefficient a component and column, component-major; shape (component, column).

    All components share the prior's scales, and each column keeps its path.
    """
    import pytensor.tensor as pt

    every = tuple(replace(column, label=label) for label, column in _crossed(components, columns))
    column_sd = (_equal_parts(len(components))[:, None] * pt.as_tensor(scales.column_sd)[None, :]).flatten()
    flat = prior.coefficients(name, columns=every, dims=dims, scales=replace(scales, column_sd=column_sd))
    return flat.reshape((len(components), len(columns)))


def to_contrasts(contrasts: np.ndarray, delta: Any) -> Any:
    """Return the contrast coefficients of effects `delta`, shape (treatment, ...)."""
    import pytensor.tensor as pt

    return pt.dot(np.linalg.pinv(contrasts), delta)


def crossed_labels(components: tuple[str, ...], columns: tuple[Column, ...]) -> list[str]:
    """Return "component x label", component-major."""
    return [label for label, _ in _crossed(components, columns)]


def _crossed(components: tuple[str, ...], columns: tuple[Column, ...]) -> list[tuple[str, Column]]:
    return [(f"{component} x {column.label}", column) for component in components for column in columns]


def _equal_parts(count: int) -> np.ndarray:
    """Return the components' column sd, of which equal shares of variance make up one pairwise difference."""
    return np.full(count, 1 / np.sqrt(count))
