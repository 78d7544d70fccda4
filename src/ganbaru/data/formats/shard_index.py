"""The index of a set of tar shards: where each picture is, its size and its label.

Each shard is read once, from its beginning to its end, so damaged pictures are found before
training.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.arrays import MAX_CLASSES
from ganbaru.data.formats import names, splits
from ganbaru.data.formats.archives import Member, pictures
from ganbaru.data.formats.arrangement import counted
from ganbaru.data.formats.labels import FOLDERS, NONE
from ganbaru.data.picture_file import open_picture, reason, shown_size
from ganbaru.data.shard_store import Store
from ganbaru.data.source import Finding, Samples, Want
from ganbaru.data.survey import Survey
from ganbaru.errors import InputError
from ganbaru.formatting import LOG

GREY = ("1", "L", "LA", "La", "I", "F", "P")  # modes of Pillow's; a palette is seen in the pixels


class _Look(NamedTuple):
    """What one picture is."""

    size: tuple[int, int]  # height and width
    colour: bool
    digest: bytes


def _look(member: Member) -> _Look | str:
    """Return what a picture is, or why it cannot be read; it is decoded if nothing else shows."""
    data = b""
    try:
        data = member()
        with open_picture(data) as image:
            size = shown_size(image)
            colour = image.mode not in GREY and not image.mode.startswith("I;16")
            if image.format == "PNG":
                image.verify()  # the checksum of each part
            elif image.format != "JPEG" or b"\xff\xd9" not in data[-64:]:
                image.load()
        return _Look(size, colour, hashlib.sha256(data).digest())
    # Pillow's decoders, fed damaged files, raise anything.
    except Exception as error:
        return reason(error, data)


class Index:
    """The pictures and labels of shards, read one shard after the other."""

    def __init__(self, store: Store, want: Want) -> None:
        """Read all shards; raises InputError for a damaged one, RunError for a failed download."""
        self._store, self._want = store, want
        self._rows: list[NDArray[np.int64]] = []
        self._texts: dict[str, int] = {}  # labels
        self._origins: dict[str, str] = {}  # of labels, with the first shard that has them so
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._notes: dict[str, None] = {}
        self._warnings: dict[str, Finding] = {}
        self._lengths: list[int] = []
        self._digest, self._colour = hashlib.sha256(), False
        store.follow(range(len(store.places)))
        with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
            for shard in range(len(store.places)):
                self._add(shard, store.path(shard), pool)
                if not shard:  # a set without the split that was wanted ends there
                    LOG.info("Reading %d shards once, to index them.", len(store.places))

    def _add(self, shard: int, path: Path, pool: ThreadPoolExecutor) -> None:
        self._lengths.append(path.stat().st_size)
        # Folders are those of all shards, not of each by itself.
        of_folders = self._want.label_file == FOLDERS
        inner = replace(self._want, label_file=NONE) if of_folders else self._want
        samples = pictures(path, [path], inner, 0 if splits.roles({path.name}) else 1)
        assert isinstance(samples.images, dict)
        members = samples.images.values()
        rows, broken = [], []
        looks = pool.map(_look, members)
        texts = self._label_texts(path, samples)
        for member, text, look in zip(members, texts, looks, strict=True):
            if isinstance(look, str):
                broken.append(look)
                continue
            number = self._texts.setdefault(text, len(self._texts))
            rows.append((shard, member.offset, member.size, *look.size, number))
            self._digest.update(look.digest)
            self._colour |= look.colour
        self._rows.append(np.array(rows, np.int64).reshape(-1, 6))
        for each in (*samples.left_out, *Survey().left_out(broken)):
            self._left_out[each.kind, each.reason] += each.count
        self._notes |= dict.fromkeys(samples.notes)
        self._warnings = {each.code: each for each in samples.warnings} | self._warnings

    def _label_texts(self, path: Path, samples: Samples) -> list[str]:
        """Return the label of each picture: its folders where there is no other."""
        texts, origin = [""] * len(samples.images), NONE
        if samples.labels is not None and samples.labels_from != FOLDERS:
            texts = [samples.classes[label] for label in samples.labels.tolist()]
            origin = samples.labels_from
        elif self._want.label_file != NONE:
            texts = ["/".join(names.parts(name)[1:-1]) for name in samples.images]
            origin = FOLDERS if any(texts) else NONE
        self._origins.setdefault(origin, path.name)
        return texts

    def _classes(self, place: str) -> list[str]:
        """Return the class of each text; [] without labels."""
        origins = [*self._origins.items()]
        if len(origins) > 1:
            (one, first), (other, second) = origins[:2]
            raise InputError(
                f"The shards of {place} differ in their labels: {first} has those by {one}, "
                f"{second} by {other}. Give --label-file with .cls, .json:COLUMN, .txt, {FOLDERS} "
                f"or {NONE}."
            )
        found = [*self._texts]
        if origins[0][0] == FOLDERS:
            paths = [tuple(text.split("/")) for text in found]
            shared = len(os.path.commonprefix(paths))
            found = [path[shared] if len(path) > shared else "" for path in paths]
        if self._want.label_file == FOLDERS and ("" in found or origins[0][0] == NONE):
            raise InputError(f"--label-file {FOLDERS}: pictures of {place} are in no sub-folders.")
        if len({*found}) > MAX_CLASSES:
            raise InputError(
                f"{place} has {len({*found}):,} different labels, more than the {MAX_CLASSES:,} "
                f"classes there may be. Give --label-file {NONE} to train without labels."
            )
        if "" in found and len({*found}) > 1:
            self._warnings["labels"] = Finding(
                "labels",
                "Some pictures are beside the sub-folders, so these are not taken as classes.",
            )
        return [] if "" in found else found

    def content(self, place: str) -> bytes:
        """Return the index as an .npz file; raises InputError for labels that do not fit."""
        rows = np.concatenate(self._rows)
        left_out = counted(self._left_out.elements())
        if len(rows) < 2:
            lost = ", ".join(f"{each.count:,} {each.reason}" for each in left_out)
            raise InputError(
                f"{place} holds {len(rows)} readable pictures; a GAN needs at least 2. Left out: "
                f"{lost or 'none'}."
            )
        found = self._classes(place)
        classes = names.in_order(found)
        numbers = {name: number for number, name in enumerate(classes)}
        rows[:, 5] = np.array([numbers[each] for each in found] or [0] * len(self._texts))[
            rows[:, 5]
        ]
        about = {
            "classes": classes,
            "labels_from": next(iter(self._origins)) if classes else "",
            "lengths": self._lengths,
            "pixels": (self._colour, self._digest.hexdigest()),
            "left_out": [astuple(each) for each in left_out],
            "notes": [*self._notes],
            "warnings": [astuple(each) for each in self._warnings.values()],
        }
        stream = io.BytesIO()
        np.savez(stream, rows=rows, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
        return stream.getvalue()
