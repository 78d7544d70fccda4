"""A trained generator: seeds to images, the same picture alone or in a batch, on every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import checkpoint, engines, media, model, nn, randomness, runs
from ganbaru.config import from_fields
from ganbaru.engines import Engine
from ganbaru.errors import InputError, did_you_mean
from ganbaru.nn import Network
from ganbaru.ops import Parameters

BATCH = 64
Labels = int | str | Sequence[int | str] | None


@dataclass(frozen=True)
class Generator:
    """A generator with its weights on an engine; sampling changes nothing in it.

    `classes` are the names of the labels it takes, () for an unconditional one.
    """

    engine: Engine
    network: Network
    parameters: Parameters
    buffers: Parameters
    latent: int
    classes: tuple[str, ...]
    distribution: str = "normal"  # of the latents

    @staticmethod
    def seeds(n: int, first: int = 0) -> range:
        """Return the seeds of `n` images; they count up."""
        if n < 1 or not 0 <= first < 2**63 - n:
            raise InputError(
                f"Cannot make {n} images from seed {first}: give a number from 1 and a seed from 0."
            )
        return range(first, first + n)

    def latents(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Return the latents (N, Z) of seeds: each seed's depends on itself alone."""
        draw = randomness.distribution(self.distribution)
        return np.stack([draw(seed, "sample", 0, self.latent) for seed in seeds])

    def floats(
        self, latents: NDArray[np.float32], labels: NDArray[np.int64] | None = None
    ) -> NDArray[np.floating]:
        """Return images (N, C, H, W) in [-1, 1] of latents (N, Z), and labels (N,)."""
        inputs = [self.engine.from_numpy(latents)]
        if self.classes:
            inputs.append(self.engine.from_numpy(np.asarray(labels, np.int64)))
        images, _ = nn.apply(self.network, self.parameters, self.buffers, *inputs, training=False)
        return self.engine.to_numpy(images)

    def labels(self, seeds: Sequence[int], label: Labels = None) -> NDArray[np.int64] | None:
        """Return the labels (N,) of seeds: one for all, one for each, or seed mod classes."""
        if not self.classes:
            if label is not None:
                raise InputError("This generator is unconditional: it takes no label.")
            return None
        if label is None:
            return np.asarray(seeds, np.int64) % len(self.classes)
        each = [label] * len(seeds) if isinstance(label, (int, str, np.integer)) else list(label)
        if len(each) != len(seeds):
            raise InputError(f"Got {len(each)} labels for {len(seeds)} images: give one for each.")
        return np.array([self._label_index(one) for one in each], np.int64)

    def _label_index(self, label: int | str) -> int:
        text = str(label)
        if text in self.classes:
            return self.classes.index(text)
        if text.isdigit() and int(text) < len(self.classes):
            return int(text)
        names = ", ".join(
            name if name == str(i) else f"{i} ({name})" for i, name in enumerate(self.classes)
        )
        near = "" if text.isdigit() else did_you_mean(text, self.classes)
        raise InputError(f"Label {text!r} is out of range.{near} This generator's labels: {names}.")

    def batches(
        self, n: int, seed: int = 0, labels: Labels = None
    ) -> Iterator[tuple[media.Images, NDArray[np.int64] | None]]:
        """Yield bytes (B, H, W, C) and labels (B,) of seeds `seed`, `seed` + 1, ... in batches."""
        seeds = self.seeds(n, seed)
        chosen = self.labels(seeds, labels)
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            of = None if chosen is None else chosen[part]
            yield media.to_bytes(self.floats(self.latents(seeds[part]), of)), of

    def sample(self, n: int, seed: int = 0, labels: Labels = None) -> media.Images:
        """Return images (n, H, W, C), bytes, of the seeds from `seed` on.

        `labels` is one label for all (a number or a class's name), a sequence of n labels, or None
        for seed mod classes.
        """
        return np.concatenate([images for images, _ in self.batches(n, seed, labels)])


def load(
    run: str | Path, *, which: str = "newest", engine: str = "numpy", device: str = "auto"
) -> Generator:
    """Load a run's running-average generator from one of its checkpoints.

    `run` is a run's folder, its name below runs/, or a checkpoint file; `which` is "newest" or a
    number of images. Raises InputError when there is no such thing or the file is damaged.
    """
    path = runs.find_checkpoint(run, which)
    groups, header = checkpoint.load(path)
    config, shape = from_fields(header.config), tuple(header.data["shape"])
    classes = model.class_names(config, header.data["classes"])
    expected = model.first_parameters(config, shape, len(classes))
    ema = {"ema": expected["generator"], "ema_buffers": expected["generator_buffers"]}
    checkpoint.check_fits(path, groups, ema)
    chosen = engines.load(engine, device, config.precision)
    return Generator(
        engine=chosen,
        network=model.networks(config, shape, len(classes))[0],
        parameters={name: chosen.from_numpy(array) for name, array in groups["ema"].items()},
        buffers={name: chosen.from_numpy(array) for name, array in groups["ema_buffers"].items()},
        latent=config.latent,
        distribution=config.distribution,
        classes=classes,
    )
