"""Saving and loading fits: JSON and Zarr, no pickle, checksums verified on loading.

A fit is a folder: ``fit.json`` (spec, schema, encodings, diagnostics, provenance), ``arrays.zarr``
(posterior, sampler statistics, imputation model) and ``manifest.json`` (SHA-256 of every file). Training rows are
not in it.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Schema
from medresponse.core.atomic import atomic_path, require_absent, said_if_full
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import IntegrityError
from medresponse.core.manifest import verify_manifest, write_manifest
from medresponse.core.provenance import Provenance
from medresponse.features import Encoding, LatentNormal, Layout
from medresponse.inference.diagnostics import Diagnostics
from medresponse.inference.fitted import Fit, Support
from medresponse.model.spec import ModelSpec

FORMAT = 2


def save_fit(fit: Fit, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a fit to the folder `path`, atomically.

    Raises
    ------
    OutputExistsError
        If `path` is there and `overwrite` is not set.
    StorageError
        If there is no room for it; nothing is left behind.
    """
    require_absent(path, overwrite=overwrite)
    with said_if_full(f"the fit {Path(path).name}"), atomic_path(path) as folder:
        folder.mkdir()
        _tree(fit).to_zarr(folder / "arrays.zarr", mode="w", consolidated=False)
        (folder / "fit.json").write_text(json.dumps(_plain(fit), indent=1), encoding="utf-8")
        write_manifest(folder)
    return Path(path)


def load_fit(path: str | Path) -> Fit:
    """Read a fit; PyMC is not imported.

    Raises
    ------
    IntegrityError
        If a file is missing or differs from the manifest, or the format is not known.
    """
    folder = Path(path)
    verify_manifest(folder)
    plain = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    if plain.get("format") != FORMAT:
        raise IntegrityError(
            f"{folder.name}: format {plain.get('format')} is not known; this version reads {FORMAT}"
        )
    tree = xr.open_datatree(folder / "arrays.zarr", engine="zarr", consolidated=False).load()
    learned = tree["learned"].to_dataset()
    imputer = LatentNormal(**_named(learned, "imputer_"))
    return Fit(
        spec=from_plain(ModelSpec, plain["spec"]), outcome=plain["outcome"], schema=from_plain(Schema, plain["schema"]),
        encoding=from_plain(Encoding, plain["encoding"]), layout=from_plain(Layout, plain["layout"]),
        constants=_named(learned, "constant_"), imputer=imputer, support=Support(**_named(learned, "support_")),
        posterior=tree["posterior"].to_dataset(), sample_stats=tree["sample_stats"].to_dataset(),
        diagnostics=from_plain(Diagnostics, plain["diagnostics"]),
        diagnostics_table=pl.DataFrame(plain["diagnostics_table"]),
        provenance=from_plain(Provenance, plain["provenance"]),
        forests=tree["forests"].to_dataset() if "forests" in tree.children else None,
    )  # fmt: skip


def _named(learned: xr.Dataset, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names start with `prefix`, without it."""
    return {
        str(name).removeprefix(prefix): variable.values
        for name, variable in learned.data_vars.items()
        if str(name).startswith(prefix)
    }


def _plain(fit: Fit) -> dict[str, Any]:
    parts = ("spec", "outcome", "schema", "encoding", "layout", "diagnostics", "provenance")
    plain = {name: to_plain(getattr(fit, name)) for name in parts}
    return {"format": FORMAT, **plain, "diagnostics_table": fit.diagnostics_table.to_dict(as_series=False)}


def _tree(fit: Fit) -> xr.DataTree:
    arrays: dict[str, np.ndarray] = {
        f"constant_{name}": np.asarray(value) for name, value in fit.constants.items()
    }
    for part, holder in (("support", fit.support), ("imputer", fit.imputer)):
        values = {f"{part}_{field.name}": getattr(holder, field.name) for field in fields(holder)}
        arrays |= {name: np.asarray(value) for name, value in values.items() if value is not None}
    learned = xr.Dataset({n: (tuple(f"{n}_{i}" for i in range(a.ndim)), a) for n, a in arrays.items()})
    groups = {"posterior": fit.posterior, "sample_stats": fit.sample_stats, "learned": learned}
    if fit.forests is not None:
        groups["forests"] = fit.forests
    return xr.DataTree.from_dict(groups)
