"""Synthetic cohorts: generators learned from a real one."""
