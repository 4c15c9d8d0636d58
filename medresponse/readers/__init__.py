"""Readers: a source -> a checked `Cohort`."""

from medresponse.readers.examples import read_example
from medresponse.readers.tabular import read

__all__ = ["read", "read_example"]
