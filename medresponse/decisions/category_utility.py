"""A weight for each category of an ordinal outcome, less weighted harms and burdens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.core.registry import did_you_mean, register
from medresponse.decisions.base import Utility, check_finite, check_losses, treatment_losses
from medresponse.decisions.harms import Harm
from medresponse.response import Responses, linear_predictors


@register(Utility, "category_utility")
@dataclass(frozen=True, kw_only=True)
class CategoryUtility:
    """``U_i(k) = sum over c of weight_c * P(Y_i(k) = c) - burden_k - sum over h of weight_h * rate_hk``.

    The whole ordinal outcome counts, whichever of its estimands is asked for: for the modified Rankin scale with published
    weights it is the utility-weighted scale (Chaisinaunkul et al. 2015, Stroke 46:2238).

    Parameters
    ----------
    categories : mapping
        Category (as the schema names it) -> what it is worth; every category needs a weight.
    burden, harm_weights : mapping
        As for `ExpectedUtility`, in the unit of `categories`.
    """

    categories: Mapping[str, float]
    burden: Mapping[str, float] = field(default_factory=dict)
    harm_weights: Mapping[str, float] = field(default_factory=dict)

    def check(self, responses: Responses, harms: Sequence[Harm]) -> None:
        """Refuse an outcome without categories, and categories without weight; see `Utility.check`."""
        if "category" not in responses.fit.spec.family.estimands:
            raise SpecError("category_utility: the outcome has no categories", code="no_categories")
        names = responses.outcome_schema.parts
        for name in self.categories:
            if name not in names:
                raise SpecError(f"categories: no category {name!r}; {did_you_mean(name, names)}", code="part")
        missing = [name for name in names if name not in self.categories]
        if missing:
            raise SpecError(f"categories: no weight for {', '.join(missing)}", code="missing_weight")
        check_finite("categories", self.categories)
        check_losses(responses, self.burden, self.harm_weights, harms)

    def worth(self, responses: Responses) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield (rows, responses, expected weight of the category)."""
        fit, weights = responses.fit, self._weights(responses)
        family, parameters = fit.spec.family, fit.family_draws()
        for rows, eta in linear_predictors(fit, responses.patients, seed=responses.seed, values_each=3):
            asked = family.response(responses.estimand, eta, parameters, fit.constants)
            worth = np.zeros_like(asked)
            for c, weight in enumerate(weights):
                part = Estimand(kind="category", part=c)
                worth += weight * family.response(part, eta, parameters, fit.constants)
            yield rows, asked, worth

    def losses(self, responses: Responses, harms: Sequence[Harm]) -> np.ndarray:
        """Return burdens and weighted harms, shape (treatment, draw)."""
        return treatment_losses(responses, self.burden, self.harm_weights, harms)

    def of_means(self, means: np.ndarray, direction: int) -> np.ndarray:
        """Refuse: the weights are of categories."""
        raise SpecError(
            "category_utility: mean responses do not tell the weights of categories", code="utility"
        )

    def observed(self, responses: Responses, cohort: Cohort) -> np.ndarray:
        """Return the weight of the category that was observed."""
        return self._weights(responses)[cohort.outcome(responses.fit.outcome)["value"].astype(int)]

    def _weights(self, responses: Responses) -> np.ndarray:
        return np.array([self.categories[name] for name in responses.outcome_schema.parts])
