"""Experiments: one short module a study, run by `experiments/run.py` from the configs in conf/."""
