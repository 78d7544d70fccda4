"""Tar shards as WebDataset writes them: pictures, and for each a ``.cls`` file with its label."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ganbaru.data.arrays import MAX_CLASSES
from ganbaru.data.formats.pictures import is_picture, labelled_by_folder
from ganbaru.data.formats.splits import require_train
from ganbaru.data.picture import MAX_BYTES
from ganbaru.data.source import Files, Original, Samples, file_stamp
from ganbaru.errors import InputError


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a tar file, or of a folder that holds tar files."""
    shards = _shards(path) if path.is_dir() else [path] * _is_tar(head)
    if not shards:
        return None
    require_train(path, split)

    def read() -> Samples:
        files: dict[str, Callable[[], bytes]] = {}
        for shard in shards:
            files |= _files(shard)
        pictures = {name: read for name, read in files.items() if is_picture(name)}
        if not pictures:
            raise InputError(f"{path} holds no pictures (.png, .jpg, ...).")
        return _labelled(pictures, _labels(files))

    return Original(path.stem, str(path.resolve()), file_stamp(shards), read)


def _shards(folder: Path) -> list[Path]:
    """Return a folder's tar files, unless it also has pictures or sub-folders of its own."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(is_picture(path.name) or path.is_dir() for path in inside):
        return []
    return sorted(path for path in inside if path.suffix == ".tar")


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _files(shard: Path) -> Files:
    """List a shard's files as SHARD/NAME."""
    try:
        with tarfile.open(shard, "r:") as archive:
            found = {
                f"{shard.name}/{member.name}": partial(
                    _read, shard, member.offset_data, member.size
                )
                for member in archive
                if member.isreg()
            }
            _check_end(shard, archive.offset)
    except tarfile.TarError as error:
        raise InputError(
            f"{shard} is damaged: {error}. It was probably cut off; copy or download it again."
        ) from error
    return found


def _check_end(shard: Path, end: int) -> None:
    """Check that zeros end the list: tarfile takes a damaged header for the end as well."""
    with open(shard, "rb") as file:
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"the bytes at {end:,} are not a header")


def _labels(files: Files) -> dict[str, int]:
    """Read the ``.cls`` files: labels by stem."""
    labels = {}
    for name, read in files.items():
        if name.endswith(".cls"):
            text = read()[:32].decode("latin-1").strip()
            if not text.isdecimal() or int(text) >= MAX_CLASSES:
                raise InputError(
                    f"{name} holds {text!r}; a .cls file holds the number of a class, "
                    f"from 0 to {MAX_CLASSES - 1}, as text."
                )
            labels[_stem(name)] = int(text)
    return labels


def _labelled(pictures: Files, labels: dict[str, int]) -> Samples:
    """Label by .cls files if every picture has one, else by folders in the archive."""
    if not labels:
        return labelled_by_folder(pictures, [name.partition("/")[2] for name in pictures])
    found = np.array([labels.get(_stem(name), -1) for name in pictures])
    without = int((found < 0).sum())
    if without:
        note = f"{without:,} of {len(found):,} pictures have no .cls file"
        return Samples(pictures, notes=(f"{note}, so the set is taken as unlabelled.",))
    return Samples(pictures, found, tuple(str(k) for k in range(found.max() + 1)))


def _stem(name: str) -> str:
    """Return the name up to the first dot of its last part: all files of one sample share it."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0]))


def _read(shard: Path, offset: int, size: int) -> bytes:
    """Read straight from the shard, since tarfile is not made for several threads."""
    if size > MAX_BYTES:
        raise ValueError(f"would unpack to {size:,} bytes")
    with open(shard, "rb") as file:
        file.seek(offset)
        return file.read(size)
