"""Data until they are ready to draw from: the first time, from the cache, and while training."""

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
    """Return what loads with an empty cache, or (`again`) with one that has it."""
    kept = tempfile.TemporaryDirectory()

    def load(cache: str) -> dict[str, float]:
        os.environ["GANBARU_CACHE"] = cache
        return {"images": len(data.load(images).images)}

    def turn() -> dict[str, float]:
        if again:
            return load(kept.name)
        with tempfile.TemporaryDirectory() as empty:
            return load(empty)

    load(kept.name)
    return turn


def plain_files(images: str) -> Turn:
    """Return what Pillow and NumPy do with a folder of pictures in three lines."""
    from PIL import Image

    def turn() -> dict[str, float]:
        paths = sorted(Path(images).rglob("*.jpg"))
        return {"images": len(np.stack([np.asarray(Image.open(path)) for path in paths]))}

    return turn


def plain_idx(images: str) -> Turn:
    """Return what reads an IDX file with NumPy."""

    def turn() -> dict[str, float]:
        with open(images, "rb") as file:
            count, height, width = np.frombuffer(file.read(16), ">i4")[1:]
            return {
                "images": len(np.frombuffer(file.read(), np.uint8).reshape(count, height, width))
            }

    return turn


def write_idx(folder: Path, count: int) -> Path:
    """Write noise, 28x28 and grey, as the MNIST files have it."""
    path = folder / "train-images-idx3-ubyte"
    pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    path.write_bytes(np.array([2051, count, 28, 28], ">i4").tobytes() + pixels.tobytes())
    return path


def write_jpegs(folder: Path, count: int) -> Path:
    """Write pictures of 64x64 pixels as smooth as photographs, each other than the last."""
    from PIL import Image

    path = folder / "pictures"
    path.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(path / f"{i:05d}.jpg", quality=90)
    return path


class Kind(NamedTuple):
    """A kind of data: its name, what writes it, how many of the scale, and plain code for it."""

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
    """Race ours, with an empty cache and with a full one, against plain code."""
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
    note = "Plain code has all images in memory then; ours looks into a file that holds them."
    return Table(f"Loading {count:,} images, {kind.title}", race.rows(), (note,))


def training(engine: str, images: str, **size: int) -> Turn:
    """Return our step on images that a cache beside them holds."""
    os.environ["GANBARU_CACHE"] = f"{images}-cache"
    return step.ours(engine, **size, source=data.load(images))


def waiting(bench: Bench) -> list[Table]:
    """Train on JPEG files from the cache, and tell for which share of the time it waited."""
    size = bench.scale.middle._replace(size=64, channels=3)
    contestants = {f"{library} engine": Contestant(library, "bench.loading:training",
                                                   {"engine": library})
                   for library in bench.ours}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        images = str(write_jpegs(Path(folder), bench.scale.faces))
        entries = {name: Entry(one, {**size._asdict(), "images": images})
                   for name, one in contestants.items()}  # fmt: skip
        race = bench.race(entries)
    note = "Waited until a batch was drawn, latents too, and brought to the engine."
    rows = [_waited(race, name) for name in contestants]
    return [Table(f"Waiting for data, {size}", rows, (note,))]


def _waited(race: Race, name: str) -> Row:
    seconds, waited = race.spread(name).middle, race.spread(name, "waited").middle
    return {"": name, "seconds": seconds, "waited": waited, "share": waited / seconds}
