"""Learn a generator from a cohort, and draw made-up cohorts from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace

import polars as pl

from medresponse.cohort import Cohort, Schema, findings_table
from medresponse.core.registry import name_of
from medresponse.core.rng import checked_seed, stream
from medresponse.synthetic.learned.base import Generator, Sampler
from medresponse.synthetic.learned.columns import Layout, decode, encode, layout_of
from medresponse.synthetic.learned.intake import refuse_unlearnable
from medresponse.synthetic.mechanisms.knobs import between


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a generator learned from one cohort.

    Parameters
    ----------
    generator : Generator
    schema : Schema
        Of the cohorts to draw: that of the real one, marked as synthetic.
    learned_from : str
        Fingerprint of the real cohort. Draws do not carry it: it would confirm a guess of the table.
    """

    generator: Generator
    schema: Schema
    learned_from: str
    _layout: Layout = field(repr=False)
    _sampler: Sampler = field(repr=False)

    def draw(self, n: int, *, seed: int | None = None) -> Cohort:
        """Return a cohort of `n` made-up patients; there is no truth to it beyond what was learned.

        Raises
        ------
        SpecError
            If `n` is no whole number from 1 to 10 million, or the seed is missing.
        """
        between("n", n, 1, 10_000_000)
        seed = checked_seed(seed)
        columns = self._sampler.draw(n, stream(seed, "synthetic", "learned", "draw"))
        width = max(4, len(str(n)))
        ids = pl.Series(self.schema.id, [f"SYN-{i + 1:0{width}d}" for i in range(n)], dtype=pl.String)
        table = decode(columns, self._layout).insert_column(0, ids)
        source = {"kind": "fitted", **settings_of(self.generator), "seed": str(seed)}
        return Cohort(table, self.schema, (), findings_table([]), source)


def learn(generator: Generator, cohort: Cohort, *, seed: int | None = None) -> Learned:
    """Learn the joint distribution of a cohort's columns: sites, features, treatment and outcomes.

    Parameters
    ----------
    generator : Generator
    cohort : Cohort
        At least 44 patients, and as many with a value in every column of numbers.
    seed : int
        There is no default.

    Returns
    -------
    Learned
        It holds what was learned from real patients: keep it as you keep the cohort, and give away only draws, after
        `assess_generator`.

    Raises
    ------
    DataError
        If columns identify patients, hold free text or know too few patients; one message names them all.
    SpecError
        If the seed is missing.
    """
    seed = checked_seed(seed)
    refuse_unlearnable(cohort)
    layout = layout_of(cohort)
    rng = stream(seed, "synthetic", "learned", "learn")
    return Learned(
        generator=generator,
        schema=_made_up(cohort.schema, _name(generator)),
        learned_from=cohort.fingerprint,
        _layout=layout,
        _sampler=generator.fit(encode(cohort.table, layout), layout, rng),
    )


def _name(generator: object) -> str:
    return name_of(type(generator)) or type(generator).__name__


def settings_of(generator: object) -> dict[str, str]:
    """Return name and knobs: under differential privacy, these are the loss."""
    knobs = fields(generator) if is_dataclass(generator) else ()
    return {"generator": _name(generator)} | {k.name: str(getattr(generator, k.name)) for k in knobs}


def _made_up(schema: Schema, generator: str) -> Schema:
    """Return the schema of draws, which have no columns beside those learned and no rows to leave out."""
    features = {
        block: {
            name: replace(
                feature,
                unit_column=None,
                measured_at=0.0 if isinstance(feature.measured_at, str) else feature.measured_at,
            )
            for name, feature in columns.items()
        }
        for block, columns in schema.features.items()
    }
    source = f"made-up patients ({generator}), learned from: {schema.source}"
    return replace(schema, source=source, features=features, eligibility=(), ignore=(), synthetic=True)
