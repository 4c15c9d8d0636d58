"""One block of coefficients in a model by itself, and joint draws of what it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from medresponse.priors import Column, Prior, Scales


def plain_columns(size: int) -> tuple[Column, ...]:
    return tuple(Column(f"t{i}") for i in range(size))


def scales_of(
    size: int, *, unit_sd: Any = 0.05, latent_sd: Any = 1.0, column_sd: np.ndarray | None = None
) -> Scales:
    return Scales(
        unit_information_sd=unit_sd,
        latent_sd=latent_sd,
        column_sd=np.ones(size) if column_sd is None else column_sd,
    )


def block_model(
    prior: Prior,
    columns: tuple[Column, ...] | int,
    *,
    scales: Scales | None = None,
    positive: bool = False,
) -> Any:
    """A model with the coefficients ``b``."""
    import pymc as pm

    columns = plain_columns(columns) if isinstance(columns, int) else columns
    with pm.Model(coords={"term": [column.label for column in columns]}) as model:
        returned = prior.coefficients(
            "b", columns=columns, dims="term", scales=scales or scales_of(len(columns)), positive=positive
        )
        assert returned is model["b"]
    return model


def joint_draws(model: Any, *, draws: int, seed: int = 4) -> dict[str, np.ndarray]:
    """Joint draws of every variable of a model, shape (draw, ...)."""
    import pymc as pm

    names = list(model.named_vars)
    values = pm.draw([model[name] for name in names], draws=draws, random_seed=seed, mode="FAST_COMPILE")
    return dict(zip(names, values, strict=True))
