"""Foundations shared by every package: names, units, errors, registry, codec, random streams, provenance."""
