"""Treatments pooled towards their class, and classes towards each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive
from medresponse.priors.treatments.base import (
    TreatmentLevel,
    TreatmentStructure,
    component_effects,
    component_modifiers,
    crossed_labels,
    to_contrasts,
)

SHARE = "treatment_share"


@register(TreatmentStructure, "by_class")
@dataclass(frozen=True, kw_only=True, slots=True)
class ByClass:
    """Each effect is a sum over levels: being active (if asked for), the class, the treatment itself.

    ``delta_k = sqrt(s_active) a [k is not the reference] + sqrt(s_class / 2) c_class(k) + sqrt(s_own / 2) t_k``,
    where a, c and t come from the block's prior and the shares s, which sum to 1, from a Dirichlet. Shares are
    estimated, and are the same for effects, modifiers and all predictors: where members of a class act alike,
    classes are pooled the more. Under a prior of standard deviation sigma the difference between two treatments
    has standard deviation

    - ``sigma * sqrt(s_own)`` within a class,
    - ``sigma * sqrt(s_class + s_own)`` between classes,
    - with `active`, and one of them the reference, ``sigma * sqrt(s_active + s_own)`` within its class and
      ``sigma * sqrt(s_active + s_class + s_own) = sigma`` between classes.

    So sigma is that of two treatments as far apart as can be. Without `active` (s_active = 0) the reference is
    like any other treatment. A treatment that declares no class stands alone, as a class of one.

    Parameters
    ----------
    active : bool
        Whether all treatments but the reference share a component; for a reference that is no treatment (placebo).
    concentration : float
        Of the Dirichlet; 1 is uniform, large values fix the shares at equality.
    """

    active: bool = False
    concentration: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.concentration, "concentration")

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
        """Add the effects; see `TreatmentStructure.effects`."""
        import pymc as pm

        components, loadings = self._components(levels)
        own = f"{name}_component"
        pm.modelcontext(None).add_coord(f"{own}_term", components)
        each = component_effects(own, prior, components=components, dims=f"{own}_term", scales=scales)
        return pm.Deterministic(name, to_contrasts(contrasts, loadings @ each), dims=dims)

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
        """Add one block's effect modification; see `TreatmentStructure.modifiers`."""
        import pymc as pm

        components, loadings = self._components(levels)
        own = f"{name}_component"
        pm.modelcontext(None).add_coord(f"{own}_term", crossed_labels(components, columns))
        each = component_modifiers(
            own, prior, components=components, columns=columns, dims=f"{own}_term", scales=scales
        )
        coefficients = to_contrasts(contrasts, loadings @ each)
        pm.Deterministic(name, coefficients.flatten(), dims=dims)
        return coefficients

    def _components(self, levels: tuple[TreatmentLevel, ...]) -> tuple[tuple[str, ...], Any]:
        """Return the components' labels and the treatments' loadings on them, (treatment, component)."""
        classes = _classes(levels)
        own = list(dict.fromkeys(classes))
        labels = [*own, *(f"treatment {level.name}" for level in levels)]
        # Divided by sqrt(2), since a difference has two of them; being active stands on one side only.
        weights = {
            "class": np.array([[c == o for o in own] for c in classes]) / np.sqrt(2),
            "treatment": np.eye(len(levels)) / np.sqrt(2),
        }
        if self.active:
            active = np.array([[float(not level.is_reference)] for level in levels])
            weights, labels = {"active": active} | weights, ["active", *labels]
        kind = np.repeat(np.arange(len(weights)), [w.shape[1] for w in weights.values()])
        return tuple(labels), np.hstack(list(weights.values())) * self._shares(tuple(weights))[kind] ** 0.5

    def _shares(self, kinds: tuple[str, ...]) -> Any:
        """Return the model's shares of variance, shape (kind,), added by the first that asks."""
        import pymc as pm

        model = pm.modelcontext(None)
        if SHARE in model.named_vars:
            return model[SHARE]
        model.add_coord(f"{SHARE}_level", kinds)
        return pm.Dirichlet(SHARE, np.full(len(kinds), self.concentration), dims=f"{SHARE}_level")


def _classes(levels: tuple[TreatmentLevel, ...]) -> list[str]:
    """Return a label of each treatment's class, one of its own for a treatment that declares none.

    Raises
    ------
    SpecError
        If no class has two members or one has all, or a class other than the reference's has one.
    """
    sizes = Counter(level.treatment_class for level in levels)
    largest = max((size for name, size in sizes.items() if name is not None), default=0)
    if largest < 2 or largest == len(levels):
        found = ", ".join(f"{level.name} ({level.treatment_class or 'no class'})" for level in levels)
        raise SpecError(
            f"by_class needs a class with two or more treatments, and not all of them in it; found {found}; "
            "declare treatment_class in the schema, or use exchangeable",
            code="treatment_classes",
        )
    for level in levels:
        if level.treatment_class is not None and sizes[level.treatment_class] == 1 and not level.is_reference:
            raise SpecError(
                f"by_class: {level.name} is the only treatment of class {level.treatment_class!r}; mend the "
                "class's spelling, or leave its treatment_class out so that it stands alone",
                code="treatment_classes",
            )
    return [
        f"{level.name} alone" if level.treatment_class is None else f"class {level.treatment_class}"
        for level in levels
    ]
