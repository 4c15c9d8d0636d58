"""How good a treatment rule is in patients it was not learned from, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.special import ndtri

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.core.small_cells import shown
from medresponse.decisions.deciding import Decision
from medresponse.decisions.observed import observed_response
from medresponse.decisions.propensities import propensities

LOW_PROPENSITY = 0.05
BEST_SINGLE = "best single treatment"

Scale = Literal["response", "utility"]
Method = Literal["aipw", "ipw"]


@dataclass(frozen=True, kw_only=True)
class RuleValue:
    """Mean response when treatments are given by a rule, against one treatment for all.

    Parameters
    ----------
    values : polars.DataFrame
        ``policy, value, se, lower, upper``: ``rule`` and ``all on A`` for each treatment.
    differences : polars.DataFrame
        ``against, difference, se, lower, upper``: the rule less each treatment for all, positive is better for the patients; and
        against the best single treatment.
    unit : str
    scale : str
        ``response`` or ``utility``.
    method : str
    n : int
        Patients evaluated.
    agreement : float
        Share of patients who received what the rule chooses.
    effective_n : float
        Effective number of these by their weights (Kish).
    smallest_propensity : float
    level : float
    notes : tuple of str
        What to know before using the numbers.
    """

    values: pl.DataFrame
    differences: pl.DataFrame
    unit: str
    scale: str
    method: str
    n: int
    agreement: float
    effective_n: float
    smallest_propensity: float
    level: float
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        rule = self.values.row(0, named=True)
        return (
            f"<RuleValue {rule['value']:.4g} ({rule['lower']:.4g} to {rule['upper']:.4g}) {self.unit}, {self.method} in "
            f"{self.n} patients>"
        )

    def _repr_html_(self) -> str:
        tables = (
            t.with_columns(pl.selectors.float().round(4))._repr_html_()
            for t in (self.values, self.differences)
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p>{''.join(tables)}<ul>{notes}</ul>"


def rule_value(
    decisions: Decision | Sequence[Decision],
    cohort: Cohort,
    *,
    scale: Scale = "response",
    propensity: Mapping[str, float] | np.ndarray | None = None,
    method: Method = "aipw",
    level: float = 0.95,
    in_sample: bool = False,
) -> RuleValue:
    """Estimate the value of a rule from what happened to patients that it was not learned from.

    Parameters
    ----------
    decisions : Decision or sequence of Decision
        For the patients of `cohort`; several where each fold's patients were decided on by a fit to the others. Every patient
        is in exactly one.
    cohort : Cohort
        With treatments received and outcomes.
    scale : str
        ``response`` values the response alone, ``utility`` the decision's utility, harms and burdens taken off.
    propensity : mapping or numpy.ndarray, optional
        Probability of each treatment: treatment -> probability where all patients had the same (allocation 2:1), or shape
        (patient, treatment). Left out: the shares of the treatments in a randomised cohort, which is wrong
        where allocation differed by site or stratum: give them then; in an observational one the fit's
        own propensity score, or else one fitted here to the other folds' patients.
    method : str
        ``aipw`` (augmented by the predicted responses; the default) or ``ipw`` (normalised weights, no predictions).
    level : float
    in_sample : bool
        Take the patients that the rule was learned from: optimistic, and said so in the notes.

    Returns
    -------
    RuleValue
        Of the rule as it is, in the population that `cohort` stands for; not of the way it was learned. From an observational
        cohort no confounder may be unmeasured.

    Raises
    ------
    DataError
        If patients do not match, some received no known treatment or have no outcome, a group is empty, a propensity is not
        between 0 and 1, or (unless `in_sample`) the patients are those the rule was learned from.
    SpecError
        If the decisions are not of one question.

    Notes
    -----
    With m the predicted worth, e the propensity, A the treatment received and Y the worth observed, patient i counts

    ``phi_i(k) = m_i(k) + 1[A_i = k] (Y_i - m_i(k)) / e_i(k)``

    for treatment k and ``phi_i(d_i)`` for the rule d; values are means and standard errors those of means, paired for
    differences (Robins, Rotnitzky & Zhao 1994, J Am Stat Assoc 89:846; Zhang et al. 2012, Biometrics 68:1010). With a known
    propensity the estimate is consistent whatever m is. Censored times enter by pseudo-observations within treatment groups,
    for which these standard errors are slightly too large (Overgaard, Parner & Pedersen 2017, Ann Stat 45:1988). What is not
    known of harm rates is added to the variance.

    The best single treatment is not known either. The rule gains over it by the smallest of its gains over each of the
    treatments; the interval runs from the smallest lower end to the smallest upper end, the latter at a level corrected for the
    number of treatments (Bonferroni), and covers whichever treatment is best. Its lower end above zero is the
    intersection-union test that the rule is better than every treatment for all (Berger 1982, Technometrics 24:295).
    """
    parts = (decisions,) if isinstance(decisions, Decision) else tuple(decisions)
    first = _check_decisions(parts)
    order = _order(parts, cohort)
    if not in_sample:
        _check_held_out(parts, cohort)
    joined = {
        name: np.concatenate([p.matrix(name) for p in parts])[order] for name in ("response", "utility")
    }
    chosen = np.concatenate([p.chosen_idx for p in parts])[order]
    received = _received(cohort)
    if scale == "utility":
        sign, loss = 1, first.losses
        observed = first.utility.observed(first.responses, cohort)
        predicted = joined["utility"] + loss.mean(axis=-1)
    else:
        sign, loss = first.responses.direction, np.zeros_like(first.losses)
        observed, predicted = sign * observed_response(first.responses, cohort), sign * joined["response"]
    probability, source = propensities(parts, order, cohort, propensity)
    evaluated = _evaluate(chosen, observed, received, probability, predicted if method == "aipw" else None)
    shares = np.vstack(
        [np.bincount(chosen, minlength=probability.shape[1]) / len(chosen), np.eye(probability.shape[1])]
    )
    evaluated = evaluated.less(shares @ loss)
    agree = chosen == received
    weights = 1.0 / probability[np.arange(len(received)), received][agree]
    result = RuleValue(
        values=_values(evaluated, first.responses.treatments, sign, level),
        differences=_differences(evaluated, first.responses.treatments, level),
        unit="utility" if scale == "utility" else first.responses.unit, scale=scale, method=method, n=cohort.n,
        agreement=float(agree.mean()), effective_n=float(weights.sum() ** 2 / (weights**2).sum()) if agree.any() else 0.0,
        smallest_propensity=float(probability.min()), level=level,
    )  # fmt: skip
    return replace(
        result, notes=_notes(result, first, sum(int(p.abstained.sum()) for p in parts), source, in_sample)
    )


class _Evaluated(NamedTuple):
    """Values of the rule and of each treatment for all, higher is better, with influence values of mean zero."""

    value: np.ndarray  # (policy,)
    influence: np.ndarray  # (patient, policy)
    loss: np.ndarray  # draws of the loss, (policy, draw)

    def less(self, loss: np.ndarray) -> _Evaluated:
        return _Evaluated(self.value - loss.mean(axis=-1), self.influence, loss)

    def estimate(self, weights: np.ndarray) -> tuple[float, float]:
        """Return a linear combination of values and its standard error."""
        spread = (self.influence @ weights).std(ddof=1) / np.sqrt(len(self.influence))
        harms = (weights @ self.loss).std()
        return float(weights @ self.value), float(np.hypot(spread, harms))


def _evaluate(
    chosen: np.ndarray,
    observed: np.ndarray,
    received: np.ndarray,
    probability: np.ndarray,
    predicted: np.ndarray | None,
) -> _Evaluated:
    """Evaluate the rule (first) and each treatment for all."""
    n, treatments = probability.shape
    given = np.eye(treatments, dtype=bool)[received]  # (patient, treatment)
    weights = given / probability
    rows = np.arange(n)
    if predicted is not None:
        each = predicted + weights * (observed[:, None] - predicted)
        each = np.column_stack([each[rows, chosen], each])
        value = each.mean(axis=0)
        return _Evaluated(value, each - value, np.zeros((treatments + 1, 1)))
    weights = np.column_stack([weights[rows, chosen], weights])
    if not weights.any(axis=0).all():
        raise DataError(
            "nobody received what the rule chooses: nothing to weigh; use method='aipw'", code="no_agreement"
        )
    value = (weights * observed[:, None]).sum(axis=0) / weights.sum(axis=0)
    influence = weights * (observed[:, None] - value) / weights.mean(axis=0)
    return _Evaluated(value, influence, np.zeros((treatments + 1, 1)))


def _values(evaluated: _Evaluated, treatments: tuple[str, ...], sign: int, level: float) -> pl.DataFrame:
    z = float(ndtri((1 + level) / 2))
    rows = []
    for name, weights in zip(
        ("rule", *(f"all on {t}" for t in treatments)), np.eye(len(treatments) + 1), strict=True
    ):
        value, se = evaluated.estimate(weights)
        rows.append((name, sign * value, se, sign * value - z * se, sign * value + z * se))
    return pl.DataFrame(rows, schema=["policy", "value", "se", "lower", "upper"], orient="row")


def _differences(evaluated: _Evaluated, treatments: tuple[str, ...], level: float) -> pl.DataFrame:
    tail = (1 - level) / 2
    z, corrected = float(-ndtri(tail)), float(-ndtri(tail / len(treatments)))
    rows: list[tuple[str, float, float | None, float, float]] = []
    for name, policy in zip(treatments, np.eye(len(treatments) + 1)[1:], strict=True):
        gain, se = evaluated.estimate(np.eye(len(treatments) + 1)[0] - policy)
        rows.append((f"all on {name}", gain, se, gain - z * se, gain + z * se))
    upper = min(gain + corrected * (se or 0.0) for _, gain, se, _, _ in rows)
    rows.append((BEST_SINGLE, min(row[1] for row in rows), None, min(row[3] for row in rows), upper))
    schema = {"against": pl.String, **dict.fromkeys(("difference", "se", "lower", "upper"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _notes(
    result: RuleValue, first: Decision, abstained: int, source: str, in_sample: bool
) -> tuple[str, ...]:
    notes = [f"treatment probabilities: {source}"]
    if abstained:
        few = shown((abstained, result.n - abstained))[0]
        notes.append(f"estimates are withheld for {few} patients, who count as on {first.reference}")
    if in_sample:
        notes.append("the patients are those the rule was learned from: its value is optimistic")
    if first.responses.basis.assignment != "randomised":
        notes.append("treatments were not randomised: the values hold if no confounder is unmeasured")
    if result.smallest_propensity < LOW_PROPENSITY:
        notes.append(
            f"some patients had a probability below {LOW_PROPENSITY:g} of a treatment: intervals may be too short"
        )
    return tuple(notes)


def _check_decisions(parts: tuple[Decision, ...]) -> Decision:
    if not parts:
        raise SpecError("no decisions to evaluate", code="no_decisions")
    first = parts[0]
    for other in parts[1:]:
        same = (
            other.responses.treatments == first.responses.treatments
            and other.responses.estimand == first.responses.estimand
            and other.responses.unit == first.responses.unit
            and (other.utility, other.rule, other.harms) == (first.utility, first.rule, first.harms)
        )
        if not same:
            raise SpecError("the decisions are not of one question, utility and rule", code="mixed_decisions")
    return first


def _order(parts: tuple[Decision, ...], cohort: Cohort) -> np.ndarray:
    """Return which row of the joined decisions belongs to each patient of the cohort."""
    ids = [patient for part in parts for patient in part.responses.ids]
    position = {patient: i for i, patient in enumerate(ids)}
    if len(position) != len(ids) or set(position) != set(cohort.patients):
        raise DataError(
            f"decisions on {len(ids)} patients, {len(position)} different, cohort of {cohort.n}: each patient of the cohort is "
            "to be decided on once",
            code="patients_differ",
        )
    return np.array([position[patient] for patient in cohort.patients])


def _check_held_out(parts: tuple[Decision, ...], cohort: Cohort) -> None:
    for part in parts:
        own = cohort if len(part.responses.ids) == cohort.n else cohort.select(part.responses.ids)
        if own.fingerprint == part.responses.fit.provenance.cohort_fingerprint:
            raise DataError(
                "these are the patients that the rule was learned from, in whom its value is optimistic; give held-out patients, "
                "decisions fold by fold, or in_sample=True",
                code="in_sample",
            )


def _received(cohort: Cohort) -> np.ndarray:
    received = cohort.treatment_idx
    counts = np.bincount(received, minlength=len(cohort.treatments))
    empty = [name for name, n in zip(cohort.treatments, counts, strict=True) if n == 0]
    if empty:
        raise DataError(f"nobody received {', '.join(empty)}: its value cannot be told", code="empty_arm")
    return received
