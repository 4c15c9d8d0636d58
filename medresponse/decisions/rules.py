"""Rules that give each patient a treatment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medresponse.core.errors import UnknownTreatmentError
from medresponse.core.registry import did_you_mean, register
from medresponse.decisions.base import Options, Rule


@register(Rule, "highest_utility")
@dataclass(frozen=True, kw_only=True)
class HighestUtility:
    """The treatment of highest expected utility; the reference where none is better by more than `margin`.

    Parameters
    ----------
    margin : float
        In the utility's unit. With 0 the rule is Bayes' rule for the utility. Of equals the earlier in the schema is taken.
    """

    margin: float = 0.0

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise ValueError("margin: 0 or more")

    def choose(self, options: Options) -> np.ndarray:
        """Return the positions chosen, shape (patient,)."""
        utility = np.where(options.allowed, options.utility, -np.inf)
        best = utility.argmax(axis=1)
        gain = utility.max(axis=1) - utility[:, options.reference]
        return np.where(gain > self.margin, best, options.reference)


@register(Rule, "worthwhile_benefit")
@dataclass(frozen=True, kw_only=True)
class WorthwhileBenefit:
    """Leave the reference only for a treatment whose benefit is probably worthwhile.

    Parameters
    ----------
    probability : float
        A treatment qualifies if P(benefit > worthwhile) is at least this; of several that qualify, that of the highest
        expected utility is taken.
    """

    probability: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise ValueError("probability: between 0 and 1, without the ends")

    def choose(self, options: Options) -> np.ndarray:
        """Return the positions chosen, shape (patient,)."""
        qualifies = (options.p_worthwhile >= self.probability) & options.allowed
        qualifies[:, options.reference] = False
        utility = np.where(qualifies, options.utility, -np.inf)
        return np.where(qualifies.any(axis=1), utility.argmax(axis=1), options.reference)


@register(Rule, "treat_all")
@dataclass(frozen=True, kw_only=True)
class TreatAll:
    """The same treatment for everybody who is allowed it, else the reference: what a rule is measured against.

    Parameters
    ----------
    treatment : str
    """

    treatment: str

    def choose(self, options: Options) -> np.ndarray:
        """Return the positions chosen, shape (patient,)."""
        if self.treatment not in options.treatments:
            raise UnknownTreatmentError(
                f"no treatment {self.treatment!r}; {did_you_mean(self.treatment, options.treatments)}"
            )
        k = options.treatments.index(self.treatment)
        return np.where(options.allowed[:, k], k, options.reference)
