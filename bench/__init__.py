"""Measurements; ``python -m bench`` takes the time of everything that has a plain twin.

Scripts of their own are those that measure something else: `bench.gpu` whether a machine with a GPU
computes right, `bench.quality`, `bench.scores` and `bench.relativistic` what training is worth.
"""
