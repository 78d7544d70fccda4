"""IDX files, the format of MNIST: a big-endian header, then one byte for each pixel or label."""

from __future__ import annotations

import gzip
import math
import zlib
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ganbaru.data import claims
from ganbaru.data.arrays import checked
from ganbaru.data.source import (
    Images,
    Original,
    Samples,
    SplitError,
    damaged,
    file_stamp,
    require_train,
)
from ganbaru.errors import InputError

GZIP = b"\x1f\x8b"
UBYTES = b"\x00\x00\x08"
TYPES = (b"\x08", b"\x09", b"\x0b", b"\x0c", b"\x0d", b"\x0e")  # bytes, integers, floats
DIMENSIONS = (b"\1", b"\2", b"\3", b"\4")
SPLITS = {"train": ("train",), "test": ("t10k", "test")}  # words in the names of files
PIECE = 2**24  # bytes read at a time


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the images of an IDX file, or of a folder that holds one for the split."""
    images = _in_folder(path, split) if path.is_dir() else _as_file(path, split)
    if images is None:
        return None
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    found = [images, labels] if labels != images and labels.is_file() else [images]
    read = partial(read_pair, images, found[1] if found[1:] else None)
    return Original(path.stem.split(".")[0], f"{path.resolve()}/{split}", file_stamp(found), read)


def read_pair(
    images: Path,
    labels: Path | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Samples:
    """Read a file of images and perhaps the file of their labels."""
    pixels, numbers = parse(images), parse(labels) if labels else None
    if pixels.ndim < 2:
        raise InputError(f"{images} holds labels. Give the file of images; its labels are found.")
    if numbers is not None and numbers.shape != (len(pixels),):
        raise InputError(
            f"{labels} holds {numbers.size:,} labels but {images} holds {len(pixels):,} images: "
            f"the two files do not belong together, or one is damaged."
        )
    return checked(str(images), pixels, numbers, classes, notes)


def parse(file: Path) -> Images:
    """Read one IDX file of bytes, gzipped or not."""
    try:
        with _open(file) as stream:
            return _parse(file, stream)
    except (EOFError, gzip.BadGzipFile, zlib.error, claims.ClaimError) as error:
        raise damaged(file, f"it does not unpack ({error})") from error


def _open(file: Path) -> BinaryIO:
    with claims.open_regular(file) as stream:
        packed = stream.read(2) == GZIP
    return cast(BinaryIO, claims.open_gzip(file)) if packed else claims.open_regular(file)


def _parse(file: Path, stream: BinaryIO) -> Images:
    shape = _shape(file, stream)
    expected = math.prod(shape)
    announced = f"it announces {' x '.join(map(str, shape))} = {expected:,} bytes, but"
    try:
        claims.require(expected, size := file.stat().st_size)
    except claims.ClaimError as error:
        raise damaged(file, f"{announced} has {size:,}") from error
    data = _read(stream, expected + 1)
    if len(data) != expected:
        found = f"more than {expected:,}" if len(data) > expected else f"{len(data):,}"
        raise damaged(file, f"{announced} {found} follow")
    array: Images = np.frombuffer(data, np.uint8).reshape(shape)
    return array


def _shape(file: Path, stream: BinaryIO) -> list[int]:
    """Read the header."""
    magic = stream.read(4)
    if not magic.startswith(UBYTES) or magic[3:] not in DIMENSIONS:
        raise InputError(
            f"{file} is not an IDX file of bytes: it begins with {magic.hex(' ') or 'nothing'}, "
            f"expected 00 00 08 and the number of dimensions, 1 to 4. Delete it and download it "
            f"again."
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise damaged(file, f"it ends after {4 + len(sizes)} bytes, within its header")
    shape: list[int] = np.frombuffer(sizes, ">u4").tolist()
    return shape


def _read(stream: BinaryIO, most: int) -> bytes:
    """Read at most `most` bytes, in pieces: a damaged header may announce more than fits memory."""
    pieces: list[bytes] = []
    while most > 0 and (piece := stream.read(min(most, PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _in_folder(path: Path, split: str) -> Path | None:
    files = sorted(file for file in path.iterdir() if "images" in file.name and _is_idx(file))
    chosen = [file for file in files if any(word in file.name for word in SPLITS[split])]
    if files and not chosen:
        raise SplitError(f"{path} holds {files[0].name} but no IDX file of {split} images.")
    return chosen[0] if chosen else None


def _as_file(path: Path, split: str) -> Path | None:
    if not _is_idx(path):
        return None
    if not any(word in path.name for word in SPLITS[split]):
        require_train(path, split)
    return path


def _is_idx(file: Path) -> bool:
    """Return whether a file begins as IDX: two zeros, a type, one to four dimensions."""
    try:
        with _open(file) as stream:
            head = stream.read(4)
    except (OSError, EOFError, zlib.error, claims.ClaimError):  # a folder as well
        return False
    return head[:2] == b"\0\0" and head[2:3] in TYPES and head[3:] in DIMENSIONS
