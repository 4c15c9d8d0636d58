"""Readers: a source -> a checked `Cohort`."""

from medresponse.readers.tabular import read

__all__ = ["read"]
