"""The graph of a model in one vector of unconstrained parameters, from which each engine makes its machine code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medresponse.inference.power_scaling import LOG_PRIOR


@dataclass(frozen=True, kw_only=True)
class Flat:
    """A model as expressions in a vector.

    Parameters
    ----------
    x : pytensor variable
        The unconstrained parameters, shape (parameter,).
    density, gradient : pytensor variables
        Log density at `x` with the Jacobians of transforms, and its gradient.
    everything : pytensor variable
        What is kept of a draw, one after the other in the order of `quantities`.
    quantities : tuple of (str, tuple of int)
        Names and shapes: parameters on their own scale, deterministic quantities, and last the log density of the priors.
    start : tuple of float
        Where chains begin, before jitter.
    """

    x: Any
    density: Any
    gradient: Any
    everything: Any
    quantities: tuple[tuple[str, tuple[int, ...]], ...]
    start: tuple[float, ...]


def flatten(model: Any) -> Flat:
    """Return a PyMC model's graph in the vector of its parameters; its data stay shared variables."""
    import pytensor.tensor as pt
    from pytensor.graph import clone_replace, rewrite_graph

    free = model.free_RVs
    values = [model.rvs_to_values[variable] for variable in free]
    point = start_of(model)
    # Scales are positive by their transforms, so the checks that they are would only cost time.
    observed = [*model.observed_RVs, *model.potentials]
    density, likelihood = rewrite_graph(
        [model.logp(), model.logp(vars=observed) if observed else pt.as_tensor(0.0)],
        include=["canonicalize", "stabilize", "local_remove_check_parameter"],
    )
    gradient = pt.concatenate([part.ravel() for part in pt.grad(density, values)])
    kept = [*free, *model.deterministics]
    *quantities, jacobians, units = model.replace_rvs_by_values(
        [*kept, pt.as_tensor(_jacobians(model)), log_units(model)]
    )
    log_prior = density - likelihood - jacobians + units
    shapes = model.compile_fn(
        [quantity.shape for quantity in quantities], inputs=values, on_unused_input="ignore", mode="FAST_COMPILE",
    )({value.name: point[value.name] for value in values})  # fmt: skip
    sizes = [point[value.name].size for value in values]
    ends, n = np.cumsum(sizes), int(sum(sizes))
    x = pt.TensorType("float64", shape=(n,))(name="x")
    parts = {
        value: x[end - size : end].reshape(point[value.name].shape).astype(value.dtype)
        for value, end, size in zip(values, ends.tolist(), sizes, strict=True)
    }
    everything = pt.concatenate([quantity.astype("float64").ravel() for quantity in [*quantities, log_prior]])
    # Lengths of dimensions are the layout's, not the data's.
    lengths = {
        length: pt.constant(length.get_value())
        for length in model.dim_lengths.values()
        if hasattr(length, "get_value")
    }
    density, gradient, everything = clone_replace([density, gradient, everything], parts | lengths)
    return Flat(
        x=x,
        density=density,
        gradient=gradient,
        everything=everything,
        quantities=(
            *(
                (str(variable.name), tuple(int(size) for size in shape))
                for variable, shape in zip(kept, shapes, strict=True)
            ),
            (LOG_PRIOR, ()),
        ),
        start=tuple(float(v) for value in values for v in np.ravel(point[value.name])),
    )


def start_of(model: Any) -> dict[str, np.ndarray]:
    """Return where chains begin, before jitter, by the names of unconstrained parameters."""
    from pymc.initial_point import make_initial_point_fn

    make = make_initial_point_fn(model=model, default_strategy="support_point", return_transformed=True)
    point: dict[str, np.ndarray] = make(0)
    for variable in model.free_RVs:
        if getattr(
            model.rvs_to_transforms[variable], "starts_at_zero", False
        ):  # else the start would be the data's
            name = model.rvs_to_values[variable].name
            point[name] = np.zeros_like(point[name])
    return point


def log_prior_of(model: Any) -> Any:
    """Return the log density of the priors, in the units of `log_units`, as an expression in the unconstrained parameters."""
    (units,) = model.replace_rvs_by_values([log_units(model)])
    return model.logp(vars=model.free_RVs, jacobian=False) + units


def log_units(model: Any) -> Any:
    """Return what turns the priors' log density in the parameters' own units into that of standardised ones.

    A normal parameter whose standard deviation is a parameter too is measured in it, however it is sampled; see `power_scaling`.
    """
    import pytensor.tensor as pt
    from pytensor.graph.traversal import ancestors
    from pytensor.tensor.random.basic import NormalRV

    free, terms = set(model.free_RVs), [pt.zeros(1)]
    for variable in model.free_RVs:
        if isinstance(variable.owner.op, NormalRV) and free & set(ancestors([variable.owner.inputs[-1]])):
            terms.append((pt.log(variable.owner.inputs[-1]) + pt.zeros_like(variable)).ravel())
    return pt.concatenate(terms).sum()


def _jacobians(model: Any) -> Any:
    """Return the sum of the log Jacobians of the parameters' transforms."""
    total = 0.0
    for variable in model.free_RVs:
        transform = model.rvs_to_transforms[variable]
        if transform is not None:
            value = model.rvs_to_values[variable]
            total = total + transform.log_jac_det(value, *variable.owner.inputs).sum()
    return total
