"""Decoded images on disk: made once, complete or not at all, and read back by memory map."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import files, records
from ganbaru.coerce import MODES
from ganbaru.data import streaming
from ganbaru.data.attributes import Attribute, Attributes
from ganbaru.data.claims import read_regular
from ganbaru.data.decoding import convert, same_size, surveyed
from ganbaru.data.formats.numpy_files import mapped
from ganbaru.data.npy_writer import NpyWriter, cannot_write
from ganbaru.data.picture import DECODING
from ganbaru.data.source import (
    Finding,
    Images,
    LeftOut,
    Original,
    Progress,
    Samples,
    Source,
    Target,
)
from ganbaru.data.streaming import Streamed
from ganbaru.errors import InputError

MAX_IN_MEMORY = 2**30  # bytes held in memory when the cache cannot be written
# Fields of a Source in about.json.
TEXTS = ("name", "fingerprint", "labels_from", "split", "depth", "range", "black_white")
LISTS = ("classes", "notes", "broken", "left_out", "warnings")


def load(original: Original, target: Target, progress: Progress) -> Source:
    """Return the images converted to `target`: from the cache, else decoded into it."""
    if not original.stamp:
        return convert(original, read_samples(original), target, NpyWriter(), progress)
    entry = _entry(original, target)
    there = entry.is_dir()
    if found := _read(entry):
        return found
    again = (f"The decoded images in {entry} were damaged and were made again.",) * there
    found = _decoded(original, target, entry, progress)
    return replace(found, notes=(*found.notes, *again))


def _decoded(original: Original, target: Target, entry: Path, progress: Progress) -> Source:
    samples = read_samples(original)
    images = samples.images
    if isinstance(images, Streamed):
        return streaming.source(original, samples, images, target)
    if isinstance(images, np.memmap) and images.dtype == np.uint8 and target.keeps(images.shape):
        return _mapped(original, samples, images, target)
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
    how = _hash(DECODING, original.location, *dataclasses.astuple(target))
    return files.cache() / "images" / f"{how}-{_hash(original.stamp)}"


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def _read(entry: Path) -> Source | None:
    """Read an entry; a damaged one is removed and counts as absent."""
    if not entry.is_dir():
        return None
    try:
        about = _about(read_regular(entry / "about.json"))
        # A plain array that looks into the map: rows are picked without the subclass's overhead.
        images = np.asarray(mapped(entry / "images.npy"))
        labelled = {True: True, False: False}[about.pop("labelled")]
        labels = np.array(mapped(entry / "labels.npy")) if labelled else None
        if columns := about.pop("attributes", None):
            about["attributes"] = _attributes(columns, np.array(mapped(entry / "attributes.npy")))
        sizes = np.broadcast_to(np.array(mapped(entry / "sizes.npy")), (len(images), 2))
        source = Source(images=images, labels=labels, original_sizes=sizes, **about)
        _check(source)
        return source
    # JSON's and NumPy's readers raise anything for damage, RecursionError and TokenError included.
    except Exception:
        shutil.rmtree(entry, ignore_errors=True)
        return None


def _about(content: bytes) -> dict[str, Any]:
    """Return the fields of a source that are neither arrays nor whether it has labels."""
    about: dict[str, Any] = json.loads(content)
    about.update((name, tuple(about[name])) for name in LISTS)
    about["left_out"] = tuple(LeftOut(**each) for each in about["left_out"])
    about["warnings"] = tuple(Finding(**each) for each in about["warnings"])
    return about


def _about_text(source: Source) -> str:
    about = {name: getattr(source, name) for name in (*TEXTS, *LISTS)}
    about["labelled"] = source.labels is not None
    about["attributes"] = source.attributes.facts() if source.attributes else None
    return json.dumps(about, indent=1, default=dataclasses.asdict)


def _attributes(columns: Any, values: NDArray[np.float64]) -> Attributes:
    """Return checked attributes; raises what `records.check` and `Attribute` do."""
    found = records.check(columns, list[Attribute], "about.json", "")
    if values.dtype != np.float64 or values.shape[1:] != (len(found),):
        raise ValueError("attributes do not fit their values")
    return Attributes(tuple(found), values)


def _check(source: Source) -> None:
    """Raise ValueError unless the fields of a source are of their types and fit each other."""
    images, labels, sizes = source.images, source.labels, source.original_sizes
    texts = [getattr(source, name) for name in TEXTS]
    texts += [text for name in LISTS[:3] for text in getattr(source, name)]
    texts += [text for each in source.warnings for text in (each.code, each.message)]
    texts += [text for each in source.left_out for text in (each.kind, each.reason)]
    if not all(type(each.count) is int and each.count > 0 for each in source.left_out):
        raise ValueError("no count of what was left out")
    if not all(isinstance(text, str) for text in texts) or sizes is None or sizes.dtype != np.int32:
        raise ValueError("fields of other types")
    for interval in filter(None, (source.range, source.black_white)):
        low, high = map(float, interval.split(":"))
        if not -math.inf < low <= high < math.inf:
            raise ValueError("no range of values")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in MODES:
        raise ValueError("no images")
    if min(images.shape) < 1 or len(images) < 2 or sizes.min() < 1:
        raise ValueError("no images")
    if labels is not None and (
        labels.dtype != np.int64
        or labels.shape != images.shape[:1]
        or not 0 <= labels.min() <= labels.max() < len(source.classes)
    ):
        raise ValueError("labels do not fit the images")
    if source.attributes and len(source.attributes.values) != len(images):
        raise ValueError("attributes do not fit the images")


def read_samples(original: Original) -> Samples:
    """Read the images of a set; raises InputError for files that cannot be read."""
    try:
        return original.read()
    except OSError as error:
        place, why = error.filename or original.location, error.strerror or error
        raise InputError(f"Cannot read {place}: {why}. Check that it is there.") from error


def _write(
    folder: Path, original: Original, samples: Samples, target: Target, progress: Progress
) -> None:
    with open(folder / "images.npy", "w+b") as stream:
        source = convert(original, samples, target, NpyWriter(stream), progress)
    sizes = source.original_sizes
    if sizes is not None and (sizes == sizes[0]).all():
        sizes = sizes[:1]  # of all; reading 60,000 equal ones takes as long as all the rest
    rows = source.attributes.values if source.attributes else None
    for name, array in (("labels", source.labels), ("sizes", sizes), ("attributes", rows)):
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    (folder / "about.json").write_text(_about_text(source), encoding="utf-8")


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


def _mapped(original: Original, samples: Samples, images: Images, target: Target) -> Source:
    """Use the images in their own file, however large; only what is known of them is cached."""

    def survey() -> bytes:
        return _about_text(surveyed(original, samples, images, target)).encode()

    name = f"surveys/{_hash(DECODING, original.location, original.stamp, target.fit)}"
    about = _about(files.cached(name, survey))
    del about["labelled"]
    about.pop("attributes", None)
    return Source(images=images, labels=samples.labels, original_sizes=same_size(images), **about)
