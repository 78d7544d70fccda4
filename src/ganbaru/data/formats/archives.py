"""Archives of pictures, read without unpacking them to disk: zip, and tar as WebDataset writes it.

In tar shards, a ``.cls``, ``.json`` or ``.txt`` file beside each picture may hold its label.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ganbaru.data import claims
from ganbaru.data.formats import names, splits
from ganbaru.data.formats.arrangement import arrange
from ganbaru.data.formats.label_sources import Place, on_disk
from ganbaru.data.formats.labels import labelled
from ganbaru.data.formats.names import is_picture
from ganbaru.data.formats.tar_members import members
from ganbaru.data.source import LeftOut, Original, Samples, Want, damaged, file_stamp

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
LINKS = ("link", "links in an archive")
REPEATS = ("repeated name", "files that a later one of the same name replaces")


def recognize_zip(path: Path, head: bytes, want: Want) -> Original | None:
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
        found = arrange(path, paths, want.split)
        samples = labelled(Place(path, found, files, paths, want))
        named = f"File names in {path.name} are not marked as Unicode; they were read as {code}."
        samples = replace(samples, notes=(named,) * bool(code))
        return _with(samples, (*REPEATS, len(entries) - len(files)))

    stamp = _stamp([path], path, want)
    return Original(path.stem, want.located(path), stamp, read)


def _stamp(archives: list[Path], path: Path, want: Want) -> str:
    table, _ = on_disk(path, want.label_file)
    return file_stamp([*archives, *([table] if table else [])])


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
    claims.require(entry.file_size, 0, _most(name))
    return archive.read(name)


def _most(name: str) -> int:
    return claims.MAX_BYTES if is_picture(name) else claims.MAX_TABLE


def recognize_tar(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the pictures of a tar file, or of a folder that holds tar files."""
    shards = shards_in(path) if path.is_dir() else [path] * (head[257:262] == b"ustar")
    if not shards:
        return None

    divided = splits.roles({shard.name for shard in shards})

    def read() -> Samples:
        return pictures(path, shards, want, skip=0 if divided else 1)

    return Original(path.stem, want.located(path), _stamp(shards, path, want), read)


def pictures(path: Path, shards: list[Path], want: Want, skip: int) -> Samples:
    """Return the pictures of the shards of a set at `path`, by SHARD/NAME, with their labels.

    The first `skip` parts of these names are no folders: 0 where shards are named by splits.
    """
    listed = [pair for shard in shards for pair in _files(shard)]
    files: dict[str, Callable[[], bytes]] = {name: file for name, file in listed if file}
    paths = {name: names.parts(name) for name in files}
    found = arrange(path, paths, want.split, samples=True, skip=skip)
    samples = labelled(Place(path, found, files, paths, want, samples=True))
    links = sum(file is None for _, file in listed)
    return _with(samples, (*LINKS, links), (*REPEATS, len(listed) - links - len(files)))


def shards_in(folder: Path) -> list[Path]:
    """Return a folder's tar files, unless it also has pictures or sub-folders of its own."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if any(is_picture(path.name) or path.is_dir() for path in inside):
        return []
    return sorted(path for path in inside if path.suffix == ".tar")


def _files(shard: Path) -> list[tuple[str, Member | None]]:
    """List a shard's files as SHARD/NAME with functions that read them, None for links."""
    with claims.open_regular(shard) as file, members(shard, file, "r:") as (archive, listed):
        files = [
            (f"{shard.name}/{m.name}", Member.of(shard, m) if m.isreg() else None)
            for m in listed
            if not m.isdir()
        ]
        # Zeros end the list: tarfile takes a damaged header for the end as well.
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"the bytes at {archive.offset:,} are not a header")
    return files


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar file: a function that reads it, straight, for tarfile is not for threads."""

    shard: Path
    offset: int
    size: int
    name: str

    @classmethod
    def of(cls, shard: Path, found: tarfile.TarInfo) -> Member:
        """Return a member without tarfile's description of it, which takes 2 KB."""
        return cls(shard, found.offset_data, found.size, found.name)

    def __call__(self) -> bytes:
        """Return the content, or as much as there still is."""
        claims.require(self.size, 0, _most(self.name))
        with claims.open_regular(self.shard) as file:
            file.seek(self.offset)
            return file.read(self.size)
