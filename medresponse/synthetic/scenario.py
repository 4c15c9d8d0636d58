"""A scenario: every knob of a made-up cohort whose truth is known, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.synthetic.mechanisms.assignments import Randomised
from medresponse.synthetic.mechanisms.censoring import Uncensored
from medresponse.synthetic.mechanisms.covariates import GaussianCopula
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.genomes import NoGenome
from medresponse.synthetic.mechanisms.kinds import (
    Assignment,
    Censoring,
    Covariates,
    Dropout,
    Effect,
    Genome,
    Missing,
    Outcome,
)
from medresponse.synthetic.mechanisms.knobs import between, contradicts, fits, knobs, labels
from medresponse.synthetic.mechanisms.missing import Complete, CompleteFollowUp
from medresponse.synthetic.mechanisms.outcomes import GaussianOutcome

PARTS: Mapping[str, type] = MappingProxyType({
    "covariates": Covariates, "genome": Genome, "assignment": Assignment, "outcome": Outcome, "effect": Effect,
    "censoring": Censoring, "missing": Missing, "dropout": Dropout,
})  # fmt: skip
"""Field of a scenario -> the protocol of what it holds."""


@knobs("sites")
@dataclass(frozen=True, kw_only=True)
class Sites:
    """Sites of the trial.

    Parameters
    ----------
    n : int
        Sites, 0 for none, up to 500; those held out included.
    icc : float
        Share of the outcome's variance between sites; a median of 0.01 to 0.03 is seen in trials.
    treatment_sd : float
        Standard deviation of each treatment's effect over sites, in units of the predictor.
    held_out : int
        Sites whose patients are not in the cohort but in the trial's ``held_out``.
    shift : float
        By how many standard deviations the normal scores of patients at held-out sites are moved, -3 to 3.
    """

    n: int = 0
    icc: float = 0.02
    treatment_sd: float = 0.0
    held_out: int = 0
    shift: float = 0.0

    def __post_init__(self) -> None:
        between("sites.n", self.n, 0, 500)
        between("sites.icc", self.icc, 0.0, 1.0, open_high=True)
        between("sites.treatment_sd", self.treatment_sd, 0.0, 5.0)
        between("sites.shift", self.shift, -3.0, 3.0)
        if self.n or self.held_out:
            between("sites.held_out", self.held_out, 0, self.n - 1)


@knobs("confounding")
@dataclass(frozen=True, kw_only=True)
class Confounding:
    """What makes treated patients differ in prognosis.

    Parameters
    ----------
    alignment : float
        Share of prognostic columns, 0 to 1, on which the choice of treatment also depends, to the nearest whole column (of
        six 0.75 makes four): those with the worse prognosis are treated more. ACIC 2016's word.
    hidden : float
        Strength of a standard normal cause that no analyst sees, on the outcome's predictor and, negatively and times
        ``assignment.strength``, on the log odds of treatment, 0 to 2.
    ancestry : float
        Difference in prognosis for each standard deviation of the ancestry's score, on the predictor, -2 to 2.
    """

    alignment: float = 0.0
    hidden: float = 0.0
    ancestry: float = 0.0

    def __post_init__(self) -> None:
        between("confounding.alignment", self.alignment, 0.0, 1.0)
        between("confounding.hidden", self.hidden, 0.0, 2.0)
        between("confounding.ancestry", self.ancestry, -2.0, 2.0)


@knobs("")
@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Every knob of a made-up cohort.

    Parameters
    ----------
    name : str
    n : int
        Patients in the cohort, 1 to 10 million.
    treatments : tuple of str
        The reference first.
    world : int
        Chooses coefficients, columns that matter and allele frequencies: what stays the same from one seed to the next.
    covariates, genome, assignment, outcome, effect, censoring, missing, dropout
        The parts; each has kinds of its own.
    sites : Sites
    confounding : Confounding
    coupling : float
        Correlation, over treatments, of the random part of one patient's potential outcomes, 0 to 1. Data never show it:
        it changes individual effects, and nothing that is scored.
    """

    name: str
    n: int = 1000
    treatments: tuple[str, ...] = ("control", "drug_a", "drug_b")
    world: int = 1
    covariates: Covariates = GaussianCopula()
    genome: Genome = NoGenome()
    sites: Sites = Sites()
    assignment: Assignment = Randomised()
    outcome: Outcome = GaussianOutcome()
    effect: Effect = Modifiers()
    confounding: Confounding = Confounding()
    censoring: Censoring = Uncensored()
    missing: Missing = Complete()
    dropout: Dropout = CompleteFollowUp()
    coupling: float = 1.0

    def __post_init__(self) -> None:
        between("n", self.n, 1, 10_000_000)
        between("world", self.world, 0, 2**63 - 1)
        between("coupling", self.coupling, 0.0, 1.0)
        for part, kind in PARTS.items():
            fits(part, getattr(self, part), kind)
        if not isinstance(self.name, str):
            raise SpecError(f"name: {self.name!r} found; legal is text", code="knob_out_of_range")
        labels("treatments", self.treatments, fewest=2)
        for part, one in (("sites", Sites), ("confounding", Confounding)):
            if type(getattr(self, part)) is not one:
                raise SpecError(
                    f"{part}: {type(getattr(self, part)).__name__} found; legal is {one.__name__}",
                    code="knob_out_of_range",
                )
        self.assignment.check(self.treatments, has_sites=self.sites.n > 0)
        self.outcome.check(self.treatments)
        if not isinstance(self.censoring, Uncensored) and not self.outcome.is_time:
            raise contradicts("censoring", "legal is none for an outcome that is not a time")
        if not isinstance(self.dropout, CompleteFollowUp) and self.outcome.is_time:
            raise contradicts("dropout", "legal is none for a time to event, whose follow-up is censored")


_NAMED: dict[str, Scenario] = {}


def name_scenario(value: Scenario) -> Scenario:
    """Make a scenario known by its name, and return it.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if value.name in _NAMED:
        raise ValueError(f"scenario {value.name!r} is there already")
    _NAMED[value.name] = value
    return value


def scenarios() -> Mapping[str, Scenario]:
    """Return name -> scenario, in order of their names."""
    import medresponse.synthetic.scenarios  # noqa: F401  each file names its own

    return dict(sorted(_NAMED.items()))


def scenario(name: str, **changed: Any) -> Scenario:
    """Return a named scenario with some of its fields replaced.

    Raises
    ------
    SpecError
        If there is none of that name, or a knob is unknown, out of range or contradicts another.
    """
    known = scenarios()
    if name not in known:
        raise SpecError(f"scenario: no {name!r}; {did_you_mean(name, list(known))}", code="unknown_scenario")
    return replace(known[name], **changed)
