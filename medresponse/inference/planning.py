"""`plan`: time and memory of a fit, and of scoring, before either runs; and the refusal of what cannot fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import MemoryLimitError, SpecError
from medresponse.core.machine import available_cores, available_memory
from medresponse.core.registry import name_of
from medresponse.families import Compressing
from medresponse.features import Encoding, arms_suffice, fit_encoding
from medresponse.inference.collapsing import CANDIDATES, collapses
from medresponse.inference.costs import Cost, Size, predict, recorded
from medresponse.inference.engines import ChainEngine, Engine
from medresponse.inference.redrawing import APART, TUNE, can_redraw
from medresponse.model import ModelSpec
from medresponse.model.prepare import complete_suffice, imputed_cells, make_layout

_MEGABYTE = 1e6
_FEWEST_DRAWS = 100  # a chain: fewer are no advice


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a fit is predicted to take, and what scoring with it would.

    Parameters
    ----------
    size : Size
    cost : Cost
        CPU seconds by part and megabytes; a kernel that is kept already spares the compilation.
    free : int or None
        Bytes that this process may still take, None where the system does not say.
    cores : int
        Chains that run at once.
    advice : str
        What would fit, where this does not; empty where it does.
    score_us : float
        CPU microseconds of scoring one patient by all kept draws, for families with a link (docs/scaling.md has the others).
    notes : tuple of str
        What the prediction leaves out.
    """

    size: Size
    cost: Cost
    free: int | None
    cores: int
    advice: str
    score_us: float
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it fits in the memory that is free."""
        return self.free is None or self.cost.bytes <= self.free

    @property
    def wall_seconds(self) -> float:
        """Seconds on an idle machine, whose chains run side by side."""
        at_once = min(self.cores, self.size.imputations * self.size.chains)
        return self.cost.seconds - self.cost.sample + self.cost.sample / at_once

    def __repr__(self) -> str:
        size, cost = self.size, self.cost
        lines = [
            f"{size.n:,} patients, {size.columns} columns, {size.coefficients} coefficients, {size.imputations} imputation(s) x "
            f"{size.chains} chains x ({size.draws} + {size.tune}): about {self.wall_seconds:,.0f} s on an idle machine",
            f"CPU s: preparing {cost.prepare:,.1f}, compiling {cost.compile:,.1f} (once), "
            + (f"redrawing imputed values {cost.redraw:,.1f}, " if size.cycles else "")
            + f"sampling {cost.sample:,.1f}, finishing {cost.finish:,.1f}",
            f"memory: {cost.megabytes:,.0f} MB"
            + ("" if self.free is None else f" of {self.free / _MEGABYTE:,.0f} MB free"),
            f"scoring: {self.score_us:,.0f} CPU microseconds a patient",
            *self.notes,
        ]
        return "\n".join(lines if self.fits else [*lines, f"DOES NOT FIT: {self.advice}"])


def plan(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    outcome: str | None = None,
    engine: Engine | None = None,
    patients: int | None = None,
) -> Plan:
    """Predict what a fit takes, from measurements kept with the package.

    Parameters
    ----------
    spec : ModelSpec
    cohort : Cohort
        To be fitted, or one of the same layout.
    outcome : str, optional
    engine : Engine, optional
        As for `fit`.
    patients : int, optional
        Predict for so many patients instead of the cohort's.

    Returns
    -------
    Plan

    Raises
    ------
    SpecError
        For specs with trees or hinges, of which nothing was measured, and for fewer `patients` than one.
    """
    from medresponse.inference.fitting import engine_for, only_outcome

    if patients is not None and not patients >= 1:
        raise SpecError(f"patients must be 1 or more, and {patients} were asked for", code="plan")
    sampler = engine_for(spec, engine)
    if not isinstance(sampler, ChainEngine):
        raise SpecError("nothing was measured of fits with trees or hinges; time a few draws", code="plan")
    size = size_of(spec, cohort, outcome or only_outcome(cohort), sampler)
    if patients is not None:
        size = replace(
            size, n=patients, compressed=_is_compressed(spec, patients, size.coefficients),
            imputed=round(size.imputed * patients / size.n), most_imputed=round(size.most_imputed * patients / size.n),
        )  # fmt: skip
    return planned(size, sampler)


def planned(size: Size, engine: ChainEngine) -> Plan:
    """Return the plan of a size."""
    cost, free, notes = predict(size), available_memory(), []
    if cost.unmeasured:
        notes.append(f"{size.family} was not measured: the dearest of the measured families is taken")
    if name_of(type(engine)) != "nuts":
        notes.append(f"times are those of Nuts, not of {type(engine).__name__}")
    score = recorded()["score_us"]
    per_draw = score["per draw"] * size.kept * (1 + size.contrasts) / 3
    return Plan(
        size=size, cost=cost, free=free, cores=engine.cores or available_cores(), score_us=score["once"] + per_draw,
        advice="" if free is None or cost.bytes <= free else _advice(size, free), notes=tuple(notes),
    )  # fmt: skip


def check_memory(spec: ModelSpec, cohort: Cohort, outcome: str, engine: Any) -> None:
    """Refuse a fit that cannot fit in memory.

    Raises
    ------
    MemoryLimitError
        Saying what would.
    """
    if not isinstance(engine, ChainEngine):
        return
    found = planned(size_of(spec, cohort, outcome, engine), engine)
    if found.fits:
        return
    assert found.free is not None
    size = found.size
    raise MemoryLimitError(
        f"a fit of {size.coefficients} coefficients with {size.imputations} imputation(s) x {size.chains} chains x {size.draws} draws "
        f"takes about {found.cost.megabytes:,.0f} MB, and {found.free / _MEGABYTE:,.0f} MB are free: {found.advice}"
    )


def size_of(spec: ModelSpec, cohort: Cohort, outcome: str, engine: ChainEngine) -> Size:
    """Return the size of a fit; nothing is imputed."""
    encoding = fit_encoding(
        cohort, blocks=spec.used_blocks, leave_out=spec.leave_out, interactions=spec.interactions
    )
    errors, imputed = encoding.errors(cohort), imputed_cells(encoding, cohort)
    lacking = bool(imputed.any()) or errors is not None
    layout = make_layout(spec, cohort, encoding)
    cycles = spec.missing.cycles if lacking and can_redraw(encoding) else 0
    return Size(
        family=name_of(type(spec.family)) or "",
        n=cohort.n,
        columns=len(layout.columns),
        coefficients=layout.n_coefficients
        * len(spec.family.predictors(spec.family.learn(cohort.outcome(outcome)))),
        contrasts=layout.n_contrasts,
        compressed=_is_compressed(spec, cohort.n, layout.n_coefficients),
        imputations=spec.missing.imputations if lacking else 1,
        chains=engine.chains,
        draws=engine.draws,
        tune=engine.tune,
        redrawing=_short_iterations(spec, encoding, cohort, cycles, layout.n_coefficients, engine),
        cycles=cycles,
        imputed=int(imputed.sum()),
        most_imputed=most_imputed(encoding, cohort),
    )


def most_imputed(encoding: Encoding, cohort: Cohort) -> int:
    """Return how many values of one feature are imputed, at most: of one arm, where arms have models of their own."""
    imputed, treatment_idx = imputed_cells(encoding, cohort), cohort.treatment_idx
    if not arms_suffice(encoding, encoding.codes(cohort), treatment_idx):
        return int(imputed.sum(axis=0).max(initial=0))
    return max(int(imputed[treatment_idx == k].sum(axis=0).max(initial=0)) for k in np.unique(treatment_idx))


def _short_iterations(
    spec: ModelSpec, encoding: Encoding, cohort: Cohort, cycles: int, coefficients: int, engine: ChainEngine
) -> int:
    """Return the iterations of the short chains of all cycles, as `redrawing.redraw` runs them; curves are not known yet."""
    if not cycles:
        return 0
    m, tune = spec.missing.imputations, min(engine.tune, TUNE)
    whole = ~imputed_cells(encoding, cohort).any(axis=1)
    alone = complete_suffice(whole, cohort.treatment_idx, coefficients)  # one chain for all imputations
    without = collapses(spec, encoding, encoding.errors(cohort))
    each = [CANDIDATES if without and cycle % 2 else APART for cycle in range(1, cycles + 1)]
    if alone:
        return tune + m * APART + sum(m * (tune + draws) for draws in each[1:])
    return sum(m * (tune + draws) for draws in each)


def _is_compressed(spec: ModelSpec, n: int, coefficients: int) -> bool:
    return isinstance(spec.family, Compressing) and n > coefficients


def _advice(size: Size, free: int) -> str:
    """Return what would fit in so many bytes: fewer draws, else fewer imputations, else fewer patients."""

    def fits(name: str, value: int) -> bool:
        other: dict[str, Any] = {name: value}
        return predict(replace(size, **other)).bytes <= free

    def most(name: str, fewest: int) -> int | None:
        low, high = fewest, int(getattr(size, name))
        if high <= low or not fits(name, low):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(name, middle) else (low, middle)
        return low

    for name, fewest, words in (
        ("draws", _FEWEST_DRAWS, "draws={} fits"),
        ("imputations", 1, "{} imputation(s) fit"),
        ("n", 1, "{:,} patients fit; leave features out, or give it more memory"),
    ):
        found = most(name, fewest)
        if found is not None:
            return words.format(found)
    return "nothing smaller fits; give it more memory"
