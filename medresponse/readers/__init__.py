"""Readers: a source -> a checked `Cohort`."""

from medresponse.readers.arrays import ZarrParts, zarr_parts
from medresponse.readers.examples import read_example
from medresponse.readers.parts import CohortParts, ParquetParts, Parts, parquet_parts
from medresponse.readers.tabular import read

__all__ = [
    "CohortParts",
    "ParquetParts",
    "Parts",
    "ZarrParts",
    "parquet_parts",
    "read",
    "read_example",
    "zarr_parts",
]
