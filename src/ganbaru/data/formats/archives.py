"""Archives of pictures, read without unpacking them to disk: zip, and tar as WebDataset writes it.

In tar shards, a ``.cls`` file beside each picture may hold its label.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from ganbaru.data import claims
from ganbaru.data.formats import names, splits
from ganbaru.data.formats.arrangement import Arrangement, Labels, arrange, labelled
from ganbaru.data.formats.names import Parts, is_picture
from ganbaru.data.formats.tar_members import members
from ganbaru.data.source import Files, LeftOut, Original, Samples, damaged, file_stamp, located
from ganbaru.errors import InputError

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
MAX_LABEL = 65_536  # a .cls file with more is no label
LINKS = ("link", "links in an archive")
REPEATS = ("repeated name", "files that a later one of the same name replaces")


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
        entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
        entries = [entry for entry in entries if not entry.filename.endswith(("/", "\\"))]
        _check_total(path, entries)
        real, code = names.of_zip(entries)
        files = {entry.filename: partial(_read_zip, archive, entry.filename) for entry in entries}
        paths = {e.filename: names.parts(name) for e, name in zip(entries, real, strict=True)}
        samples = labelled(arrange(path, paths, split), files, paths)
        named = f"File names in {path.name} are not marked as Unicode; they were read as {code}."
        samples = replace(samples, notes=(named,) * bool(code))
        return _with(samples, (*REPEATS, len(entries) - len(files)))

    return Original(path.stem, located(path, split), file_stamp([path]), read)


def _with(samples: Samples, *kinds: tuple[str, str, int]) -> Samples:
    """Add what an archive holds besides different files."""
    found = tuple(LeftOut(*kind) for kind in kinds if kind[2])
    return replace(samples, left_out=(*samples.left_out, *found))


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


def recognize_tar(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a tar file, or of a folder that holds tar files."""
    shards = _shards(path) if path.is_dir() else [path] * (head[257:262] == b"ustar")
    if not shards:
        return None

    def read() -> Samples:
        listed = [pair for shard in shards for pair in _files(shard)]
        files = {name: file for name, file in listed if file}
        paths = {name: names.parts(name) for name in files}
        divided = splits.roles({shard.name for shard in shards})
        arrangement = arrange(path, paths, split, samples=True, skip=0 if divided else 1)
        samples = labelled(arrangement, files, paths, _labels(arrangement, files, paths))
        links = sum(file is None for _, file in listed)
        return _with(samples, (*LINKS, links), (*REPEATS, len(listed) - links - len(files)))

    return Original(path.stem, located(path, split), file_stamp(shards), read)


def _shards(folder: Path) -> list[Path]:
    """Return a folder's tar files, unless it also has pictures or sub-folders of its own."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(is_picture(path.name) or path.is_dir() for path in inside):
        return []
    return sorted(path for path in inside if path.suffix == ".tar")


def _files(shard: Path) -> list[tuple[str, Callable[[], bytes] | None]]:
    """List a shard's files as SHARD/NAME with functions that read them, None for links."""
    with claims.open_regular(shard) as file, members(shard, file, "r:") as (archive, listed):
        files: list[tuple[str, Callable[[], bytes] | None]] = [
            (f"{shard.name}/{m.name}", partial(_read_tar, shard, m) if m.isreg() else None)
            for m in listed
            if not m.isdir()
        ]
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


def _labels(arrangement: Arrangement, files: Files, paths: Mapping[str, Parts]) -> Labels:
    """Read the ``.cls`` files, each for the pictures of its sample."""
    labels = {}
    for name in arrangement.others:
        if name.endswith(".cls"):
            text = files[name]()[:32].decode("latin-1").strip()
            if not text.isdecimal() or int(text) >= MAX_LABEL:
                raise InputError(
                    f"{name} holds {text!r}; a .cls file holds the number of a class, "
                    f"from 0 to {MAX_LABEL - 1}, as text."
                )
            labels[_sample(paths[name])] = int(text)
    pictures = (paths[name] for name in arrangement.pictures)
    return {path: labels[_sample(path)] for path in pictures if _sample(path) in labels}


def _sample(path: Parts) -> Parts:
    """Return the path up to the first dot of its last part: all files of a sample share it."""
    return (*path[:-1], path[-1].partition(".")[0])
