"""Where the labels of pictures come from: label files, files of WebDataset's samples, or folders.

Without a choice of the user's, every source that labels all pictures counts, and they must agree.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ganbaru.data import attributes
from ganbaru.data.arrays import MAX_CLASSES
from ganbaru.data.formats import names
from ganbaru.data.formats.arrangement import counted
from ganbaru.data.formats.label_sources import Origin, Place, Reasons, available, named
from ganbaru.data.formats.label_table import UnusableError
from ganbaru.data.formats.names import Parts
from ganbaru.data.source import Finding, LeftOut, Samples
from ganbaru.errors import InputError

FOLDERS, NONE = "folders", "none"  # as --label-file has them
_NUMBERED = re.compile(r"\d{5,}")  # folders as StyleGAN's, which are no classes beside a label file
_CHOICE = (
    "Give --label-file with FILE or FILE:COLUMN, folders to label by sub-folders, or none to "
    "train without labels."
)


def labelled(place: Place) -> Samples:
    """Return the pictures with labels; raises InputError where the sources disagree."""
    found, text = place.found, place.want.label_file
    samples = Samples(
        {name: place.files[name] for name in found.pictures},
        split=found.choice.split,
        left_out=counted(found.others.values()),
        warnings=found.choice.warnings,
    )
    if text is None:
        return _automatic(place, samples)
    if text == NONE:
        return samples
    return _by_folder(place, samples) if text == FOLDERS else _by_file(place, samples, text)


def _by_file(place: Place, samples: Samples, text: str) -> Samples:
    """Label by the file or field that the user names; pictures without a label are left out."""
    try:
        origin = named(place, text)
        role, split = origin.split, place.found.choice.role
        kept = [n for n in place.found.pictures if place.paths[n] in origin.names]
        if split and ((role and role != split) or (origin.names and not kept)):
            return samples  # the file is of another split
        if not kept:
            raise UnusableError("labels none of the pictures")
    except (UnusableError, OSError) as error:
        end = "" if str(error).endswith("?") else "."
        raise InputError(f"--label-file {text} {error}{end} {_CHOICE}") from error
    left = _without(place, {}, origin)
    if count := len(place.found.pictures) - len(kept):
        left += (LeftOut("unlabelled", f"pictures without a label in {origin.shown}", count),)
    samples = replace(samples, images={name: place.files[name] for name in kept}, left_out=left)
    chosen = [place.paths[name] for name in kept]
    label = _attributed if origin.attributes else _numbered
    return label(place, samples, origin, chosen)


def _automatic(place: Place, samples: Samples) -> Samples:
    """Label by the sources that label all pictures, which must agree."""
    origins, reasons = available(place)
    folders = _folders(place)
    if origins and all(map(_NUMBERED.fullmatch, folders)):
        folders = []
    if any(not each.names for each in origins):  # StyleGAN's file without labels
        return replace(samples, left_out=_without(place, reasons, *origins))
    chosen = place.chosen
    complete = [each for each in origins if all(path in each.names for path in chosen)]
    partial = [each for each in origins if each not in complete]
    if folders and "" not in folders:
        own = dict(zip(chosen, folders, strict=True))
        complete.insert(0, Origin(FOLDERS, FOLDERS, own))
    for other in complete[1:]:
        _check_agreement(place, complete[0], other)
    samples = replace(samples, left_out=_without(place, reasons, *complete))
    if complete:
        return _numbered(place, samples, complete[0], chosen)
    if partial:
        return _unlabelled(samples, _too_few(chosen, partial[0]))
    return _by_folder(place, samples)


def _without(place: Place, reasons: Reasons, *used: Origin) -> tuple[LeftOut, ...]:
    """Count what is left out without the label files that are used; their idle rows too."""
    known = {name for each in used for name in each.files}
    others = {**place.found.others, **reasons}
    kept = counted(reason for name, reason in others.items() if name not in known)
    rows = tuple(
        LeftOut("rows", f"of {each.shown} that name no picture", each.missing)
        for each in used
        if each.missing
    )
    return (*kept, *rows)


def _check_agreement(place: Place, one: Origin, other: Origin) -> None:
    """Raise InputError unless two sources divide the pictures into the same classes."""
    there: dict[str, str] = {}
    back: dict[str, str] = {}
    for path in place.chosen:
        mine, theirs = one.names[path], other.names[path]
        if there.setdefault(mine, theirs) != theirs or back.setdefault(theirs, mine) != mine:
            raise InputError(
                f"{place.path}: the labels by {one.shown} and by {other.shown} differ, as of "
                f"{'/'.join(path)}: {mine!r} and {theirs!r}. Give --label-file {one.choice} or "
                f"--label-file {other.choice}, or none to train without labels."
            )


def _too_few(chosen: list[Parts], origin: Origin) -> str:
    without = sum(path not in origin.names for path in chosen)
    return (
        f"{without:,} of {len(chosen):,} pictures have no label in the {origin.shown}, so the set "
        f"is taken as unlabelled. To train on those with a label: --label-file {origin.choice}."
    )


def _numbered(place: Place, samples: Samples, origin: Origin, chosen: list[Parts]) -> Samples:
    """Number the classes by the order of their names."""
    found = [origin.names[path] for path in chosen]
    classes = names.in_order(found)
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"{place.path}: the {len(classes):,} different labels by {origin.shown} are more than "
            f"the {MAX_CLASSES:,} classes there may be. {_CHOICE}"
        )
    numbers = {name: k for k, name in enumerate(classes)}
    labels = np.array([numbers[name] for name in found], np.int64)
    return replace(samples, labels=labels, classes=classes, labels_from=origin.shown)


def _attributed(place: Place, samples: Samples, origin: Origin, chosen: list[Parts]) -> Samples:
    """Give the pictures their attributes; raises InputError for values that are none."""
    cells = [origin.rows[path] for path in chosen]
    try:
        found = attributes.read(origin.attributes, cells, ["/".join(path) for path in chosen])
    except ValueError as error:
        raise InputError(f"--label-file {place.want.label_file} {error}.") from error
    return replace(samples, attributes=found, labels_from=origin.shown)


# --- folders ------------------------------------------------------------------------------------


def _folders(place: Place) -> list[str]:
    """Return the folder of each picture in which the paths first differ, "" for one in none."""
    choice = place.found.choice
    depth = choice.shared
    return [path[depth] if len(path) > depth + 1 else "" for path in choice.labelled]


def _by_folder(place: Place, samples: Samples) -> Samples:
    """Label by folders, if every picture is in one; so it must be if the user names them."""
    folders = _folders(place)
    outside = folders.count("")
    if not outside:
        own = dict(zip(place.chosen, folders, strict=True))
        return _numbered(place, samples, Origin(FOLDERS, FOLDERS, own), place.chosen)
    count = f"{outside:,} of {len(folders):,} pictures are beside the sub-folders"
    if place.want.label_file:
        raise InputError(f"--label-file {FOLDERS}: {count} of {place.path}. {_CHOICE}")
    if outside == len(folders):
        return samples
    return _unlabelled(samples, f"{count}, so the sub-folders are not taken as classes.")


def _unlabelled(samples: Samples, message: str) -> Samples:
    return replace(samples, warnings=(*samples.warnings, Finding("labels", message)))
