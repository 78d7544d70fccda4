"""Who is to be scored: a run's generator, or images of a folder, archive or array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, randomness
from ganbaru.config import from_fields
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError, RunError
from ganbaru.sampling import generators, image_io
from ganbaru.sampling.generators import Generator
from ganbaru.training import checkpoint, run_folder

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Candidate(Protocol):
    """Something that gives images to score."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels of its images."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its labels, () without labels."""

    @property
    def data(self) -> str | None:
        """The real images that it was made from, if that is known."""

    @property
    def data_dir(self) -> str | None:
        """Where they were looked for."""

    @property
    def channels(self) -> int | None:
        """The channels that they were turned into, if they were."""

    @property
    def folder(self) -> Path | None:
        """The run's folder."""

    @property
    def most(self) -> float:
        """How many images it has."""

    def images(self, number: int, seed: int, progress: Progress) -> tuple[Images, Labels | None]:
        """Return images (N, H, W, C) and the classes asked for (N,)."""

    def origin(self, number: int, seed: int) -> dict[str, Any]:
        """Say where those images are from."""


@dataclass(frozen=True)
class Trained:
    """A run's generator at one checkpoint."""

    name: str
    folder: Path | None  # None for a checkpoint that lies in no run's folder
    checkpoint: Path
    shape: tuple[int, ...]
    data: str
    data_dir: str | None
    channels: int | None
    generator: Generator
    most: float = float("inf")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels that it takes."""
        return self.generator.classes

    def origin(self, number: int, seed: int) -> dict[str, Any]:
        """Name the checkpoint and the seeds."""
        return {"run": self.name, "checkpoint": self.checkpoint.stem, "seed": seed}

    def images(self, number: int, seed: int, progress: Progress) -> tuple[Images, Labels | None]:
        """Make images of the seeds from `seed` on, labels in turn."""
        seeds = self.generator.seeds(number, seed)
        labels, parts = self.generator.labels(seeds), []
        for start in range(0, number, generators.BATCH):
            chosen = slice(start, start + generators.BATCH)
            latents = self.generator.latents(seeds[chosen])
            floats = self.generator.floats(latents, None if labels is None else labels[chosen])
            if not np.isfinite(floats).all():
                raise RunError(
                    f"The generator of {self.checkpoint} makes images that are not finite (NaN): "
                    f"it was damaged. Score an earlier one with --checkpoint."
                )
            parts.append(image_io.to_bytes(floats))
            progress(min(start + generators.BATCH, number), number, "making images")
        return np.concatenate(parts), labels


@dataclass(frozen=True)
class Given:
    """Images that are there already."""

    source: Source
    data: None = None
    data_dir: None = None
    channels: None = None
    folder: None = None

    @property
    def name(self) -> str:
        """The file's or folder's name."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        return self.source.images.shape[1:]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names."""
        return self.source.classes

    @property
    def most(self) -> float:
        """How many there are."""
        return len(self.source.images)

    def origin(self, number: int, seed: int) -> dict[str, Any]:
        """Name the file by what is in it, and the seed that chose among its images."""
        mark = self.source.fingerprint
        return {"images": self.name, "fingerprint": mark, "seed": seed}

    def images(self, number: int, seed: int, progress: Progress) -> tuple[Images, Labels | None]:
        """Take `number` of the images, chosen by the seed."""
        order = randomness.permutation(seed, "scored", 0, len(self.source.images))
        chosen = np.sort(order[:number])
        labels = self.source.labels
        return self.source.images[chosen], None if labels is None else labels[chosen]


def find(
    what: str | Path | NDArray[Any],
    checkpoint: str,
    engine: str,
    device: str,
    image_size: tuple[int, int] | None,
    progress: Progress,
) -> Candidate:
    """Find what is to be scored; a run comes before a folder of images of the same name.

    `image_size` (height, width) is what files of different sizes are cropped and resized to.
    """
    if isinstance(what, np.ndarray):
        return Given(data.in_memory("the images given", what))
    if _is_run(what):
        if image_size:
            raise InputError(f"{what} makes images of its own size: leave --image-size out.")
        return trained(what, checkpoint, engine, device)
    path = Path(what).expanduser()
    if not path.exists():
        raise InputError(
            f"There is nothing to score at {str(what)!r}: give a run's folder or its name below "
            f"runs/, a checkpoint, a folder of images, or a zip or .npz of them."
        )
    return Given(data.load(path, image_size=image_size, progress=progress))


def trained(what: str | Path, which: str, engine: str, device: str) -> Trained:
    """Load a run's generator at a checkpoint, with what it was trained on."""
    path = run_folder.find_checkpoint(what, which)
    _, header = checkpoint.load(path)
    config, owner = from_fields(header.config), path.resolve().parent.parent
    return Trained(
        name=str(what),
        folder=owner if (owner / "config.yaml").exists() else None,
        checkpoint=path,
        shape=tuple(header.data["shape"]),
        data=config.data,
        data_dir=config.data_dir,
        channels=config.channels,
        generator=generators.load(path, engine=engine, device=device),
    )


def _is_run(what: str | Path) -> bool:
    places = (run_folder.resolve(what), Path(what))
    return Path(what).suffix == ".safetensors" or any(
        (place / "config.yaml").exists() for place in places
    )
