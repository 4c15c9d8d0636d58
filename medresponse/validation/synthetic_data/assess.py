"""Assess a generator on a cohort: fidelity and disclosure over random halves, in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.rng import checked_seed, derive_seed
from medresponse.synthetic.learned import Generator
from medresponse.synthetic.learned.intake import refuse_unlearnable
from medresponse.synthetic.learned.learning import settings_of
from medresponse.synthetic.mechanisms.knobs import between
from medresponse.validation.synthetic_data.cells import cell_table, known_to_outsiders
from medresponse.validation.synthetic_data.distances import COPIES
from medresponse.validation.synthetic_data.effects import SCALES
from medresponse.validation.synthetic_data.judgement import judge
from medresponse.validation.synthetic_data.report import SyntheticReport
from medresponse.validation.synthetic_data.risk import risk_of
from medresponse.validation.synthetic_data.space import space_of
from medresponse.validation.synthetic_data.splits import Split, split_of
from medresponse.validation.synthetic_data.thresholds import Thresholds


def assess_generator(
    generator: Generator,
    cohort: Cohort,
    *,
    seed: int | None = None,
    splits: int = 20,
    quasi_identifiers: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
) -> SyntheticReport:
    """Say how faithful a generator's patients are, and what they give away of those it learned from.

    Parameters
    ----------
    generator : Generator
    cohort : Cohort
        Real patients, at least 88: each half must be learnable.
    seed : int
        There is no default.
    splits : int
        Random halves, at least 2; treatment effects need 20.
    quasi_identifiers : sequence of str, optional
        What an outsider may know of a patient, numbers in bands (of 5 years, else of half a standard deviation); the schema's
        groups, the sites and age by default.
    thresholds : Thresholds, optional

    Returns
    -------
    SyntheticReport
        On draws as large as half the cohort. Copies of real patients are checked beside the generator's: where the
        battery does not notice these, the report is invalid.

    Raises
    ------
    SpecError
        If the seed is missing, or `splits` is no whole number from 2.
    DataError
        If the cohort or one of its halves cannot be learned from, or a quasi-identifier is not in it.

    Notes
    -----
    Every check compares the half learned from with the other half, so that what can be known of any such patient counts
    as no leak. Distances alone clear nothing (arXiv:2505.01524): the attacks by single and joint columns do.
    """
    limits = thresholds or Thresholds()
    seed = checked_seed(seed)
    between("splits", splits, 2, 1_000_000)
    refuse_unlearnable(cohort)
    known = known_to_outsiders(cohort, quasi_identifiers)
    space, outcomes = space_of(cohort), _outcomes(cohort)
    found = [
        split_of(
            generator,
            cohort,
            space=space,
            outcomes=outcomes,
            known=known,
            seed=derive_seed(seed, "split", i),
        )
        for i in range(splits)
    ]
    fidelity, effects = _fidelity(found, limits), _effects(found, cohort, limits)
    disclosure = _disclosure(found, cohort.n, limits)
    verdict, reasons = judge(
        disclosure, effects, fidelity, splits, limits, unassessed=_unassessed(cohort, effects)
    )
    return SyntheticReport(
        settings=settings_of(generator) | {"seed": str(seed)},
        cohort=cohort.schema.name,
        patients=cohort.n,
        splits=splits,
        fidelity=fidelity,
        effects=effects,
        margins=_margins(found),
        disclosure=disclosure,
        cells=cell_table(cohort, known),
        verdict=verdict,
        reasons=reasons,
    )


def _outcomes(cohort: Cohort) -> list[str]:
    """Return the outcomes that the cohort holds, with its treatments if the schema has them."""
    if cohort.schema.treatment is not None and not cohort.has_treatment:
        return []
    columns = set(cohort.table.columns)
    return [name for name, outcome in cohort.schema.outcomes.items() if columns.issuperset(outcome.reads)]


def _row(
    name: str, values: Sequence[float], real: Sequence[float] | None, limit: float, excess: float
) -> tuple[object, ...]:
    low, high = np.quantile(values, [0.025, 0.975])
    reference = None if real is None else float(np.mean(real))
    return (
        name,
        float(np.mean(values)),
        _error(values),
        float(low),
        float(high),
        reference,
        limit,
        bool(excess > limit),
    )


def _error(values: Sequence[float]) -> float:
    """Return the Monte Carlo standard error of a mean over splits."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _fidelity(found: Sequence[Split], limits: Thresholds) -> pl.DataFrame:
    margins = [float(np.mean(list(s.margins.values()))) for s in found]
    real_margins = [float(np.mean(list(s.real_margins.values()))) for s in found]
    correlation, detection = [s.correlation for s in found], [s.detection for s in found]
    rows = [
        _row("mean distance of margins", margins, real_margins, limits.marginal, np.mean(margins)),
        _row(
            "mean distance of correlations", correlation, [s.real_correlation for s in found], limits.correlation,
            np.mean(correlation),
        ),
        _row("detection by a forest (AUC)", detection, None, limits.detection, np.mean(detection)),
    ]  # fmt: skip
    for outcome in _everywhere([s.concordance for s in found]):
        pairs = np.array([(s.concordance[outcome], s.real_concordance[outcome]) for s in found])
        made, real = pairs[np.isfinite(pairs).all(axis=1)].T.tolist()
        if len(made) < 2:
            continue
        loss = float(np.mean(real) - np.mean(made))
        rows.append(_row(f"concordance of {outcome}", made, real, limits.concordance, loss))
    columns = ["measure", "value", "mcse", "lower", "upper", "real", "limit", "flagged"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _effects(found: Sequence[Split], cohort: Cohort, limits: Thresholds) -> pl.DataFrame:
    rows = []
    for outcome in _everywhere([s.effects for s in found]):
        made, real = (
            np.stack([getattr(s, part)[outcome] for s in found]) for part in ("effects", "real_effects")
        )
        kind = cohort.schema.outcomes[outcome].kind
        for k, treatment in enumerate(cohort.treatments[1:]):
            both = np.isfinite(made[:, k]) & np.isfinite(real[:, k])
            if both.sum() < 2:
                continue
            difference, spread = (made - real)[both, k], float(real[both, k].std(ddof=1))
            low, high = np.quantile(difference, [0.025, 0.975])
            shift, error = float(difference.mean()), _error(difference)
            sd = float(difference.std(ddof=1))
            lost = abs(shift) > limits.effect * spread or sd > limits.effect_spread * spread
            rows.append((outcome, treatment, SCALES[kind], float(real[both, k].mean()), spread, float(made[both, k].mean()), shift,
                         error, float(low), float(high), limits.effect * spread, lost))  # fmt: skip
    floats = ["real", "real_sd", "synthetic", "difference", "mcse", "lower", "upper", "limit"]
    schema = {
        **dict.fromkeys(["outcome", "treatment", "scale"], pl.String), **dict.fromkeys(floats, pl.Float64), "flagged": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _unassessed(cohort: Cohort, effects: pl.DataFrame) -> list[str]:
    """Return the effects that the table does not have, in words."""
    known = set(effects.select("outcome", "treatment").iter_rows())
    pairs = [(o, t) for o in cohort.schema.outcomes for t in cohort.treatments[1:]]
    return [f"{treatment} on {outcome}" for outcome, treatment in pairs if (outcome, treatment) not in known]


def _everywhere(parts: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the outcomes that could be fitted in every split."""
    return [name for name in parts[0] if all(name in part for part in parts)]


def _margins(found: Sequence[Split]) -> pl.DataFrame:
    rows = [
        (
            name,
            float(np.mean([s.margins[name] for s in found])),
            float(np.mean([s.real_margins[name] for s in found])),
        )
        for name in found[0].margins
    ]
    return pl.DataFrame(rows, schema=["column", "distance", "real"], orient="row")


def _disclosure(found: Sequence[Split], n: int, limits: Thresholds) -> pl.DataFrame:
    """Return one row a check; it flags what exceeds the limit and is more than chance."""
    rows = []
    for i, tally in enumerate(found[0].tallies):
        own, copies = [split.tallies[i] for split in found], [split.control[i] for split in found]
        risk, control = risk_of(own, most=n), risk_of(copies, most=n)
        limit = limits.copies if tally.check == COPIES else limits.risk
        error = _error([risk_of([one], most=n).value for one in own])
        flagged, sees = (r.value > limit and r.lower > 0 for r in (risk, control))
        rows.append((tally.check, risk.value, error, risk.lower, risk.upper, control.value, control.lower, limit, flagged,
                     sees))  # fmt: skip
    columns = [
        "check",
        "risk",
        "mcse",
        "lower",
        "upper",
        "control",
        "control_lower",
        "limit",
        "flagged",
        "sees",
    ]
    return pl.DataFrame(rows, schema=columns, orient="row")
