"""Draws of sums of products of hinges from their prior."""

from __future__ import annotations

import numpy as np

from medresponse.features.hinges import BLANK, PRODUCT
from medresponse.inference.hinge_law import Law


def prior_hinges(law: Law, *, draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return ``prognostic_column``, ``_value``, ``_shape`` and those of each contrast, shape (draw, node).

    What is unknown of the law is drawn anew for each draw.
    """
    names = ["prognostic", *(f"predictive_{j}" for j in range(law.parts - 1))]
    found: dict[str, list[np.ndarray]] = {}
    for _ in range(draws):
        law.draw_from_prior(rng)
        rows: list[list[tuple[int, float, int]]] = [[] for _ in names]
        constants = [0.0] * len(names)
        for product in dict.fromkeys(choice.product for choice in law.choices(rng)):
            column = law.column(product) if product is not None else None
            if product is None or column is None:
                continue
            sd = law.precision(product.part, law.local(rng)) ** -0.5
            coefficient = sd * float(rng.standard_normal()) / column.sd
            constants[product.part] -= coefficient * column.mean
            own = law.factors
            rows[product.part].append((PRODUCT, coefficient, 0))
            rows[product.part] += [
                (int(own.column[f]), float(own.knot[f]), int(own.shape[f])) for f in product.factors
            ]
        for name, part, constant in zip(names, rows, constants, strict=True):
            nodes = zip(*part, (PRODUCT, constant, 0), strict=True)
            for kind, values, dtype in zip(
                ("column", "value", "shape"), nodes, (np.int32, float, np.int8), strict=True
            ):
                found.setdefault(f"{name}_{kind}", []).append(np.array(values, dtype=dtype))
    return {name: _stacked(parts, BLANK if name.endswith("column") else 0) for name, parts in found.items()}


def _stacked(parts: list[np.ndarray], blank: int) -> np.ndarray:
    width = max(len(part) for part in parts)
    return np.stack([np.pad(part, (0, width - len(part)), constant_values=blank) for part in parts])
