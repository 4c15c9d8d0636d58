"""Benchmarks: what the README promises to be quick, timed side by side."""
