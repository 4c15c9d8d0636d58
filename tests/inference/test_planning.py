"""Costs of fits before they are run: the size that is seen, the law, what is refused and what is advised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import medresponse as mr
from benchmarks import costs_law
from benchmarks.costs_law import MEASURED, fit_law
from medresponse.cohort import Cohort
from medresponse.core.errors import MemoryLimitError, SpecError
from medresponse.core.registry import registered
from medresponse.families import Family, Gaussian, Weibull
from medresponse.inference import Gibbs, Nuts, PymcNuts, planning
from medresponse.inference.collapsing import CANDIDATES
from medresponse.inference.costs import Size, predict, recorded, terms
from medresponse.inference.planning import planned, size_of
from medresponse.inference.redrawing import APART, TUNE
from medresponse.model import ModelSpec, MultipleImputation, SumOfTrees, Trees, prepare
from medresponse.priors import Horseshoe
from tests.hand_made import trial_of
from tests.inference.test_collapsing import read_with_error

SIZE = Size(
    family="bernoulli", n=20_000, columns=60, coefficients=262, contrasts=2, compressed=False, imputations=5, chains=4,
    draws=1000, tune=1000,
)  # fmt: skip
SPEC = ModelSpec(
    family=Weibull(), blocks={"history": Horseshoe(expected_nonzero=1)}, pooling=("site",),
    missing=MultipleImputation(imputations=3),
)  # fmt: skip
REDRAWN = replace(SIZE, redrawing=3200, cycles=2, imputed=20_000, most_imputed=1_000)
LARGER = ("n", "columns", "coefficients", "imputations", "chains", "draws", "tune")


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(90, arms=("A", "B", "C"), missing={"age": 9})


def leave(patch: pytest.MonkeyPatch, free: int | None) -> None:
    patch.setattr(planning, "available_memory", lambda: free)


def test_the_size_is_that_of_what_is_then_prepared(cohort: Cohort) -> None:
    found = size_of(SPEC, cohort, "os", Nuts(draws=7))
    prepared = prepare(SPEC, cohort, outcome="os", seed=1)
    layout = prepared.layout
    assert (found.columns, found.coefficients, found.contrasts) == (
        len(layout.columns),
        layout.n_coefficients,
        2,
    )
    assert (found.family, found.n, found.imputations, found.draws) == ("weibull", 90, len(prepared.data), 7)
    assert not found.compressed and found.kept == 3 * 4 * 7
    # Before: a short chain of the patients who lack nothing, for all imputations, then one of each imputation.
    assert found.iterations == 3 * 4 * 1007 + (TUNE + 3 * APART) + 3 * (TUNE + APART)
    lack = cohort.table["age"].is_null().to_numpy()
    most = max(int(lack[cohort.treatment_idx == k].sum()) for k in range(3))  # arms have models of their own
    assert (found.cycles, found.imputed, found.most_imputed) == (2, 9, most) and most < 9
    joint = replace(SPEC, missing=MultipleImputation(imputations=3, cycles=0))
    assert size_of(joint, cohort, "os", Nuts(draws=7)).iterations == 3 * 4 * 1007
    gaussian = replace(SPEC, family=Gaussian())
    assert size_of(gaussian, cohort, "score", Nuts()).compressed
    whole = trial_of(90, arms=("A", "B", "C"))
    assert size_of(SPEC, whole, "os", Nuts()).imputations == 1
    # Two cycles of three imputations; the first draws as many candidates.
    lacking = trial_of(90, arms=("A", "B", "C"), missing={"age": 60})  # too few who lack nothing
    assert size_of(SPEC, lacking, "os", Nuts()).redrawing == 2 * 3 * (TUNE + APART)
    noisy = size_of(replace(gaussian, pooling=()), read_with_error(60), "score", Nuts(draws=7))
    assert noisy.redrawing == 3 * (TUNE + CANDIDATES + TUNE + APART)


@pytest.mark.parametrize("more", LARGER)
def test_nothing_larger_is_cheaper(more: str) -> None:
    one, other = predict(SIZE), predict(replace(SIZE, **{more: 2 * getattr(SIZE, more)}))
    assert other.seconds >= one.seconds and other.megabytes >= one.megabytes
    assert other.seconds > one.seconds or other.megabytes > one.megabytes


@pytest.mark.parametrize("more", ["n", "columns", "imputations", "cycles", "contrasts"])
def test_redrawing_costs_more_the_more_there_is_to_redraw(more: str) -> None:
    other = predict(replace(REDRAWN, **{more: 2 * getattr(REDRAWN, more)}))
    assert predict(SIZE).redraw == 0 < predict(REDRAWN).redraw < other.redraw
    assert predict(replace(REDRAWN, imputed=100)).redraw < predict(REDRAWN).redraw


def test_a_compressed_gradient_costs_the_same_whatever_the_patients() -> None:
    small, large = (replace(SIZE, family="gaussian", compressed=True, n=n) for n in (1_000, 1_000_000))
    assert predict(small).sample == predict(large).sample


def test_a_family_that_was_not_measured_costs_as_the_dearest_and_it_is_said() -> None:
    other = replace(SIZE, family="gamma")
    assert predict(other).unmeasured and not predict(SIZE).unmeasured
    assert predict(other).sample >= predict(SIZE).sample
    assert "gamma was not measured" in repr(planned(other, Nuts()))
    assert "not of PymcNuts" in repr(planned(SIZE, PymcNuts()))
    assert "redrawing" in repr(planned(replace(SIZE, redrawing=640, cycles=2, imputed=900), Nuts()))
    assert "redrawing" not in repr(planned(SIZE, Nuts()))


def test_what_does_not_fit_is_refused_and_the_advice_is_the_most_that_fits(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Nuts(draws=400_000)
    size = size_of(SPEC, cohort, "os", engine)
    free = predict(replace(size, draws=1_000)).bytes
    leave(monkeypatch, free)
    with pytest.raises(
        MemoryLimitError, match=r"400000 draws takes about .* MB are free: draws=\d+ fits"
    ) as caught:
        mr.fit(SPEC, cohort, outcome="os", engine=engine, seed=1)
    draws = int(str(caught.value).rpartition("draws=")[2].split()[0])
    assert predict(replace(size, draws=draws)).bytes <= free < predict(replace(size, draws=draws + 2)).bytes
    assert draws >= 999
    found = mr.plan(SPEC, cohort, outcome="os", engine=engine)
    assert not found.fits and "DOES NOT FIT" in repr(found)
    assert mr.plan(SPEC, cohort, outcome="os", engine=Nuts(draws=draws)).fits


def test_where_no_fewer_draws_help_other_things_are_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    least = replace(SIZE, draws=100)
    leave(monkeypatch, predict(replace(least, imputations=2)).bytes)
    assert "2 imputation(s) fit" in planned(least, Nuts()).advice
    single = replace(least, imputations=1)
    leave(monkeypatch, predict(replace(single, n=5_000)).bytes)
    assert "patients fit" in planned(single, Nuts()).advice
    leave(monkeypatch, 1)
    assert "nothing smaller fits" in planned(single, Nuts()).advice


def test_memory_that_is_not_known_refuses_nothing(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, None)
    found = mr.plan(SPEC, cohort, outcome="os", engine=Nuts(draws=10**9), patients=10**9)
    assert found.fits and found.size.n == 10**9


def test_chains_side_by_side_take_less_time_and_no_less_work() -> None:
    one, four = (planned(SIZE, Nuts(cores=cores)) for cores in (1, 4))
    assert one.cost == four.cost and one.wall_seconds == pytest.approx(one.cost.seconds)
    assert one.wall_seconds - four.wall_seconds == pytest.approx(0.75 * one.cost.sample)


@pytest.mark.parametrize("patients", [0, -5, float("nan")])
def test_no_plan_is_made_for_no_patients(cohort: Cohort, patients: Any) -> None:
    with pytest.raises(SpecError, match="patients must be 1 or more"):
        mr.plan(SPEC, cohort, outcome="os", patients=patients)


def test_specs_with_trees_have_no_plan(cohort: Cohort) -> None:
    spec = ModelSpec(family=Gaussian(), blocks={}, trees=Trees(blocks=("history",), prognostic=SumOfTrees()))
    with pytest.raises(SpecError, match="trees or hinges"):
        mr.plan(spec, cohort, outcome="score")
    planning.check_memory(spec, cohort, "score", Gibbs())  # refuses nothing


def test_the_law_is_found_again_from_what_it_says() -> None:
    law: dict[str, Any] = {
        "prepare_s": {"once": 0.5, "features": 1e-6, "imputations": 1e-6, "compression": 0.0},
        "compile_s": {"once, bernoulli": 8.0},
        "redraw_s": {"cycles": 0.05, "latents": 2e-6, "candidates": 1e-7, "candidates' columns": 1e-9},
        "gradient_us": {"once": 2.0, "coefficients": 0.02, "triangle": 0.0, "design, bernoulli": 1e-3},
        "finish_s": {"once": 0.2, "kept": 1e-7, "influence": 1e-7, "support": 0.0},
        "megabytes": {"once, bernoulli": 90.0, "arrays": 1.4},
        "gradients_per_iteration": {"bernoulli": 40.0},
    }
    rows = []
    rng = np.random.default_rng(1)
    for i in range(40):
        m = 1 + 4 * (i % 2)  # every second lacks values
        n, columns, kept = (
            int(rng.integers(500, 20_000)),
            int(rng.integers(10, 300)),
            m * 2 * int(rng.integers(100, 2000)),
        )
        row: dict[str, Any] = {
            "asked": ["bernoulli", n, 0, 0, False, 0.0], "check": False, "family": "bernoulli", "n": n, "columns": columns,
            "coefficients": int(rng.integers(20, 900)), "contrasts": 2, "compressed": False, "kept": kept, "iterations": kept + 400 * m,
            "imputations": m, "cycles": 2 * (m > 1), "redrawing": 0, "imputed": int(rng.integers(100, 2 * n)) * (m > 1),
            "most_imputed": int(rng.integers(10, 500)) * (m > 1),
        }  # fmt: skip
        each = terms(costs_law.size_of(row))
        row |= {
            name: sum(law[part].get(term, 0.0) * value for term, value in each[part].items())
            for part, name in MEASURED.items()
        }
        rows.append(row | {"sample": 1e-6 * row["gradient_us"] * 40.0 * row["iterations"]})
    rows[-1]["check"] = True
    found = fit_law(rows)
    assert found["gradients_per_iteration"]["bernoulli"] == pytest.approx(40.0)
    for part in MEASURED:
        for term, value in law[part].items():
            assert found[part][term] == pytest.approx(value, rel=1e-3, abs=1e-12)
    (check,) = found["checks"]
    assert check["MB"]["ratio"] == check["CPU s of redrawing"]["ratio"] == pytest.approx(1.0, rel=1e-3)


def test_the_recorded_law_is_of_this_shape_and_its_checks_are_within_a_factor() -> None:
    """Rows that took no part in it: memory within 1.5, time within 2.5."""
    law = recorded()
    measured = set(law["gradients_per_iteration"])
    assert (
        {"gaussian", "bernoulli", "ordinal", "weibull", "cure", "competing_risks"}
        <= measured
        <= set(registered(Family))
    )
    sizes = [replace(SIZE, family=family, compressed=family == "gaussian") for family in measured]
    assert not any(predict(size).unmeasured for size in sizes)
    assert all(weight >= 0 for part in MEASURED for weight in law[part].values())
    assert len(law["checks"]) >= 2
    for check in law["checks"]:
        assert 1 / 1.5 < check["MB"]["ratio"] < 1.5
        assert 1 / 2.5 < check["CPU s without compiling"]["ratio"] < 2.5
