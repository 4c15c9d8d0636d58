"""Ordinal outcome with a cumulative logit link (proportional odds)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, Predictor
from medresponse.families.companions import standardised
from medresponse.families.ordinal_rows import OrdinalRows


@register(Family, "ordinal")
@dataclass(frozen=True, kw_only=True)
class Ordinal:
    """Ordered categories; `eta` is a log odds ratio, higher means a higher category.

    ``logit P(Y >= c) = eta - cut_c`` for the categories c = 1 .. L-1 above the lowest (McCullagh 1980, J R Stat Soc B
    42:109). The prior is on what the cut points mean, the category probabilities of the average patient (`eta` 0):
    Dirichlet, the induced-Dirichlet prior of cut points (Betancourt 2019, Ordinal Regression) without its Jacobian,
    since the probabilities themselves are sampled. A category that training never saw keeps a cut point, held by
    the prior alone.

    Parameters
    ----------
    concentration : float
        Dirichlet parameter of each category: how many patients the prior counts as seen in each.

    Raises
    ------
    ValueError
        If `concentration` is not positive and finite.
    """

    concentration: float = 1.0

    outcome_kind: ClassVar[str] = "ordinal"
    estimands: ClassVar[tuple[str, ...]] = ("at_least", "category")
    parameters: ClassVar[tuple[str, ...]] = ("cuts",)

    def __post_init__(self) -> None:
        if not 0 < self.concentration < float("inf"):
            raise ValueError("concentration must be positive and finite")

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one nameless predictor."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``n_levels``, the number of categories, seen or not."""
        return {"n_levels": np.asarray(outcome["n_levels"])}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return sqrt(3 / (n (1 - sum p_c^3))), with p_c the share of category c (Whitehead 1993, Stat Med 12:2257).

        With two categories this is 1 / sqrt(n p (1 - p)).
        """
        n = len(outcome["value"])
        share = np.bincount(outcome["value"]) / n
        return float(
            1 / np.sqrt(max(n * (1 - (share**3).sum()) / 3, 0.5))
        )  # all in one category: half a patient

    def latent_sd(self, outcome: Arrays) -> float:
        """Return pi / sqrt(3), the standard deviation of a logistic variable."""
        return float(np.pi / np.sqrt(3))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return the category's ridit (share of patients below it and half of those in it), standardised."""
        share = np.bincount(outcome["value"]) / len(outcome["value"])
        ridit = (np.cumsum(share) - share / 2)[outcome["value"]]
        return standardised(ridit[:, None])

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return patients per category, and the cut points that each patient lies between.

        Every patient above the lowest category is above one cut point, and below one unless in the highest:
        ``bounded_idx`` holds the patient, ``cut_idx`` the cut point, ``side`` +1 above it and -1 below it.
        """
        code, n_levels = outcome["value"], int(constants["n_levels"])
        above, below = np.flatnonzero(code > 0), np.flatnonzero(code < n_levels - 1)
        return {
            "in_category": np.bincount(code, minlength=n_levels).astype(float),
            "bounded_idx": np.concatenate([above, below]).astype("int32"),
            "cut_idx": np.concatenate([code[above] - 1, code[below]]).astype("int32"),
            "side": np.repeat([1.0, -1.0], [len(above), len(below)]),
        }

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add the cut points and the likelihood; see `Family.likelihood`.

        With p the probabilities at eta 0, ``P(Y = c | eta) = logistic(eta - cut_c) logistic(cut_(c+1) - eta) p_c /
        (P(Y >= c) P(Y <= c))``, the last two at eta 0: no difference of nearly equal numbers, whatever p_c.
        """
        import pymc as pm
        import pytensor.tensor as pt

        n = data["in_category"]
        # Each category's share of those at or above it: a Dirichlet is a product of independent betas, and shares stay
        # nearly independent given the data, so that a category never seen does not hold up the others.
        left = np.arange(n.get_value(borrow=True).shape[0] - 1, 0, -1)
        share = pm.Beta("share", self.concentration, self.concentration * left)
        log_above = pt.cumsum(pt.log1p(-share))  # log P(Y >= c) at eta 0, of every cut point c
        log_p = pt.concatenate([[0.0], log_above]) + pt.concatenate([pt.log(share), [0.0]])
        log_below = pt.log(pt.cumsum(pt.exp(log_p[:-1])))
        cuts = pm.Deterministic("cuts", log_below - log_above)
        at_zero = pt.dot(n, log_p) - pt.dot(n[1:], log_above) - pt.dot(n[:-1], log_below)
        distance = data["side"] * (cuts[data["cut_idx"]] - predictor.eta[data["bounded_idx"]])
        pm.Potential("likelihood", at_zero - pt.softplus(distance).sum())

    def rows(self, data: Arrays) -> OrdinalRows:
        """Return the likelihood of what `observe` gave; see `Rowwise`."""
        return OrdinalRows(
            patient=data["bounded_idx"],
            cut=data["cut_idx"],
            events=(data["side"] > 0).astype(float),
            in_category=data["in_category"],
            concentration=self.concentration,
        )

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return the probability of category `estimand.part`, or of it and those above; see `Family.response`.

        Raises
        ------
        SpecError
            If the part is no category, or the lowest of all for ``at_least``, which is certain.
        """
        part, last = self._checked_part(estimand, constants), int(constants["n_levels"]) - 1
        cuts = parameters["cuts"]
        if estimand.kind == "at_least":
            return expit(eta - cuts[:, part - 1])
        if part == 0:
            return expit(cuts[:, 0] - eta)
        if part == last:
            return expit(eta - cuts[:, -1])
        lower, upper = cuts[:, part - 1], cuts[:, part]
        return expit(eta - lower) * expit(upper - eta) * -np.expm1(lower - upper)

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the logit, None for a category with others below and above; see `Linked`."""
        part, cuts = self._checked_part(estimand, constants), parameters["cuts"]
        if estimand.kind == "at_least":
            return linked("logit", -cuts[:, part - 1])
        if part == 0:
            return linked("logit", cuts[:, 0], -1.0)
        return linked("logit", -cuts[:, -1]) if part == int(constants["n_levels"]) - 1 else None

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return positions of categories."""
        categories = np.zeros(uniform.shape, dtype=np.int64)
        for cut in parameters["cuts"].T:
            categories += uniform > expit(cut - eta)
        return categories

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        cuts, code = parameters["cuts"].T, outcome["value"]  # (cut, draw)
        last, result = len(cuts), np.zeros(eta.shape)
        above, below = code > 0, code < last
        result[above] -= np.logaddexp(0.0, cuts[code[above] - 1] - eta[above])
        result[below] -= np.logaddexp(0.0, eta[below] - cuts[code[below]])
        inner = above & below
        result[inner] += np.log(-np.expm1(cuts[code[inner] - 1] - cuts[code[inner]]))
        return result

    def _checked_part(self, estimand: Estimand, constants: Arrays) -> int:
        """Return the position of the category asked about."""
        part, last = estimand.part, int(constants["n_levels"]) - 1
        least = 1 if estimand.kind == "at_least" else 0
        if part is None or not least <= part <= last:
            raise SpecError(
                f"part {part}: '{estimand.kind}' asks about a category from position {least} to {last}",
                code="part",
            )
        return part
