"""IDX files, the format of MNIST: a big-endian header, then one byte for each pixel or label."""

from __future__ import annotations

import glob
import gzip
import math
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import claims
from ganbaru.data.arrays import checked, compact
from ganbaru.data.formats import names
from ganbaru.data.formats.arrangement import counted
from ganbaru.data.source import (
    Original,
    Samples,
    SplitError,
    Want,
    damaged,
    file_stamp,
    require_train,
)
from ganbaru.errors import InputError, unknown

GZIP = b"\x1f\x8b"
# NumPy's names of the types of numbers: those of images, and those of labels.
UBYTES = {8: "u1"}
TYPES = {**UBYTES, 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
SPLITS = {"train": ("train",), "test": ("t10k", "test"), "val": ("val",)}  # words in file names
SPLITS |= {"auto": SPLITS["train"], "none": SPLITS["train"]}
EMNIST = "emnist-"
TURNED = "EMNIST's pictures, which its files hold mirrored and on their side, are turned upright."
MAX_MAPPING = 2**16  # bytes
_COMMON = {"emnist", "train", "test", "images", "idx3", "ubyte", "gz"}  # words in all names
PIECE = 2**24  # bytes read at a time


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of an IDX file, or of a folder that holds one for the split."""
    images = _in_folder(path, want) if path.is_dir() else _as_file(path, want.split)
    if images is None:
        return None
    labels = _labels_of(images)
    emnist = images.name.startswith(EMNIST)
    mapping = images.with_name(re.sub("-(train|test)-images.*", "-mapping.txt", images.name))
    found = [each for each in (images, labels, mapping if emnist else None) if each]
    files = sorted(path.iterdir()) if path.is_dir() else []
    others = [file for file in files if "-idx" not in file.name and file not in found]
    reasons = [names.left_out((file.name,)) for file in others]
    left_out = counted(reason for reason in reasons if reason)

    def read() -> Samples:
        classes = _mapped(mapping) if emnist and labels and mapping.is_file() else ()
        samples = read_pair(images, labels, classes, (TURNED,) * emnist, turned=emnist)
        if classes and samples.labels is not None:
            numbers, classes = compact(samples.labels, samples.classes)
            samples = replace(samples, labels=numbers, classes=classes)
        return replace(samples, left_out=left_out)

    return Original(path.stem.split(".")[0], want.located(path), file_stamp(found), read)


def _labels_of(images: Path) -> Path | None:
    """Return the file of labels beside one of images, also of another type or packed otherwise."""
    before, word, after = images.name.partition("images")
    same = images.with_name(f"{before}labels{after.replace('idx3', 'idx1')}")
    if not word or same.is_file():
        return same if word else None
    found = sorted(images.parent.glob(f"{glob.escape(before)}labels*idx*"))
    return next((file for file in found if file.is_file()), None)


def _mapped(file: Path) -> tuple[str, ...]:
    """Return EMNIST's classes: lines of a label and the codes of one or two characters."""
    try:
        lines = claims.read_regular(file, MAX_MAPPING).decode("ascii").split("\n")
        found = {int(k): codes for k, *codes in (line.split() for line in lines if line.strip())}
        if not 0 <= min(found) <= max(found) < MAX_MAPPING:
            raise ValueError("labels out of range")
        signs = {k: "".join(chr(int(code)) for code in codes) for k, codes in found.items()}
    except (ValueError, OverflowError) as error:
        raise damaged(file, "it is no list of labels and the codes of characters") from error
    return tuple(signs.get(k, str(k)) for k in range(max(found) + 1))


def read_pair(
    images: Path,
    labels: Path | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    turned: bool = False,
) -> Samples:
    """Read a file of images, `turned` if their columns are rows, and perhaps their labels."""
    pixels, numbers = parse(images), parse(labels, whole=True) if labels else None
    if pixels.ndim < 2:
        raise InputError(f"{images} holds labels. Give the file of images; its labels are found.")
    if turned and pixels.ndim == 3:
        pixels = pixels.transpose(0, 2, 1)
    source = "IDX labels"
    if numbers is not None and numbers.ndim == 2:  # QMNIST's: the class, then the writer and so on
        source = f"IDX labels, the first of {numbers.shape[1]} columns"
        numbers = numbers[:, 0]
    if numbers is not None and numbers.shape != (len(pixels),):
        raise InputError(
            f"{labels} holds {numbers.size:,} labels but {images} holds {len(pixels):,} images: "
            f"the two files do not belong together, or one is damaged."
        )
    return checked(str(images), pixels, numbers, classes, notes, source)


def parse(file: Path, *, whole: bool = False) -> NDArray[Any]:
    """Read one IDX file, gzipped or not: bytes, or also other types if `whole` numbers."""
    try:
        with _open(file) as stream:
            return _parse(file, stream, TYPES if whole else UBYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error, claims.ClaimError) as error:
        raise damaged(file, f"it does not unpack ({error})") from error


def _open(file: Path) -> BinaryIO:
    with claims.open_regular(file) as stream:
        packed = stream.read(2) == GZIP
    return cast(BinaryIO, claims.open_gzip(file)) if packed else claims.open_regular(file)


def _parse(file: Path, stream: BinaryIO, types: Mapping[int, str]) -> NDArray[Any]:
    kind, shape = _header(file, stream, types)
    expected = math.prod(shape) * np.dtype(kind).itemsize
    announced = f"it announces {' x '.join(map(str, shape))} = {expected:,} bytes, but"
    try:
        claims.require(expected, size := file.stat().st_size)
    except claims.ClaimError as error:
        raise damaged(file, f"{announced} has {size:,}") from error
    data = _read(stream, expected + 1)
    if len(data) != expected:
        found = f"more than {expected:,}" if len(data) > expected else f"{len(data):,}"
        raise damaged(file, f"{announced} {found} follow")
    array: NDArray[Any] = np.frombuffer(data, kind).reshape(shape)
    return array


def _header(file: Path, stream: BinaryIO, types: Mapping[int, str]) -> tuple[str, list[int]]:
    """Read the header: the type of the numbers and the shape."""
    magic = stream.read(4)
    if not _is_header(magic, types):
        raise InputError(
            f"{file} is not an IDX file of bytes: it begins with {magic.hex(' ') or 'nothing'}, "
            f"expected 00 00 08 and the number of dimensions, 1 to 4. Delete it and download it "
            f"again."
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise damaged(file, f"it ends after {4 + len(sizes)} bytes, within its header")
    shape: list[int] = np.frombuffer(sizes, ">u4").tolist()
    return types[magic[2]], shape


def _is_header(magic: bytes, types: Collection[int]) -> bool:
    """Return whether bytes begin as IDX: two zeros, a type, one to four dimensions."""
    return len(magic) > 3 and magic[:2] == b"\0\0" and magic[2] in types and 1 <= magic[3] <= 4


def _read(stream: BinaryIO, most: int) -> bytes:
    """Read at most `most` bytes, in pieces: a damaged header may announce more than fits memory."""
    pieces: list[bytes] = []
    while most > 0 and (piece := stream.read(min(most, PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _in_folder(path: Path, want: Want) -> Path | None:
    split = want.split
    files = sorted(file for file in path.iterdir() if "images" in file.name and _is_idx(file))
    chosen = [file for file in files if _of_split(file, split)]
    if files and not chosen:
        raise SplitError(f"{path} holds {files[0].name} but no IDX file of {split} images.")
    if want.key and files:
        words = {word for file in chosen for word in re.findall("[a-z0-9]+", file.name.lower())}
        chosen = [f for f in chosen if want.key.lower() in re.findall("[a-z0-9]+", f.name.lower())]
        if not chosen:
            raise unknown(f"--key for the sets of {path}", want.key, words - _COMMON)
    sets = {file.name.removesuffix(".gz").replace(".idx", "-idx"): file for file in chosen}
    if len(sets) > 1:
        raise InputError(
            f"{path} holds several sets: {', '.join(file.name for file in sets.values())}. Give "
            f"--key with a word of one's name, such as --key letters, or the path of one of these "
            f"files as the data; its labels and test images are found."
        )
    return chosen[0] if chosen else None


def _of_split(file: Path, split: str) -> bool:
    return any(word in file.name for word in SPLITS.get(split, (split,)))


def _as_file(path: Path, split: str) -> Path | None:
    """Return a file of the split, or the one beside it whose name differs by the split's word."""
    if not _is_idx(path):
        return None
    if split in SPLITS and not _of_split(path, split):
        beside = [path.with_name(path.name.replace("train", word)) for word in SPLITS[split]]
        if found := [file for file in beside if file != path and _is_idx(file)]:
            return found[0]
        require_train(path, split)
    return path


def _is_idx(file: Path) -> bool:
    """Return whether a file begins as IDX."""
    try:
        with _open(file) as stream:
            return _is_header(stream.read(4), TYPES)
    except (OSError, EOFError, zlib.error, claims.ClaimError):  # a folder as well
        return False
