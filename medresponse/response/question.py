"""The question asked of responses: an estimand with its horizon and part, checked against outcome and family."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import OutcomeSchema
from medresponse.core.errors import SpecError
from medresponse.core.estimand import ESTIMANDS, Estimand, EstimandKind
from medresponse.core.registry import did_you_mean
from medresponse.core.units import convert_time

if TYPE_CHECKING:
    from medresponse.response.responses import Responses


def ask(
    responses: Responses, kind: str, *, horizon: float | None, unit: str | None, part: str | None
) -> Responses:
    """Return the responses with a question asked of them.

    Parameters
    ----------
    responses : Responses
    kind : str
        Of the estimand.
    horizon : float, optional
        In `unit`, the outcome's own by default.
    part : str, optional
        Category or cause.

    Raises
    ------
    SpecError
        If the kind is not the family's, its horizon or part is missing, unknown or out of place, or the horizon is
        beyond follow-up.
    """
    fit, schema = responses.fit, responses.outcome_schema
    if kind not in fit.spec.family.estimands:
        raise SpecError(
            f"no estimand {kind!r} for this family; {did_you_mean(kind, fit.spec.family.estimands)}"
        )
    meaning = ESTIMANDS[kind]
    own_horizon, horizon_unit = None, ""
    if meaning.horizon:
        own_unit = time_unit(schema)
        horizon_unit = unit or own_unit
        if horizon is None:
            raise SpecError(f"{meaning.title} needs a horizon: horizon=..., unit=...", code="horizon")
        own_horizon = convert_time(horizon, given=horizon_unit, wanted=own_unit)
    elif horizon is not None:
        raise SpecError(f"{kind} of this outcome has no horizon", code="horizon")
    answer = replace(
        responses,
        estimand=Estimand(kind=kind, horizon=own_horizon, part=_part_position(schema, meaning, kind, part)),
        unit=_unit(schema, meaning, horizon_unit),
        horizon=horizon,
        horizon_unit=horizon_unit,
        part=part or "",
        direction=_direction(schema, meaning),
    )
    _check_horizon(answer)
    return answer


def _part_position(schema: OutcomeSchema, meaning: EstimandKind, kind: str, part: str | None) -> int | None:
    if not meaning.part:
        if part is not None:
            raise SpecError(f"{kind} of this outcome is about no single category or cause; leave part out")
        return None
    names = schema.parts
    # Everybody is at least in the lowest category.
    valid = names[1:] if kind == "at_least" else names
    if part is None:
        raise SpecError(f"say which {meaning.part}: part= one of {', '.join(valid)}", code="part")
    if part not in valid:
        raise SpecError(f"part: no {meaning.part} {part!r}; {did_you_mean(part, valid)}", code="part")
    return names.index(part)


def time_unit(schema: OutcomeSchema) -> str:
    """Return the unit of time of an outcome, or of its exposure.

    Raises
    ------
    SpecError
        If the outcome has none.
    """
    if schema.time_unit is None:
        raise SpecError("the outcome has no unit of time or of exposure, so no horizon", code="horizon")
    return schema.time_unit


def _unit(schema: OutcomeSchema, meaning: EstimandKind, horizon_unit: str) -> str:
    if meaning.unit == "time":
        return horizon_unit
    if meaning.unit == "outcome":
        return schema.unit
    if meaning.unit == "rate":
        return f"events per {schema.time_unit or 'patient'}"
    return meaning.unit


def _check_horizon(responses: Responses) -> None:
    """Let the family refuse the question now rather than at the first chunk."""
    fit = responses.fit
    parameters = {name: draws[:1] for name, draws in fit.family_draws().items()}
    shape = (1, len(fit.treatments), 1)
    eta = np.zeros(shape if len(fit.predictors) == 1 else (len(fit.predictors), *shape))
    fit.spec.family.response(responses.estimand, eta, parameters, fit.constants)


def _direction(schema: OutcomeSchema, meaning: EstimandKind) -> int:
    """Return +1 if a higher value is better for the patient, -1 if a lower one is, 0 if neither."""
    if meaning.better == "outcome":
        return schema.sign
    return {"higher": 1, "lower": -1, "neither": 0}[meaning.better]
