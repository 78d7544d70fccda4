"""Measurements; ``python -m bench`` times everything that has a plain framework counterpart.

Separate scripts: `bench.gpu` checks and times a machine with a GPU; `bench.quality`, `bench.scores`
and `bench.relativistic` measure the quality of trained models.
"""
