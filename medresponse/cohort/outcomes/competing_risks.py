"""Time to the first of several events that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.base import FEW_PATIENTS, check_distinct
from medresponse.cohort.outcomes.events import (
    any_events,
    arms_without,
    check_time_unit,
    follow_up,
    late_entry,
)
from medresponse.cohort.outcomes.readings import Choice, Number, Reading
from medresponse.cohort.values import Scalar, spelled
from medresponse.core.registry import did_you_mean

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


@dataclass(frozen=True, kw_only=True)
class CompetingRisks:
    """Time to the first of several causes, with right censoring.

    Parameters
    ----------
    time, event : str
        Columns of follow-up time and of what ended it.
    causes : mapping
        Name of each cause -> how `event` writes it, at least two; their order is that of the parts of every
        estimate.
    censored_value : scalar
        How `event` writes "none of them, censored".
    unit : str
        Unit of time.
    cause_labels : mapping, optional
        Name of a cause -> words; the name itself by default.
    free_label : str
        Not having had any of them, in words.
    entry : str, optional
        Column of the time at which the patient came under observation (left truncation).
    """

    time: str
    event: str
    causes: Mapping[str, Scalar]
    censored_value: Scalar
    unit: str
    free_label: str
    cause_labels: Mapping[str, str] = field(default_factory=dict)
    entry: str | None = None
    kind: Literal["competing_risks"] = "competing_risks"

    def __post_init__(self) -> None:
        check_time_unit(self.unit)
        check_distinct(self.time, self.event, self.entry)
        if len(self.causes) < 2:
            raise ValueError("causes: at least two compete; declare a time_to_event for a single one")
        spelled((self.censored_value, *self.causes.values()), where="causes and censored_value")
        strange = [name for name in self.cause_labels if name not in self.causes]
        if strange:
            raise ValueError(
                f"cause_labels: no cause {strange[0]!r}; {did_you_mean(strange[0], list(self.causes))}"
            )

    @property
    def _choice(self) -> Choice:
        return Choice(spelled((self.censored_value, *self.causes.values())))

    @property
    def time_unit(self) -> str | None:
        """The same as `unit`."""
        return self.unit

    @property
    def sign(self) -> int:
        """-1: the event is worse for the patient."""
        return -1

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the causes, in order."""
        return tuple(self.causes)

    def part_label(self, part: str) -> str:
        """Return the words for one cause, by its name."""
        return self.cause_labels.get(part, part)

    @property
    def reads(self) -> Mapping[str, Reading]:
        """Time, then what ended it (censored first, then the causes in order), then the time of entry."""
        entry: dict[str, Reading] = {} if self.entry is None else {self.entry: Number()}
        return {self.time: Number(), self.event: self._choice, **entry}

    def arrays(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return ``time`` and ``entry`` in `unit`, ``event``, ``cause`` (-1 if censored), and ``n_causes``, shape ()."""
        time = table[self.time].to_numpy()
        cause = table[self.event].to_physical().cast(pl.Int64).to_numpy() - 1
        entry = np.zeros(len(time)) if self.entry is None else table[self.entry].to_numpy()
        n_causes = np.array(len(self.causes))
        return {"time": time, "event": cause >= 0, "cause": cause, "entry": entry, "n_causes": n_causes}

    def check_values(self, intake: Intake) -> Iterator[Finding]:
        """time_not_positive, negative_entry, entry_after_exit."""
        time = intake.numbers(self.time).values
        yield from follow_up(intake, self.time, time <= 0)
        if self.entry is not None:
            yield from late_entry(intake, self.entry, intake.numbers(self.entry).values >= time)

    def check_information(self, intake: Intake) -> Iterator[Finding]:
        """all_censored, all_events; per cause cause_never_observed, rare_cause, no_events_in_arm."""
        cause = self._choice.read(intake, self.event).to_physical().cast(pl.Int64) - 1
        events = cause >= 0
        yield from any_events(intake, self.event, events)
        if not events.any():
            return
        for i, name in enumerate(self.causes):
            n = int((cause == i).sum())
            if n == 0:
                action = (
                    f"no patient has cause {name}, so nothing can be learnt of it: check how the file writes it, or "
                    "take it out of causes"
                )
                yield Finding("error", "cause_never_observed", self.event, 0, (), action)
            elif n < FEW_PATIENTS:
                action = (
                    f"fewer than {FEW_PATIENTS} patients have cause {name}: what is said of it rests largely on the "
                    "prior; merge it with another cause if that makes sense"
                )
                yield Finding("warning", "rare_cause", self.event, n, (), action)
            yield from arms_without(intake, self.event, cause == i, what=f"cause {name}")
