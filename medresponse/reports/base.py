"""What a report section is, and what it is made from."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.registry import name_of
from medresponse.decisions import AbstentionRules, Verdict
from medresponse.decisions.harms import Harm
from medresponse.reports.facts import ModelFacts
from medresponse.reports.format import Formatter
from medresponse.reports.language import Language, isolated
from medresponse.reports.wording import Wording, wording_of
from medresponse.response import Applicability, Responses, Studied

if TYPE_CHECKING:
    from medresponse.reports.marks import ReportProvenance
    from medresponse.validation.record import ValidationRecord

Placement = Literal["full", "half", "appendix"]


# The levels, in order no and yes, of a feature whose schema gives no words for them.
NO_YES = (("0", "1"), ("false", "true"))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One result of calibration or validation, in words; made by an experiment, printed as it is.

    Parameters
    ----------
    name : str
        What was checked ("Calibration at 300 days").
    value : str
        The result with its uncertainty ("predicted 91, observed 92 of 100").
    detail : str
        In whom and how ("5-fold cross-validation, 1,151 patients").
    """

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The report that this one replaces.

    Parameters
    ----------
    plain : mapping
        What its JSON holds, but for the checksum.
    checksum : str
    """

    plain: Mapping[str, Any]
    checksum: str


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """What sections may draw on; made once a report by `document.build_report`.

    Parameters
    ----------
    responses : Responses
        Of this one patient.
    cohort : Cohort
        This one patient's row.
    patient : str
    language : Language
        Of the page.
    wording : Wording
        The outcome in words and the scale it is printed on.
    values : numpy.ndarray
        Mean responses, shape (treatment, draw), in the responses' unit; not a number where the option is withheld.
    applicability : Applicability
    rules : AbstentionRules
    verdict : Verdict
        Which options are withheld by the rules, and why.
    worthwhile : float or None
        Smallest worthwhile benefit in the responses' unit; None where benefits have no meaning.
    training : Studied or None
        The training patients, for counts and averages; None if they were not given.
    reference : Cohort or None
        The training cohort itself, for documents on the model; patients' pages do without.
    evidence : tuple of Evidence
    harms : tuple of Harm
    provenance : ReportProvenance
    validation : ValidationRecord or None
        What the report rests on; None for one that was made by an override.
    produced_utc : str
    facts : ModelFacts
        What people declared of the model.
    expires : str
        ISO date until which the model may be used; empty if nobody said.
    earlier : Earlier or None
        The report of this patient that is replaced, if there is one.
    """

    responses: Responses
    cohort: Cohort
    patient: str
    language: Language
    wording: Wording
    values: np.ndarray
    applicability: Applicability
    rules: AbstentionRules
    verdict: Verdict
    worthwhile: float | None
    provenance: ReportProvenance
    validation: ValidationRecord | None = None
    training: Studied | None = None
    reference: Cohort | None = None
    evidence: tuple[Evidence, ...] = field(default=())
    harms: tuple[Harm, ...] = field(default=())
    produced_utc: str = ""
    facts: ModelFacts = field(default_factory=ModelFacts)
    expires: str = ""
    earlier: Earlier | None = None

    def say(self, key: str, /, **parts: str | int | Decimal) -> str:
        """Return a sentence of the page's language; see `Language.say`."""
        return self.language.say(key, **parts)

    @property
    def fmt(self) -> Formatter:
        """The one formatter, in the page's language."""
        return Formatter(self.language)

    @property
    def reference_idx(self) -> int:
        """Position of the reference treatment; 0 for a single arm."""
        return self.responses.treatments.index(self.responses.basis.reference)

    @property
    def others(self) -> tuple[int, ...]:
        """Positions of the treatments that are compared with the reference, in fixed order."""
        return tuple(k for k in range(len(self.responses.treatments)) if k != self.reference_idx)

    @property
    def shown(self) -> tuple[int, ...]:
        """Positions of the options that are estimated, in fixed order."""
        return tuple(k for k, shown in enumerate(self.verdict.shown) if shown)

    @property
    def compared(self) -> tuple[int, ...]:
        """Positions of the options that may be compared with the reference, in fixed order."""
        return tuple(k for k, compared in enumerate(self.verdict.compared) if compared)

    @property
    def option_labels(self) -> tuple[str, ...]:
        """Words for each treatment, in fixed order."""
        treatment = self.responses.fit.schema.treatment
        return (
            tuple(isolated(treatment.label(t)) for t in self.responses.treatments)
            if treatment
            else (self.say("option.only"),)
        )

    @property
    def family_label(self) -> str:
        """Words for the model's family."""
        return self.kind_label("family", type(self.responses.fit.spec.family))

    def kind_label(self, group: str, kind: type) -> str:
        """Words for a registered part, by its group of the catalogue; the name of its class where there are none."""
        key = f"{group}.{name_of(kind)}"
        return self.say(key) if key in self.language.entries else kind.__name__

    @property
    def sign(self) -> int:
        """+1 or -1: what a difference is multiplied by so that positive is better (or just higher)."""
        return self.responses.direction or 1

    @functools.cached_property
    def mean_times(self) -> np.ndarray | None:
        """Mean times to the same horizon, shape (treatment, draw), beside probabilities of no event; else None."""
        if self.time_gained is None:
            return None
        return next(iter(self.time_gained.chunks()))[1][0]

    @functools.cached_property
    def time_gained(self) -> Responses | None:
        """Responses that `mean_times` are the values of."""
        if self.responses.estimand.kind != "survival" or self.responses.horizon is None:
            return None
        return self.responses.at(horizon=self.responses.horizon, kind="rmst")

    @functools.cached_property
    def time_wording(self) -> Wording | None:
        """How `mean_times` are spoken of."""
        if self.time_gained is None or self.mean_times is None:
            return None
        return wording_of(self.time_gained, self.mean_times[list(self.shown)], self.language)

    def difference(self, k: int) -> np.ndarray:
        """Return draws of the benefit of treatment `k` against the reference, shape (draw,)."""
        return np.asarray(self.sign * (self.values[k] - self.values[self.reference_idx]))

    def feature_label(self, name: str) -> str:
        """Return the words for a feature."""
        return self.responses.fit.schema.feature_columns[name].label or name

    def feature_value(self, name: str) -> str:
        """Return this patient's value of a feature in words, with its unit, or that it is not recorded."""
        value = self.cohort.table[name][0]
        feature = self.responses.fit.schema.feature_columns[name]
        if value is None:
            return self.say("value.not_recorded")
        if feature.is_discrete:
            level = str(value)
            if level not in feature.labels and feature.level_names in NO_YES:
                return self.say("value.no" if level == feature.level_names[0] else "value.yes")
            return feature.labels.get(level, level)
        return self.fmt.quantity(float(value), feature.unit or "")


class Section(Protocol):
    """One part of a report: a frozen dataclass whose fields are every number and sentence that it prints.

    One file a section in ``reports/sections/``, registered by name, with a template of the same name in
    ``reports/templates/sections/``. The template prints fields and computes nothing.
    """

    @property
    def placement(self) -> Placement:
        """Where it stands: across the page, beside a neighbour that is ``half`` too, or in the appendix."""
        ...

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the section for one patient, or None where it does not apply."""
        ...
