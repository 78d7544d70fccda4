"""Decoded images on disk: made once, complete or not at all, and read back by memory map."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from ganbaru import files
from ganbaru.data.decoding import convert, same_size
from ganbaru.data.npy_writer import NpyWriter, cannot_write
from ganbaru.data.picture import RULE
from ganbaru.data.source import Images, Original, Progress, Samples, Source, Target, fingerprint
from ganbaru.errors import InputError

MAX_IN_MEMORY = 2**30  # bytes held in memory when the cache cannot be written
ABOUT = ("name", "classes", "fingerprint", "notes", "broken")  # fields of a Source in about.json


def load(original: Original, target: Target, progress: Progress) -> Source:
    """Return the images converted to `target`: from the cache, else decoded into it."""
    if not original.stamp:
        return convert(original, _samples(original), target, NpyWriter(), progress)
    entry = _entry(original, target)
    if found := _read(entry):
        return found
    samples = _samples(original)
    if isinstance(samples.images, np.memmap) and target.fits(samples.images.shape):
        return _mapped(original, samples, samples.images)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with files.temporary(entry.parent, folder=True) as folder:
            _write(folder, original, samples, target, progress)
            _publish(folder, entry)
    except OSError as error:  # also of a disk that fills up meanwhile
        found = convert(original, samples, target, NpyWriter(limit=MAX_IN_MEMORY), progress)
        why = cannot_write(files.cache(), error)
        note = f"{why} Until then the images are decoded again each time."
        return replace(found, notes=(*found.notes, note))
    return _read(entry) or convert(original, samples, target, NpyWriter(), progress)


def _entry(original: Original, target: Target) -> Path:
    """Return the folder of a cached set, named by what and how, then by its stamp."""
    how = _hash(RULE, original.location, target.size, target.channels)
    return files.cache() / "images" / f"{how}-{_hash(original.stamp)}"


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def _read(entry: Path) -> Source | None:
    """Read an entry; a damaged one is removed and counts as absent."""
    if not entry.is_dir():
        return None
    try:
        about = json.loads((entry / "about.json").read_text(encoding="utf-8"))
        about.update((name, tuple(about[name])) for name in ("classes", "notes", "broken"))
        # A plain array that looks into the map: rows are picked without the subclass's overhead.
        images = np.asarray(np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False))
        labels = np.load(entry / "labels.npy") if about.pop("labelled") else None
        sizes = np.broadcast_to(np.load(entry / "sizes.npy"), (len(images), 2))
        return Source(images=images, labels=labels, original_sizes=sizes, **about)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError):
        shutil.rmtree(entry, ignore_errors=True)
        return None


def _samples(original: Original) -> Samples:
    try:
        return original.read()
    except OSError as error:
        place = original.location
        raise InputError(f"Cannot read {place}: {error}. Check that it is there.") from error


def _write(
    folder: Path, original: Original, samples: Samples, target: Target, progress: Progress
) -> None:
    with open(folder / "images.npy", "w+b") as stream:
        source = convert(original, samples, target, NpyWriter(stream), progress)
    sizes = source.original_sizes
    if sizes is not None and (sizes == sizes[0]).all():
        sizes = sizes[:1]  # of all; reading 60,000 equal ones takes as long as all the rest
    about = {name: getattr(source, name) for name in ABOUT}
    about["labelled"] = source.labels is not None
    for name, array in (("labels", source.labels), ("sizes", sizes)):
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    (folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _publish(folder: Path, entry: Path) -> None:
    """Rename a finished entry into place, unless another process was first; remove stale ones."""
    try:
        os.rename(folder, entry)
    except OSError:
        if _read(entry) is None:
            raise
    how = entry.name.partition("-")[0]
    for other in entry.parent.glob(f"{how}-*"):
        if other != entry:
            shutil.rmtree(other, ignore_errors=True)


def _mapped(original: Original, samples: Samples, images: Images) -> Source:
    """Use the images in their own file, however large; only the fingerprint is cached."""

    def digest() -> bytes:
        return fingerprint(images, samples.labels).encode()

    name = f"fingerprints/{_hash(original.location, original.stamp)}"
    return Source(
        name=original.name,
        images=images,
        labels=samples.labels,
        classes=samples.classes,
        fingerprint=files.cached(name, digest).decode(),
        notes=samples.notes,
        original_sizes=same_size(images),
    )
