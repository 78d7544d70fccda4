"""Archives of pictures, read without unpacking them to disk: zip, and tar as WebDataset writes it.

In tar shards, a ``.cls`` file beside each picture may hold its label.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ganbaru.data import claims
from ganbaru.data.arrays import MAX_CLASSES, class_count
from ganbaru.data.formats.folder import is_picture, labelled_by_folder
from ganbaru.data.formats.tar_members import members
from ganbaru.data.source import Files, Original, Samples, damaged, undivided
from ganbaru.errors import InputError

ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def recognize_zip(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a file that begins like a zip archive."""
    if not head.startswith(ZIP):
        return None

    def read() -> Samples:
        try:
            # Closed with the last of the functions that use it.
            archive = zipfile.ZipFile(path)
        # Of a damaged table: BadZipFile, NotImplementedError, struct.error and others.
        except Exception as error:
            raise damaged(path, "its table of contents, at the end, cannot be read") from error
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _check_total(path, entries)
        files = {entry.filename: partial(_read_zip, archive, entry.filename) for entry in entries}
        return labelled_by_folder({name: files[name] for name in sorted(_pictures(path, files))})

    return undivided(path, split, read)


def _check_total(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive whose files share bytes, or unpack to absurdly many in all."""
    size = path.stat().st_size
    packed = sum(entry.compress_size for entry in entries)
    if packed > size:
        raise damaged(path, f"its files claim {packed:,} bytes, and it has {size:,}")
    try:
        claims.require(
            sum(entry.file_size for entry in entries if is_picture(entry.filename)), size
        )
    except claims.ClaimError as error:
        raise damaged(path, str(error)) from error


def _read_zip(archive: zipfile.ZipFile, name: str) -> bytes:
    """Unpack one file; zipfile stops at the length the archive claims, so checking that is enough.

    Threads may share the archive: zipfile locks its file.
    """
    entry = archive.getinfo(name)
    claims.require(entry.file_size, entry.compress_size)
    return archive.read(name)


def _pictures(path: Path, files: Files) -> Files:
    found = {name: read for name, read in files.items() if is_picture(name)}
    if not found:
        raise InputError(f"{path} holds {len(files):,} files, but no pictures (.png, .jpg, ...).")
    return found


def recognize_tar(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a tar file, or of a folder that holds tar files."""
    shards = _shards(path) if path.is_dir() else [path] * (head[257:262] == b"ustar")
    if not shards:
        return None

    def read() -> Samples:
        files: dict[str, Callable[[], bytes]] = {}
        for shard in shards:
            files |= _files(shard)
        return _labelled(path, _pictures(path, files), _labels(files))

    return undivided(path, split, read, shards)


def _shards(folder: Path) -> list[Path]:
    """Return a folder's tar files, unless it also has pictures or sub-folders of its own."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(is_picture(path.name) or path.is_dir() for path in inside):
        return []
    return sorted(path for path in inside if path.suffix == ".tar")


def _files(shard: Path) -> Files:
    """List a shard's files as SHARD/NAME."""
    with claims.open_regular(shard) as file, members(shard, file, "r:") as (archive, listed):
        files = {
            f"{shard.name}/{member.name}": partial(_read_tar, shard, member)
            for member in listed
            if member.isreg()
        }
        # Zeros end the list: tarfile takes a damaged header for the end as well.
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"the bytes at {archive.offset:,} are not a header")
    return files


def _read_tar(shard: Path, member: tarfile.TarInfo) -> bytes:
    """Read straight from the shard, since tarfile is not made for several threads."""
    claims.require(member.size, 0, claims.MAX_BYTES)
    with claims.open_regular(shard) as file:
        file.seek(member.offset_data)
        return file.read(member.size)


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


def _labelled(place: Path, pictures: Files, labels: dict[str, int]) -> Samples:
    """Label by .cls files if every picture has one, else by folders in the archive."""
    if not labels:
        return labelled_by_folder(pictures, [name.partition("/")[2] for name in pictures])
    found = np.array([labels.get(_stem(name), -1) for name in pictures])
    without = int((found < 0).sum())
    if without:
        note = f"{without:,} of {len(found):,} pictures have no .cls file"
        return Samples(pictures, notes=(f"{note}, so the set is taken as unlabelled.",))
    return Samples(pictures, found, tuple(map(str, range(class_count(place, found)))))


def _stem(name: str) -> str:
    """Return the name up to the first dot of its last part: all files of one sample share it."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0]))
