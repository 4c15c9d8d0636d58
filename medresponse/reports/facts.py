"""What people declare of a model: use, limits, contact, expiry, and answers that no run can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from medresponse.core.codec import from_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.core.strict_yaml import read_yaml
from medresponse.reports.checklist import checklist


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Declarations about one model, printed as they are; whatever is left out is shown as a gap.

    Parameters
    ----------
    name, version : str
        What the model is called.
    intended_use, intended_users : str
    not_for : tuple of str
        Uses that are excluded.
    limits : tuple of str
        Known limits.
    contact : str
        Whom to ask and tell; a function, not a private person.
    expires : str
        ISO date, from the day after on not to be used without a new validation.
    answers : mapping
        Number of a checklist item ("17", "18a") -> its answer.

    Raises
    ------
    SpecError
        If the date is none, or an answer is to no item of the checklist.
    """

    name: str = ""
    version: str = ""
    intended_use: str = ""
    intended_users: str = ""
    not_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    contact: str = ""
    expires: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.expires:
            try:
                date.fromisoformat(self.expires)
            except ValueError as error:
                raise SpecError(f"facts.expires: {self.expires!r} is no date like 2027-01-31") from error
        known = [item.number for item in checklist("tripod_ai").items]
        for number in self.answers:
            if number not in known:
                raise SpecError(f"facts.answers: no item {number!r}; {did_you_mean(number, known)}")


def load_facts(path: str | Path) -> ModelFacts:
    """Read declarations from YAML.

    Raises
    ------
    SchemaError
        If the file is missing or is no YAML; `SpecError` if an entry does not decode, naming its path.
    """
    return from_plain(ModelFacts, read_yaml(path, what="facts"), path="facts")
