"""Which files of a folder or archive are used: by names alone, before any picture is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ganbaru.data.formats import companions, names, splits
from ganbaru.data.formats.names import Parts
from ganbaru.data.source import LeftOut
from ganbaru.errors import InputError, pip_install

MOST_REASONS = 20  # that are listed one by one


@dataclass(frozen=True)
class Arrangement:
    """The pictures of one split by name, and the other files with the kind and the reason."""

    pictures: tuple[str, ...]
    choice: splits.Choice
    others: Mapping[str, tuple[str, str]]


def counted(reasons: Iterable[tuple[str, str]]) -> tuple[LeftOut, ...]:
    """Count kinds and reasons, the rarest of many reasons together."""
    counts = Counter(reasons).most_common()
    merged = Counter(dict(counts[:MOST_REASONS]))
    for (kind, _), count in counts[MOST_REASONS:]:
        merged[kind, "various"] += count
    return tuple(LeftOut(kind, reason, n) for (kind, reason), n in sorted(merged.items()))


def arrange(
    place: Path,
    paths: Mapping[str, Parts],
    split: str,
    *,
    samples: bool = False,
    skip: int = 0,
) -> Arrangement:
    """Choose among all files of a place, given the parts of the path of each.

    `samples`: files of one name up to the first dot belong together, as in WebDataset's archives.
    The first `skip` parts of paths are of the archives themselves, and no folders.
    Raises InputError where there are no pictures or it is not certain which to use, and SplitError
    if there is no such split.
    """
    reasons = {name: names.left_out(path) for name, path in paths.items()}
    pictures = [name for name, reason in reasons.items() if reason is None]
    if not pictures:
        raise InputError(_no_pictures(place, paths))
    beside = companions.companions(place, [paths[name] for name in pictures], samples)
    used = [name for name in pictures if paths[name] not in beside]
    choice = splits.choose(place, [paths[name][skip:] for name in used], split)
    reasons |= {name: beside.get(paths[name]) for name in pictures}
    others = {
        name: reason
        for name, reason in reasons.items()
        if reason and not (choice.beside and _inside(paths[name][skip:], choice.beside))
    }
    return Arrangement(tuple(used[i] for i in choice.places), choice, others)


def _no_pictures(place: Path, paths: Mapping[str, Parts]) -> str:
    such = f", such as {next(iter(paths))[:80]}," if paths else ","
    kinds = ", ".join(sorted(names.SUFFIXES))
    return (
        f"{place} holds {len(paths):,} files{such} but no pictures. Pictures are recognised by "
        f"their suffix: {kinds}.{_heic(paths.values())}"
    )


def _heic(paths: Iterable[Parts]) -> str:
    """Return how to read photographs of telephones, if there are some; ends the message."""
    reasons = (names.left_out(path) for path in paths)
    if not any(reason and "[heic]" in reason[1] for reason in reasons):
        return ""
    return f" For HEIC: {pip_install('ganbaru[heic]')}"


def _inside(path: Parts, folders: Iterable[Parts]) -> bool:
    return any(path[:k] in folders for k in range(1, len(path)))
