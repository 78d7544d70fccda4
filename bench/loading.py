"""Loading data: with an empty cache, from the cache, and while training."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganbaru import data

from . import step
from .interleaved import Bench, Contestant, Entry, Race, Row, Table
from .worker import Turn


def ours(images: str, again: bool) -> Turn:
    """Return a turn that loads with an empty cache, or (`again`) from the cache."""
    full = tempfile.TemporaryDirectory()

    def load(cache: str) -> dict[str, float]:
        os.environ["GANBARU_CACHE"] = cache
        return {"images": len(data.load(images).images)}

    def turn() -> dict[str, float]:
        if again:
            return load(full.name)
        with tempfile.TemporaryDirectory() as empty:
            return load(empty)

    load(full.name)
    return turn


def plain_files(images: str) -> Turn:
    """Return a turn that decodes a folder of pictures with Pillow and NumPy."""
    from PIL import Image

    def turn() -> dict[str, float]:
        paths = sorted(Path(images).rglob("*.jpg"))
        return {"images": len(np.stack([np.asarray(Image.open(path)) for path in paths]))}

    return turn


def plain_idx(images: str) -> Turn:
    """Return a turn that reads an IDX file with NumPy."""

    def turn() -> dict[str, float]:
        with open(images, "rb") as file:
            count, height, width = np.frombuffer(file.read(16), ">i4")[1:]
            return {
                "images": len(np.frombuffer(file.read(), np.uint8).reshape(count, height, width))
            }

    return turn


def write_idx(folder: Path, count: int) -> Path:
    """Write an IDX file of noise, 28x28 grey, as MNIST's are."""
    path = folder / "train-images-idx3-ubyte"
    pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    path.write_bytes(np.array([2051, count, 28, 28], ">i4").tobytes() + pixels.tobytes())
    return path


def write_jpegs(folder: Path, count: int) -> Path:
    """Write different JPEG files of 64x64 pixels, as smooth as photographs."""
    from PIL import Image

    path = folder / "pictures"
    path.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(path / f"{i:05d}.jpg", quality=90)
    return path


class Kind(NamedTuple):
    """A kind of data: its name, its writer, the scale's field for its count, and plain code."""

    title: str
    write: Callable[[Path, int], Path]
    count: str
    plain: str


KINDS = (
    Kind("28x28 in an IDX file", write_idx, "digits", "bench.loading:plain_idx"),
    Kind("64x64 JPEG files", write_jpegs, "faces", "bench.loading:plain_files"),
)
PLAIN = "plain NumPy and Pillow"


def loading(bench: Bench) -> list[Table]:
    """Time ours, with an empty cache and from the cache, in turn with plain code."""
    return [_loading(bench, kind) for kind in KINDS]


def _loading(bench: Bench, kind: Kind) -> Table:
    count = getattr(bench.scale, kind.count)
    with tempfile.TemporaryDirectory() as folder:
        images = {"images": str(kind.write(Path(folder), count))}
        ours = {
            f"ganbaru, {when}": Contestant(
                "numpy", "bench.loading:ours", {"again": again}, (PLAIN,)
            )
            for when, again in {"first time": False, "from the cache": True}.items()
        }
        contestants = {PLAIN: Contestant("numpy", kind.plain), **ours}
        entries = {name: Entry(one, images, images=count) for name, one in contestants.items()}
        race = bench.race(entries, fresh=True)
    note = "Plain code then holds all images in memory; ours maps a file of them."
    return Table(f"Loading {count:,} images, {kind.title}", race.rows(), (note,))


def training(engine: str, images: str, **size: int) -> Turn:
    """Return our training step on images from a cache beside them."""
    os.environ["GANBARU_CACHE"] = f"{images}-cache"
    return step.ours(engine, **size, source=data.load(images))


def waiting(bench: Bench) -> list[Table]:
    """Train on JPEG files from the cache; measure the share of time spent waiting for them."""
    size = bench.scale.middle._replace(size=64, channels=3)
    contestants = {
        f"{engine} engine": Contestant(engine, "bench.loading:training", {"engine": engine})
        for engine in bench.ours
    }
    with tempfile.TemporaryDirectory() as folder:
        images = str(write_jpegs(Path(folder), bench.scale.faces))
        options = {**size._asdict(), "images": images}
        entries = {name: Entry(one, options) for name, one in contestants.items()}
        race = bench.race(entries)
    note = "Waiting: until a batch with its latents was sampled and moved to the engine."
    rows = [_waited(race, name) for name in contestants]
    return [Table(f"Waiting for data, {size}", rows, (note,))]


def _waited(race: Race, name: str) -> Row:
    seconds, waited = race.spread(name).middle, race.spread(name, "waited").middle
    return {"": name, "seconds": seconds, "waited": waited, "share": waited / seconds}
