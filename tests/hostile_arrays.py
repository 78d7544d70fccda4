"""Hostile array files: .npy, .npz, IDX and CIFAR-10's pickles."""

from __future__ import annotations

import gzip
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
from data_helpers import idx, random_images
from hostile_helpers import CASES, IMAGES, Maker, case, cases, gzipped_zeros, saved, zeros, zip_of


def npy(descr: str, shape: str, data: bytes = b"", version: bytes = b"\1\0", pad: int = 0) -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}{' ' * pad}\n".encode()
    size = struct.pack("<H" if version[0] == 1 else "<I", len(head))
    return b"\x93NUMPY" + version + size + head + data


ARRAYS = {
    "claims_bytes": npy("'|u1'", f"({2**33}, 8, 8, 3)"),
    "claims_overflow": npy("'|u1'", f"({2**62}, 8, 8, 3)"),
    "negative": npy("'|u1'", "(-1, 8, 8, 3)", bytes(192)),
    "two_negatives": npy("'|u1'", "(-2, -8, 8, 3)", bytes(384)),
    "truth": npy("'|u1'", "(True, 8, 8, 3)", bytes(192)),
    "empty_width": npy("'|u1'", f"({2**40}, 0, 8, 3)"),
    "no_shape": npy("'|u1'", "()", bytes(9)),
    "structured": npy("[('a', '|u1'), ('b', '|O')]", "(9,)", bytes(99)),
    "wide": npy("'|V2147483647'", "(9,)", bytes(99)),
    "text": npy("'<U500000000'", "(2,)", bytes(99)),
    "long_header": npy("'|u1'", "(2, 8, 8, 3)", bytes(384), b"\2\0", 2**20),
    "deep_header": npy("'|u1'", "(" * 3000 + ")" * 3000, bytes(384), b"\2\0"),
    "version_9": npy("'|u1'", "(2, 8, 8, 3)", bytes(384), b"\x09\0"),
    "surplus": npy("'|u1'", "(2, 8, 8, 3)", bytes(384 + 7)),
}


def _npz(members: dict[str, bytes]) -> Maker:
    def made(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return folder / "x.npz"

    return made


cases("npy", ARRAYS, "x.npy")
for _name, _content in ARRAYS.items():
    CASES[f"npz_{_name}"] = _npz({"images": _content})
    CASES[f"npz_labels_{_name}"] = _npz({"images": saved(IMAGES), "labels": _content})

LABELS: dict[str, object] = {
    "gap": [0, 1, 65_535],
    "huge": np.array([0, 1, 2**63], np.uint64),
    "negative": [0, 1, -1],
    "infinite": [0, 1, np.inf],
    "truth": [True, False, True],
    "texts": ["a", "b", "c"],
    "pairs": [[0, 1], [1, 0], [1, 1]],
    "dates": np.zeros(3, "M8[s]"),
}
for _name, _labels in LABELS.items():
    CASES[f"labels_{_name}"] = _npz({"images": saved(IMAGES), "labels": saved(_labels)})
CASES["classes_number"] = _npz({"images": saved(IMAGES), "classes": saved(3)})
CASES["classes_table"] = _npz(
    {"images": saved(IMAGES), "labels": saved([0, 1, 1]), "classes": saved([[1], [2]])}
)
_HEAD = npy("'|u1'", f"({600 * 2**10}, 32, 32)")
cases(
    "npz",
    {"bomb": zip_of("images.npy", zeros(600, _HEAD), len(_HEAD) + 600 * 2**20)},
    "x.npz",
)


# --- IDX ---

IDX = {
    "claims": b"\0\0\x08\3" + b"\xff" * 12,
    "claims_gigabytes": b"\0\0\x08\3" + struct.pack(">3I", 2**22, 28, 28),
    "no_dimensions": b"\0\0\x08\0",
    "empty_width": b"\0\0\x08\3" + struct.pack(">3I", 2**31, 0, 28),
}
PACKED = {name: gzip.compress(content) for name, content in IDX.items()} | {
    "bomb": gzipped_zeros(784, b"\0\0\x08\3" + struct.pack(">3I", 2**20, 28, 28)),
    "endless_name": b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 20_000_000,
}
cases("idx", IDX, "x-images-idx3")
cases("idx_packed", PACKED, "x-images-idx3.gz")


def _idx_pair(folder: Path, labels: bytes) -> Path:
    (folder / "a-images-idx3-ubyte").write_bytes(idx(IMAGES[..., 0]))
    (folder / "a-labels-idx1-ubyte").write_bytes(labels)
    return folder / "a-images-idx3-ubyte"


@case
def idx_labels_of_many_dimensions(folder: Path) -> Path:
    return _idx_pair(folder, b"\0\0\x08\xff" + bytes(4 * 255))


@case
def idx_label_gap(folder: Path) -> Path:
    return _idx_pair(folder, idx(np.array([0, 1, 255], np.uint8)))


# --- CIFAR-10 ---


def _doubled() -> bytes:
    """Return a batch of 30 lists, each of which holds the one before twice."""
    labels: list[object] = [1]
    for _ in range(30):
        labels = [labels, labels]
    rows = random_images(2, 32, 32).reshape(2, -1)
    return pickle.dumps({"data": rows, "labels": labels}, 2)


PICKLES = {
    "memo": b"\x80\2K\1r\xff\xff\xff\x7f.",
    "bytes": b"\x80\4\x8e" + struct.pack("<Q", 2**34) + b"a.",
    "bytearray": b"\x80\5\x96" + struct.pack("<Q", 2**34) + b"a.",
    "text": b"\x80\4\x8d" + struct.pack("<Q", 2**60) + b"a.",
    "number": b"\x80\2\x8b" + struct.pack("<I", 2**31 - 1) + b"a.",
    "digits": b"I" + b"9" * 3_000_000 + b"\n.",
    "frame": b"\x80\4\x95" + struct.pack("<Q", 2**60) + b".",
    "nesting": b"\x80\2]" + b"\x85" * 1_000_000 + b".",
    "doubling": _doubled(),
    "copies": b"\x80\2X"
    + struct.pack("<I", 2**20)
    + b"a" * 2**20
    + b"q\0](c_codecs\nencode\nq\1"
    + b"h\1h\0\x85R" * 5000
    + b"e.",
    "changes_function": b"c_codecs\nencode\nN}(U\x0c__defaults__(U\1atu\x86b.",
    "call": b"cos\nsystem\n(S'exit 7'\ntR.",
    "attribute": b"\x80\4\x8c\5numpy\x8c\x0ddtype.__new__\x93.",
    "empty": b"",
}
cases("cifar", PICKLES, "data_batch_1", load_folder=True)


@case
def cifar_huge_batch(folder: Path) -> Path:
    with open(folder / "data_batch_1.bin", "wb") as file:
        file.truncate(3073 * 2**21)  # 6 GB, sparse
    return folder


@case
def cifar_device(folder: Path) -> Path:
    (folder / "data_batch_1").symlink_to("/dev/zero")
    return folder
