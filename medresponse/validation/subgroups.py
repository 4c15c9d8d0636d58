"""Calibration in each declared group of patients: sexes, ancestries, sites.

Every group that may be shown is measured as all patients are, in the mean. The intervals hold together: with m of them each has
level ``1 - (1 - level) / m`` (Bonferroni), so that a perfect model fails one of all its groups no more often than one other gate.
A group that the model gets wrong by more than is tolerated, and by more than chance, fails the validation; one too small to
tell does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.special import ndtri

from medresponse.cohort import Cohort
from medresponse.core.small_cells import FLOOR, SHOWN, SMALL, suppress
from medresponse.validation.counterparts import Counterpart
from medresponse.validation.estimates import mean_error, wilson
from medresponse.validation.gates import Gate, GateLimits, judge
from medresponse.validation.held_out import HeldOut, asked, reference_of
from medresponse.validation.question import Question
from medresponse.validation.scales import option_labels, scale_of, surprises, tolerated_benefit

OTHERS = ""  # level of those without a recorded value


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """How predictions came out in one group of patients.

    Parameters
    ----------
    column, level : str
        As in the schema; `level` is empty for those without a recorded value.
    label : str
        The group in words.
    n : int or None
        Patients; None where their number must not be shown, and then nothing is measured.
    few : bool
        Whether that is because they are few, rather than because their number would tell that of others.
    gates : tuple of Gate
        ``calibration_in_the_large`` under the option received, ``benefit_in_the_large`` of every option that, like the
        reference, at least 11 of them received, and ``predictive_coverage`` of continuous outcomes.
    """

    column: str
    level: str
    label: str
    n: int | None
    few: bool
    gates: tuple[Gate, ...] = ()


def in_words(group: Subgroup, gate: Gate) -> str:
    """Return what a gate of a group is about: the group, after the option if there is one."""
    return "; ".join(part for part in (gate.of, group.label) if part)


def measure_subgroups(held: HeldOut, question: Question, limits: GateLimits) -> tuple[Subgroup, ...]:
    """Return every group of every column that the schema declares for audit, or as a site, in fixed order.

    Parameters
    ----------
    held : HeldOut
    question : Question
    limits : GateLimits
        Those of the same gates for all patients; intervals are as wide as their number asks for.
    """
    if held.observed is None:
        return ()
    measured = [
        (group, tuple(_measured(held, held.observed, question, limits, members)) if group.n else ())
        for group, members in _groups(held.cohort)
    ]
    number = sum(len(found) for _, found in measured)
    z = float(ndtri(1 - (1 - limits.level) / (2 * max(number, 1))))
    return tuple(replace(group, gates=tuple(one.judged(z) for one in found)) for group, found in measured)


def _groups(cohort: Cohort) -> Iterator[tuple[Subgroup, np.ndarray]]:
    schema = cohort.schema
    for column in dict.fromkeys((*schema.groups, *schema.sites)):
        feature, values = schema.feature_columns.get(column), cohort.table[column].cast(pl.String)
        levels = feature.level_names if feature else tuple(sorted(values.drop_nulls().unique().to_list()))
        masks = [(values == level).fill_null(False).to_numpy() for level in levels]
        if values.null_count():
            levels, masks = (*levels, OTHERS), [*masks, values.is_null().to_numpy()]
        name = (feature.label if feature else None) or column
        counts = np.array([mask.sum() for mask in masks], dtype=np.int64)
        for level, mask, n, code in zip(
            levels, masks, counts.tolist(), suppress(counts).tolist(), strict=True
        ):
            words = (feature.labels.get(level, level) if feature else level) or "not recorded"
            group = Subgroup(
                column=column, level=level, label=f"{name}: {words}", n=n if code == SHOWN else None, few=code == SMALL,
            )  # fmt: skip
            if n:
                yield group, mask


@dataclass(frozen=True)
class _Measured:
    """A quantity, and how its interval depends on the number of standard errors."""

    name: str
    of: str
    value: float
    error: float
    n: int
    limit: tuple[float, float]
    ideal: float

    def judged(self, z: float) -> Gate:
        if self.name == "predictive_coverage":
            lower, upper = wilson(self.value, self.n, z)
        else:
            lower, upper = self.value - z * self.error, self.value + z * self.error
        return judge(
            self.name, self.value, lower, upper, of=self.of, limit=self.limit, ideal=(self.ideal, self.ideal)
        )


def _measured(
    held: HeldOut, observed: Counterpart, question: Question, limits: GateLimits, members: np.ndarray
) -> Iterator[_Measured]:
    scale, n, reference = scale_of(held.responses, observed), int(members.sum()), reference_of(held.responses)
    in_mean, in_benefit = _doubt(held, members, observed.weight, reference)
    own = held.predicted[np.arange(len(members)), held.received]
    gap = limits.gap * scale
    mean, error = _gap(own - observed.value, observed.weight, members)
    yield _Measured(
        "calibration_in_the_large", "", mean, float(np.hypot(error, in_mean)), n, (-gap, gap), 0.0
    )
    arms = np.bincount(held.received[members], minlength=held.predicted.shape[1])
    sign, surprise = held.responses.direction or 1, surprises(held, observed)
    tolerated = tolerated_benefit(question, limits, scale)
    for k, label in enumerate(option_labels(held.responses)):
        if k == reference or min(arms[k], arms[reference]) < FLOOR:
            continue
        short = sign * (surprise[:, reference] - surprise[:, k])  # of the score, below the prediction
        mean, error = _gap(short, np.ones(len(members)), members)
        error = float(np.hypot(error, in_benefit[k]))
        yield _Measured("benefit_in_the_large", label, mean, error, n, (-tolerated, tolerated), 0.0)
    if held.predictive is not None and held.predictive.inside is not None:
        share = float(held.predictive.inside[members].mean())
        limit = (0.9 - limits.coverage, 0.9 + limits.coverage)
        yield _Measured("predictive_coverage", "", share, 0.0, n, limit, 0.9)


def _gap(errors: np.ndarray, weight: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """Return the mean error in a group and its standard error.

    That of few patients to whom nothing happened would be next to nothing: it is no less than that of as many
    of all patients.
    """
    mean, error = mean_error(errors[members], weight[members])
    _, of_all = mean_error(errors, weight)
    return mean, float(np.fmax(error, of_all * np.sqrt(len(errors) / members.sum())))


def _doubt(
    held: HeldOut, members: np.ndarray, weight: np.ndarray, reference: int
) -> tuple[float, np.ndarray]:
    """Return posterior standard deviations of a group's mean response and benefits, where one fit predicts all of it.

    A site that is left out whole, and anybody whom the model learned nothing from, may be off by as much as the posterior says.
    """
    folds, k = np.unique(held.fold[members]), held.predicted.shape[1]
    if len(folds) > 1:
        return 0.0, np.zeros(k)
    part = asked(held.responses, held.fits[int(folds[0])], held.cohort.where(members))
    received, w = held.received[members], weight[members]
    mean, benefit = np.zeros(part.fit.n_draws), np.zeros((k, part.fit.n_draws))
    for rows, values in part.chunks():
        mean += w[rows] @ values[np.arange(len(values)), received[rows]]
        benefit += (values - values[:, [reference]]).sum(axis=0)
    return float(mean.std() / w.sum()), benefit.std(axis=1) / members.sum()
