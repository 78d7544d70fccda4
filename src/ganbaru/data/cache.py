"""Decoded images on disk: made once, whole or not at all, and read back by memory map."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru.data.resize import RULE
from ganbaru.data.sink import HEADER, Sink, unwritable
from ganbaru.data.source import (
    Arrays,
    Details,
    Images,
    Original,
    Progress,
    Sizes,
    Source,
    Want,
    fingerprint,
)
from ganbaru.errors import InputError, RunError
from ganbaru.files import cache

IN_MEMORY = 2**30  # bytes held in memory when the cache cannot be written
UNFINISHED = ".unfinished-"
ABANDONED = 24 * 3600  # seconds after which an unfinished entry belongs to nobody


def source(original: Original, want: Want, progress: Progress) -> Source:
    """Return the images as wanted: from the cache if they are there, else decoded into it."""
    if original.mapped is not None:
        arrays = original.mapped()
        shape = arrays.images.shape
        if want.size in (None, shape[1:3]) and want.channels in (None, shape[3]):
            return _mapped(original, arrays)
    if not original.contents:
        return _in_memory(original, want, progress)
    entry = _entry(original, want)
    return _read(entry) or _decoded(entry, original, want, progress)


def kept(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return what `make` returns, from the second time on without calling it."""
    file = cache() / "kept" / f"{name}.npz"
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as found:
            return dict(found)
    except Exception:  # absent, or damaged in one of the many ways a zip archive can be
        arrays = make()
    # Without a writable cache it only takes longer next time.
    with suppress(OSError), _aside(file.parent) as folder:
        np.savez_compressed(folder / file.name, **arrays)  # type: ignore[arg-type]
        os.replace(folder / file.name, file)
    return arrays


def _entry(original: Original, want: Want) -> Path:
    """Name the folder of a cached set: what and how, then from which contents."""
    how = _hash(RULE, original.place, want.size, want.channels)
    return cache() / "images" / f"{how}-{_hash(original.contents)}"


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def _read(entry: Path) -> Source | None:
    """Read an entry; a damaged one is removed and counts as absent."""
    if not entry.is_dir():
        return None
    try:
        about = json.loads((entry / "about.json").read_text(encoding="utf-8"))
        # A plain array that looks into the map: rows are picked without the subclass's overhead.
        images = np.asarray(np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False))
        labels = np.load(entry / "labels.npy") if about["labelled"] else None
        return Source(
            name=about["name"],
            images=images,
            labels=labels,
            classes=tuple(about["classes"]),
            fingerprint=about["fingerprint"],
            notes=tuple(about["notes"]),
            sizes=_sizes(about["sizes"]),
            broken=tuple(about["broken"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError):
        shutil.rmtree(entry, ignore_errors=True)
        return None


def _sizes(kept: dict[str, Any]) -> Sizes:
    low, middle, high = kept.pop("heights")
    narrow, usual, wide = kept.pop("widths")
    return Sizes((low, middle, high), (narrow, usual, wide), **kept)


def _decoded(entry: Path, original: Original, want: Want, progress: Progress) -> Source:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(_aside(entry.parent))
        except OSError as error:
            return _in_memory(original, want, progress, error)
        _write(folder, original, want, progress)
        _publish(folder, entry)
    return _read(entry) or _in_memory(original, want, progress)


@contextmanager
def _aside(parent: Path) -> Iterator[Path]:
    """Give a folder to prepare something in; it is gone afterwards, whatever happens."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, original: Original, want: Want, progress: Progress) -> None:
    file = folder / "images.npy"
    with open(file, "w+b") as stream:
        details = _fill(Sink(stream), original, want, progress)
    images = np.load(file, mmap_mode="r")
    try:
        if details.labels is not None:
            np.save(folder / "labels.npy", details.labels)
        text = json.dumps(_about(original.name, images, details), indent=1)
        (folder / "about.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(unwritable(folder, error)) from error


def _about(name: str, images: Images, details: Details) -> dict[str, object]:
    return {
        "name": name,
        "classes": details.classes,
        "fingerprint": fingerprint(images, details.labels),
        "notes": details.notes,
        "labelled": details.labels is not None,
        "sizes": asdict(details.sizes),
        "broken": details.broken,
    }


def _fill(sink: Sink, original: Original, want: Want, progress: Progress) -> Details:
    """Decode into `sink`, whose own failures are RunErrors: any OSError comes from the data."""
    try:
        details = original.decode(want, sink, progress)
    except OSError as error:
        raise InputError(
            f"Cannot read {original.place}: {error}. Check that it is there."
        ) from error
    sink.finish()
    return details


def _publish(folder: Path, entry: Path) -> None:
    """Rename a finished entry into place, unless another process was first; sweep up."""
    try:
        os.rename(folder, entry)
    except OSError as error:
        if _read(entry) is None:
            shutil.rmtree(entry, ignore_errors=True)
            raise RunError(unwritable(entry, error)) from error
    how = entry.name.partition("-")[0]
    stale = [other for other in entry.parent.glob(f"{how}-*") if other != entry]
    for other in entry.parent.glob(f"{UNFINISHED}*"):
        with suppress(OSError):  # gone meanwhile
            stale += [other] * (time.time() - other.stat().st_mtime > ABANDONED)
    for other in stale:
        shutil.rmtree(other, ignore_errors=True)


def _mapped(original: Original, arrays: Arrays) -> Source:
    """Use a file as it lies; only its fingerprint is worth keeping."""

    def make() -> dict[str, np.ndarray]:
        return {"sha256": np.array(fingerprint(arrays.images, arrays.labels))}

    name = f"fingerprint-{_hash(original.place, original.contents)}"
    count, height, width, _ = arrays.images.shape
    return Source(
        name=original.name,
        images=arrays.images,
        labels=arrays.labels,
        classes=arrays.classes,
        fingerprint=str(kept(name, make)["sha256"]),
        notes=arrays.notes,
        sizes=Sizes.uniform(count, height, width),
    )


def _in_memory(
    original: Original, want: Want, progress: Progress, why: OSError | None = None
) -> Source:
    """Decode without a cache; where one should have been, only up to a safe size."""
    buffer = io.BytesIO()
    sink = Sink(buffer, limit=IN_MEMORY if why else None)
    details = _fill(sink, original, want, progress)
    images = np.frombuffer(buffer.getbuffer(), np.uint8, offset=HEADER).reshape(sink.shape)
    images.flags.writeable = False
    notes = details.notes
    if why:
        notes += (f"{unwritable(cache(), why)} Until then the images are decoded anew each time.",)
    return Source(
        name=original.name,
        images=images,
        labels=details.labels,
        classes=details.classes,
        fingerprint=fingerprint(images, details.labels),
        notes=notes,
        sizes=details.sizes,
        broken=details.broken,
    )
