"""A trained generator: seeds to images and films, the same alone or in a batch, on every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import engines, randomness
from ganbaru.config import from_fields
from ganbaru.engines import Engine
from ganbaru.errors import InputError, did_you_mean
from ganbaru.gan import models
from ganbaru.nn import Network
from ganbaru.ops import Parameters
from ganbaru.sampling import image_io, interpolation, latent_spaces
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.run import Run

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

    def latents(self, seeds: Sequence[int], truncation: float = 1.0) -> NDArray[np.float32]:
        """Return the latents (N, Z) of seeds: each seed's depends on itself alone.

        A `truncation` below 1 draws them together around their mean: fewer odd pictures, less
        variety (Brock et al. 2019, section 3.1, cut off; this scales, as Karras et al. 2019 do).
        """
        if not 0 < truncation <= 1:
            raise InputError(
                f"--truncation {truncation:g} is out of range: give a number above 0, up to 1."
            )
        draw = randomness.distribution(self.distribution)
        drawn = np.stack([draw(seed, "sample", 0, self.latent) for seed in seeds])
        if truncation == 1:
            return drawn
        mean = latent_spaces.space(self.distribution).mean
        return (mean + truncation * (drawn - mean)).astype(np.float32)

    def floats(
        self, latents: NDArray[np.float32], labels: NDArray[np.generic] | None = None
    ) -> NDArray[np.floating]:
        """Return images (N, C, H, W) in [-1, 1] of latents (N, Z) and labels.

        Labels are whole numbers (N,) or weights of the classes (N, classes).
        """
        inputs = [self.engine.from_numpy(latents)]
        if self.classes:
            given = np.asarray(labels)
            whole = given.dtype.kind != "f"
            inputs.append(self.engine.from_numpy(given.astype(np.int64) if whole else given))
        draw = models.inference(self.engine, self.network)
        images = draw(self.parameters, self.buffers, *inputs)
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
            raise InputError(
                f"Got {len(each)} labels for {len(seeds)} seeds: give one for each, or one for all."
            )
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
        self, seeds: Sequence[int], labels: Labels = None, truncation: float = 1.0
    ) -> Iterator[tuple[image_io.Images, NDArray[np.int64] | None]]:
        """Yield bytes (B, H, W, C) and labels (B,) of seeds, in batches."""
        chosen = self.labels(seeds, labels)
        for start in range(0, len(seeds), BATCH):
            part = slice(start, start + BATCH)
            of = None if chosen is None else chosen[part]
            yield image_io.to_bytes(self.floats(self.latents(seeds[part], truncation), of)), of

    def sample(
        self, n: int, seed: int = 0, labels: Labels = None, *, truncation: float = 1.0
    ) -> image_io.Images:
        """Return images (n, H, W, C), bytes, of the seeds from `seed` on.

        `labels` is one label for all (a number or a class's name), a sequence of n labels, or None
        for seed mod classes. `truncation` draws latents together: see `latents`.
        """
        batches = self.batches(self.seeds(n, seed), labels, truncation)
        return np.concatenate([images for images, _ in batches])

    def morph(
        self,
        path: str = "slerp",
        seeds: Sequence[int] | None = None,
        labels: Labels = None,
        frames: int = 60,
        *,
        close: bool = False,
        bounce: bool = False,
    ) -> Iterator[image_io.Images]:
        """Return the frames (H, W, C), bytes, of a film along one of `morph.PATHS`.

        The rest is as in `walk`. Raises InputError before any frame is made.
        """
        return self._film(*self.walk(path, seeds, labels, frames, close=close, bounce=bounce))

    def walk(
        self,
        path: str = "slerp",
        seeds: Sequence[int] | None = None,
        labels: Labels = None,
        frames: int = 60,
        *,
        close: bool = False,
        bounce: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
        """Return the latents (F, Z) and the weights of the classes (F, classes) along a path.

        `seeds` are what the path goes through, by default the first from 0. `labels` are as in
        `sample`, or for the path "classes" those to go through (None: all), and are interpolated.
        `frames` is the number of all, both ends among them. A film that should `close` goes back
        to its first seed, and leaves out its last frame, which is the first; one that should
        `bounce` goes back the way it came. Raises InputError before any frame is made.
        """
        way = interpolation.path(path)
        chosen = way.check(path, range(way.seeds) if seeds is None else seeds)
        closed = close or way.closed
        moments = interpolation.moments(frames, closed=closed, bounce=bounce)
        space = latent_spaces.space(self.distribution)
        points = space.to_normal(self.latents(chosen).astype(np.float64))
        walked = space.from_normal(way.latents(interpolation.closing(points, close), moments))
        marks = self._marks(chosen, labels, way.own_labels)
        weights = (
            None
            if marks is None
            else interpolation.line(interpolation.closing(marks, closed), moments)
        )
        return walked.astype(np.float32), weights

    def _marks(self, seeds: Sequence[int], labels: Labels, own: bool) -> NDArray[np.float64] | None:
        """Return a film's labels as weights of the classes: the seeds' ones, or the film's own."""
        if own:
            if len(self.classes) < 2:
                raise InputError(
                    f"The path classes needs a generator of two classes or more, and this one has "
                    f"{len(self.classes)}: take --path slerp, line or loop."
                )
            labels = range(len(self.classes)) if labels is None else labels
            if isinstance(labels, (int, str, np.integer)) or len(labels) < 2:
                raise InputError("A film through classes needs at least two: give --labels 0,1.")
            seeds = range(len(labels))
        chosen = self.labels(seeds, labels)
        return None if chosen is None else np.eye(len(self.classes))[chosen]

    def _film(
        self, latents: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> Iterator[image_io.Images]:
        for start in range(0, len(latents), BATCH):
            part = slice(start, start + BATCH)
            of = None if weights is None else weights[part]
            yield from image_io.to_bytes(self.floats(latents[part], of))


def from_run(run: Run) -> Generator:
    """Return the averaged (EMA) generator of a run in progress."""
    return Generator(
        engine=run.engine,
        network=run.gan.generator,
        parameters=run.state["ema"],
        buffers=run.state["ema_buffers"],
        latent=run.config.latent,
        distribution=run.config.distribution,
        classes=run.classes,
    )


def load(
    run: str | Path, *, which: str = "newest", engine: str = "numpy", device: str = "auto"
) -> Generator:
    """Load a run's running-average generator from one of its checkpoints.

    `run` is a run's folder, its name below runs/, or a checkpoint file; `which` is "newest" or a
    number of images. Raises InputError when there is no such thing or the file is damaged.
    """
    path = run_folder.find_checkpoint(run, which)
    groups, header = checkpoint.load(path)
    config, shape = from_fields(header.config), tuple(header.data["shape"])
    classes = models.class_names(config, header.data["classes"])
    expected = models.initial_parameters(config, shape, len(classes))
    ema = {"ema": expected["generator"], "ema_buffers": expected["generator_buffers"]}
    checkpoint.check_fits(path, groups, ema)
    chosen = engines.load(engine, device, engines.kept(config.precision))
    return Generator(
        engine=chosen,
        network=models.networks(config, shape, len(classes))[0],
        parameters={name: chosen.from_numpy(array) for name, array in groups["ema"].items()},
        buffers={name: chosen.from_numpy(array) for name, array in groups["ema_buffers"].items()},
        latent=config.latent,
        distribution=config.distribution,
        classes=classes,
    )
