"""Sample a trained generator: from seeds to images and videos, on every engine.

A seed gives the same image alone or in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import engines, randomness
from ganbaru.data.attributes import Attribute
from ganbaru.engines import Engine
from ganbaru.errors import InputError, keywords, pick
from ganbaru.formatting import brief
from ganbaru.gan import models
from ganbaru.nn import Network
from ganbaru.ops import Parameters
from ganbaru.sampling import image_io, interpolation, latent_spaces, png
from ganbaru.sampling.labels import Inputs, Labels, attribute_rows, class_numbers
from ganbaru.sampling.players import Player, load_player
from ganbaru.training.run import Run

BATCH = 64


@dataclass(frozen=True)
class Generator:
    """A generator with its weights on an engine; sampling does not change it.

    `classes` are the names of the labels it takes, () if it is unconditional. `latent` is the
    size Z of its latents.
    """

    engine: Engine
    network: Network
    parameters: Parameters
    buffers: Parameters
    latent: int
    classes: tuple[str, ...]
    distribution: str = "normal"  # of the latents
    attributes: tuple[Attribute, ...] = ()  # that it takes in place of labels

    def __repr__(self) -> str:
        count = sum(math.prod(x.shape) for x in self.parameters.values())
        return (
            f"Generator({count:,} parameters, latent={self.latent}, classes={brief(self.classes)}, "
            f"engine={self.engine.name!r})"
        )

    def _repr_png_(self) -> bytes:
        """Return a grid of images of the first seeds for notebooks."""
        columns = image_io.columns(len(self.classes))
        images = self.sample(columns * max(1, 16 // columns))
        return png.encoded(image_io.enlarge(image_io.grid(images, columns), 256))

    @staticmethod
    def seeds(n: int, first: int = 0) -> range:
        """Return the seeds of `n` images, counting up from `first`."""
        if n < 1 or not 0 <= first <= 2**63 - n:
            raise InputError(
                f"Cannot make {n} images from seed {first}: give a count of at least 1 and a seed "
                f"from 0 to 2**63 - 1, the last image's too."
            )
        return range(first, first + n)

    def latents(self, seeds: Sequence[int], truncation: float = 1.0) -> NDArray[np.float32]:
        """Return the latents (N, Z) of seeds; each depends on its own seed only.

        A `truncation` below 1 scales their distance from the mean: fewer odd images, less variety
        (the scaling of Karras et al. 2019; Brock et al. 2019, section 3.1, resample instead).
        """
        if not 0 < truncation <= 1:
            raise InputError(
                f"--truncation {truncation:g} is out of range: give a number above 0 and at most 1."
            )
        sample = randomness.distribution(self.distribution)
        drawn = np.stack([sample(seed, "sample", 0, self.latent) for seed in seeds])
        if truncation == 1:
            return drawn
        mean = latent_spaces.space(self.distribution).mean
        return (mean + truncation * (drawn - mean)).astype(np.float32)

    def floats(
        self, latents: NDArray[np.floating], labels: NDArray[np.generic] | None = None
    ) -> NDArray[np.floating]:
        """Return images (N, C, H, W) in [-1, 1] for latents (N, Z) and labels.

        Labels are integers (N,), class weights (N, classes) or rows of attributes (N, A).
        """
        inputs = [self.engine.from_numpy(latents)]
        if self.classes or self.attributes:
            array = np.asarray(labels)
            array = array if array.dtype.kind == "f" else array.astype(np.int64)
            inputs.append(self.engine.from_numpy(array))
        run = models.inference(self.engine, self.network)
        images = run(self.parameters, self.buffers, *inputs)
        return self.engine.to_numpy(images)

    def labels(self, seeds: Sequence[int], label: Labels = None) -> Inputs | None:
        """Return labels (N,) for seeds: one for all, one for each, or seed mod classes.

        "name:7" and "index:7" are the class named 7 and the class of number 7. A bare 7 that is
        both, of different classes, raises InputError, as does any that is neither. With attributes,
        rows (N, A), by default those of training images in turn.
        """
        if self.attributes:
            return attribute_rows(self.attributes, seeds, label)
        if not self.classes:
            if label is not None:
                raise InputError("This generator is unconditional: it takes no label.")
            return None
        if label is None:
            return np.asarray(seeds, np.int64) % len(self.classes)
        return class_numbers(self.classes, seeds, label)

    def batches(
        self, seeds: Sequence[int], labels: Labels = None, truncation: float = 1.0
    ) -> Iterator[tuple[image_io.Images, Inputs | None]]:
        """Yield images (B, H, W, C), uint8, and labels (B,) for seeds, in batches."""
        chosen = self.labels(seeds, labels)
        for start in range(0, len(seeds), BATCH):
            part = slice(start, start + BATCH)
            some = None if chosen is None else chosen[part]
            yield image_io.to_bytes(self.floats(self.latents(seeds[part], truncation), some)), some

    def sample(
        self, n: int, seed: int = 0, labels: Labels = None, *, truncation: float = 1.0
    ) -> image_io.Images:
        """Return images (n, H, W, C), uint8, for n seeds counting up from `seed`.

        `labels` is one label for all (a number or a class name), a sequence of n labels, or None
        for seed mod classes. `truncation` is as in `latents`.
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
        latents: NDArray[np.float32] | None = None,
    ) -> Iterator[image_io.Images]:
        """Return the frames (H, W, C), uint8, of a video along one of `interpolation.PATHS`.

        Arguments are as in `walk`. Raises InputError before any frame is generated.
        """
        how: dict[str, Any] = {"close": close, "bounce": bounce, "latents": latents}
        return self._frames(*self.walk(path, seeds, labels, frames, **how))

    def walk(
        self,
        path: str = "slerp",
        seeds: Sequence[int] | None = None,
        labels: Labels = None,
        frames: int = 60,
        *,
        close: bool = False,
        bounce: bool = False,
        latents: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
        """Return the latents (F, Z) and the class weights (F, classes) along a path.

        `seeds` are the points of the path, by default counting up from 0; `latents` (K, Z) are
        points in their place, such as those of `ganbaru.project`. `labels` are as in `sample`, rows
        of class weights or attributes, or for the path "classes" the points in label space (None:
        all classes); they are interpolated. `frames` counts both ends. `close` returns to the first
        seed and leaves out the last frame, which equals the first; `bounce` returns the same way.
        Raises InputError.
        """
        chosen = pick("path", path, interpolation.PATHS)
        if latents is not None:
            seeds = range(len(latents))
        seeds = chosen.check(path, range(chosen.seeds) if seeds is None else seeds)
        closed = close or chosen.closed
        times = interpolation.times(frames, closed=closed, bounce=bounce)
        space = latent_spaces.space(self.distribution)
        ends = self.latents(seeds) if latents is None else latents
        points = space.to_normal(ends)
        moved = space.from_normal(chosen.latents(interpolation.closing(points, close), times))
        weights = self._class_weights(seeds, labels, chosen.own_labels)
        if weights is not None:
            weights = interpolation.line(interpolation.closing(weights, closed), times)
        return moved, weights

    def _class_weights(
        self, seeds: Sequence[int], labels: Labels, own: bool
    ) -> NDArray[np.float64] | None:
        """Return class weights (K, classes): of the seeds, or of the path's `own` labels."""
        if own:
            if self.attributes and (labels is None or isinstance(labels, (str, Mapping))):
                name, low, high = (getattr(self.attributes[0], n) for n in ("name", "low", "high"))
                raise InputError(
                    f"The path classes goes from attributes to attributes: give two or more such "
                    f"as --labels '{name}={low:g};{name}={high:g}'."
                )
            if len(self.classes) < 2 and not self.attributes:
                raise InputError(
                    f"The path classes needs a generator with at least two classes, not "
                    f"{len(self.classes)}: choose --path slerp, line or loop."
                )
            labels = np.arange(len(self.classes)) if labels is None else labels
            if isinstance(labels, (int, str, np.integer, Mapping)) or len(labels) < 2:
                raise InputError("The path classes needs at least two labels: give --labels 0,1.")
            seeds = range(len(labels))
        if isinstance(labels, np.ndarray) and labels.shape == (len(seeds), len(self.classes)):
            return labels.astype(np.float64)
        chosen = self.labels(seeds, labels)
        if chosen is None or self.attributes:
            return None if chosen is None else chosen.astype(np.float64)
        weights: NDArray[np.float64] = np.eye(len(self.classes))[chosen]
        return weights

    def _frames(
        self, latents: NDArray[np.float32], weights: NDArray[np.float64] | None
    ) -> Iterator[image_io.Images]:
        for start in range(0, len(latents), BATCH):
            part = slice(start, start + BATCH)
            some = None if weights is None else weights[part]
            yield from image_io.to_bytes(self.floats(latents[part], some))


def from_run(run: Run) -> Generator:
    """Return the averaged (EMA) generator of a run in progress."""
    state, config = run.averaged, run.config
    network, weights = run.gan.generator, (state["ema"], state["ema_buffers"])
    about: dict[str, Any] = {"distribution": config.distribution, "attributes": run.attributes}
    return Generator(run.engine, network, *weights, config.latent, run.classes, **about)


@keywords(checkpoint="which")
def load(
    run: str | Path,
    *,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    verify: bool = True,
) -> Generator:
    """Load a run's EMA generator from one of its checkpoints.

    `run` is a run's folder, its name below runs/, or a checkpoint file; `which` is "newest",
    "best", a number of images, or "auto": the best if the run has scores, else the newest. `trust`
    names the modules that a network's name in the file may import; one that your program has
    imported needs no trust. `verify` compares the weights with the SHA-256 in the file (0.07 s for
    100 MB). Raises InputError if the checkpoint is missing, damaged or of another architecture, or
    if its network is not trusted.
    """
    player = load_player(run, which, trust=trust, verify=verify)
    return on_engine(player, engine, device)


def on_engine(player: Player, engine: str = "numpy", device: str = "auto") -> Generator:
    """Put a loaded generator on an engine by name, in the precision that it is stored in."""
    precision = engines.storage_precision(player.config.precision)
    return from_player(player, engines.load(engine, device, precision))


def from_player(player: Player, engine: Engine) -> Generator:
    """Put a loaded generator on an engine."""
    weights, config = player.on(engine), player.config
    about: dict[str, Any] = {"distribution": config.distribution, "attributes": player.attributes}
    return Generator(engine, player.network, *weights, config.latent, player.classes, **about)
