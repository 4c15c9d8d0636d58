"""Whether priors leave room for effects of a size that the outcome's spread makes plausible."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from medresponse.model.prepare import Prepared
from medresponse.model.spec import ModelSpec

_NARROW = 0.1  # of the outcome's standard deviation


def narrow_priors(spec: ModelSpec, prepared: Prepared) -> tuple[str, ...]:
    """Return in words which priors of stated scale all but rule out effects that would be seen.

    Scales of priors are in units of the linear predictor: those of the outcome itself for a continuous one, where the defaults
    suit an outcome whose standard deviation is near 1. A prior is named if its scale (for a block, that of all its columns
    together, or of as many as a horseshoe expects) is below a tenth of the outcome's standard deviation given the predictor.
    Wide priors are not named: data overrule them.
    """
    unit = float(prepared.data[0]["latent_sd"])
    return tuple(
        f"{where}: the prior's scale, {scale:.3g}, is below a tenth of the outcome's standard deviation, {unit:.3g} on the model's "
        "scale, so that larger effects are all but ruled out beforehand; state the prior in the outcome's units"
        for where, scale in _scales(spec, prepared)
        if scale < _NARROW * unit
    )


def _scales(spec: ModelSpec, prepared: Prepared) -> Iterator[tuple[str, float]]:
    """Yield where a prior stands and the scale of what its coefficients add up to, of priors that state one."""
    if prepared.layout.n_contrasts and (one := _scale(spec.treatment)) is not None:
        yield "spec.treatment", one
    for block, prior in spec.blocks.items():
        columns = prepared.encoding.column_blocks.count(block)
        scale = _scale(prior)
        if columns and scale is not None:
            yield (
                f"spec.blocks.{block}",
                scale * math.sqrt(min(getattr(prior, "expected_nonzero", columns), columns)),
            )


def _scale(prior: Any) -> float | None:
    """Return a prior's own scale, None where it has none of its own."""
    found = getattr(prior, "sigma", getattr(prior, "slab_scale", None))
    return None if found is None else float(found)
