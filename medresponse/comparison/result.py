"""What a comparison of specs says: a table, stacking weights, and what to know before choosing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import polars as pl

from medresponse.model import ModelSpec

_CLEAR = 4.0  # a difference in elpd below this is small whatever its standard error (Sivula et al. 2020)


@dataclass(frozen=True)
class Comparison:
    """How well each spec predicts patients it has not seen.

    Parameters
    ----------
    method : str
        ``loo``, ``kfold`` or ``new_patients``.
    table : polars.DataFrame
        Best first: ``spec, elpd, se, difference, se_difference, weight, bad_k, diagnostics``. `elpd` is the expected
        log predictive density summed over patients, `difference` that to the best spec with its standard error,
        `weight` the stacking weight, `bad_k` the number of patients whose Pareto k exceeds 0.7 (for ``loo`` alone),
        `diagnostics` whether every fit behind the row passed.
    pointwise : mapping
        Spec -> log predictive density of each patient, shape (patient,).
    flags : tuple of str
        What a reader must know before choosing.
    """

    method: str
    table: pl.DataFrame
    pointwise: Mapping[str, np.ndarray]
    flags: tuple[str, ...]

    @property
    def best(self) -> str:
        """The spec with the highest elpd."""
        return str(self.table["spec"][0])

    @property
    def weights(self) -> dict[str, float]:
        """Spec -> stacking weight."""
        return dict(zip(self.table["spec"].to_list(), self.table["weight"].to_list(), strict=True))

    def _repr_html_(self) -> str:
        body = self.table.with_columns(pl.selectors.float().round(2))._repr_html_()
        flags = "".join(f"<li>{escape(flag)}</li>" for flag in self.flags)
        return f"<p><b>Comparison by {self.method}</b></p>{body}<ul>{flags}</ul>"


def compared(
    method: str,
    specs: Mapping[str, ModelSpec],
    pointwise: Mapping[str, np.ndarray],
    bad_k: Mapping[str, int | None],
    passed: Mapping[str, bool],
) -> Comparison:
    """Return the comparison of specs from their patients' log predictive densities."""
    table = _table(pointwise, bad_k, passed)
    return Comparison(method, table, pointwise, _flags(specs, table, pointwise))


def stacking_weights(pointwise: np.ndarray) -> np.ndarray:
    """Return the weights on the simplex that maximise the summed log of the mixture's predictive density.

    Parameters
    ----------
    pointwise : numpy.ndarray
        Log predictive densities, shape (patient, spec).

    Notes
    -----
    The objective is concave; expectation-maximisation of mixture weights climbs it without a step size.
    """
    density = np.exp(pointwise - pointwise.max(axis=1, keepdims=True))
    weights = np.full(pointwise.shape[1], 1 / pointwise.shape[1])
    for _ in range(20_000):
        share = density * weights
        updated = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(updated - weights).max() < 1e-9:
            break
        weights = updated
    return weights


def _table(
    pointwise: Mapping[str, np.ndarray], bad_k: Mapping[str, int | None], passed: Mapping[str, bool]
) -> pl.DataFrame:
    labels = sorted(pointwise, key=lambda label: -float(pointwise[label].sum()))
    best = pointwise[labels[0]]
    weights = stacking_weights(np.column_stack([pointwise[label] for label in labels]))
    rows = []
    for label, weight in zip(labels, weights.tolist(), strict=True):
        own, n = pointwise[label], len(best)
        gap = own - best
        rows.append(
            {
                "spec": label, "elpd": float(own.sum()), "se": float(np.sqrt(n) * own.std(ddof=1)),
                "difference": float(gap.sum()), "se_difference": float(np.sqrt(n) * gap.std(ddof=1)),
                "weight": weight, "bad_k": bad_k[label], "diagnostics": "passed" if passed[label] else "FAILED",
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"bad_k": pl.Int64})


def _flags(
    specs: Mapping[str, ModelSpec], table: pl.DataFrame, pointwise: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    flags, rows = [], table.to_dicts()
    curved = [row for row in rows if _is_curved(specs[row["spec"]])]
    for row in rows:
        if row["diagnostics"] != "passed":
            flags.append(
                f"{row['spec']}: a fit behind it failed its diagnostics; its figures cannot be relied on"
            )
        if row["bad_k"]:
            flags.append(
                f"{row['spec']}: {row['bad_k']} patient(s) with Pareto k above 0.7; compare by kfold"
            )
        if curved and not _is_curved(specs[row["spec"]]):
            gaps = pointwise[curved[0]["spec"]] - pointwise[row["spec"]]
            gap, se = float(gaps.sum()), float(np.sqrt(len(gaps)) * gaps.std(ddof=1))
            if gap > max(_CLEAR, 2 * se):
                flags.append(
                    f"{row['spec']} is linear in its features and predicts worse than {curved[0]['spec']} by "
                    f"{gap:.1f} (standard error {se:.1f}) in log density: the surface is not linear"
                )
    if len(rows) > 1 and -rows[1]["difference"] < max(_CLEAR, 2 * rows[1]["se_difference"]):
        flags.append(
            f"{rows[0]['spec']} and {rows[1]['spec']} cannot be told apart on these patients; prefer the simpler one"
        )
    return tuple(flags)


def _is_curved(spec: ModelSpec) -> bool:
    return bool(spec.terms or spec.interactions or spec.searches)
