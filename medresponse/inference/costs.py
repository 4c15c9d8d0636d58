"""What a fit costs: a law in numbers of patients, coefficients and draws, fitted to recorded measurements.

The measurements and the command that makes them are in ``benchmarks`` (`make bench-costs`); the law's coefficients are kept in
``costs.json`` beside this file. Seconds are CPU seconds of all threads on the machine that the file names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medresponse.features.latent_redraw import candidates_for

_FILE = Path(__file__).with_name("costs.json")
_INFLUENCE_DRAWS = 1000  # as in `fitting`
_FEATURE_MODEL_PATIENTS = 2_000  # as in `model.prepare`
_MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Size:
    """Everything that the cost of a fit is taken to depend on.

    Parameters
    ----------
    family : str
        Registered name.
    n : int
        Patients.
    columns, coefficients, contrasts : int
        Feature columns, coefficients with those of groups, contrasts of treatments.
    compressed : bool
        Whether rows are compressed, so that a gradient does not depend on `n`.
    imputations, chains, draws, tune : int
        Chains for each imputation, iterations a chain.
    redrawing : int
        Iterations of the short chains between which imputed values are redrawn, in all.
    cycles : int
        How many times they are redrawn.
    imputed : int
        Values that are missing or read with error.
    most_imputed : int
        Of them, those of one feature, of one arm where arms have models of their own, at most.
    """

    family: str
    n: int
    columns: int
    coefficients: int
    contrasts: int
    compressed: bool
    imputations: int
    chains: int
    draws: int
    tune: int
    redrawing: int = 0
    cycles: int = 0
    imputed: int = 0
    most_imputed: int = 0

    @property
    def iterations(self) -> int:
        """Iterations over all chains, with those discarded."""
        return self.imputations * self.chains * (self.draws + self.tune) + self.redrawing

    @property
    def kept(self) -> int:
        """Draws kept over all chains."""
        return self.imputations * self.chains * self.draws


def terms(size: Size) -> dict[str, dict[str, float]]:
    """Return what each part of the law is linear in, by part.

    Arrays are counted: three copies of the columns and as many in kernels as chains run, four of a design that is compressed, ten
    numbers a coefficient and draw, two of the pointwise log-likelihood. Where values are redrawn, each cycle sweeps over all
    patients' latents, and weighs candidates for each imputed value by their likelihood.
    """
    n, columns, b = float(size.n), float(size.columns), float(size.coefficients)
    cells, design = size.imputations * n * columns, n * b * size.compressed
    influence = n * min(_INFLUENCE_DRAWS, size.chains * size.draws)
    learned = n if size.imputations > 1 else min(n, _FEATURE_MODEL_PATIENTS)
    weighed = size.cycles * size.imputations * size.imputed * candidates_for(size.most_imputed, size.columns)
    arrays = 3 * cells + size.chains * n * columns + 4 * design + 10 * size.kept * b + 2 * influence
    return {
        "prepare_s": {"once": 1.0, "features": learned * columns, "imputations": cells * (size.imputed > 0), "compression": design * b},
        "redraw_s": {
            "cycles": size.cycles * size.imputations, "latents": size.cycles * cells, "candidates": weighed,
            "candidates' columns": weighed * columns * (1 + size.contrasts),
        },
        "compile_s": {f"once, {size.family}": 1.0},
        "gradient_us": {
            "once": 1.0, "coefficients": b, "triangle": b**2 * size.compressed,
            f"design, {size.family}": n * columns * (1 + size.contrasts) * (not size.compressed),
        },
        "finish_s": {"once": 1.0, "kept": size.kept * b, "influence": influence, "support": n * columns**2},
        "megabytes": {f"once, {size.family}": 1.0, "arrays": 8e-6 * arrays},
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a fit is predicted to take: CPU seconds by part, and megabytes beyond a process that has imported everything.

    `redraw` is what imputed values take between the short chains, which count as sampling.
    `unmeasured` where the family's own cost was never measured, and the dearest family's is taken.
    """

    prepare: float
    compile: float
    redraw: float
    sample: float
    finish: float
    megabytes: float
    unmeasured: bool

    @property
    def seconds(self) -> float:
        """CPU seconds in all."""
        return self.prepare + self.compile + self.redraw + self.sample + self.finish

    @property
    def bytes(self) -> int:
        """Peak of memory in bytes."""
        return int(self.megabytes * _MEGABYTE)


@cache
def recorded() -> Mapping[str, Any]:
    """Return the law's coefficients."""
    law: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return law


def predict(size: Size, law: Mapping[str, Any] | None = None) -> Cost:
    """Return what a fit of this size costs by a law, the recorded one by default."""
    law = recorded() if law is None else law
    each, design = law["gradients_per_iteration"], law["gradient_us"].get(f"design, {size.family}", 0.0)
    known = size.family in each and (size.compressed or design > 0)

    def part(name: str) -> float:
        total, weights = 0.0, law[name]
        for term, value in terms(size)[name].items():
            kind, _, family = term.partition(", ")
            weight = weights.get(term, 0.0)
            if family and not weight:  # never measured: as the dearest
                weight = max(
                    (w for other, w in weights.items() if other.startswith(f"{kind}, ")), default=0.0
                )
            total += weight * value
        return total

    steps = each[size.family] if known else max(each.values())
    return Cost(
        prepare=part("prepare_s"), compile=part("compile_s"), redraw=part("redraw_s"), sample=1e-6 * part("gradient_us") * steps * size.iterations,
        finish=part("finish_s"), megabytes=part("megabytes"), unmeasured=not known,
    )  # fmt: skip
