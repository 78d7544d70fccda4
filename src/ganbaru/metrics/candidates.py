"""What is scored: a run's generator, or the images of a folder, archive or array."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, randomness
from ganbaru.coerce import AUTO, MODES
from ganbaru.config import Config, from_file
from ganbaru.data import Progress, Source
from ganbaru.data.attributes import Attribute
from ganbaru.data.values import BYTES
from ganbaru.errors import InputError, RunError
from ganbaru.sampling import generators, image_io
from ganbaru.sampling.generators import Generator
from ganbaru.training import checkpoint, run_folder

Images = NDArray[np.uint8]
Labels = NDArray[Any]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A source of images to score: a run's generator at one checkpoint, or existing images."""

    name: str  # that the user gave
    shape: tuple[int, ...]  # height, width and channels of the images
    classes: tuple[str, ...]  # names of the labels, () without labels
    origin: dict[str, Any]  # for the passport: run and checkpoint, or name and fingerprint
    # Given a number, a seed, a progress callback and shares of classes (None: equal) or rows
    # of attributes (n, A) to draw from: images (N, H, W, C) and their labels, (N,) or (N, A).
    images: Callable[[int, int, Progress, Shares | None], tuple[Images, Labels | None]]
    most: float = math.inf  # images available
    config: Config | None = None  # the run's
    trained_on: dict[str, Any] | None = None  # name and fingerprint of the run's training data
    folder: Path | None = None  # the run's, None for a checkpoint outside one
    reading: dict[str, str] = field(default_factory=dict)  # arguments of `data.load` for the reals
    notes: tuple[str, ...] = ()  # sentences on how the images were converted
    attributes: tuple[Attribute, ...] = ()  # that the generator takes


def by_shares(shares: Shares, count: int) -> Labels:
    """Return labels (N,) whose counts follow the shares (K,) as closely as counts can, throughout.

    Each label is the one that is furthest behind its share; equal shares give 0, 1, 2, ... in turn.
    """
    labels, made = np.empty(count, np.int64), np.zeros(len(shares))
    for i in range(count):
        labels[i] = chosen = int(np.argmax(np.round(shares * (i + 1) - made, 9)))
        made[chosen] += 1
    return labels


def of_generator(
    generator: Generator, path: Path, name: str, shape: tuple[int, ...], **about: Any
) -> Candidate:
    """Return what the generator of the checkpoint `path` makes; `about` are further fields."""

    def images(
        number: int, seed: int, progress: Progress, shares: Shares | None = None
    ) -> tuple[Images, Labels | None]:
        """Generate images of the seeds from `seed` on, of classes in turn or by their shares."""
        seeds = generator.seeds(number, seed)
        labels = generator.labels(seeds)
        if shares is not None and shares.ndim == 2:  # rows of attributes
            drawn = randomness.integers(seed, "attributes of fakes", 0, number, len(shares))
            labels = shares[drawn].astype(np.float32)
        elif labels is not None and shares is not None:
            labels = by_shares(shares, number)
        parts = []
        for start in range(0, number, generators.BATCH):
            chosen = slice(start, start + generators.BATCH)
            latents = generator.latents(seeds[chosen])
            floats = generator.floats(latents, None if labels is None else labels[chosen])
            if not np.isfinite(floats).all():
                raise RunError(
                    f"The generator of {path} makes images that are not finite (NaN): "
                    f"it was damaged. Score an earlier one with --checkpoint."
                )
            parts.append(image_io.to_bytes(floats))
            progress(min(start + generators.BATCH, number), number, "making images")
        return np.concatenate(parts), labels

    origin = {"run": name, "checkpoint": path.stem}
    about = {"attributes": generator.attributes, **about}
    return Candidate(name, shape, generator.classes, origin, images, **about)


def of_images(source: Source) -> Candidate:
    """Return existing images, from which a seed chooses."""

    def images(
        number: int, seed: int, progress: Progress, shares: Shares | None = None
    ) -> tuple[Images, Labels | None]:
        order = randomness.permutation(seed, "scored", 0, len(source.images))
        chosen = np.sort(order[:number])
        return source.images[chosen], None if source.labels is None else source.labels[chosen]

    origin = {"images": source.name, "fingerprint": source.fingerprint}
    shape, count = source.images.shape[1:], len(source.images)
    return Candidate(source.name, shape, source.classes, origin, images, count)


def find(
    what: str | Path | NDArray[Any],
    checkpoint: str,
    engine: str,
    device: str,
    image_size: tuple[int, int] | None,
    progress: Progress,
    trust: Collection[str],
    against: str | Path | None = None,
    data_dir: Path | None = None,
    reading: Mapping[str, str | None] | None = None,
) -> Candidate:
    """Return the candidate of a name, path or array; a run is preferred to a folder of images.

    `image_size` (height, width) is what files of different sizes are cropped and resized to, by
    default the size of the real images, those of `against`. Images get the channels of those. The
    arguments `reading` ("fit" and "value_range") of `data.load` are for the real images, and for
    others that are no bytes.
    """
    given = {name: value for name, value in (reading or {}).items() if value is not None}

    def reals(**how: Any) -> Source:
        if against is None:
            raise InputError("Give the real images that these are compared with: --data X.")
        return data.load(against, data_dir=data_dir, progress=progress, **{**given, **how})

    if isinstance(what, np.ndarray):

        def read(**how: Any) -> Source:
            how = {name: how[name] for name in ("channels", "value_range") if name in how}
            return data.in_memory("the images given", what, **how)

        return _matched(read, None, given, reals)
    if _is_run(what):
        if image_size:
            raise InputError(f"{what} makes images of its own size: leave --image-size out.")
        return replace(_of_run(what, checkpoint, engine, device, trust), reading=given)
    path = Path(what).expanduser()
    if not path.exists():
        raise InputError(
            f"There is nothing to score at {str(what)!r}: give a run's folder or its name below "
            f"runs/, a checkpoint, a folder of images, or a zip or .npz of them."
        )
    return _matched(partial(data.load, path, progress=progress), image_size, given, reals)


def _matched(
    read: Callable[..., Source],
    image_size: tuple[int, int] | None,
    given: dict[str, str],
    reals: Callable[..., Source],
) -> Candidate:
    """Return existing images with a size and the channels of the real ones, with notes on that."""
    how: dict[str, Any] = {"image_size": image_size, "fit": given.get("fit", "crop")}
    notes: tuple[str, ...] = ()
    try:
        found = _in_range(read, how, given, reals)
    except data.SizesError:
        how["image_size"] = height, width = reals().images.shape[1:3]
        found = _in_range(read, how, given, reals)
        notes += (f"The images scored have different sizes: converted to {height}x{width}.",)
    shape = found.images.shape
    try:
        channels = reals(image_size=shape[1:3]).images.shape[3]
    except InputError:  # which the caller meets again
        channels = shape[3]
    if channels != shape[3]:
        found = _in_range(read, {**how, "channels": channels}, given, reals)
        notes += (
            f"The images scored are {MODES[shape[3]].name}, at least one of them, and the data are "
            f"{MODES[channels].name}: converted.",
        )
    return replace(of_images(found), reading=given, notes=notes + found.notes)


def _in_range(
    read: Callable[..., Source],
    how: dict[str, Any],
    given: dict[str, str],
    reals: Callable[..., Source],
) -> Source:
    """Read images; those that are no bytes get the range given for the real ones."""
    text = given.get("value_range")
    try:
        found = read(**how)
        if not text or found.depth == BYTES:
            return found
    except data.RangeError:
        if not text:
            raise
    if text == AUTO:
        text = reals(image_size=how["image_size"]).black_white
    return read(**how, value_range=text)


def _of_run(
    what: str | Path, which: str, engine: str, device: str, trust: Collection[str]
) -> Candidate:
    path = run_folder.find_checkpoint(what, which)
    _, header = checkpoint.load(path, ())
    owner = path.resolve().parent.parent
    return of_generator(
        generators.load(path, engine=engine, device=device, trust=trust),
        path,
        str(what),
        tuple(header.data["shape"]),
        config=from_file(header.config, path, trust),
        trained_on=header.data,
        folder=owner if (owner / "config.yaml").exists() else None,
    )


def _is_run(what: str | Path) -> bool:
    places = (run_folder.resolve(what), Path(what))
    return run_folder.single_file(what) is not None or any(
        (place / "config.yaml").exists() for place in places
    )
