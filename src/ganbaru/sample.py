"""A trained generator: seeds to images, the same picture alone or in a batch, on every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import checkpoint, engines, media, model, nn, randomness, runs
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.errors import InputError
from ganbaru.nn import Network
from ganbaru.ops import Parameters

BATCH = 64


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

    def latents(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Return the latents (N, Z) of seeds: each seed's depends on itself alone."""
        return np.stack([randomness.normal(seed, "sample", 0, self.latent) for seed in seeds])

    def floats(
        self, latents: NDArray[np.float32], labels: NDArray[np.int64] | None = None
    ) -> NDArray[np.floating]:
        """Return images (N, C, H, W) in [-1, 1] of latents (N, Z), and labels (N,)."""
        inputs = [self.engine.from_numpy(latents)]
        if self.classes:
            inputs.append(self.engine.from_numpy(np.asarray(labels, np.int64)))
        images, _ = nn.apply(
            self.network, self.parameters, self.buffers, *inputs, training=False
        )
        return self.engine.to_numpy(images)

    def labels(self, seeds: Sequence[int], label: int | str | None) -> NDArray[np.int64] | None:
        """Return the labels (N,) of seeds: `label` for all, or seed mod the number of classes."""
        if not self.classes:
            if label is not None:
                raise InputError("This generator is unconditional: it takes no label.")
            return None
        if label is None:
            return np.asarray(seeds, np.int64) % len(self.classes)
        return np.full(len(seeds), self._label_index(label), np.int64)

    def _label_index(self, label: int | str) -> int:
        text = str(label)
        if text in self.classes:
            return self.classes.index(text)
        if text.isdigit() and int(text) < len(self.classes):
            return int(text)
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(self.classes))
        raise InputError(f"Label {text!r} is out of range. This generator's labels: {names}.")

    def batches(
        self, n: int, seed: int = 0, label: int | str | None = None
    ) -> Iterator[tuple[media.Images, NDArray[np.int64] | None]]:
        """Yield bytes (B, H, W, C) and labels (B,) of seeds `seed`, `seed` + 1, ... in batches."""
        for start in range(seed, seed + n, BATCH):
            seeds = range(start, min(start + BATCH, seed + n))
            labels = self.labels(seeds, label)
            yield media.to_bytes(self.floats(self.latents(seeds), labels)), labels

    def sample(
        self, n: int, seed: int = 0, labels: int | str | Sequence[int] | None = None
    ) -> media.Images:
        """Return images (n, H, W, C), bytes, of the seeds from `seed` on.

        `labels` is one label for all, a sequence of n labels, or None for seed mod classes.
        """
        if isinstance(labels, (int, str)) or labels is None:
            return np.concatenate([images for images, _ in self.batches(n, seed, labels)])
        if len(labels) != n:
            raise InputError(f"Got {len(labels)} labels for {n} images: give one for each.")
        one_by_one = (self.sample(1, seed + i, int(label)) for i, label in enumerate(labels))
        return np.concatenate(list(one_by_one))


def load(
    run: str | Path, *, which: str = "newest", engine: str = "numpy", device: str = "auto"
) -> Generator:
    """Load a run's running-average generator from one of its checkpoints.

    `run` is a run's folder, its name below runs/, or a checkpoint file; `which` is "newest" or a
    number of images. Raises InputError when there is no such thing or the file is damaged.
    """
    path = runs.find_checkpoint(run, which)
    groups, header = checkpoint.load(path)
    config, shape = Config(**header.config), tuple(header.data["shape"])
    classes = model.class_names(config, header.data["classes"])
    expected = model.first_parameters(config, shape, len(classes))
    checkpoint.check_fits(path, groups.get("ema", {}), expected["generator"])
    chosen = engines.load(engine, device, config.precision)
    return Generator(
        engine=chosen,
        network=model.networks(config, shape, len(classes))[0],
        parameters={name: chosen.from_numpy(array) for name, array in groups["ema"].items()},
        buffers={name: chosen.from_numpy(array) for name, array in groups["ema_buffers"].items()},
        latent=config.latent,
        classes=classes,
    )
