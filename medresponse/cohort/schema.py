"""What a cohort's columns mean: identity, treatment, outcome, features, sites and audit groups.

A schema is plain data (YAML) that decodes to these frozen dataclasses. It is an allow-list: a column that it
does not name is refused on reading, so that an identifier cannot slip in unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medresponse.core.codec import from_plain
from medresponse.core.strict_yaml import read_yaml
from medresponse.core.text import canonical_text, event_text
from medresponse.core.units import check_unit, is_time_unit

BLOCKS = ("genomic", "history", "lifestyle", "imaging")

FeatureType = Literal["continuous", "binary", "categorical", "ordinal", "dosage"]
Transform = Literal["none", "log", "log1p", "sqrt"]
Scalar = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature column.

    Parameters
    ----------
    type : str
        ``continuous`` (needs `unit`), ``binary`` (two `levels`, the second is the one that counts),
        ``categorical`` and ``ordinal`` (all `levels`, ordinal from low to high), ``dosage`` (0, 1 or 2 copies).
    unit : str, optional
        UCUM unit of a continuous feature.
    unit_column : str, optional
        Column that states each row's unit; a row that states another unit is a finding.
    range : (float, float), optional
        Possible values, inclusive, in `unit`; a value outside is a finding, never clipped.
    levels : tuple, optional
        Every allowed value as written in the data.
    labels : mapping, optional
        Level as written -> words for the reader of a report.
    label : str, optional
        Words for the feature itself; the column's name by default.
    transform : str
        Scale on which the feature enters the model.
    measured_at : float or str
        When it was measured, in days from the index time (0 = at index): a number for the whole column, or
        the name of a column that holds each row's day. A positive day is refused.
    """

    type: FeatureType
    unit: str | None = None
    unit_column: str | None = None
    range: tuple[float, float] | None = None
    levels: tuple[Scalar, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None
    transform: Transform = "none"
    measured_at: float | str = 0.0

    def __post_init__(self) -> None:
        if self.type == "continuous" and self.unit is None:
            raise ValueError("a continuous feature needs a unit")
        if self.type == "binary" and len(self.levels) != 2:
            raise ValueError("a binary feature needs exactly two levels, the second is the one that counts")
        if self.type in ("categorical", "ordinal") and len(self.levels) < 2:
            raise ValueError(f"a {self.type} feature needs its levels")
        if self.unit is not None:
            check_unit(self.unit, where="unit")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range must be [low, high] with low < high")
        if len(set(self.level_names)) < len(self.level_names):
            raise ValueError("levels: one of them stands there twice (1, 1.0 and '1' are the same)")
        object.__setattr__(self, "labels", {canonical_text(k): v for k, v in self.labels.items()})

    @property
    def level_names(self) -> tuple[str, ...]:
        """Levels in canonical text (1.0 is "1", True is "true"); ``("0", "1", "2")`` for a dosage."""
        return (
            ("0", "1", "2")
            if self.type == "dosage"
            else tuple(canonical_text(level) for level in self.levels)
        )

    @property
    def is_discrete(self) -> bool:
        """Whether values are levels."""
        return self.type != "continuous"


@dataclass(frozen=True, kw_only=True)
class Level:
    """One treatment level: its words, its class and its dose."""

    label: str | None = None
    treatment_class: str | None = None
    dose: float | None = None
    dose_unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """The treatment column.

    Parameters
    ----------
    column : str
    levels : mapping
        Value as written in the data (in canonical text: 1.0 is "1") -> `Level`, in the fixed order in which
        reports show them.
    reference : str
        The level that benefits are measured against.
    assignment : str
        ``randomised`` or ``observational``; part of every estimate's basis.
    """

    column: str
    levels: Mapping[str, Level]
    reference: str
    assignment: Literal["randomised", "observational"]

    def __post_init__(self) -> None:
        names = [canonical_text(name) for name in self.levels]
        if len(set(names)) < len(names):
            raise ValueError("levels: one of them stands there twice (1, 1.0 and '1' are the same)")
        object.__setattr__(self, "levels", dict(zip(names, self.levels.values(), strict=True)))
        object.__setattr__(self, "reference", canonical_text(self.reference))
        if len(self.levels) < 2:
            raise ValueError(
                "treatment needs at least two levels; leave treatment out for a single-arm cohort"
            )
        if self.reference not in self.levels:
            raise ValueError(f"reference {self.reference!r} is none of the levels {', '.join(self.levels)}")

    def label(self, name: str) -> str:
        """Return the words for one level."""
        return self.levels[name].label or name


@dataclass(frozen=True, kw_only=True)
class TimeToEvent:
    """Time to an event with right censoring.

    Parameters
    ----------
    time, event : str
        Columns of follow-up time and of the event indicator.
    event_value, censored_value : scalar
        How `event` writes "the event happened" and "censored". There is no default: files differ, and a
        reversed polarity turns every effect on its head.
    unit : str
        Unit of time.
    event_label : str
        The event in words ("AIDS or death"); `free_label` says the same of not having had it.
    """

    time: str
    event: str
    event_value: Scalar
    censored_value: Scalar
    unit: str
    event_label: str
    free_label: str
    kind: Literal["time_to_event"] = "time_to_event"

    def __post_init__(self) -> None:
        if not is_time_unit(self.unit):
            raise ValueError(f"unit {self.unit!r} is no unit of time (day, week, month, year)")
        if event_text(self.event_value) == event_text(self.censored_value):
            raise ValueError("event_value and censored_value are the same")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the outcome occupies."""
        return (self.time, self.event)


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """A continuous outcome, and the direction that is better for the patient."""

    column: str
    unit: str
    label: str
    direction: Literal["higher_is_better", "lower_is_better", "neither"]
    range: tuple[float, float] | None = None
    kind: Literal["continuous"] = "continuous"

    def __post_init__(self) -> None:
        check_unit(self.unit, where="unit")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the outcome occupies."""
        return (self.column,)


OutcomeSchema = TimeToEvent | Continuous


@dataclass(frozen=True, kw_only=True)
class Eligibility:
    """A declared rule by which rows are left out, with its reason: `column` must hold a value in `keep`.

    With no `keep`, the column must be present (not missing).
    """

    column: str
    reason: str
    keep: tuple[Scalar, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The meaning of a cohort's columns.

    Parameters
    ----------
    name, source : str
        The cohort in words, and where it comes from (both are printed on reports).
    id : str
        Column of the pseudonymous patient id, unique.
    outcomes : mapping
        Outcome name -> columns and polarity. A model is fitted to one of them at a time.
    treatment : Treatment, optional
        None for a single-arm cohort, which gives responses but no contrasts.
    features : mapping
        Block (genomic, history, lifestyle, imaging) -> column -> `Feature`.
    sites : tuple of str
        Grouping columns (site, study) that a model may pool over.
    groups : tuple of str
        Feature columns to audit by (sex, ancestry, ...).
    eligibility : tuple of Eligibility
        The only way in which rows are left out.
    ignore : tuple of str
        Columns of the file that are knowingly not read.
    synthetic : bool
        Whether these are made-up patients; travels to every report.
    """

    name: str
    source: str
    id: str
    outcomes: Mapping[str, OutcomeSchema]
    features: Mapping[str, Mapping[str, Feature]]
    treatment: Treatment | None = None
    sites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    eligibility: tuple[Eligibility, ...] = ()
    ignore: tuple[str, ...] = ()
    synthetic: bool = False

    def __post_init__(self) -> None:
        for block in self.features:
            if block not in BLOCKS:
                raise ValueError(f"features.{block}: no such block; valid are {', '.join(BLOCKS)}")
        names = [name for columns in self.features.values() for name in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features: {', '.join(twice)} in more than one block")
        if not self.outcomes:
            raise ValueError("outcomes: none declared")
        _check_roles(self)
        for group in self.groups:
            if group not in names and group not in self.sites:
                raise ValueError(f"groups: {group} is neither a feature nor a site column")

    @property
    def feature_columns(self) -> Mapping[str, Feature]:
        """Column -> `Feature` over all blocks, in the schema's order."""
        return {name: feature for block in self.features.values() for name, feature in block.items()}

    def block_of(self, column: str) -> str:
        """Return the block that a feature column belongs to."""
        return next(block for block, columns in self.features.items() if column in columns)


def _check_roles(schema: Schema) -> None:
    """Raise ValueError if a column has two roles, or an event column two polarities."""
    treatment = (schema.treatment.column,) if schema.treatment else ()
    outcomes = {column for outcome in schema.outcomes.values() for column in outcome.columns}
    by_role = {
        "the id": (schema.id,), "the treatment": treatment, "an outcome": sorted(outcomes),
        "a feature": tuple(schema.feature_columns), "a site": schema.sites, "a column to ignore": schema.ignore,
    }  # fmt: skip
    role_of: dict[str, str] = {}
    for role, columns in by_role.items():
        for column in columns:
            if role_of.setdefault(column, role) != role:
                raise ValueError(f"column {column} is both {role_of[column]} and {role}; it can be one")
    use_of: dict[str, tuple[str, ...]] = {}
    for outcome in schema.outcomes.values():
        for column, use in _uses(outcome).items():
            if use_of.setdefault(column, use) != use:
                raise ValueError(f"outcomes: column {column} is used in two ways; copy it under another name")


def _uses(outcome: OutcomeSchema) -> dict[str, tuple[str, ...]]:
    """Return what each column of an outcome is read as."""
    if isinstance(outcome, Continuous):
        return {outcome.column: ("number",)}
    polarity = (event_text(outcome.event_value), event_text(outcome.censored_value))
    return {outcome.time: ("number",), outcome.event: ("event", *polarity)}


def load_schema(path: str | Path) -> Schema:
    """Read a schema from YAML.

    Raises
    ------
    SchemaError
        If the file is missing, is no YAML or writes an entry twice; `SpecError` if an entry does not decode,
        naming its path.
    """
    return from_plain(Schema, read_yaml(path, what="schema"))
