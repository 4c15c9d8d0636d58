"""Whether a spec and a cohort go together."""

from __future__ import annotations

from medresponse.cohort import Cohort, Treatment
from medresponse.core.errors import SpecError
from medresponse.model.spec import ModelSpec, PropensityScore


def require_match(spec: ModelSpec, cohort: Cohort, outcome: str) -> None:
    """Refuse a spec that a cohort cannot be fitted under.

    Raises
    ------
    SpecError
        Naming the entry: an outcome of another kind than the family's, unknown sites or features, curves of features in no block,
        or a treatment that was not randomised while the spec names no strategy against confounding.
    """
    kind = cohort.outcome_schema(outcome).kind
    if kind != spec.family.outcome_kind:
        raise SpecError(
            f"spec.family: {type(spec.family).__name__} models a {spec.family.outcome_kind} outcome; {outcome!r} is {kind}"
        )
    unknown = sorted(
        {name for column in spec.pooling for name in column.split("/")} - set(cohort.schema.sites)
    )
    if unknown:
        raise SpecError(
            f"spec.pooling: {', '.join(unknown)} is no site column of the cohort ({', '.join(cohort.schema.sites) or 'it has none'})"
        )
    named = {
        "leave_out": spec.leave_out,
        "interactions": [name for pair in spec.interactions for name in pair],
        "slopes": [name for features in spec.slopes.values() for name in features],
        "terms": spec.terms,
        "missing.shifts": spec.missing.shifts,
    }
    for entry, names in named.items():
        strange = sorted(set(names) - set(cohort.schema.feature_columns))
        if strange:
            raise SpecError(f"spec.{entry}: {', '.join(strange)} is no feature of the cohort")
    unused = sorted(name for name in spec.terms if cohort.schema.block_of(name) not in spec.blocks)
    if unused:
        raise SpecError(f"spec.terms: {', '.join(unused)} is in no block of the spec: a curve needs its line")
    treatment: Treatment | None = cohort.schema.treatment
    if treatment is not None and treatment.assignment == "observational" and spec.confounding is None:
        raise SpecError(
            "the cohort's treatment was not randomised and spec.confounding names no strategy; set it to 'measured' "
            "to state that only the listed features are adjusted for, or to a propensity score",
            code="confounding",
        )
    if isinstance(spec.confounding, PropensityScore) and treatment is None:
        raise SpecError("spec.confounding: a cohort without treatments has no propensity score")
