"""An ordinal outcome: one of several levels, from low to high."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.classes import one_class, rare_classes
from medresponse.cohort.outcomes.readings import Choice, Reading
from medresponse.cohort.values import Scalar, spelled
from medresponse.core.registry import did_you_mean
from medresponse.core.text import canonical_text

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


@dataclass(frozen=True, kw_only=True)
class Ordinal:
    """One of several ordered levels.

    Parameters
    ----------
    column : str
    levels : tuple
        Every level as written in the data, from low to high.
    labels : mapping, optional
        Level as written -> words; the level itself by default.
    label : str
        The outcome in words ("best response").
    direction : str
        Whether a high level is the better or the worse for the patient.
    """

    column: str
    levels: tuple[Scalar, ...]
    label: str
    direction: Literal["higher_is_better", "lower_is_better", "neither"]
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["ordinal"] = "ordinal"

    def __post_init__(self) -> None:
        if len(self.levels) < 2:
            raise ValueError("an ordinal outcome needs its levels, from low to high, at least two")
        names = spelled(self.levels)
        labels = {canonical_text(level): words for level, words in self.labels.items()}
        strange = [level for level in labels if level not in names]
        if strange:
            raise ValueError(f"labels: no level {strange[0]!r}; {did_you_mean(strange[0], names)}")
        object.__setattr__(self, "labels", labels)

    @property
    def level_names(self) -> tuple[str, ...]:
        """Levels in canonical text (1.0 is "1"), from low to high."""
        return spelled(self.levels)

    @property
    def unit(self) -> str:
        """Levels have no unit."""
        return "1"

    @property
    def time_unit(self) -> str | None:
        """None: there is no time."""
        return None

    @property
    def sign(self) -> int:
        """Which way is better: +1 higher, -1 lower, 0 neither."""
        return {"higher_is_better": 1, "lower_is_better": -1, "neither": 0}[self.direction]

    @property
    def parts(self) -> tuple[str, ...]:
        """The levels, from low to high."""
        return self.level_names

    def part_label(self, part: str) -> str:
        """Return the words for one level, by its name in `parts`."""
        return self.labels.get(part, part)

    @property
    def reads(self) -> Mapping[str, Reading]:
        """One column of levels."""
        return {self.column: Choice(self.level_names)}

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return ``value``, the position of the level, and ``n_levels``, shape ()."""
        codes = table[self.column].to_physical().cast(pl.Int64).to_numpy()
        return {"value": codes, "n_levels": np.array(len(self.levels))}

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """Nothing: a readable level is a possible one."""
        yield from ()

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """one_outcome_class, ordinal_level_never_observed, rare_class_in_arm."""
        codes = Choice(self.level_names).read(intake, self.column).to_physical().cast(pl.Int64)
        yield from one_class(intake, self.column, codes)
        observed = set(codes.drop_nulls().to_list())
        for i, level in enumerate(self.level_names):
            if observed and i not in observed:
                action = (
                    f"no patient has level {level}: its cut point rests on the prior; merge the level with a "
                    "neighbour, or check how the file writes it"
                )
                yield Finding("warning", "ordinal_level_never_observed", self.column, 0, (), action)
        yield from rare_classes(intake, self.column, codes, self.level_names)
