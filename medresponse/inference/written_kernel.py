"""Machine code of models that are written out: one kernel for all of a kind, since what tells them apart is among its data."""

from __future__ import annotations

from dataclasses import replace

from medresponse.inference.kernel_cache import kernel_of
from medresponse.inference.kernels import DENSITY, Facts, Kernel, Parts
from medresponse.inference.power_scaling import LOG_PRIOR
from medresponse.model import WrittenOut, WrittenRows

# In the order of the arguments of each kind's `answer`; names as in its `arrange`.
_PRIORS = (
    ("table", 2, "int64"), ("numbers", 2, "float64"), ("turn", 1, "float64"), ("turned", 2, "int64"), ("informed", 2, "float64"),
    ("df", 2, "float64"), ("room", 2, "float64"),
)  # fmt: skip
_COMPRESSED = (
    *_PRIORS, ("means", 1, "float64"), ("around", 1, "float64"), ("rest", 1, "float64"), ("arms", 3, "float64"),
    ("weights", 2, "float64"), ("where", 1, "uint64"), ("folded", 2, "float64"), ("scalars", 1, "float64"),
)  # fmt: skip
_ROWS = (
    *_PRIORS, ("pointer", 1, "uint64"), ("index", 1, "uint64"), ("value", 1, "float64"), ("ways", 2, "float64"), ("columns", 3, "float64"),
    ("codes", 3, "int8"), ("held", 2, "float64"), ("starts", 1, "int64"), ("filled", 1, "int64"), ("cells", 3, "uint64"), ("events", 2, "float64"),
)  # fmt: skip
_BY_ROW = (*_ROWS, ("weight", 2, "float64"), ("means", 1, "float64"), ("scalars", 1, "float64"))
_BY_CATEGORY = (
    *_ROWS, ("weight", 2, "float64"), ("in_category", 1, "float64"), ("scalars", 1, "float64"),
)  # fmt: skip
_BY_INTERVAL = (
    *_ROWS, ("exposure", 3, "float64"), ("counts", 2, "float64"), ("walk", 2, "float64"), ("contrasts", 2, "float64"),
    ("means", 1, "float64"), ("directions", 2, "float64"), ("steps", 2, "float64"), ("scalars", 1, "float64"),
)  # fmt: skip


def written_kernel(model: WrittenOut | WrittenRows) -> Kernel:
    """Return the kernel of a model that is written out, from disk where it is kept, as `kernel_of` does."""
    law = model.tail.law if isinstance(model, WrittenRows) else "compressed"
    inputs, parts = _KINDS[law]
    facts = Facts(
        n_parameters=len(model.start),
        quantities=(*model.quantities, (LOG_PRIOR, ())),
        inputs=inputs,
        start=model.start,
    )
    return replace(kernel_of(parts, f"written out: {law}"), facts=facts, arrange=model.arrange)


def _compressed() -> Parts:
    from medresponse.inference.written_density import answer

    return _parts(answer, _COMPRESSED, size=6, beside=3)


def _canonical() -> Parts:
    from medresponse.inference.written_rows import answer

    return _parts(answer, _BY_ROW, size=0, beside=3)


def _ordinal() -> Parts:
    from medresponse.inference.written_ordinal import answer

    return _parts(answer, _BY_CATEGORY, size=0, beside=0, like=("in_category.size",))


def _weibull() -> Parts:
    from medresponse.inference.written_weibull import answer

    return _parts(answer, _BY_ROW, size=0, beside=3)


def _piecewise() -> Parts:
    from medresponse.inference.written_piecewise import answer

    return _parts(answer, _BY_INTERVAL, size=0, beside=2, like=("counts.size", "steps.shape[1]"))


_KINDS = {
    "compressed": (_COMPRESSED, _compressed),
    "canonical": (_BY_ROW, _canonical),
    "ordinal": (_BY_CATEGORY, _ordinal),
    "weibull": (_BY_ROW, _weibull),
    "piecewise": (_BY_INTERVAL, _piecewise),
}


def _parts(
    answer: object,
    inputs: tuple[tuple[str, int, str], ...],
    *,
    size: int,
    beside: int,
    like: tuple[str, ...] = (),
) -> Parts:
    """Return a kernel's parts; its ``scalars[size]`` is the number of parameters.

    `beside` numbers follow the coefficients, and as many as the sizes of inputs `like` say.
    """
    at = {name: f"data_{i}" for i, (name, _, _) in enumerate(inputs)}
    more = "".join(f" + {at[name]}.{what}" for name, _, what in (text.partition(".") for text in like))
    body = (
        f"    size = int64({at['scalars']}[{size}])",
        f"    length = size if what == {DENSITY} else size + {at['table']}[len({at['table']}) - 1, 2] + {beside}{more}",
        "    x, out = carray(x_, (size,)), carray(out_, (length,))",
        f"    return graph(what, x, carray(value_, (1,)), out, {', '.join(at.values())})",
    )
    # A model's own facts take the place of these.
    return Parts(Facts(n_parameters=0, quantities=(), inputs=inputs, start=()), body, answer)
