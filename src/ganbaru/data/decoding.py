"""From `Samples` to a `Source`: files are decoded, images converted to the target and written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ganbaru.data.npy_writer import NpyWriter
from ganbaru.data.picture import brief, decode
from ganbaru.data.resize import fit_block
from ganbaru.data.source import (
    BLOCK,
    Files,
    Images,
    Labels,
    Original,
    Progress,
    Samples,
    Sizes,
    Source,
    Target,
    fingerprint,
)
from ganbaru.errors import InputError

MAX_NAMED = 5  # unreadable files that a message names before it only counts

Outcome = tuple[Images, tuple[int, int]] | str  # pixels and own size, or why there are none


def convert(
    original: Original, samples: Samples, target: Target, writer: NpyWriter, progress: Progress
) -> Source:
    """Write all readable images, converted to `target`, and return them with their labels."""
    content, labels, notes = samples.images, samples.labels, samples.notes
    broken: dict[str, str] = {}
    if isinstance(content, np.ndarray):
        sizes = _write_array(original.name, content, target, writer, progress)
    else:
        sizes, broken = _write_files(original, content, target, writer, progress)
        if labels is not None and broken:
            labels = labels[[name not in broken for name in content]]
        notes += _broken_note(len(content), broken) + _empty_note(labels, samples.classes)
    images = writer.finish()
    return Source(
        name=original.name,
        images=images,
        labels=labels,
        classes=samples.classes,
        fingerprint=fingerprint(images, labels),
        notes=notes,
        original_sizes=sizes,
        broken=tuple(f"{name} ({reason})" for name, reason in broken.items()),
    )


def same_size(images: Images) -> Sizes:
    """Return the sizes (n, 2) of an array of images."""
    return np.broadcast_to(np.array(images.shape[1:3], np.int32), (len(images), 2))


def _write_array(
    name: str, images: Images, target: Target, writer: NpyWriter, progress: Progress
) -> Sizes:
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        writer.write(fit_block(block, target))
        progress(start + len(block), len(images), f"preparing {name}")
    return same_size(images)


def _write_files(
    original: Original, files: Files, target: Target, writer: NpyWriter, progress: Progress
) -> tuple[Sizes, dict[str, str]]:
    """Decode and write files in their order; return their sizes, and why others are unreadable."""
    sizes: dict[str, tuple[int, int]] = {}
    broken: dict[str, str] = {}
    shape: tuple[int, ...] = ()
    for name, outcome in zip(files, _decoded(files, target, original.name, progress), strict=True):
        if isinstance(outcome, str):
            broken[name] = outcome
            continue
        pixels, sizes[name] = outcome
        shape = shape or pixels.shape[:2]
        if pixels.shape[:2] != shape:
            raise _different_sizes(original.location, next(iter(sizes.items())), name, sizes[name])
        writer.write(pixels[None])
    _check_count(original.location, len(sizes), broken)
    return np.array(list(sizes.values()), np.int32), broken


def _decoded(files: Files, target: Target, name: str, progress: Progress) -> Iterator[Outcome]:
    """Yield what each file decodes to, in order.

    Pillow decodes without the interpreter lock, so threads pay; they get a block at a time, so
    that no more than a block of pictures waits in memory.
    """

    def attempt(read: Callable[[], bytes]) -> Outcome:
        try:
            return decode(read(), target)
        # Of an archive member: bad checksums, unknown compression, a missing password and more.
        except Exception as error:
            return brief(error)

    readers = list(files.values())
    with warnings.catch_warnings(), ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        # Pillow warns of odd EXIF data and of large pictures; neither spoils the pixels.
        warnings.simplefilter("ignore")
        for start in range(0, len(readers), BLOCK):
            block = readers[start : start + BLOCK]
            yield from pool.map(attempt, block)
            progress(start + len(block), len(readers), f"decoding {name}")


def _different_sizes(
    place: str, first: tuple[str, tuple[int, int]], name: str, size: tuple[int, int]
) -> InputError:
    one, (height, width) = first
    return InputError(
        f"{place} holds pictures of different sizes: {one} is {width}x{height}, {name} is "
        f"{size[1]}x{size[0]} (width x height). Give the size to crop and resize them to, for "
        f"example --image-size 64."
    )


def _check_count(place: str, readable: int, broken: dict[str, str]) -> None:
    if readable >= 2:
        return
    if readable == 0:
        raise InputError(
            f"None of the {len(broken):,} picture files in {place} could be read: "
            f"{_named(broken)}. Check that they are pictures and that they arrived whole."
        )
    lost = f"; unreadable: {_named(broken)}" if broken else ""
    raise InputError(f"{place} holds a single readable picture; a GAN needs at least 2{lost}.")


def _broken_note(count: int, broken: dict[str, str]) -> tuple[str, ...]:
    if not broken:
        return ()
    left_out = f"{len(broken):,} of {count:,} files could not be read and were left out"
    return (f"{left_out}: {_named(broken)}.",)


def _empty_note(labels: Labels | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    if labels is None:
        return ()
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    return (f"Classes without a readable picture: {', '.join(empty)}.",) if empty else ()


def _named(broken: dict[str, str]) -> str:
    named = [f"{name} ({reason})" for name, reason in list(broken.items())[:MAX_NAMED]]
    more = f" and {len(broken) - MAX_NAMED:,} more" if len(broken) > MAX_NAMED else ""
    return ", ".join(named) + more
