"""What one pass over the rows reads: rows treatment by treatment, those alike collapsed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.trial import flagship, trial
from medresponse.families import CanonicalRows, Lognormal, Ordinal, Weibull
from medresponse.features import group_indices
from medresponse.model import ModelSpec, WrittenRows, prepare, written_out
from medresponse.model.row_tiles import BLOCK
from medresponse.model.written_rows import numbered
from medresponse.priors import HalfNormal, Normal


def test_rows_are_numbered_by_what_they_share_and_only_where_few_differ() -> None:
    rng = np.random.default_rng(1)
    keys = [rng.integers(0, 3, 200), rng.integers(0, 2, 200) - 0.25, rng.choice([np.pi, -1.0], 200)]
    found = numbered(keys)
    assert found is not None
    rows = list(zip(*keys, strict=True))
    assert len(set(rows)) == found.max() + 1 == len(set(zip(found.tolist(), rows, strict=True)))
    assert numbered([*keys, rng.normal(size=200)]) is None
    assert numbered([np.repeat(np.arange(51), 2)[:100]]) is not None
    assert numbered([np.minimum(np.arange(100), 50)]) is None  # 51 of 100 differ


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
@pytest.mark.parametrize("coarse", [True, False])
def test_the_arranged_rows_have_the_likelihood_of_the_patients(family: str, coarse: bool) -> None:
    spec: Any = replace(flagship(family), blocks={"genomic": Normal()} if coarse else {"history": Normal()})
    spec = replace(spec, pooling=()) if coarse else spec
    cohort = trial(300, family=family, genomic=3)
    prepared = prepare(spec, cohort, outcome="y", seed=1)
    model, data, layout = written_out(spec, prepared.design), prepared.data[0], prepared.layout
    assert isinstance(model, WrittenRows)
    arranged = model.arrange(data)
    filled = np.arange(BLOCK) < arranged["filled"][:, None]
    assert (filled.sum() <= 81) == coarse and ("collapsed" in model.notes(data)[0]) == coarse
    columns = prepared.encoding.columns(prepared.codes[0])
    design = layout.matrix(columns, cohort.treatment_idx, group_indices(layout, cohort))
    b = np.random.default_rng(2).normal(0, 0.3, layout.n_coefficients)
    expected = likelihood(family, spec.family.rows(data), design @ b)

    pointer, treatments = arranged["pointer"], len(arranged["starts"]) - 1
    matrix = np.zeros((len(pointer) - 1, layout.n_coefficients))
    for i in range(len(matrix)):
        here = slice(pointer[i], pointer[i + 1])
        matrix[i, arranged["index"][here]] = arranged["value"][here]
    to, of = arranged["turned"].T
    spread = matrix @ np.bincount(of, arranged["turn"] * b[to])
    columns = np.concatenate([arranged["columns"], arranged["codes"]], axis=1)
    width = columns.shape[1]
    theta, level, table = np.split(spread, [treatments * width, treatments * (width + 1)])
    arm = np.repeat(np.arange(treatments), np.diff(arranged["starts"]))
    eta = (columns * theta.reshape(treatments, width)[arm][..., None]).sum(axis=1) + level[arm][:, None]
    eta += table[arranged["cells"]].sum(axis=1)
    weight = arranged["weight"] if len(arranged["weight"]) else np.ones(filled.shape)
    rows = replace(spec.family.rows(data), events=arranged["events"][filled], weight=weight[filled])
    assert likelihood(family, rows, eta[filled]) == pytest.approx(expected, rel=1e-12)


def likelihood(family: str, rows: CanonicalRows, eta: np.ndarray) -> float:
    eta = rows.centre + 0.2 + eta
    spent = np.logaddexp(0, eta) if family == "bernoulli" else np.exp(eta)
    return float(rows.events @ eta - rows.weight @ spent)


def test_rows_of_an_ordinal_outcome_are_collapsed_cut_point_by_cut_point() -> None:
    spec = ModelSpec(family=Ordinal(), blocks={"genomic": Normal()})
    prepared = prepare(spec, trial(300, family="ordinal", genomic=3), outcome="y", seed=1)
    model, data = written_out(spec, prepared.design), prepared.data[0]
    assert isinstance(model, WrittenRows) and "collapsed" in model.notes(data)[0]
    arranged = model.arrange(data)
    cut, above = arranged["cells"][:, 0].ravel(), data["side"] > 0
    for name, expected in (("weight", None), ("events", above)):
        found = np.bincount(cut, arranged[name].ravel())
        np.testing.assert_array_equal(found, np.bincount(data["cut_idx"], expected))


def test_other_families_and_times_that_are_not_written_out_have_no_such_rows() -> None:
    spec = ModelSpec(family=Lognormal(), blocks={"genomic": Normal()})
    prepared = prepare(spec, trial(300, family="weibull", genomic=3), outcome="y", seed=1)
    assert "estimate" not in prepared.data[0] and written_out(spec, prepared.design) is None
    outcome = {"time": np.array([2.0, 5.0, 4.0]), "event": np.array([True, False, True])}
    exact = Weibull().observe(outcome, np.zeros(3, int), {})
    visits = Weibull().observe(outcome | {"lower": np.array([1.0, 5.0, 4.0])}, np.zeros(3, int), {})
    assert Weibull().rows(exact) is not None
    assert Weibull().rows(visits) is None
    assert Weibull(shape=HalfNormal()).rows(exact) is None
