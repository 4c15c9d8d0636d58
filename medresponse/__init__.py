"""Hierarchical Bayesian models of how each patient responds to each treatment."""
