"""The exact value of a rule in made-up patients whose mean responses are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from medresponse.core.errors import DataError
from medresponse.decisions.deciding import Decision


class KnownResponses(Protocol):
    """True mean responses, as `medresponse.validation.known` takes them from a scenario's truth."""

    @property
    def mean(self) -> np.ndarray:
        """E[Y(k) | x], shape (patient, treatment)."""
        ...

    @property
    def treatments(self) -> tuple[str, ...]:
        """Treatments, the order of `mean`."""
        ...

    @property
    def patients(self) -> tuple[str, ...] | None:
        """Their ids, the order of `mean`; None where that is not stated."""
        ...

    @property
    def direction(self) -> int:
        """+1 if a higher response is better, -1 if lower is."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrueValue:
    """Averages over patients of true worth; exact for these patients.

    Parameters
    ----------
    value : float
        Under the rule.
    best_single, oracle : float
        Under the one treatment that is best for all, and under the truly best for each patient.
    best_treatment : int
        Position of that one treatment.
    regret, gain : float
        Oracle less rule, 0 or more; rule less best single.
    regret_se, gain_se : float
        Standard errors as estimates for the population the patients are from.
    """

    value: float
    best_single: float
    oracle: float
    best_treatment: int
    regret: float
    gain: float
    regret_se: float
    gain_se: float


def value_of_choices(chosen: np.ndarray, worth: np.ndarray) -> TrueValue:
    """Return what choices are worth.

    Parameters
    ----------
    chosen : numpy.ndarray
        Position of the treatment of each patient, shape (patient,).
    worth : numpy.ndarray
        Known worth of each treatment, higher is better, shape (patient, treatment).
    """
    own = worth[np.arange(len(worth)), chosen]
    best = int(worth.mean(axis=0).argmax())
    regret, gain = worth.max(axis=1) - own, own - worth[:, best]
    root = np.sqrt(len(worth))
    spread = [float(each.std(ddof=1) / root) if len(worth) > 1 else float("nan") for each in (regret, gain)]
    return TrueValue(
        value=float(own.mean()), best_single=float(worth[:, best].mean()), oracle=float(worth.max(axis=1).mean()),
        best_treatment=best, regret=float(regret.mean()), gain=float(gain.mean()), regret_se=spread[0], gain_se=spread[1],
    )  # fmt: skip


def true_value(
    decision: Decision, truth: KnownResponses, *, scale: Literal["response", "utility"] = "response"
) -> TrueValue:
    """Return the value of a decision's choices, by the truth.

    Parameters
    ----------
    decision : Decision
        On the patients of the truth, in its order.
    truth : KnownResponses
        ``medresponse.validation.known(trial.truth, ...)``, of the estimand that was decided on and in its unit.
    scale : str
        ``response``: mean responses, in their unit and signed as they are but for `regret` and `gain`, which are positive where
        better. ``utility``: by the decision's utility, expected harms and burdens taken off.

    Raises
    ------
    DataError
        If there is no truth, or it is of other patients, treatments or direction.
    SpecError
        If mean responses do not tell the decision's utility.
    """
    _check_truth(decision, truth)
    if scale == "utility":
        worth = decision.utility.of_means(truth.mean, truth.direction) - decision.losses.mean(axis=-1)
        return value_of_choices(decision.chosen_idx, worth)
    sign = truth.direction
    found = value_of_choices(decision.chosen_idx, sign * truth.mean)
    return replace(
        found, value=sign * found.value, best_single=sign * found.best_single, oracle=sign * found.oracle
    )


def _check_truth(decision: Decision, truth: Any) -> None:
    if truth is None:
        raise DataError(
            "the cohort comes without truth: a rule's exact value needs a mechanistic scenario; for observed patients there is "
            "rule_value",
            code="no_truth",
        )
    if not hasattr(truth, "mean") or not hasattr(truth, "direction"):
        raise DataError(
            "give the truth of one endpoint: validation.known(trial.truth, endpoint=...)", code="no_truth"
        )
    responses = decision.responses
    if (
        truth.mean.shape != (len(responses.ids), len(responses.treatments))
        or truth.treatments != responses.treatments
    ):
        raise DataError(
            f"decisions on {len(responses.ids)} patients x {responses.treatments}, truth of shape {truth.mean.shape} x "
            f"{truth.treatments}",
            code="patients_differ",
        )
    if truth.patients is not None and truth.patients != tuple(responses.ids):
        raise DataError(
            "decisions and truth are of other patients, or in another order", code="patients_differ"
        )
    if truth.direction != responses.direction:
        raise DataError("responses and truth disagree on which side is better", code="direction")
