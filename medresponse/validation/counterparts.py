"""What the outcomes say of each estimand: for every patient a value whose expectation is the mean response.

An estimand that no outcome can be held against (who is cured) has none, and then nothing vouches for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medresponse.core.estimand import Estimand
from medresponse.validation.pseudo import pseudo_incidence

Outcome = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """Observed counterparts of a mean response, shape (patient,).

    Parameters
    ----------
    value : numpy.ndarray
        In the outcome's own units; E[value | features, treatment] is the mean response under the treatment received.
    weight : numpy.ndarray
        Inverse variances up to a constant (exposures of rates); ones otherwise.
    happened : numpy.ndarray or None
        The same of the event itself, for ranking patients of event times and probabilities; larger ranks higher.
    """

    value: np.ndarray
    weight: np.ndarray
    happened: np.ndarray | None = None


def counterpart(estimand: Estimand, outcome: Outcome, strata: np.ndarray) -> Counterpart | None:
    """Return the observed counterpart of an estimand, or None where outcomes have none.

    Parameters
    ----------
    estimand : Estimand
        With horizon and part in the outcome's own terms.
    outcome : mapping
        As `Cohort.outcome` returns it.
    strata : numpy.ndarray
        Treatment received, shape (patient,): censoring may differ between them.

    Notes
    -----
    Events that are known only to lie within an interval have none either: the interval's end is no time of theirs.
    """
    function = _FUNCTIONS.get(estimand.kind)
    if function is None or within_intervals(outcome):
        return None
    n = len(strata)
    parts = {
        k: function(estimand, {name: v[strata == k] for name, v in outcome.items() if v.shape == (n,)})
        for k in np.unique(strata)
    }
    whole = parts[next(iter(parts))]

    def joined(name: str) -> np.ndarray:
        values = np.empty(n)
        for k, part in parts.items():
            values[strata == k] = getattr(part, name)
        return values

    happened = None if whole.happened is None else joined("happened")
    return Counterpart(value=joined("value"), weight=joined("weight"), happened=happened)


def within_intervals(outcome: Outcome) -> bool:
    """Say whether some events are known only to lie within an interval."""
    if "upper" not in outcome:
        return False
    return bool((np.isfinite(outcome["upper"]) & (outcome["lower"] < outcome["upper"])).any())


def _plain(value: np.ndarray, happened: np.ndarray | None = None) -> Counterpart:
    return Counterpart(value=value.astype(float), weight=np.ones(len(value)), happened=happened)


def _horizon(estimand: Estimand) -> float:
    assert estimand.horizon is not None
    return estimand.horizon


def _survival(estimand: Estimand, outcome: Outcome) -> Counterpart:
    free = 1 - pseudo_incidence(outcome, _horizon(estimand))
    return _plain(free, free)


def _rmst(estimand: Estimand, outcome: Outcome) -> Counterpart:
    h = _horizon(estimand)
    return _plain(h - pseudo_incidence(outcome, h, time_lost=True), 1 - pseudo_incidence(outcome, h))


def _cumulative_incidence(estimand: Estimand, outcome: Outcome) -> Counterpart:
    had = pseudo_incidence(outcome, _horizon(estimand), cause=estimand.part)
    return _plain(had, had)


def _time_lost(estimand: Estimand, outcome: Outcome) -> Counterpart:
    h = _horizon(estimand)
    lost = pseudo_incidence(outcome, h, cause=estimand.part, time_lost=True)
    return _plain(lost, pseudo_incidence(outcome, h, cause=estimand.part))


def _mean(estimand: Estimand, outcome: Outcome) -> Counterpart:
    return _plain(outcome["value"])


def _probability(estimand: Estimand, outcome: Outcome) -> Counterpart:
    return _plain(outcome["value"], outcome["value"].astype(float))


def _at_least(estimand: Estimand, outcome: Outcome) -> Counterpart:
    reached = (outcome["value"] >= estimand.part).astype(float)
    return _plain(reached, reached)


def _category(estimand: Estimand, outcome: Outcome) -> Counterpart:
    own = (outcome["value"] == estimand.part).astype(float)
    return _plain(own, own)


def _rate(estimand: Estimand, outcome: Outcome) -> Counterpart:
    exposure = outcome["exposure"]
    return Counterpart(value=outcome["value"] / exposure, weight=exposure / exposure.mean())


def _count(estimand: Estimand, outcome: Outcome) -> Counterpart:
    rate = _rate(estimand, outcome)
    return Counterpart(value=_horizon(estimand) * rate.value, weight=rate.weight)


_FUNCTIONS: dict[str, Callable[[Estimand, Outcome], Counterpart]] = {
    "survival": _survival, "rmst": _rmst, "cumulative_incidence": _cumulative_incidence, "time_lost": _time_lost,
    "mean": _mean, "probability": _probability, "at_least": _at_least, "category": _category, "rate": _rate,
    "count": _count,
}  # fmt: skip
