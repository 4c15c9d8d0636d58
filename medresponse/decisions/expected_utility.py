"""The response itself as the unit of utility, less weighted harms and burdens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.registry import register
from medresponse.decisions.base import Utility, check_losses, treatment_losses
from medresponse.decisions.harms import Harm
from medresponse.decisions.observed import observed_response
from medresponse.response import Responses


@register(Utility, "expected_utility")
@dataclass(frozen=True, kw_only=True)
class ExpectedUtility:
    """``U_i(k) = direction * m_i(k) - burden_k - sum over h of weight_h * rate_hk``, in the responses' unit.

    Incremental net benefit with harms traded at stated weights, over draws of all that is uncertain (Lynd & O'Brien 2004, J
    Clin Epidemiol 57:795). Linear in the response: a patient averse to risk wants another utility.

    Parameters
    ----------
    burden : mapping
        Treatment -> what being on it costs the patient whatever the response (a hospital stay, injections), in the responses'
        unit; 0 if not named.
    harm_weights : mapping
        Harm -> how many units of response avoiding one case is worth. With a probability of relapse as the response, 0.2 says
        that five rashes weigh as much as one relapse. Every harm that is given needs one.
    """

    burden: Mapping[str, float] = field(default_factory=dict)
    harm_weights: Mapping[str, float] = field(default_factory=dict)

    def check(self, responses: Responses, harms: Sequence[Harm]) -> None:
        """Refuse unknown treatments and harms, and harms without weight; see `Utility.check`."""
        check_losses(responses, self.burden, self.harm_weights, harms)

    def worth(self, responses: Responses) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield (rows, responses, responses signed so that higher is better)."""
        for rows, values in responses.chunks():
            yield rows, values, self.of_means(values, responses.direction)

    def losses(self, responses: Responses, harms: Sequence[Harm]) -> np.ndarray:
        """Return burdens and weighted harms, shape (treatment, draw)."""
        return treatment_losses(responses, self.burden, self.harm_weights, harms)

    def of_means(self, means: np.ndarray, direction: int) -> np.ndarray:
        """Return mean responses signed so that higher is better."""
        return direction * means

    def observed(self, responses: Responses, cohort: Cohort) -> np.ndarray:
        """Return the observed responses, signed so that higher is better; see `observed_response`."""
        return responses.direction * observed_response(responses, cohort)
