"""What a utility and a rule are, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.core.rng import stream
from medresponse.decisions.harms import Harm
from medresponse.response import Responses


class Utility(Protocol):
    """What outcomes are worth and what treatments cost the patient, in one unit.

    One frozen dataclass a file, registered by name. The utility of treatment k for patient i in a posterior draw is the worth
    of the response less a loss that belongs to the treatment.
    """

    def check(self, responses: Responses, harms: Sequence[Harm]) -> None:
        """Refuse what does not fit.

        Raises
        ------
        SpecError
            If a weight is missing, names nothing that is there, or is not finite.
        """
        ...

    def worth(self, responses: Responses) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield (rows, responses, worth), both of shape (patient, treatment, draw); a higher worth is better."""
        ...

    def losses(self, responses: Responses, harms: Sequence[Harm]) -> np.ndarray:
        """Return what each treatment costs whatever its response, shape (treatment, draw)."""
        ...

    def of_means(self, means: np.ndarray, direction: int) -> np.ndarray:
        """Return the worth of known mean responses, shape of `means`; a positive `direction` says that more is better.

        Raises
        ------
        SpecError
            If the worth is not one of mean responses.
        """
        ...

    def observed(self, responses: Responses, cohort: Cohort) -> np.ndarray:
        """Return the worth of what happened to each patient of `cohort`, shape (patient,).

        Its expectation is the worth of the mean response under the treatment received.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a rule chooses by; shape (patient, treatment).

    Parameters
    ----------
    utility : numpy.ndarray
        Expected.
    p_worthwhile : numpy.ndarray
        Posterior probability of a worthwhile benefit against the reference; 0 for the reference.
    allowed : numpy.ndarray
        Whether a treatment may be chosen; the reference always may.
    reference : int
    treatments : tuple of str
    """

    utility: np.ndarray
    p_worthwhile: np.ndarray
    allowed: np.ndarray
    reference: int
    treatments: tuple[str, ...]


class Rule(Protocol):
    """Which treatment each patient gets; one frozen dataclass a file, registered by name."""

    def choose(self, options: Options) -> np.ndarray:
        """Return the position of the treatment chosen for each patient, one of those allowed; shape (patient,)."""
        ...


def treatment_losses(
    responses: Responses, burden: Mapping[str, float], weights: Mapping[str, float], harms: Sequence[Harm]
) -> np.ndarray:
    """Return ``burden_k + sum over h of weight_h rate_hk``, shape (treatment, draw).

    Rates are drawn from streams of their own, independent of the posterior: they come from other data.
    """
    loss = np.zeros((len(responses.treatments), responses.fit.n_draws))
    for k, treatment in enumerate(responses.treatments):
        loss[k] += burden.get(treatment, 0.0)
        for harm in harms:
            if weights[harm.name]:
                rng = stream(responses.seed, "harm", harm.name, treatment)
                try:
                    rates = harm.rates[treatment].sample(responses.fit.n_draws, rng)
                except ValueError as error:
                    raise SpecError(f"harm {harm.name!r} under {treatment}: {error}", code="rate") from error
                loss[k] += weights[harm.name] * rates
    return loss


def check_losses(
    responses: Responses, burden: Mapping[str, float], weights: Mapping[str, float], harms: Sequence[Harm]
) -> None:
    """Refuse burdens and weights that do not fit treatments and harms.

    Raises
    ------
    UnknownTreatmentError
        If a burden or a rate is of a treatment that is not there.
    SpecError
        If a harm has no weight, a weight no harm, a harm that counts no rate for some treatment, or a number is not finite.
    """
    for treatment in (*burden, *(treatment for harm in harms for treatment in harm.rates)):
        responses.treatment_position(treatment)
    check_finite("burden", burden)
    check_finite("harm_weights", weights)
    names = [harm.name for harm in harms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(f"harms: {twice[0]!r} is there twice", code="harm")
    for name in names:
        if name not in weights:
            raise SpecError(
                f"harm_weights: none for {name!r}; state how many {_unit(responses)} avoiding one case is worth (0 to leave it out)",
                code="missing_weight",
            )
    for name in weights:
        if name not in names:
            told = did_you_mean(name, names) if names else "no harms were given: harms=[Harm(...)]"
            raise SpecError(f"harm_weights: no harm {name!r}; {told}", code="unknown_harm")
    for harm in harms:
        unknown = [t for t in responses.treatments if t not in harm.rates]
        if weights[harm.name] and unknown:
            raise SpecError(
                f"harm {harm.name!r} counts, and its rate under {', '.join(unknown)} is not known: give one, wide if need be, or "
                "weigh the harm 0",
                code="unknown_rate",
            )


def check_finite(name: str, numbers: Mapping[str, float]) -> None:
    """Raise `SpecError` if one of the numbers is not finite."""
    for key, value in numbers.items():
        if not np.isfinite(value):
            raise SpecError(f"{name}.{key}: {value} is no weight", code="weight")


def _unit(responses: Responses) -> str:
    return (
        "units of probability" if responses.unit == "probability" else f"units of response ({responses.unit})"
    )
