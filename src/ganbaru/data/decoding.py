"""From `Samples` to a `Source`: files are decoded, images converted to the target and written."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.coerce import AUTO, range_text
from ganbaru.data.arrays import compact
from ganbaru.data.npy_writer import NpyWriter
from ganbaru.data.picture import Decoded, decode, fit_block
from ganbaru.data.picture_file import brief
from ganbaru.data.source import (
    BLOCK,
    Files,
    Images,
    Labels,
    Original,
    Progress,
    Samples,
    Sizes,
    SizesError,
    Source,
    Target,
    blocks,
    fingerprint,
)
from ganbaru.data.survey import Survey
from ganbaru.data.values import block_to_bytes, described, facts_of_block
from ganbaru.errors import InputError

MAX_NAMED = 5  # unreadable files that a message names before it only counts

Outcome = Decoded | str  # a picture, or why there is none


def convert(
    original: Original, samples: Samples, target: Target, writer: NpyWriter, progress: Progress
) -> Source:
    """Write all readable images, converted to `target`, and return them with their labels."""
    content, labels, notes = samples.images, samples.labels, samples.notes
    classes, attributes = samples.classes, samples.attributes
    place = original.location or original.name
    if target.range == AUTO:
        target = replace(target, range=_own_range(original, content, progress))
    survey = Survey(target.interval, target)
    broken: dict[str, str] = {}
    if isinstance(content, np.ndarray):
        sizes = same_size(content)
        for block in _blocks(content, f"preparing {original.name}", progress):
            survey.add(facts_of_block(block, target.interval))
            writer.write(fit_block(block_to_bytes(block, target.interval), target))
    else:
        sizes, broken = _write_files(original, content, target, survey, writer, progress)
        kept = [name not in broken for name in content]
        labels = None if labels is None else labels[kept]
        attributes = attributes and attributes.of(kept)
        notes += _notes(len(content), broken, labels, classes)
        if labels is not None and broken:
            labels, classes = compact(labels, classes)
    survey.check(place)
    made = replace(samples, labels=labels, classes=classes, notes=notes, attributes=attributes)
    return _source(original, made, survey, writer.finish(), sizes, target, broken)


def surveyed(original: Original, samples: Samples, images: Images, target: Target) -> Source:
    """Return images that need no conversion as a source."""
    survey = Survey()
    for _, block in blocks(images):
        survey.add(facts_of_block(block))
    return _source(original, samples, survey, images, same_size(images), target, {})


def _source(
    original: Original,
    samples: Samples,
    survey: Survey,
    images: Images,
    sizes: Sizes,
    target: Target,
    broken: Mapping[str, str],
) -> Source:
    return Source(
        name=original.name,
        images=images,
        labels=samples.labels,
        classes=samples.classes,
        fingerprint=fingerprint(images, samples.labels, samples.attributes),
        notes=samples.notes + survey.notes(),
        original_sizes=sizes,
        broken=tuple(f"{name} ({reason})" for name, reason in broken.items()),
        depth=described(survey.kinds),
        range=range_text(survey.extreme),
        black_white=range_text(survey.interval) if survey.interval else "",
        labels_from=samples.labels_from,
        attributes=samples.attributes,
        split=samples.split,
        left_out=samples.left_out + survey.left_out(broken.values()),
        warnings=samples.warnings + survey.warnings(sizes, target),
    )


def _own_range(original: Original, content: NDArray[Any] | Files, progress: Progress) -> str:
    """Return the smallest and the largest value of all images, as text."""
    survey = Survey()
    what = f"looking for the range of {original.name}"
    if isinstance(content, np.ndarray):
        for block in _blocks(content, what, progress):
            survey.add(facts_of_block(block))
    else:
        found = _decoded(content, Target(), what, progress)
        survey.add(each.facts for each in found if not isinstance(each, str))
    place = original.location or original.name
    if not survey.count:
        return "0:255"  # no picture can be read, which `_write_files` reports
    return range_text(survey.own_interval(place))


def _blocks(images: NDArray[Any], what: str, progress: Progress) -> Iterator[NDArray[Any]]:
    for start, block in blocks(images):
        yield block
        progress(start + len(block), len(images), what)


def same_size(images: NDArray[Any]) -> Sizes:
    """Return the sizes (n, 2) of an array of images."""
    return np.broadcast_to(np.array(images.shape[1:3], np.int32), (len(images), 2))


def _write_files(
    original: Original,
    files: Files,
    target: Target,
    survey: Survey,
    writer: NpyWriter,
    progress: Progress,
) -> tuple[Sizes, dict[str, str]]:
    """Decode and write files in their order; return their sizes, and why others are unreadable."""
    sizes: list[tuple[int, int]] = []
    first = ""
    broken: dict[str, str] = {}
    shape: tuple[int, ...] = ()
    place = original.location
    outcomes = _decoded(files, target, f"decoding {original.name}", progress)
    for name, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, str):
            broken[name] = outcome
            continue
        pixels, size, facts = outcome
        survey.add([facts])
        sizes.append(size)
        first, shape = first or name, shape or pixels.shape[:2]
        if pixels.shape[:2] != shape:
            height, width = sizes[0]
            raise SizesError(
                f"{place} holds pictures of different sizes: {first} is {width}x{height}, {name} "
                f"is {size[1]}x{size[0]} (width x height). Give the size to crop and resize them "
                f"to, for example --image-size 64."
            )
        writer.write(pixels[None])
    if not sizes:
        raise InputError(
            f"None of the {len(broken):,} picture files in {place} could be read: "
            f"{_named(broken)}. Check that they are pictures and are complete."
        )
    if len(sizes) == 1:
        lost = f"; unreadable: {_named(broken)}" if broken else ""
        raise InputError(f"{place} holds a single readable picture; a GAN needs at least 2{lost}.")
    return np.array(sizes, np.int32), broken


def _decoded(files: Files, target: Target, what: str, progress: Progress) -> Iterator[Outcome]:
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

    readers, done = iter(files.values()), 0
    with warnings.catch_warnings(), ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        # Pillow warns of odd EXIF data and of large pictures; neither spoils the pixels.
        warnings.simplefilter("ignore")
        while block := list(itertools.islice(readers, BLOCK)):
            yield from pool.map(attempt, block)
            done += len(block)
            progress(done, len(files), what)


def _notes(
    count: int, broken: dict[str, str], labels: Labels | None, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """Return sentences on unreadable files and on classes without a picture."""
    notes: tuple[str, ...] = ()
    if broken:
        left_out = f"{len(broken):,} of {count:,} files could not be read and were left out"
        notes += (f"{left_out}: {_named(broken)}.",)
    if labels is not None and (empty := sorted(set(range(len(classes))).difference(labels))):
        names = ", ".join(classes[label] for label in empty)
        notes += (f"Classes without a readable picture: {names}.",)
    return notes


def _named(broken: dict[str, str]) -> str:
    named = [f"{name} ({reason})" for name, reason in list(broken.items())[:MAX_NAMED]]
    more = f" and {len(broken) - MAX_NAMED:,} more" if len(broken) > MAX_NAMED else ""
    return ", ".join(named) + more
