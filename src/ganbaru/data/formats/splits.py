"""Which pictures are for training, validation and testing, by the names of folders."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ganbaru.data.formats.names import Parts, words
from ganbaru.data.source import Finding, SplitError, require_train
from ganbaru.errors import InputError

ROLES = dict.fromkeys(("train", "training", "trainval"), "train")
ROLES |= dict.fromkeys(("val", "valid", "validation", "dev"), "val")
ROLES |= dict.fromkeys(("test", "testing"), "test")
# Words that say nothing of what is in a folder, as in "train_images" or "TestSet".
_FILLERS = frozenset(
    ("data", "dataset", "folder", "image", "images", "img", "imgs", "photos", "pictures")
    + ("set", "split", "tar")
)


class _Place(NamedTuple):
    """Where a picture is: in the folder of which split, and below it."""

    folder: Parts
    role: str  # train, val or test; "" beside the folders of splits
    below: Parts  # the path by which it is labelled


@dataclass(frozen=True)
class Choice:
    """The pictures of one split."""

    places: list[int]  # among all pictures
    labelled: list[Parts]  # the path of each without the folder of the split
    shared: int = 0  # folders at the beginning of each `labelled` path that are no classes
    split: str = ""  # in words
    warnings: tuple[Finding, ...] = ()
    beside: frozenset[Parts] = frozenset()  # folders that are not used
    role: str = ""  # train, val or test; "" if the set is undivided or the folder has another name


def choose(place: Path, paths: Sequence[Parts], split: str) -> Choice:
    """Choose the pictures of a split among the paths of all.

    `split` is auto (training, InputError where that is ambiguous), train, val, test, none (all of
    them) or the name of a folder. Raises SplitError if there is no such split.
    """
    found = [] if split == "none" else _divided(paths)
    if not found:
        require_train(place, split)
        return Choice([*range(len(paths))], [*paths], _shared([path[:-1] for path in paths]))
    counts = Counter((each.folder, each.role) for each in found)
    if split == "auto":
        _check_ambiguous(place, counts)
    folders = _folders(place, counts, split)
    chosen = [i for i, each in enumerate(found) if each.folder in folders]
    below = [found[i].below for i in chosen]
    trained = [each.below[:-1] for each in found if each.role == "train"]
    shared = _shared(trained or [path[:-1] for path in below])
    if any(path[:shared] != trained[0][:shared] for path in below if trained):
        shared = _shared([path[:-1] for path in below])
    beside = {folder: n for (folder, _), n in counts.items() if folder not in folders}
    text = f"{_shown(folders)} ({len(chosen):,} pictures)"
    kinds = {kind for _, kind in counts}
    if beside:
        text += f"; not used: {_shown(beside)} ({sum(beside.values()):,})"
        text += ", val for testing" if "val" in kinds and "test" not in kinds else ""
    warnings = _warnings(counts) if split == "auto" else ()
    used = "/".join({kind for folder, kind in counts if folder in folders})
    return Choice(chosen, below, shared, text, warnings, frozenset(beside), used)


def role(folder: str) -> tuple[str, Parts]:
    """Return the split that a folder's name means ("" if none) and what else the name says.

    "Training", "train2017" and "train_images" say nothing else, "seg_train" says "seg".
    """
    joined = [re.sub("(?<=.)(set|data)$", "", word) for word in words(folder)]
    found = [word for word in joined if word in ROLES]
    rest = tuple(word for word in joined if word not in ROLES and word not in _FILLERS)
    return (ROLES[found[0]], rest) if len(found) == 1 else ("", ())


def roles(folders: set[str]) -> dict[str, str]:
    """Return which folders beside each other are splits, and of which role."""
    meant = {folder: role(folder) for folder in folders}
    found = {folder: kind for folder, (kind, rest) in meant.items() if kind and not rest}
    for folder, (kind, rest) in meant.items():
        # "seg_train" is a split beside "seg_test", and a class like "test tube" is none.
        if kind and rest and any(r == rest and k not in ("", kind) for k, r in meant.values()):
            found[folder] = kind
    return found


def _divided(paths: Sequence[Parts]) -> list[_Place]:
    """Find the level at which folders are splits: at the top, below folders that hold all.

    Or one level below classes that each have splits. Returns [] if there is none.
    """
    shared = os.path.commonprefix([path[:-1] for path in paths])
    # A folder around everything may itself have the name of a split, as in test/0.png.
    levels = [found for depth in range(len(shared) + 1) if (found := _at(paths, depth))]
    if levels:
        return max(levels, key=lambda level: len({each.role for each in level}) > 1)
    inner = _at(paths, len(shared) + 1)
    return inner if any(each.role == "train" for each in inner) else []


def _at(paths: Sequence[Parts], depth: int) -> list[_Place]:
    """Return the places of pictures if folders at a depth are splits, else []."""
    inside: dict[Parts, set[str]] = {}
    for path in paths:
        inside.setdefault(path[:depth], set()).update(path[depth:-1][:1])
    found = {above: roles(folders) for above, folders in inside.items()}
    if not any(found.values()):
        return []
    places = []
    for path in paths:
        above, folder = path[:depth], path[depth] if len(path) > depth + 1 else ""
        meant = found[above].get(folder, "")
        divided = found[above] and folder
        below = (*above, *path[depth + 1 :]) if meant else path
        places.append(_Place((*above, folder) if divided else above, meant, below))
    return places


def _check_ambiguous(place: Path, counts: Counter[tuple[Parts, str]]) -> None:
    """Raise InputError where the training images cannot be found without a guess."""
    train = sum(n for (_, kind), n in counts.items() if kind == "train")
    held_out = sum(n for (_, kind), n in counts.items() if kind in ("val", "test"))
    other = sum(n for (_, kind), n in counts.items() if not kind)
    only = len(counts) == 1
    if (train or only) and not (other >= train > 0 or (other and not held_out)):
        return
    shown = ", ".join(f"{_shown([folder])} ({n:,})" for (folder, _), n in [*counts.items()][:8])
    raise InputError(
        f"{place} has pictures in {shown}: which are for training is not certain. Give --split "
        f"with train or another folder's name, --split none to take all as one set, or the path of "
        f"one of the folders as the data."
    )


def _folders(place: Path, counts: Counter[tuple[Parts, str]], split: str) -> set[Parts]:
    """Return the folders of a split, by role or by name."""
    wanted = "train" if split == "auto" else ROLES.get(split.lower(), split)
    by_role = {folder: role(folder[-1]) for folder, kind in counts if kind == wanted}
    if wanted == "test" and not by_role:
        by_role = {folder: role(folder[-1]) for folder, kind in counts if kind == "val"}
    if split == "auto" and not by_role:  # one folder alone, with the name of another split
        return {folder for folder, _ in counts}
    if len({rest for _, rest in by_role.values()}) > 1:
        message = f"{place} has several {wanted} folders: {_shown(by_role)}. Give --split with one."
        raise SplitError(message) if wanted == "test" else InputError(message)
    by_name = {f for f, _ in counts if f and f[-1].casefold() == split.casefold()}
    if not by_role and not by_name:
        raise SplitError(
            f"{place} has no {split!r} split; it has {_shown(f for f, _ in counts)}. Give --split "
            f"with auto, train, val, test, one of these folders, or none for all as one set."
        )
    return set(by_role) or by_name


def _warnings(counts: Counter[tuple[Parts, str]]) -> tuple[Finding, ...]:
    """Return warnings of what was guessed."""
    kinds = {kind for _, kind in counts}
    other = [folder for folder, kind in counts if not kind]
    if "train" not in kinds:
        guess = f"All pictures are in {_shown(f for f, _ in counts)}, which is used for training"
    elif other:
        guess = f"{_shown(other)} is beside the folders of the splits and is not used"
    elif any(role(folder[-1])[1] for folder, kind in counts if kind):
        guess = f"{_shown(f for f, _ in counts)} are taken as splits by their names"
    else:
        return ()
    return (Finding("split", f"{guess}. If that is wrong, give --split none or a folder's name."),)


def _shared(folders: Sequence[Parts]) -> int:
    return len(os.path.commonprefix(folders)) if folders else 0


def _shown(folders: Iterable[Parts]) -> str:
    """Write folders for a message, the first few by name."""
    found = sorted("/".join(each) + "/" for each in folders)
    more = f" and {len(found) - 4:,} more" if len(found) > 4 else ""
    return ", ".join(name if name != "/" else "no folder" for name in found[:4]) + more
