"""A zip archive of pictures, read without unpacking it to disk."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

from ganbaru.data.formats.pictures import is_picture, labelled_by_folder
from ganbaru.data.formats.splits import require_train
from ganbaru.data.picture import MAX_BYTES
from ganbaru.data.source import Original, Samples, file_stamp
from ganbaru.errors import InputError

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a file that begins like a zip archive."""
    if not head.startswith(MAGIC):
        return None
    require_train(path, split)

    def read() -> Samples:
        archive = _archive(path)  # closed with the last of the functions that read from it
        names = _pictures(path, archive)
        return labelled_by_folder({name: partial(_unpack, archive, name) for name in names})

    return Original(path.stem, str(path.resolve()), file_stamp([path]), read)


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path} begins like a zip archive but its table of contents, at the end, is missing "
            f"or damaged: the file was probably cut off. Copy or download it again."
        ) from error


def _pictures(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    pictures = sorted({name for name in names if is_picture(name)})
    if not pictures:
        raise InputError(f"{path} holds {len(names):,} files, but no pictures (.png, .jpg, ...).")
    return pictures


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    """Unpack one file; zipfile stops at the length the archive claims, so checking that is enough.

    Threads may share the archive: zipfile locks its file.
    """
    size = archive.getinfo(name).file_size
    if size > MAX_BYTES:
        raise ValueError(f"would unpack to {size:,} bytes")
    return archive.read(name)
