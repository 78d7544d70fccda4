"""Tar shards as WebDataset writes them: pictures, and for each a ``.cls`` file with its label."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from ganbaru.data.folder import whole_only
from ganbaru.data.picture_file import MOST_BYTES
from ganbaru.data.picture_files import Entry, Labelled, is_picture, label_by_folder, pour
from ganbaru.data.sink import Sink
from ganbaru.data.source import MOST_CLASSES, Details, Original, Progress, Want, stamp
from ganbaru.errors import InputError


@dataclass
class Contents:
    """Where the pictures of some shards lie, and the labels beside them by stem."""

    pictures: list[Entry] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)


def opened(path: Path, head: bytes, split: str) -> Original | None:
    """Open a tar file, or a folder that holds tar files."""
    shards = _shards(path) if path.is_dir() else [path] * is_tar(head)
    if not shards:
        return None
    whole_only(path, split)

    def decode(want: Want, sink: Sink, progress: Progress) -> Details:
        inside = Contents()
        for shard in shards:
            _list(shard, inside)
        if not inside.pictures:
            raise InputError(f"{path} holds no pictures (.png, .jpg, ...).")
        return pour(str(path), inside.pictures, _labels(inside), want, sink, progress)

    return Original(path.stem, str(path.resolve()), stamp(shards), decode)


def _shards(folder: Path) -> list[Path]:
    """Return a folder's tar files, unless it also has pictures or sub-folders of its own."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(is_picture(path.name) or path.is_dir() for path in inside):
        return []
    return sorted(path for path in inside if path.suffix == ".tar")


def is_tar(head: bytes) -> bool:
    """Tell whether a file begins with a tar header."""
    return head[257:262] == b"ustar"


def _list(shard: Path, inside: Contents) -> None:
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                _list_member(shard, archive, member, inside)
            _check_end(shard, archive.offset)
    except tarfile.TarError as error:
        raise InputError(
            f"{shard} is damaged: {error}. It was probably cut off; copy or download it again."
        ) from error


def _check_end(shard: Path, end: int) -> None:
    """Make sure that zeros end the list: tarfile takes a damaged header for the end as well."""
    with open(shard, "rb") as file:
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"what stands at byte {end:,} is no header")


def _list_member(
    shard: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, inside: Contents
) -> None:
    name = f"{shard.name}/{member.name}"
    if not member.isreg():
        return
    if is_picture(member.name):
        read = partial(_read, shard, member.offset_data, member.size)
        inside.pictures.append(Entry(name, read))
    elif member.name.endswith(".cls"):
        stream = archive.extractfile(member)
        text = stream.read(32).decode("latin-1").strip() if stream else ""
        if not text.isdecimal() or int(text) >= MOST_CLASSES:
            raise InputError(
                f"{name} holds {text!r}; a .cls file holds the number of a class, "
                f"from 0 to {MOST_CLASSES - 1}, as text."
            )
        inside.labels[_stem(name)] = int(text)


def _labels(inside: Contents) -> Labelled:
    """Take labels from .cls files if every picture has one, else from folders in the archive."""
    if not inside.labels:
        return label_by_folder([entry.name.partition("/")[2] for entry in inside.pictures])
    found = [inside.labels.get(_stem(entry.name), -1) for entry in inside.pictures]
    if -1 in found:
        without = f"{found.count(-1):,} of {len(found):,} pictures have no .cls file"
        return Labelled(None, notes=(f"{without}, so the set is taken as unlabelled.",))
    return Labelled(tuple(found), tuple(str(k) for k in range(max(found) + 1)))


def _stem(name: str) -> str:
    """Return the name up to the first dot of its last part: all files of one sample share it."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0]))


def _read(shard: Path, offset: int, size: int) -> bytes:
    """Read straight from the shard, since tarfile is not made for several threads."""
    if size > MOST_BYTES:
        raise ValueError(f"would unpack to {size:,} bytes")
    with open(shard, "rb") as file:
        file.seek(offset)
        return file.read(size)
