"""From the files of a folder or archive to `Samples`: which are used, and how they are labelled.

The same rules for folders, zip and tar: by names alone, before any picture is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ganbaru.data.arrays import compact
from ganbaru.data.formats import companions, names, splits
from ganbaru.data.formats.names import Parts
from ganbaru.data.source import Files, Finding, LeftOut, Samples
from ganbaru.errors import InputError

LABEL_FILE = "dataset.json"  # of StyleGAN's data sets
MOST_REASONS = 20  # that are listed one by one

Labels = Mapping[Parts, int]  # by the path of a picture


@dataclass(frozen=True)
class Arrangement:
    """The pictures of one split by name, and the other files with the kind and the reason."""

    pictures: tuple[str, ...]
    choice: splits.Choice
    others: Mapping[str, tuple[str, str]]

    @property
    def label_files(self) -> list[str]:
        """The names of StyleGAN's label files."""
        return [name for name in self.others if names.parts(name)[-1:] == (LABEL_FILE,)]

    def left_out(self, used: Iterable[str] = ()) -> tuple[LeftOut, ...]:
        """Return counts of what is left out; `used` are files whose labels are used after all."""
        known = set(used)
        return counted(reason for name, reason in self.others.items() if name not in known)


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
        f"their suffix: {kinds}."
    )


def _inside(path: Parts, folders: Iterable[Parts]) -> bool:
    return any(path[:k] in folders for k in range(1, len(path)))


# --- labels -------------------------------------------------------------------------------------


def labelled(
    found: Arrangement, files: Files, paths: Mapping[str, Parts], cls: Labels | None = None
) -> Samples:
    """Return the pictures with labels: by StyleGAN's file, by .cls files (`cls`) or by folders."""
    samples = Samples(
        {name: files[name] for name in found.pictures},
        split=found.choice.split,
        left_out=found.left_out(),
        warnings=found.choice.warnings,
    )
    chosen = [paths[name] for name in found.pictures]
    table, source = _style_gan(found.label_files, files, paths), LABEL_FILE
    if table is None and not cls:
        return _by_folder(samples, found.choice)
    used = found.label_files
    if table is None:
        table, source = cls or {}, ".cls files"
        used = [name for name in found.others if name.endswith(".cls")]
    if not table:  # StyleGAN's file without labels: its numbered folders are no classes
        return replace(samples, left_out=found.left_out(used))
    numbers = [table[path] for path in chosen if path in table]
    if without := len(chosen) - len(numbers):
        count = f"{without:,} of {len(chosen):,} pictures have no label in the {source}"
        return _unlabelled(samples, f"{count}, so the set is taken as unlabelled.")
    labels, classes = compact(np.array(numbers, np.int64))
    left_out = found.left_out(used)
    return replace(samples, labels=labels, classes=classes, labels_from=source, left_out=left_out)


def _style_gan(
    label_files: Iterable[str], files: Files, paths: Mapping[str, Parts]
) -> Labels | None:
    """Return the labels in files such as {"labels": [["00000/a.png", 3], ...]}; None without one.

    {"labels": null} gives {}.
    """
    found: dict[Parts, int] | None = None
    for name in label_files:
        try:
            pairs = json.loads(files[name]())["labels"] or []
            labels = {(*paths[name][:-1], *names.parts(path)): label for path, label in pairs}
        # Of a damaged member, or a file of this name in another form: anything.
        except Exception:
            continue
        whole = {p: k for p, k in labels.items() if type(k) is int and 0 <= k < 2**63}
        if len(whole) == len(labels):
            found = {**(found or {}), **whole}
    return found


def _by_folder(samples: Samples, choice: splits.Choice) -> Samples:
    """Label by the first folder in which the paths differ, if every picture is in such a folder."""
    folders = [
        path[choice.shared] if len(path) > choice.shared + 1 else "" for path in choice.labelled
    ]
    classes = names.in_order({*folders} - {""})
    if not classes:
        return samples
    if outside := folders.count(""):
        count = f"{outside:,} of {len(folders):,} pictures are beside the sub-folders"
        return _unlabelled(samples, f"{count}, so the sub-folders are not taken as classes.")
    numbers = {name: k for k, name in enumerate(classes)}
    labels = np.array([numbers[folder] for folder in folders], np.int64)
    return replace(samples, labels=labels, classes=classes, labels_from="folders")


def _unlabelled(samples: Samples, message: str) -> Samples:
    return replace(samples, warnings=(*samples.warnings, Finding("labels", message)))
