"""Diseases planted in a run: changes of its generator or its data, on the NumPy engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ganbaru import data, ops
from ganbaru.gan.batches import BatchSampler
from ganbaru.training.run import Callback, Run

Plant = Callable[[Run], None]
FEW = 100


def nothing(run: Run) -> None:
    """Plant nothing."""


def output(change: Callable[[Any], Any]) -> Plant:
    """Return what passes G's images (N, C, H, W) through `change`."""

    def plant(run: Run) -> None:
        inner = run.gan.generator
        run.gan = dataclasses.replace(run.gan, generator=lambda *inputs: change(inner(*inputs)))

    return plant


def latents(change: Callable[..., Any]) -> Plant:
    """Return what passes latents (N, Z) through ``change(latent, *label)`` before G has them."""

    def plant(run: Run) -> None:
        inner = run.gan.generator

        def generator(scope: Any, latent: Any, *label: Any) -> Any:
            return inner(scope, change(latent, *label), *label)

        run.gan = dataclasses.replace(run.gan, generator=generator)

    return plant


def source(change: Callable[[data.Source], data.Source]) -> Plant:
    """Return what passes the training data through `change`."""

    def plant(run: Run) -> None:
        run.source = change(run.source)
        assert isinstance(run.sampler, BatchSampler)
        run.sampler = dataclasses.replace(run.sampler, source=run.source)

    return plant


def shuffled(source: data.Source) -> data.Source:
    """Give each image the label of another."""
    assert source.labels is not None
    return dataclasses.replace(source, labels=np.random.default_rng(0).permutation(source.labels))


def few(source: data.Source) -> data.Source:
    """Leave `FEW` images."""
    labels = None if source.labels is None else source.labels[:FEW]
    return dataclasses.replace(source, images=source.images[:FEW], labels=labels)


def two(latent: Any, *label: Any) -> Any:
    """Return one of two latents, by the sign of the first entry."""
    return latent * 0 + np.sign(latent[:, :1])


def by_class(latent: Any, label: Any) -> Any:
    """Return a latent that depends on the label alone."""
    rows = ops.one_hot(label, 10, latent) if len(label.shape) == 1 else label
    return ops.concat([rows * 3.0, latent[:, 10:] * 0], axis=1)


class Planted(Callback):
    """Plants a disease when a run is set up; listed first."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant

    def setup(self, run: Run, progress: data.Progress) -> None:
        self.plant(run)
