"""Trials on disk: what an analyst sees and what is true of it, apart.

::

    trial/
      manifest.json      scenario, seed, kind, coupling, versions, SHA-256 of every file
      observed/          schema.yaml, patients.parquet, visits.parquet where there are visits
      truth/             truth.zarr
      held_out/          the same of patients at held-out sites

A fit needs ``observed`` only: it reads the same whether ``truth`` is there or not.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import xarray as xr
import yaml

from medresponse.cohort import Cohort, findings_table, load_schema
from medresponse.core.atomic import atomic_path, require_absent
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import DataError
from medresponse.core.manifest import verify_manifest, write_manifest
from medresponse.core.provenance import versions
from medresponse.synthetic.scenario import Scenario
from medresponse.synthetic.simulation import Trial, trained_sites
from medresponse.synthetic.truth import Truth
from medresponse.synthetic.world import SiteEffects, world_of

_HELD_OUT = "held_out"


def write_trial(trial: Trial, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a trial, whole or not at all.

    Parameters
    ----------
    trial : Trial
        What `simulate` gave.
    folder : path
    overwrite : bool
        Whether a folder that is there may be replaced.

    Returns
    -------
    Path
        The folder, laid out as above: what an analyst sees is in ``observed``.

    Raises
    ------
    OutputExistsError
        If the folder is there and `overwrite` is not set.
    """
    require_absent(folder, overwrite=overwrite)
    with atomic_path(folder) as temporary:
        _write(trial, temporary)
        if trial.held_out is not None:
            _write(trial.held_out, temporary / _HELD_OUT)
        truth = trial.truth
        write_manifest(
            temporary,
            extra={
                "scenario": to_plain(truth.scenario), "seed": truth.seed, "kind": truth.kind,
                "coupling": truth.scenario.coupling, "versions": versions(),
            },
        )  # fmt: skip
    return Path(folder)


def read_trial_cohort(folder: str | Path, *, held_out: bool = False) -> Cohort:
    """Return the cohort of a stored trial, without looking at its truth, which may have been taken away.

    Parameters
    ----------
    folder : path
        As `write_trial` made it.
    held_out : bool
        Of the patients at held-out sites.

    Raises
    ------
    IntegrityError
        If there is no trial, or its observed files are not as they were written.
    """
    root = Path(folder)
    manifest = verify_manifest(root, below=_start("observed", held_out=held_out))
    scenario = manifest["scenario"]
    assert isinstance(scenario, dict)
    observed = _part(root, held_out=held_out) / "observed"
    source = {"kind": str(manifest["kind"]), "scenario": str(scenario["name"]), "seed": str(manifest["seed"])}
    table = pl.read_parquet(observed / "patients.parquet")
    return Cohort(table, load_schema(observed / "schema.yaml"), (), findings_table([]), source)


def read_truth(folder: str | Path, *, cohort: Cohort | None = None, held_out: bool = False) -> Truth:
    """Return the truth of a stored trial.

    Parameters
    ----------
    folder : path
    cohort : Cohort, optional
        The real cohort, of a semi-synthetic trial: it is not stored with it.
    held_out : bool
        Of the patients at held-out sites.

    Raises
    ------
    IntegrityError
        If there is no truth, or it is not as it was written.
    DataError
        If the trial is semi-synthetic and `cohort` is missing.
    """
    root = Path(folder)
    manifest = verify_manifest(root, below=_start("truth", held_out=held_out))
    if manifest["kind"] == "semi_synthetic" and cohort is None:
        raise DataError(
            "the trial is semi-synthetic: give the real cohort= it was made from", code="no_source"
        )
    scenario = from_plain(Scenario, manifest["scenario"])
    path = _part(root, held_out=held_out) / "truth" / "truth.zarr"
    data = xr.open_zarr(path, consolidated=False).load()
    sites = None
    if scenario.sites.n:
        sites = SiteEffects(data["site_effect"].values, data["site_treatment_effect"].values)
    seed = manifest["seed"]
    assert isinstance(seed, int)
    world = world_of(scenario, cohort)
    return Truth(data, scenario, seed, str(manifest["kind"]), world, sites, trained_sites(scenario))


def _start(part: str, *, held_out: bool) -> str:
    return f"{_HELD_OUT}/{part}/" if held_out else f"{part}/"


def _part(root: Path, *, held_out: bool) -> Path:
    return root / _HELD_OUT if held_out else root


def _write(trial: Trial, folder: Path) -> None:
    observed, truth = folder / "observed", folder / "truth"
    observed.mkdir(parents=True)
    truth.mkdir()
    schema = yaml.safe_dump(to_plain(trial.cohort.schema), sort_keys=False, allow_unicode=True)
    (observed / "schema.yaml").write_text(schema, encoding="utf-8")
    trial.cohort.table.write_parquet(observed / "patients.parquet")
    if trial.visits is not None:
        trial.visits.write_parquet(observed / "visits.parquet")
    trial.truth.data.to_zarr(truth / "truth.zarr", mode="w", consolidated=False)
