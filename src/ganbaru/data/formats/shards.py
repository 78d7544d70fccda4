"""Tar shards that are streamed: patterns such as ``{0000..0099}.tar``, URLs, very large folders."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ganbaru import files
from ganbaru.data.formats import splits
from ganbaru.data.formats.archives import shards_in
from ganbaru.data.formats.label_sources import FIELDS
from ganbaru.data.formats.labels import FOLDERS, NONE
from ganbaru.data.formats.shard_index import Index
from ganbaru.data.shard_store import URL, Store
from ganbaru.data.source import (
    RULES,
    Finding,
    LeftOut,
    Original,
    Samples,
    Want,
    file_stamp,
)
from ganbaru.data.streaming import Streamed
from ganbaru.errors import InputError
from ganbaru.formatting import LOG

BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")
MAX_SHARDS = 100_000
STREAMED = 2**34  # bytes of a folder's shards above which it is streamed: 16 GiB


def is_shards(what: str) -> bool:
    """Return whether `what` are shards to stream: a pattern, a URL, or a folder of over 16 GiB."""
    if what.startswith(URL):
        return True
    path = os.path.expanduser(what)
    if os.path.isdir(path):
        with suppress(OSError):  # which reading the folder reports
            return sum(shard.stat().st_size for shard in shards_in(Path(path))) > STREAMED
    return bool(BRACES.search(what)) and not os.path.exists(path)


def title(what: str) -> str:
    """Return a name for shards: that of their files without ranges, numbers and suffix."""
    name = _file_name(BRACES.sub("", what.rstrip("/")))
    return re.sub(r"[\W_\d]*$", "", name.removesuffix(".tar")) or "shards"


def _file_name(place: str) -> str:
    return place.partition("?")[0].rpartition("/")[2]


def expand(text: str) -> list[str]:
    """Expand ``{0000..0099}`` and ``{a,b}`` as a shell does."""
    found = BRACES.search(text)
    if not found:
        return [text]
    first, last, words = found.groups()
    ends = expand(text[found.end() :])
    count = len(words.split(",")) if words else abs(int(last) - int(first)) + 1
    if count * len(ends) > MAX_SHARDS:
        raise InputError(
            f"{text} stands for {count * len(ends):,} shards, and {MAX_SHARDS:,} are the most. "
            f"Correct the range."
        )
    if words:
        parts = words.split(",")
    else:
        low, high, step = int(first), int(last), 1 if int(first) <= int(last) else -1
        width = max(len(first), len(last)) if "0" in (first[0], last[0]) else 1
        parts = [f"{number:0{width}}" for number in range(low, high + step, step)]
    return [text[: found.start()] + part + end for part in parts for end in ends]


def open_shards(what: str, want: Want) -> Original:
    """Return the pictures of shards, which are streamed; raises InputError for missing ones."""
    _check_options(what, want)
    text = what if what.startswith(URL) else os.path.abspath(os.path.expanduser(what))
    places = [*map(str, shards_in(Path(text)))] if os.path.isdir(text) else expand(text)
    places = [*dict.fromkeys(places)]
    remote = text.startswith(URL)
    if missing := [place for place in places if not remote and not os.path.isfile(place)]:
        raise InputError(
            f"{len(missing):,} of the {len(places):,} shards of {what} are missing, such as "
            f"{missing[0]}. Correct the range, or put them there."
        )
    named, split = [*map(_file_name, places)], ""
    if splits.roles({*named}):  # train-0000.tar beside test-0000.tar
        choice = splits.choose(Path(text), [(name, "0.png") for name in named], want.split)
        places = [places[k] for k in choice.places]
        split = f"{len(places):,} of {len(named):,} shards, by their names"
        want = replace(want, split="none")
    location = want.located(text)
    stamp = "\n".join(places) if remote else file_stamp(places)
    return Original(
        title(what),
        location,
        stamp,
        lambda: replace(_read(places, want, location, stamp), split=split),
    )


def _check_options(what: str, want: Want) -> None:
    field = (want.label_file or NONE).partition(":")[0]
    if field not in (FOLDERS, NONE, *FIELDS):
        raise InputError(
            f"--label-file {want.label_file}: labels of streamed shards are in them, as "
            f"{', '.join(FIELDS)}. Give one of these (.json:COLUMN), {FOLDERS} or {NONE}."
        )
    if want.key:
        raise InputError(f"--key {want.key} is for files of arrays, not for {what}: leave it out.")


def _read(places: list[str], want: Want, location: str, stamp: str) -> Samples:
    """Return the pictures of shards by their index, which is made where there is none."""
    texts = "\n".join(places), f"{location}|{stamp}|{RULES}"
    copies, index = (hashlib.sha256(text.encode()).hexdigest()[:20] for text in texts)
    store = Store(places, files.cache() / "shards" / copies)
    content = files.cached(
        f"shards/{index}.npz", lambda: Index(store, want).content(location), LOG.warning
    )
    found = np.load(io.BytesIO(content))
    about = json.loads(found["about"].tobytes())
    store.lengths = about["lengths"]
    shard, offset, length, height, width, labels = found["rows"].T
    sizes = np.stack([height, width], axis=1).astype(np.int32)
    where = shard.astype(np.int32), offset.copy(), length.copy()
    return Samples(
        Streamed(store, *where, sizes, *about["pixels"]),
        labels.copy() if about["classes"] else None,
        tuple(about["classes"]),
        tuple(about["notes"]),
        about["labels_from"],
        left_out=tuple(LeftOut(*each) for each in about["left_out"]),
        warnings=tuple(Finding(*each) for each in about["warnings"]),
    )
