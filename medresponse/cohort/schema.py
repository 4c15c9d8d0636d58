"""What a cohort's columns mean: identity, treatment, outcome, features, sites and audit groups.

A schema is plain data (YAML) that decodes to these frozen dataclasses. It is an allow-list: a column that it
does not name is refused on reading, so that an identifier cannot slip in unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medresponse.cohort.feature import Feature
from medresponse.cohort.groups import check_groups
from medresponse.cohort.outcomes import OutcomeSchema
from medresponse.cohort.roles import check_roles
from medresponse.cohort.values import Scalar, spelled
from medresponse.core.codec import from_plain
from medresponse.core.strict_yaml import read_yaml
from medresponse.core.text import canonical_text

BLOCKS = ("genomic", "history", "lifestyle", "imaging")


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
        names = spelled(self.levels)
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
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise ValueError(f"features: {', '.join(twice)} in more than one block")
        if not self.outcomes:
            raise ValueError("outcomes: none declared")
        check_roles(self)
        check_groups(self.features)
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


def load_schema(path: str | Path) -> Schema:
    """Read a schema from YAML.

    Raises
    ------
    SchemaError
        If the file is missing, is no YAML or writes an entry twice; `SpecError` if an entry does not decode,
        naming its path.
    """
    return from_plain(Schema, read_yaml(path, what="schema"))
