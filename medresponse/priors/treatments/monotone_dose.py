"""Effects ordered by dose, in a direction that is named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive
from medresponse.priors.treatments.base import (
    TreatmentLevel,
    TreatmentStructure,
    component_modifiers,
    contrast_labels,
    to_contrasts,
)


@register(TreatmentStructure, "monotone_dose")
@dataclass(frozen=True, kw_only=True, slots=True)
class MonotoneDose:
    """The effect at the average patient never turns back as the dose rises from the reference, the lowest.

    ``delta_k = sign * b * (s_1 + ... + s_rank(k))``: b >= 0 is the difference between the highest and the lowest
    dose and has the law of a coefficient's absolute value under the treatment's prior (so its root mean square is
    the prior's standard deviation); the steps s sum to 1 and have a Dirichlet prior. Doses count by order only.
    Modifiers stay exchangeable: the benefit of one patient may fall with the dose.

    Parameters
    ----------
    direction : str
        ``increasing`` or ``decreasing``: how the linear predictor moves with the dose (log odds of the event, log
        hazard, log time, the outcome itself, as the family says). There is no default, since a higher dose is
        not always better.
    concentration : float
        Of the Dirichlet; 1 is uniform, larger values expect equal steps.

    References
    ----------
    Bürkner & Charpentier (2020), Br J Math Stat Psychol 73:420.
    """

    direction: Literal["increasing", "decreasing"]
    concentration: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in ("increasing", "decreasing"):
            raise ValueError(f"direction is {self.direction!r}; valid are 'increasing' and 'decreasing'")
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
        """Add the effects; see `TreatmentStructure.effects`.

        Raises
        ------
        SpecError
            If a level has no dose or another's, doses are of several classes, or the reference's is not lowest.
        """
        import pymc as pm
        import pytensor.tensor as pt

        rank = _ranks(levels)
        model = pm.modelcontext(None)
        whole = (Column("highest against lowest dose"),)
        model.add_coord(f"{name}_total_term", [column.label for column in whole])
        total = prior.coefficients(
            f"{name}_total", columns=whole, dims=f"{name}_total_term", positive=True,
            scales=replace(scales, column_sd=np.ones(1)),
        )[0]  # fmt: skip
        reached: Any = np.array([0.0, 1.0])
        if len(levels) > 2:
            by_dose = [levels[k].name for k in np.argsort(rank)]
            model.add_coord(f"{name}_step_term", [f"to {level}" for level in by_dose[1:]])
            concentration = np.full(len(levels) - 1, self.concentration)
            step = pm.Dirichlet(f"{name}_step", concentration, dims=f"{name}_step_term")
            reached = pt.concatenate([pt.zeros(1), pt.cumsum(step)])
        sign = 1.0 if self.direction == "increasing" else -1.0
        coefficients = to_contrasts(contrasts, sign * total * reached[rank])
        return pm.Deterministic(name, coefficients, dims=dims)

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
        """Add one block's effect modification, exchangeable; see `TreatmentStructure.modifiers`."""
        return component_modifiers(
            name, prior, components=contrast_labels(contrasts), columns=columns, dims=dims, scales=scales
        )


def _ranks(levels: tuple[TreatmentLevel, ...]) -> np.ndarray:
    """Return each level's place in the order of doses, 0 for the lowest, shape (treatment,)."""
    doseless = [level.name for level in levels if level.dose is None]
    if doseless:
        raise _refusal(f"{', '.join(doseless)} without a dose; declare it in the schema (0 for no treatment)")
    classes = {level.treatment_class for level in levels if not level.is_reference}
    if len(classes) > 1:
        found = ", ".join(f"{level.name} ({level.treatment_class or 'no class'})" for level in levels)
        raise _refusal(f"doses of several classes, {found}, which have no common order; use by_class")
    doses = np.array([level.dose for level in levels], dtype=float)
    reference = next(level for level in levels if level.is_reference)
    lower = [level.name for level, dose in zip(levels, doses, strict=True) if dose < reference.dose]
    if lower:
        raise _refusal(f"{', '.join(lower)} at a lower dose than the reference {reference.name}")
    same = [level.name for level, dose in zip(levels, doses, strict=True) if (doses == dose).sum() > 1]
    if same:
        raise _refusal(f"{', '.join(same)} at the same dose as another, so their order is open")
    return np.argsort(np.argsort(doses))


def _refusal(found: str) -> SpecError:
    return SpecError(
        f"monotone_dose: found {found}; mend the schema's levels, or use exchangeable", code="doses"
    )
