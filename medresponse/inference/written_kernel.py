"""Machine code of models that are written out: one kernel for all of them, since what tells them apart is among its data."""

from __future__ import annotations

from dataclasses import replace

from medresponse.inference.kernels import DENSITY, Facts, Kernel, Parts, kernel_of
from medresponse.inference.power_scaling import LOG_PRIOR
from medresponse.model import WrittenOut

# In the order of the arguments of `written_density.answer`; names as in `WrittenOut.arrange`.
_INPUTS = (
    ("table", 2, "int64"), ("numbers", 2, "float64"), ("turn", 2, "float64"), ("estimate", 1, "float64"),
    ("error", 1, "float64"), ("means", 1, "float64"), ("around", 1, "float64"), ("rest", 1, "float64"),
    ("arms", 3, "float64"), ("weights", 2, "float64"), ("where", 2, "int64"),
    ("scalars", 1, "float64"),
)  # fmt: skip


def written_kernel(model: WrittenOut) -> Kernel:
    """Return the kernel of a model that is written out, from disk where it is kept, as `kernel_of` does."""
    quantities = (*model.quantities, (LOG_PRIOR, ()))
    facts = Facts(n_parameters=len(model.start), quantities=quantities, inputs=_INPUTS, start=model.start)
    return replace(kernel_of(_parts, "written out"), facts=facts, arrange=model.arrange)


def _parts() -> Parts:
    from medresponse.inference.written_density import answer

    at = {name: f"data_{i}" for i, (name, _, _) in enumerate(_INPUTS)}
    body = (
        f"    size = int64({at['scalars']}[6])",
        f"    length = size if what == {DENSITY} else size + len({at['estimate']}) + 3",
        "    x, out = carray(x_, (size,)), carray(out_, (length,))",
        f"    return graph(what, x, carray(value_, (1,)), out, {', '.join(at.values())})",
    )
    # A model's own facts take the place of these.
    return Parts(Facts(n_parameters=0, quantities=(), inputs=_INPUTS, start=()), body, answer)
