"""Draws of sums of products of hinges from their prior."""

from __future__ import annotations

import numpy as np

from medresponse.features.hinges import PRODUCT
from medresponse.inference.hinge_factors import Factors
from medresponse.inference.hinges import DEGREES, SPARSE, order_counts
from medresponse.model.hinges import Hinges


def prior_hinges(
    prior: Hinges, factors: Factors, only_prognostic: np.ndarray, *, contrasts: int, unit: float, draws: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return ``prognostic_column``, ``_value``, ``_shape`` and those of each contrast, shape (draw, node).

    Products are a Poisson process whose intensity is that of factors chosen one by one, thinned to different features
    with enough patients.
    """
    sums = [(["prognostic"], prior.prognostic)]
    if prior.predictive is not None and contrasts:
        sums.append(([f"predictive_{j}" for j in range(contrasts)], prior.predictive))
    found: dict[str, list[np.ndarray]] = {}
    counts = order_counts(prior.order)
    n_features = int(factors.feature.max()) + 1 if len(factors) else 0
    for _ in range(draws):
        weights = rng.dirichlet(np.full(n_features, SPARSE)) if n_features else np.zeros(0)
        orders = rng.dirichlet(counts)
        chance = np.exp(factors.log_share) * weights[factors.feature]
        for kind, (names, own) in enumerate(sums):
            rate = own.expected * rng.standard_exponential()
            typical = own.scale * unit
            scale = np.sqrt(DEGREES * typical**2 / 2 / rng.standard_gamma(DEGREES / 2))
            rows: dict[str, list[tuple[int, float, int]]] = {name: [] for name in names}
            constants = dict.fromkeys(names, 0.0)
            for _ in range(int(rng.poisson(rate)) if len(factors) else 0):
                order = 1 + int(rng.choice(len(orders), p=orders))
                chosen = rng.choice(len(factors), size=order, p=chance)
                features = factors.feature[chosen]
                if len(set(features.tolist())) < order or (kind and np.isin(features, only_prognostic).any()):
                    continue
                standard = factors.standard(tuple(sorted(chosen.tolist())))
                if standard is None:
                    continue
                name = names[int(rng.integers(len(names)))]
                local = DEGREES / 2 / rng.standard_gamma(DEGREES / 2)
                coefficient = float(scale * np.sqrt(local) * rng.standard_normal()) / standard[2]
                constants[name] -= coefficient * standard[1]
                rows[name].append((PRODUCT, coefficient, 0))
                rows[name] += [
                    (int(factors.column[f]), float(factors.knot[f]), int(factors.shape[f])) for f in chosen
                ]
            for name in names:
                column, value, shape = zip(*rows[name], (PRODUCT, constants[name], 0), strict=True)
                found.setdefault(f"{name}_column", []).append(np.array(column, dtype=np.int32))
                found.setdefault(f"{name}_value", []).append(np.array(value))
                found.setdefault(f"{name}_shape", []).append(np.array(shape, dtype=np.int8))
    return {name: _stacked(parts, -1 if name.endswith("column") else 0) for name, parts in found.items()}


def _stacked(parts: list[np.ndarray], blank: int) -> np.ndarray:
    width = max(len(part) for part in parts)
    return np.stack([np.pad(part, (0, width - len(part)), constant_values=blank) for part in parts])
