"""The question that a validation is about: a validation of one answers for no other."""

from __future__ import annotations

from dataclasses import dataclass

from medresponse.response import Responses


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of the model, and what counts as worthwhile.

    Parameters
    ----------
    outcome, estimand, part : str
    horizon : float or None
        In the outcome's unit of time, whatever unit it was stated in.
    unit : str
        Of the responses.
    worthwhile : float or None
        Smallest worthwhile benefit in `unit`; None where benefits have no meaning.
    """

    outcome: str
    estimand: str
    part: str
    horizon: float | None
    unit: str
    worthwhile: float | None

    @classmethod
    def of(cls, responses: Responses, worthwhile: float | None) -> Question:
        """Return the question that `responses` answer."""
        return cls(
            outcome=responses.fit.outcome, estimand=responses.estimand.kind, part=responses.part,
            horizon=responses.estimand.horizon, unit=responses.unit,
            worthwhile=None if worthwhile is None else float(worthwhile),
        )  # fmt: skip
