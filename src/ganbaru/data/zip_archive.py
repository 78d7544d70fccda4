"""A zip archive of pictures, read in place."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

from ganbaru.data.folder import whole_only
from ganbaru.data.picture_file import MOST_BYTES
from ganbaru.data.picture_files import Entry, is_picture, label_by_folder, pour
from ganbaru.data.sink import Sink
from ganbaru.data.source import Details, Original, Progress, Want, stamp
from ganbaru.errors import InputError

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


def opened(path: Path, head: bytes, split: str) -> Original | None:
    """Open a file that begins like a zip archive."""
    if not head.startswith(MAGIC):
        return None
    whole_only(path, split)

    def decode(want: Want, sink: Sink, progress: Progress) -> Details:
        with _archive(path) as archive:
            names = _pictures(path, archive)
            entries = [Entry(name, partial(_read, archive, name)) for name in names]
            return pour(str(path), entries, label_by_folder(names), want, sink, progress)

    return Original(path.stem, str(path.resolve()), stamp([path]), decode)


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path} begins like a zip archive but its table of contents, which stands at the end, "
            f"is missing or damaged: the file was probably cut off. Copy or download it again."
        ) from error


def _pictures(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    pictures = sorted({name for name in names if is_picture(name)})
    if not pictures:
        raise InputError(f"{path} holds {len(names):,} files, but no pictures (.png, .jpg, ...).")
    return pictures


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Unpack one file; zipfile stops at the length the archive claims, so checking that is enough.

    Threads may share the archive: zipfile locks its file.
    """
    size = archive.getinfo(name).file_size
    if size > MOST_BYTES:
        raise ValueError(f"would unpack to {size:,} bytes")
    return archive.read(name)
