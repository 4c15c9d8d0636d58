"""Saving and loading: complete, exact, verified, without patients' rows and without pickle."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr

from medresponse.core.errors import IntegrityError, OutputExistsError, StorageError
from medresponse.families import Gaussian, Weibull
from medresponse.inference import Fit, load_fit, save_fit
from medresponse.model import ModelSpec
from medresponse.priors import Horseshoe, Normal
from medresponse.response import respond
from tests.hand_made import hand_made_fit, patients_like, trial_of


@pytest.fixture(scope="module")
def fit() -> Fit:
    """Three arms, blocks in an order of their own, pooled sites with slopes, an interaction, missing values."""
    rng = np.random.default_rng(0)
    cohort = trial_of(60, arms=("A", "B", "C"), missing={"age": 8})
    spec = ModelSpec(
        family=Weibull(), blocks={"lifestyle": Horseshoe(expected_nonzero=1), "history": Normal(pooled=True)},
        pooling=("site",), slopes={"site": ("age",)}, interactions=(("age", "sex"),),
    )  # fmt: skip
    return hand_made_fit(
        spec, cohort, outcome="os", draws=200, imputation=range(5),
        coefficients={"age": rng.normal(size=200), "contrast 2": 0.4, "smoking=former": 0.3, "age x site=south": 0.2},
        log_scale=rng.normal(2.0, 0.1, 200), shape=1.3, site_scale=0.5, site_treatment_scale=0.2,
        site_slope_scale=np.full((200, 1), 0.1),
    )  # fmt: skip


@pytest.fixture
def saved(fit: Fit, tmp_path: Path) -> Path:
    return save_fit(fit, tmp_path / "fit")


def test_what_is_loaded_is_what_was_saved(fit: Fit, saved: Path) -> None:
    back = load_fit(saved)
    for part in ("spec", "outcome", "schema", "layout", "diagnostics", "provenance"):
        assert getattr(back, part) == getattr(fit, part), part
    assert list(back.spec.blocks) == list(fit.spec.blocks)  # the order of the coefficients
    assert list(back.schema.feature_columns) == list(fit.schema.feature_columns)
    xr.testing.assert_identical(back.posterior, fit.posterior)
    xr.testing.assert_identical(back.sample_stats, fit.sample_stats)
    assert set(back.constants) == set(fit.constants)
    for name, value in fit.constants.items():
        np.testing.assert_array_equal(back.constants[name], value)
    for part in ("mean", "directions", "precisions", "beyond", "distances"):
        np.testing.assert_array_equal(getattr(back.support, part), getattr(fit.support, part))
    np.testing.assert_array_equal(back.imputer.mean, fit.imputer.mean)
    np.testing.assert_array_equal(back.imputer.covariance, fit.imputer.covariance)
    for one, other in zip(back.encoding.features, fit.encoding.features, strict=True):
        assert repr(one) == repr(other)  # repr, since the range of a discrete feature is NaN
    assert back.diagnostics_table.equals(fit.diagnostics_table)


def test_a_loaded_fit_gives_bit_identical_responses(fit: Fit, saved: Path) -> None:
    cohort = trial_of(60, arms=("A", "B", "C"))
    new = patients_like(cohort, [{"age": None}, {"site": "elsewhere"}, {"smoking": None, "stage": None}, {}])
    for kind in ("survival", "rmst"):
        one, other = (respond(f, new, horizon=9.0, estimand=kind).draws() for f in (fit, load_fit(saved)))
        np.testing.assert_array_equal(one.values, other.values)


def test_training_rows_are_not_stored(fit: Fit, saved: Path) -> None:
    """No completed code of any patient, nor an id, in any file."""
    assert fit.codes is not None and load_fit(saved).codes is None
    text = (saved / "fit.json").read_text()
    assert "P001" not in text and "codes" not in text
    shapes = {
        v.shape
        for node in xr.open_datatree(saved / "arrays.zarr", engine="zarr", consolidated=False).subtree
        for v in node.data_vars.values()
    }
    assert not [shape for shape in shapes if 60 in shape]


@pytest.mark.parametrize("file", ["fit.json", "arrays.zarr"])
def test_a_changed_file_is_refused(saved: Path, file: str) -> None:
    target = saved / file
    if target.is_dir():
        target = max((p for p in target.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match="1 changed"):
        load_fit(saved)


def test_a_missing_file_is_refused(saved: Path) -> None:
    next(p for p in (saved / "arrays.zarr").rglob("*") if p.is_file()).unlink()
    with pytest.raises(IntegrityError, match="1 file"):
        load_fit(saved)


@pytest.mark.parametrize("damage", ["absent", "empty list"])
def test_a_folder_without_a_manifest_is_no_fit(saved: Path, damage: str) -> None:
    manifest = saved / "manifest.json"
    manifest.unlink() if damage == "absent" else manifest.write_text(json.dumps({"files": []}))
    with pytest.raises(IntegrityError) as caught:
        load_fit(saved)
    assert caught.value.code == "no_manifest"


def test_a_format_of_another_version_is_refused(saved: Path) -> None:
    from medresponse.core.manifest import write_manifest

    plain = json.loads((saved / "fit.json").read_text())
    (saved / "fit.json").write_text(json.dumps(plain | {"format": 99}))
    write_manifest(saved)
    with pytest.raises(IntegrityError, match=r"format 99"):
        load_fit(saved)


def test_an_existing_result_is_replaced_only_when_told(fit: Fit, saved: Path) -> None:
    before = (saved / "manifest.json").read_bytes()
    with pytest.raises(OutputExistsError, match="fit"):
        save_fit(fit, saved)
    assert (saved / "manifest.json").read_bytes() == before
    other = replace(fit, outcome="os", diagnostics=replace(fit.diagnostics, divergences=3))
    save_fit(other, saved, overwrite=True)
    assert load_fit(saved).diagnostics.divergences == 3
    assert [p.name for p in saved.parent.iterdir()] == ["fit"]


def test_a_save_that_fails_leaves_nothing_and_keeps_what_was_there(
    fit: Fit, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medresponse.inference import store

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_manifest", fail)
    with pytest.raises(StorageError, match=r"the fit other could not be written \(No space left"):
        save_fit(fit, saved.parent / "other")
    with pytest.raises(StorageError):
        save_fit(fit, saved, overwrite=True)
    assert [p.name for p in saved.parent.iterdir()] == ["fit"]
    load_fit(saved)


def test_only_the_owner_can_open_a_saved_fit(saved: Path) -> None:
    assert saved.stat().st_mode & 0o077 == 0


def test_a_fit_that_failed_is_stored_with_its_failures(fit: Fit, tmp_path: Path) -> None:
    bad = replace(fit.diagnostics, rhat=math.nan, ess_bulk=math.inf, bfmi=math.nan, chains=3)
    table = pl.DataFrame({"parameter": ["a"], "rhat": [math.nan], "ess_bulk": [math.inf], "ess_tail": [1.0]})
    back = load_fit(save_fit(replace(fit, diagnostics=bad, diagnostics_table=table), tmp_path / "bad"))
    assert back.diagnostics.failures == bad.failures
    assert back.diagnostics_table.equals(table)


def test_numbers_learned_from_a_continuous_outcome_survive(tmp_path: Path) -> None:
    spec = ModelSpec(family=Gaussian(scale="sqrt"), blocks={})
    fit = hand_made_fit(
        spec,
        trial_of(60, arms=("A",)),
        outcome="score",
        coefficients={},
        intercept=np.linspace(6, 8, 40),
        sigma=0.7,
    )
    back = load_fit(save_fit(fit, tmp_path / "fit"))
    one, other = (respond(f, trial_of(5, arms=("A",), seed=2)).draws() for f in (fit, back))
    np.testing.assert_array_equal(one.values, other.values)
