"""Many picture files to one set: decoded by threads, in order, the unreadable ones named."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from ganbaru.data.picture_file import SUFFIXES, Shot, brief, decode
from ganbaru.data.sink import Sink
from ganbaru.data.source import BLOCK, Details, Labels, Progress, Sizes, Want
from ganbaru.errors import InputError

NAMED = 5  # broken files that a message names before it only counts


@dataclass(frozen=True)
class Entry:
    """One picture file of a set, not read yet."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Labelled:
    """A class number for each name, or why there are none."""

    labels: tuple[int, ...] | None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def is_picture(name: str) -> bool:
    """Tell by its name whether a file inside a folder or archive is meant as a picture."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def label_by_folder(names: Sequence[str]) -> Labelled:
    """Take the first folder that differs as the class, if every picture sits in such a folder."""
    paths = [PurePosixPath(name).parts for name in names]
    shared = os.path.commonprefix([path[:-1] for path in paths])
    folders = [path[len(shared)] if len(path) > len(shared) + 1 else "" for path in paths]
    classes = tuple(sorted(set(folders) - {""}))
    outside = folders.count("")
    if not classes:
        return Labelled(None)
    if outside:
        note = f"{outside:,} of {len(names):,} pictures lie beside the sub-folders"
        return Labelled(None, notes=(f"{note}, so the sub-folders are not taken as classes.",))
    numbers = {name: k for k, name in enumerate(classes)}
    return Labelled(tuple(numbers[folder] for folder in folders), classes)


def pour(
    place: str,
    entries: Sequence[Entry],
    found: Labelled,
    want: Want,
    sink: Sink,
    progress: Progress,
) -> Details:
    """Decode the files into `sink`, in their order, and say what was found."""
    kept: list[int] = []
    sides: list[tuple[int, int]] = []
    broken: list[str] = []
    first: tuple[str, Shot] | None = None
    for i, shot in enumerate(_shots(place, entries, want, progress)):
        name = entries[i].name
        if shot.pixels is None:
            broken.append(f"{name} ({shot.reason})")
            continue
        first = first or (name, shot)
        _check_size(place, first, (name, shot))
        sink.write(shot.pixels[None])
        kept.append(i)
        sides.append((shot.height, shot.width))
    _check_count(place, len(kept), len(entries), broken)
    labels = None if found.labels is None else np.array(found.labels, np.int64)[kept]
    notes = found.notes + _broken_note(len(entries), broken) + _empty_note(labels, found.classes)
    return Details(labels, found.classes, notes, Sizes.of(np.array(sides)), tuple(broken))


def _shots(place: str, entries: Sequence[Entry], want: Want, progress: Progress) -> Iterator[Shot]:
    """Yield what becomes of each file, in order.

    Pillow decodes without the interpreter lock, so threads pay; they get a block at a time, so
    that no more than a block of pictures waits in memory.
    """

    def read_and_decode(entry: Entry) -> Shot:
        try:
            data = entry.read()
        # Of an archive member: bad checksums, unknown compression, a missing password and more.
        except Exception as error:
            return Shot(None, reason=brief(error))
        return decode(data, want)

    with warnings.catch_warnings(), ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        # Pillow warns of odd EXIF data and of large pictures; neither spoils the pixels.
        warnings.simplefilter("ignore")
        for start in range(0, len(entries), BLOCK):
            block = entries[start : start + BLOCK]
            yield from pool.map(read_and_decode, block)
            progress(start + len(block), len(entries), f"decoding {place}")


def _check_size(place: str, first: tuple[str, Shot], new: tuple[str, Shot]) -> None:
    (_, one), (_, two) = first, new
    if one.pixels is None or two.pixels is None:
        return
    if one.pixels.shape[:2] != two.pixels.shape[:2]:
        raise InputError(
            f"{place} holds pictures of different sizes: {first[0]} is {one.width}x{one.height}, "
            f"{new[0]} is {two.width}x{two.height} (width x height). Say what size to crop and "
            f"resize them to, for example --image-size 64."
        )


def _check_count(place: str, good: int, files: int, broken: list[str]) -> None:
    if good >= 2:
        return
    if good == 0:
        raise InputError(
            f"None of the {files:,} picture files in {place} could be read: {_named(broken)}. "
            f"Check that they are pictures and that they arrived whole."
        )
    lost = f"; unreadable: {_named(broken)}" if broken else ""
    raise InputError(f"{place} holds a single readable picture; a GAN needs at least 2{lost}.")


def _broken_note(files: int, broken: list[str]) -> tuple[str, ...]:
    if not broken:
        return ()
    could = f"{len(broken):,} of {files:,} files could not be read and were left out"
    return (f"{could}: {_named(broken)}.",)


def _empty_note(labels: Labels | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    if labels is None:
        return ()
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    return (f"Classes without a readable picture: {', '.join(empty)}.",) if empty else ()


def _named(broken: list[str]) -> str:
    more = f" and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
    return ", ".join(broken[:NAMED]) + more
