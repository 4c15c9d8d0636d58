"""Blocks of more columns than patients, sampled along the directions in which the patients differ.

With ``X = U S V'`` of a block's columns and independent ``b_j ~ N(0, s^2)``, the likelihood sees ``b`` through
``z = V' b`` alone, since ``X b = U S z``. A priori ``z ~ N(0, s^2 I)``, independent of the part of ``b`` outside the
directions, of which the data say nothing beyond s. So z is sampled, with no more entries than there are patients, and
``b = V z + (I - V V') e`` with ``e ~ N(0, s^2 I)`` restores the posterior of b exactly, whatever the likelihood (West 2003,
Bayesian Statistics 7:733). The directions are orthogonal in the patients too, so trajectories are short.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medresponse.features import Layout
from medresponse.model.design import Design
from medresponse.model.spec import ModelSpec
from medresponse.priors import Exchangeable, Normal, Prior

type ColumnKey = int | tuple[str, int]  # a column as it was, or a block's direction


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Coefficients of one block in one part of the predictor, and what is sampled in their place.

    Parameters
    ----------
    block, part : str
        The part is ``prognostic`` or ``modifier``, as in the names of the model's variables.
    prior : Normal
    rows : numpy.ndarray
        Their positions in the vector of coefficients, shape (column,).
    places : numpy.ndarray
        Positions of the directions' coefficients in the sampled vector, shape (direction,).
    """

    block: str
    part: str
    prior: Normal
    rows: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """A design in rotated coordinates, and the way back.

    Parameters
    ----------
    design : Design
        What is sampled.
    n_coefficients : int
        Of the design as it was.
    same : tuple of numpy.ndarray
        Positions of the coefficients that are sampled as they are, in the vector as it was and in the sampled one.
    turns : tuple of Turn
    directions : mapping
        Block -> V of each imputation, shape (column, direction).
    """

    design: Design
    n_coefficients: int
    same: tuple[np.ndarray, np.ndarray]
    turns: tuple[Turn, ...]
    directions: Mapping[str, tuple[np.ndarray, ...]]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, in words, one entry a block."""
        return tuple(
            f"block {name}: {v.shape[0]} columns sampled along the {v.shape[1]} directions in which patients differ"
            for name, (v, *_) in self.directions.items()
        )

    def expand(
        self, posterior: Mapping[str, np.ndarray], data_idx: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Return draws with the coefficients of columns in place of those of directions.

        Parameters
        ----------
        posterior : mapping
            Variables of the rotated model, draws first.
        data_idx : int
            Imputation that was sampled.
        rng : numpy.random.Generator
            For what the data say nothing of.

        Returns
        -------
        dict
            The blocks' own variables are left out, as ``coefficients`` holds them; what the sampler moved (``_raw``, one
            entry a direction) stays, so that diagnostics see it.
        """
        sampled = posterior["coefficients"]
        by_predictor = sampled[..., None] if sampled.ndim == 2 else sampled
        draws = len(sampled)
        full = np.empty((draws, self.n_coefficients, by_predictor.shape[2]))
        full[:, self.same[0]] = by_predictor[:, self.same[1]]
        copies = set()
        for q, predictor in enumerate(self.design.predictors):
            stem = f"{predictor}_" if predictor else ""
            for turn in self.turns:
                name = f"{stem}{turn.part}_{turn.block}"
                copies.add(name)
                scale = posterior.get(f"{name}_scale", np.full(draws, turn.prior.sigma))
                v, z = self.directions[turn.block][data_idx], by_predictor[:, turn.places, q]
                free = scale[:, None] * rng.standard_normal((draws, len(v)))
                full[:, turn.rows, q] = free + (z - free @ v) @ v.T
        rest = {name: values for name, values in posterior.items() if name not in copies}
        return rest | {"coefficients": full[..., 0] if sampled.ndim == 2 else full}


def rotate(spec: ModelSpec, design: Design) -> Rotation | None:
    """Return the design in rotated coordinates, None where no block has them.

    A block has them if it has more columns than there are patients, if its coefficients (those of effect modification too) are
    normal with one scale, treatments are exchangeable, and nothing else (a product of features, a slope over groups)
    needs one of its columns alone.
    """
    layout, data = design.layout, design.data
    if "columns" not in data[0] or not isinstance(spec.treatments, Exchangeable):
        return None
    labels, n = np.array(design.column_blocks), len(data[0]["columns"])
    positions = {name: np.flatnonzero(labels == name) for name in spec.blocks}
    found = {
        name: own
        for name, own in positions.items()
        if len(own) > n and _is_invariant(spec, layout, name, own)
    }
    if not found:
        return None
    kept = [i for i in range(len(labels)) if labels[i] not in found]
    keys: list[ColumnKey] = [*kept, *((name, j) for name in found for j in range(n))]
    rotated, directions = _rotated(design, found, kept, keys)
    before = {tag: i for i, tag in enumerate(_tags(layout, list(range(len(labels)))))}
    after = {tag: i for i, tag in enumerate(_tags(rotated.layout, keys))}
    common = [tag for tag in after if tag in before]
    turns = []
    for name, own in found.items():
        parts: list[tuple[str, Prior, tuple[Hashable, ...]]] = [
            ("prognostic", spec.blocks[name], ("column",))
        ]
        if own[0] in layout.modifiers:
            prior = spec.modifier_priors[name]
            parts += [("modifier", prior, ("modifier", j)) for j in range(layout.n_contrasts)]
        for part, prior, tag in parts:
            assert isinstance(prior, Normal)
            rows = np.array([before[*tag, int(i)] for i in own])
            places = np.array([after[*tag, (name, j)] for j in range(n)])
            turns.append(Turn(block=name, part=part, prior=prior, rows=rows, places=places))
    here, there = ([index[tag] for tag in common] for index in (before, after))
    return Rotation(
        design=rotated,
        n_coefficients=layout.n_coefficients,
        same=(np.array(here, dtype=int), np.array(there, dtype=int)),
        turns=tuple(turns),
        directions=directions,
    )


def _is_invariant(spec: ModelSpec, layout: Layout, block: str, own: np.ndarray) -> bool:
    """Return whether the prior of a block is the same along any orthonormal directions."""
    if not isinstance(spec.blocks[block], Normal):
        return False
    modifying = set(own.tolist()) & set(layout.modifiers)
    if modifying and (len(modifying) < len(own) or not isinstance(spec.modifier_priors[block], Normal)):
        return False
    return not any(set(own.tolist()) & set(grouping.slopes) for grouping in layout.groupings)


def _rotated(
    design: Design, found: Mapping[str, np.ndarray], kept: list[int], keys: list[ColumnKey]
) -> tuple[Design, dict[str, tuple[np.ndarray, ...]]]:
    """Return the design with columns `keys`, those kept and then the directions, and the directions themselves."""
    layout, at = design.layout, {key: i for i, key in enumerate(keys)}
    data = [dict(arrays) for arrays in design.data]
    directions: dict[str, list[np.ndarray]] = {name: [] for name in found}
    for arrays in data:
        columns = arrays["columns"]
        parts, spread = [columns[:, kept]], [arrays["column_sd"][kept]]
        for name, own in found.items():
            u, s, vt = np.linalg.svd(columns[:, own], full_matrices=False)
            parts.append(u * s)
            spread.append(np.ones(len(s)))  # the normal prior does not read it
            directions[name].append(np.ascontiguousarray(vt.T))
        arrays["columns"], arrays["column_sd"] = np.concatenate(parts, axis=1), np.concatenate(spread)
    first = {int(own[0]): name for name, own in found.items()}
    inside = {int(i) for own in found.values() for i in own}
    modifiers: list[int] = []
    for i in layout.modifiers:
        if i in first:
            modifiers += [at[key] for key in keys if isinstance(key, tuple) and key[0] == first[i]]
        elif i not in inside:
            modifiers.append(at[i])
    names = [layout.columns[k] if isinstance(k, int) else f"{k[0]} direction {k[1] + 1}" for k in keys]
    rotated = replace(
        design,
        column_blocks=tuple(design.column_blocks[k] if isinstance(k, int) else k[0] for k in keys),
        column_paths=tuple(design.column_paths[k] if isinstance(k, int) else () for k in keys),
        layout=replace(
            layout,
            columns=tuple(names),
            modifiers=tuple(modifiers),
            groupings=tuple(replace(g, slopes=tuple(at[i] for i in g.slopes)) for g in layout.groupings),
        ),
        data=tuple(data),
    )
    return rotated, {name: tuple(every) for name, every in directions.items()}


def _tags(layout: Layout, keys: Sequence[ColumnKey]) -> list[tuple[Hashable, ...]]:
    """Return what each coefficient is of, columns named by `keys`, in the order of the coefficients."""
    contrasts = range(layout.n_contrasts)
    tags: list[tuple[Hashable, ...]] = [("column", key) for key in keys]
    tags += [("treatment", j) for j in contrasts]
    tags += [("modifier", j, keys[m]) for j in contrasts for m in layout.modifiers]
    return tags + [("group", i) for i in range(layout.n_coefficients - layout.n_dense)]
