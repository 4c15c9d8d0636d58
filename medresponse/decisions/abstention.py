"""When an estimate is withheld: rules as plain data, and the verdict for each patient and option, with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Feature
from medresponse.core.errors import DataError, SpecError
from medresponse.core.registry import did_you_mean
from medresponse.core.text import canonical_text
from medresponse.response import Responses
from medresponse.response.applicability import Measures, distance_ratio, measure
from medresponse.response.contrasts import benefit_of
from medresponse.response.studied import Studied

Comparison = Literal["below", "at_most", "at_least", "above", "one_of", "none_of"]
Code = Literal[
    "diagnostics_failed", "required_missing", "mostly_missing", "input_outside", "level_unseen", "jointly_outside",
    "contraindicated", "contraindication_unchecked", "nobody_studied", "few_similar", "few_alike", "rarely_given", "overlap_unknown",
    "too_wide",
]  # fmt: skip
Lift = Literal[
    "computation", "inputs", "studied_patients", "studied_on_option", "overlap", "clinical", "larger_study"
]

# What would lift each reason: one word each, put into sentences where they are printed.
LIFTS: dict[Code, Lift] = {
    "diagnostics_failed": "computation", "required_missing": "inputs", "mostly_missing": "inputs",
    "input_outside": "studied_patients", "level_unseen": "studied_patients", "jointly_outside": "studied_patients",
    "contraindicated": "clinical", "contraindication_unchecked": "inputs", "nobody_studied": "studied_on_option",
    "few_similar": "studied_on_option", "few_alike": "studied_on_option", "rarely_given": "studied_on_option", "overlap_unknown": "overlap",
    "too_wide": "larger_study",
}  # fmt: skip
_ORDERED = ("below", "at_most", "at_least", "above")
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Contraindication:
    """One declared rule: under it the named options are withheld, whatever the data say.

    Parameters
    ----------
    feature : str
        A feature of the schema, whether or not the model uses it.
    comparison : str
        ``below``, ``at_most``, ``at_least``, ``above`` (a continuous feature, in its unit; or the order of levels of an
        ordinal or dosage one), ``one_of`` or ``none_of`` (levels).
    values : tuple
        One number or level; several levels for ``one_of`` and ``none_of``.
    treatments : tuple of str
        Options, as the schema names them.
    reason, source : str
        In words, for the page: why, and where it is written.
    """

    feature: str
    comparison: Comparison
    values: tuple[str | float, ...]
    treatments: tuple[str, ...]
    reason: str
    source: str

    def __post_init__(self) -> None:
        if not self.treatments or not self.reason or not self.source:
            raise ValueError(
                f"contraindication by {self.feature}: treatments, reason and source are all needed"
            )
        if not self.values or (self.comparison in _ORDERED and len(self.values) != 1):
            raise ValueError(f"contraindication by {self.feature}: {self.comparison} needs one value")


@dataclass(frozen=True, kw_only=True, slots=True)
class AbstentionRules:
    """Every threshold beyond which an estimate is withheld; docs/abstention.md says what each rests on.

    Parameters
    ----------
    name : str
    unconverged : str
        Of a fit that fails its diagnostics: ``refuse`` reports with an error, or ``abstain`` on each page.
    most_beyond : float
        Training standard deviations that an input may lie outside the central 98% of the training values.
    most_distance : float
        Distance from the centre of all inputs together, over the 99th percentile of the training patients' distances.
    fewest_similar : float
        Effective number of similar training patients that an option needs.
    least_alike : float
        The same number as a share of the training patients who received the option. How many are similar grows with the
        size of a study, and how far a patient lies from the others does not.
    similar_share : float
        How near a similar patient is: `response.Studied.similar`. 0.5 is the median distance between two patients, a common
        bandwidth (the median heuristic; Garreau, Jitkrittum & Kanagawa 2017, arXiv 1707.07269).
    least_propensity : float
        Smallest probability of an option, where options were chosen, not drawn by lot. Of two options the other is then
        above 1 minus this: 0.05 is the range 0.05 to 0.95 (Crump et al. 2009, Biometrika 96:187, propose 0.1 to 0.9).
    most_missing : float
        Share of the inputs that may be missing.
    required : tuple of str
        Inputs without which nothing is estimated.
    widest : float
        An option is withheld if the 95% interval of its benefit includes both this many worthwhile differences to the
        better and as many to the worse.
    contraindications : tuple of Contraindication
    """

    name: str = "default"
    unconverged: Literal["refuse", "abstain"] = "refuse"
    most_beyond: float = 0.5
    most_distance: float = 1.0
    fewest_similar: float = 5.0
    least_alike: float = 0.1
    similar_share: float = 0.5
    least_propensity: float = 0.05
    most_missing: float = 0.5
    required: tuple[str, ...] = ()
    widest: float = 3.0
    contraindications: tuple[Contraindication, ...] = ()

    def __post_init__(self) -> None:
        for name in ("most_beyond", "most_distance", "fewest_similar", "widest"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: must be a number from 0")
        for name, low, high in (
            ("similar_share", 0.01, 0.99), ("least_alike", 0.0, 1.0), ("least_propensity", 0.0, 0.5), ("most_missing", 0.0, 1.0),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: must be from {low:g} to {high:g}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why an estimate is withheld.

    Parameters
    ----------
    code : str
    inputs : tuple of str
        Features it is about; empty where it is about none.
    value, threshold : float, optional
        What was measured and the rule's bound, in the rule's unit; None where there is none, or where the value would
        itself be an estimate that is withheld.
    words, source : str
        Of a contraindication.
    """

    code: Code
    inputs: tuple[str, ...] = ()
    value: float | None = None
    threshold: float | None = None
    words: str = ""
    source: str = ""

    @property
    def lift(self) -> Lift:
        """What would lift it."""
        return LIFTS[self.code]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What may be shown of one patient.

    Parameters
    ----------
    patient : str
    treatments : tuple of str
    reference : str
    shared : tuple of Reason
        Of the patient or the model: every option is withheld.
    own : tuple of tuple of Reason
        Of each option.
    """

    patient: str
    treatments: tuple[str, ...]
    reference: str
    shared: tuple[Reason, ...]
    own: tuple[tuple[Reason, ...], ...]

    def reasons(self, k: int) -> tuple[Reason, ...]:
        """Return all reasons to withhold option `k`; none means that it is estimated."""
        return (*self.shared, *self.own[k])

    @property
    def shown(self) -> tuple[bool, ...]:
        """Whether each option's own response may be shown."""
        return tuple(not self.reasons(k) for k in range(len(self.treatments)))

    @property
    def compared(self) -> tuple[bool, ...]:
        """Whether each option may be compared with the reference: both are shown."""
        reference = self.shown[self.treatments.index(self.reference)]
        return tuple(
            shown and reference and treatment != self.reference
            for shown, treatment in zip(self.shown, self.treatments, strict=True)
        )

    @property
    def whole(self) -> bool:
        """Whether nothing at all is shown."""
        return not any(self.shown)


def judge(
    responses: Responses, cohort: Cohort, rules: AbstentionRules, *, training: Studied | None = None,
    worthwhile: float | None = None, measures: Measures | None = None, allow_unconverged: bool = False,
) -> tuple[Verdict, ...]:  # fmt: skip
    """Return the verdict on each patient of `responses`.

    Parameters
    ----------
    responses : Responses
    cohort : Cohort
        Which they were made for.
    rules : AbstentionRules
    training : Studied, optional
        The training patients. Without them nobody can be counted as similar; where options were chosen by doctors and
        patients everything is withheld then, unless the fit has a propensity score of its own.
    worthwhile : float, optional
        Smallest worthwhile benefit in the responses' unit; without it no interval is too wide.
    measures : Measures, optional
        What `response.measure` returned for these responses and this `training`, if it is at hand.
    allow_unconverged : bool
        Withhold nothing because the fit fails its diagnostics; for looking at estimates that nobody may use.

    Raises
    ------
    SpecError
        If a rule names a feature, level or treatment that is not there.
    DataError
        If the cohort lacks a patient, or a feature that a rule is about.
    """
    check_rules(rules, responses, cohort)
    if measures is None:
        measures = measure(responses, training=training, similar_share=rules.similar_share)
    position = {patient: i for i, patient in enumerate(cohort.patients)}
    absent = [patient for patient in responses.ids if patient not in position]
    if absent:
        raise DataError(
            f"{len(absent)} patient(s) of the responses are not in the cohort, the first: {absent[0]}"
        )
    rows = np.array([position[patient] for patient in responses.ids], dtype=int)
    wide = _too_wide(responses, rules, worthwhile)
    barred = _Barred(rules, cohort, rows)
    passed = responses.fit.diagnostics.passed or allow_unconverged
    failed = () if passed else (Reason(code="diagnostics_failed"),)
    verdicts = []
    for row, patient in enumerate(responses.ids):
        shared = (*failed, *_shared(responses, rules, measures, row, cohort, int(rows[row])))
        own = []
        for k, treatment in enumerate(responses.treatments):
            reasons = (*barred.reasons(row, treatment), *_own(responses, rules, measures, row, k, training))
            if wide[row, k] and not reasons and not shared:
                # Said of an estimate that could otherwise be shown, never of one that nobody should read.
                reasons = (Reason(code="too_wide", threshold=rules.widest),)
            own.append(reasons)
        verdicts.append(
            Verdict(
                patient=patient, treatments=responses.treatments, reference=responses.basis.reference, shared=shared,
                own=tuple(own),
            )
        )  # fmt: skip
    return tuple(verdicts)


def verdict_table(verdicts: tuple[Verdict, ...]) -> pl.DataFrame:
    """Return verdicts as a table, one row a patient, option and reason; one row without a reason where it is shown.

    Returns
    -------
    polars.DataFrame
        ``patient, treatment, verdict, code, inputs, value, threshold, lift``; `verdict` is ``estimate`` or ``withheld``.
    """
    rows: list[tuple[object, ...]] = []
    for verdict in verdicts:
        for k, treatment in enumerate(verdict.treatments):
            reasons = verdict.reasons(k)
            if not reasons:
                rows.append((verdict.patient, treatment, "estimate", None, None, None, None, None))
            for r in reasons:
                named = ", ".join(r.inputs) or None
                rows.append(
                    (verdict.patient, treatment, "withheld", r.code, named, r.value, r.threshold, r.lift)
                )
    text = ("patient", "treatment", "verdict", "code", "inputs")
    schema = dict.fromkeys(text, pl.String) | {
        "value": pl.Float64,
        "threshold": pl.Float64,
        "lift": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def check_rules(rules: AbstentionRules, responses: Responses, cohort: Cohort) -> None:
    """Check that what rules name is there.

    Raises
    ------
    SpecError
        If a rule names a feature, level or treatment that is not there, or compares in a way the feature has none of.
    DataError
        If the cohort has no column for a feature that a rule is about.
    """
    features = responses.fit.schema.feature_columns
    for i, name in enumerate(rules.required):
        _check_feature(name, features, cohort, f"required[{i}]")
    for i, rule in enumerate(rules.contraindications):
        path = f"contraindications[{i}]"
        _check_feature(rule.feature, features, cohort, f"{path}.feature")
        for treatment in rule.treatments:
            if treatment not in responses.treatments:
                known = did_you_mean(treatment, responses.treatments)
                raise SpecError(f"rules.{path}.treatments: no treatment {treatment!r}; {known}")
        _check_values(rule, features[rule.feature], path)


def _check_feature(name: str, features: Mapping[str, Feature], cohort: Cohort, path: str) -> None:
    if name not in features:
        raise SpecError(f"rules.{path}: no feature {name!r}; {did_you_mean(name, list(features))}")
    if name not in cohort.table.columns:
        raise DataError(
            f"rules.{path}: the cohort has no column {name}, which the rule is about", code="missing_column"
        )


def _check_values(rule: Contraindication, feature: Feature, path: str) -> None:
    if feature.type == "continuous":
        if rule.comparison not in _ORDERED or isinstance(rule.values[0], str):
            raise SpecError(
                f"rules.{path}: {rule.feature} is continuous, so that a rule needs below, at_most, at_least or above, and "
                "a number"
            )
        return
    if rule.comparison in _ORDERED and feature.type not in ("ordinal", "dosage"):
        raise SpecError(
            f"rules.{path}: levels of {rule.feature} have no order; say one_of or none_of, and levels"
        )
    for value in rule.values:
        if canonical_text(value) not in feature.level_names:
            known = did_you_mean(canonical_text(value), feature.level_names)
            raise SpecError(f"rules.{path}.values: {rule.feature} has no level {value!r}; {known}")


def _shared(
    responses: Responses, rules: AbstentionRules, measures: Measures, row: int, cohort: Cohort, at: int
) -> Iterator[Reason]:
    """Yield reasons that are about the model or the patient, not about one option."""
    fit = responses.fit
    names = np.array(fit.encoding.names, dtype=object)
    absent = tuple(name for name in rules.required if cohort.table[name][at] is None)
    if absent:
        yield Reason(code="required_missing", inputs=absent)
    missing = measures.missing[row]
    if len(names) and (missing.mean() > rules.most_missing or missing.all()):
        yield Reason(
            code="mostly_missing", inputs=tuple(names[missing]), value=float(missing.mean()), threshold=rules.most_missing
        )  # fmt: skip
    beyond = measures.beyond[row]
    for i in np.flatnonzero(beyond > rules.most_beyond):
        yield Reason(
            code="input_outside", inputs=(names[i],), value=float(beyond[i]), threshold=rules.most_beyond
        )
    for i in np.flatnonzero(measures.share[row] == 0):
        yield Reason(code="level_unseen", inputs=(names[i],))
    ratio = distance_ratio(fit, float(measures.distance[row]))
    if not ratio <= rules.most_distance:
        yield Reason(code="jointly_outside", value=ratio, threshold=rules.most_distance)


def _own(
    responses: Responses,
    rules: AbstentionRules,
    measures: Measures,
    row: int,
    k: int,
    training: Studied | None,
) -> Iterator[Reason]:
    """Yield reasons that are about option `k` and the patients who had it."""
    if training is not None and training.counts[k] == 0:
        yield Reason(code="nobody_studied")
        return
    if measures.similar is not None and training is not None:
        similar = float(measures.similar[row, k])
        share = similar / float(training.counts[k])
        if not similar >= rules.fewest_similar:
            yield Reason(code="few_similar", value=similar, threshold=rules.fewest_similar)
        elif not share >= rules.least_alike:
            yield Reason(code="few_alike", value=share, threshold=rules.least_alike)
    if responses.basis.assignment != "observational":
        return
    if measures.propensity is None:
        yield Reason(code="overlap_unknown")
    elif not measures.propensity[row, k] >= rules.least_propensity:
        yield Reason(
            code="rarely_given", value=float(measures.propensity[row, k]), threshold=rules.least_propensity
        )


def _too_wide(responses: Responses, rules: AbstentionRules, worthwhile: float | None) -> np.ndarray:
    """Return whether each option's benefit may be both worthwhile and as far to the worse, (patient, treatment)."""
    n, arms = len(responses.ids), len(responses.treatments)
    wide = np.zeros((n, arms), dtype=bool)
    if worthwhile is None or arms < 2 or responses.direction == 0:
        return wide
    reference = responses.treatment_position(responses.basis.reference)
    others = [k for k in range(arms) if k != reference]
    tails, limit = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], rules.widest * worthwhile

    def check(values: np.ndarray) -> np.ndarray:
        lower, upper = np.quantile(benefit_of(values, reference, others, responses.direction), tails, axis=-1)
        return ~((lower >= -limit) | (upper <= limit))  # an interval that is no number is too wide

    wide[:, others] = responses.reduce(check)
    return wide


class _Barred:
    """Which patients each contraindication holds for."""

    def __init__(self, rules: AbstentionRules, cohort: Cohort, rows: np.ndarray) -> None:
        self._rules = [(rule, *_holds(rule, cohort, rows)) for rule in rules.contraindications]

    def reasons(self, row: int, treatment: str) -> Iterator[Reason]:
        """Yield the reasons against one option for one patient."""
        for rule, holds, unknown in self._rules:
            if treatment in rule.treatments and (holds[row] or unknown[row]):
                code: Code = "contraindication_unchecked" if unknown[row] else "contraindicated"
                yield Reason(code=code, inputs=(rule.feature,), words=rule.reason, source=rule.source)


def _holds(rule: Contraindication, cohort: Cohort, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for whom a rule holds, and of whom its feature is not known."""
    series, feature = cohort.table[rule.feature], cohort.schema.feature_columns[rule.feature]
    unknown = series.is_null().to_numpy()[rows]
    if feature.type == "continuous":
        values = series.cast(pl.Float64).to_numpy()[rows]
        holds = _compare(values, rule.comparison, float(rule.values[0]))
    else:
        positions = series.to_physical().cast(pl.Float64).to_numpy()[rows]
        wanted = [feature.level_names.index(canonical_text(value)) for value in rule.values]
        if rule.comparison in _ORDERED:
            holds = _compare(positions, rule.comparison, float(wanted[0]))
        else:
            holds = np.isin(positions, wanted) == (rule.comparison == "one_of")
    return holds & ~unknown, unknown


def _compare(values: np.ndarray, comparison: Comparison, bound: float) -> np.ndarray:
    if comparison == "below":
        return np.asarray(values < bound)
    if comparison == "at_most":
        return np.asarray(values <= bound)
    if comparison == "at_least":
        return np.asarray(values >= bound)
    return np.asarray(values > bound)
