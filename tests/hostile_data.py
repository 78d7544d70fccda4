"""Hostile image sets: files that claim, nest or name what they must not; one function makes each."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data_helpers import cifar_binary, encoded, idx, picture_files, random_images, write_tar
from PIL import Image

IMAGES = random_images(3)
Maker = Callable[[Path], Path]
CASES: dict[str, Maker] = {}


def case(make: Maker) -> Maker:
    CASES[make.__name__] = make
    return make


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(width: int, height: int, extra: bytes = b"", colour: int = 2) -> bytes:
    """Return a PNG that claims a size; its pixels are 2 MB of zeros at most."""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(min(2**21, (3 * width + 1) * height))))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + chunk(b"IEND", b"")


def flat(side: int, form: str, mode: str = "L", **options: object) -> bytes:
    """Return a real picture of one colour: many pixels in few bytes."""
    return encoded(Image.new(mode, (side, side)), form, **options)


def bmp(width: int, height: int, code: bytes) -> bytes:
    """Return a BMP of 8 bits, run-length encoded."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(code), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + info + bytes(1024) + code


def tiff(tags: list[tuple[int, int, int, int]]) -> bytes:
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4 + 64)


def tiff_tags(width: int, height: int, packing: int) -> list[tuple[int, int, int, int]]:
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, packing),
            (262, 3, 1, 1), (277, 3, 1, 1)]  # fmt: skip


def comments(size: int) -> bytes:
    """Return a GIF whose comment is `size` bytes in blocks of 1."""
    return b"GIF89a\4\0\4\0\0\0\0!\xfe" + b"\1x" * (size // 2) + b"\0;"


def ico(inner: bytes) -> bytes:
    entry = struct.pack("<4B2H2I", 16, 16, 0, 0, 1, 32, len(inner), 22)
    return struct.pack("<3H", 0, 1, 1) + entry + inner


BOMB = flat(12_000, "PNG")  # 144 megapixels in 140 kB
PICTURES: dict[str, Callable[[], bytes]] = {
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
    "claims_2_32_pixels": lambda: png_file(2**16, 2**16),
    "claims_176_megapixels": lambda: png_file(13_300, 13_300),
    "claims_one_long_row": lambda: png_file(100_000_000, 1),
    "flat_144_megapixels": lambda: BOMB,
    "flat_jpeg": lambda: flat(12_000, "JPEG", "RGB"),
    "flat_palette": lambda: flat(9_000, "GIF", "P", transparency=0),
    "flat_webp": lambda: flat(9_000, "WEBP", "RGB", lossless=True, method=0),
    "text_bomb": lambda: png_file(4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))),
    "profile_bomb": lambda: png_file(4, 4, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26)))),
    "gif_comment": lambda: comments(4_000_000),
    "gif_screen": lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + comments(4)[13:],
    "bmp_jumps": lambda: bmp(60_000_000, 1, b"\0\2\xff\xff" * 9),
    "bmp_negative": lambda: bmp(-5, -5, b"\0\1"),
    "tiff_claims_tile": lambda: tiff(
        [
            *tiff_tags(4, 4, 5),
            (322, 4, 1, 40_000),
            (323, 4, 1, 40_000),
            (324, 4, 1, 8),
            (325, 4, 1, 64),
        ]  # fmt: skip
    ),
    "tiff_claims_strips": lambda: tiff(
        [*tiff_tags(4, 4, 1), (273, 4, 2**31, 8), (278, 4, 1, 1), (279, 4, 2**31, 8)]
    ),
    "tiff_without_tags": lambda: tiff([]),
    "icon_of_bomb": lambda: ico(BOMB),
    "icon_of_itself": lambda: ico(ico(b"")),
    "portable_map": lambda: b"P6 13000 13000 255\n" + bytes(99),
    "plain_map_comment": lambda: b"P2 4 4 255\n" + b"#" * 4_000_000,
    "targa": lambda: struct.pack("<3BHHB4H2B", 0, 0, 10, 0, 0, 0, 0, 0, 65535, 2700, 8, 0),
    "empty": lambda: b"",
}


def _folder_with(name: str, make: Callable[[], bytes]) -> Maker:
    def made(folder: Path) -> Path:
        root = folder / "set"
        root.mkdir()
        for other, content in picture_files(IMAGES).items():
            (root / other).write_bytes(content)
        (root / "x.png").write_bytes(make())
        return root

    made.__name__ = name
    return made


for _name, _make in PICTURES.items():
    case(_folder_with(f"picture_{_name}", _make))


# --- special files ---


@case
def folder_with_fifos(folder: Path) -> Path:
    root = _folder_with("", lambda: b"")(folder)
    for name in ("a.png", "images-idx3-ubyte", "x.tar"):
        os.mkfifo(root / name)
    (root / "b.png").symlink_to("/dev/zero")
    (root / "c.png").symlink_to("/dev/stdin")
    (root / "d.png").symlink_to("d.png")
    (root / "again").symlink_to(root)
    return root


@case
def folder_of_fifos(folder: Path) -> Path:
    for name in ("images-idx3-ubyte", "x.tar", "data_batch_1"):
        os.mkfifo(folder / name)
    return folder


@case
def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "x.png")
    return folder / "x.png"


@case
def device_of_zeros(folder: Path) -> Path:
    return Path("/dev/zero")


@case
def device_of_random_bytes(folder: Path) -> Path:
    return Path("/dev/urandom")


@case
def process_file(folder: Path) -> Path:
    return Path("/proc/kmsg")


@case
def linked_labels_are_a_device(folder: Path) -> Path:
    (folder / "a-images-idx3-ubyte").write_bytes(idx(IMAGES[..., 0]))
    (folder / "a-labels-idx1-ubyte").symlink_to("/dev/zero")
    return folder / "a-images-idx3-ubyte"


@case
def deep_folders(folder: Path) -> Path:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(600):  # longer than a path may be
        os.mkdir("deepdeep", dir_fd=here)
        inner = os.open("deepdeep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    return folder


@case
def long_name(folder: Path) -> Path:
    return Path("x" * 5000)


@case
def name_with_zero(folder: Path) -> Path:
    return Path("x\0y")


# --- NumPy ---


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


def _npy(content: bytes) -> Maker:
    def made(folder: Path) -> Path:
        (folder / "x.npy").write_bytes(content)
        return folder / "x.npy"

    return made


def _npz(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Maker:
    def made(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "x.npz", "w", packing) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return folder / "x.npz"

    return made


def saved(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


for _name, _content in ARRAYS.items():
    CASES[f"npy_{_name}"] = _npy(_content)
    CASES[f"npz_{_name}"] = _npz({"images": _content})
    CASES[f"npz_labels_{_name}"] = _npz({"images": saved(IMAGES), "labels": _content})

LABELS: dict[str, object] = {
    "gap": [0, 1, 65_535],
    "huge": [0, 1, 2**63],
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
CASES["npz_bomb"] = _npz(
    {"images": npy("'|u1'", "(1000000, 16, 16)", bytes(256_000_000))}, zipfile.ZIP_BZIP2
)


# --- archives ---


@case
def zip_overlapping(folder: Path) -> Path:
    """The same 140 kB are 60 pictures of 144 megapixels."""
    file = folder / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("0.png", BOMB)
        for k in range(1, 60):
            info = zipfile.ZipInfo(f"{k}.png")
            first = archive.filelist[0]
            info.CRC, info.header_offset = first.CRC, 0
            info.compress_size, info.file_size = first.compress_size, first.file_size
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
        archive._didModify = True
    return file


@case
def zip_bomb(folder: Path) -> Path:
    file = folder / "x.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        for k in range(3):
            archive.writestr(f"{k}.png", BOMB + bytes(150_000_000))
    return file


@case
def zip_odd_names(folder: Path) -> Path:
    file = folder / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name in (
            "../../x/0.png",
            "/y/1.png",
            "c:\\2.png",
            "\udcff/3.png".encode("utf-8", "replace").decode(),
            "a\n\x1b[31m/4.png",
        ):
            archive.writestr(name, picture_files(IMAGES)["0.png"])
        archive.writestr("y.zip", b"PK\3\4")
    return file


@case
def zip_encrypted(folder: Path) -> Path:
    file = folder / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in picture_files(IMAGES).items():
            archive.writestr(name, content)
    return _patched(file, lambda raw: raw.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"))


def _patched(file: Path, change: Callable[[bytes], bytes]) -> Path:
    file.write_bytes(change(file.read_bytes()))
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **fields: object) -> bytes:
    """Return the header of a member of a tar file, its size in base 256 where it needs that."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = (
        b"%011o\0" % size
        if 0 <= size < 8**11
        else ((b"\x80" if size > 0 else b"\xff") + (size % 2**88).to_bytes(11, "big"))
    )
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def pax(text: str, claimed: int | None = None) -> bytes:
    body = text.encode()
    return member("p", tarfile.XHDTYPE, len(body) if claimed is None else claimed) + body.ljust(
        512, b"\0"
    )


TARS = {
    "negative_size": member("a.png", size=-512),
    "huge_size": member("a.png", size=2**40),
    "long_header": pax("", 2**33),
    "long_name": member("p", tarfile.GNUTYPE_LONGNAME, 2**33) + bytes(512),
    "header_goes_back": pax("13 size=-999\n") + member("a.png", size=512) + bytes(512),
    "negative_header": member("p", tarfile.XHDTYPE, -1024) + member("a.png"),
    "sparse": member("a.png", tarfile.GNUTYPE_SPARSE, 512) + bytes(512),
    "sparse_header": pax("22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=a.png\n")
    + member("a.png", size=5_000_000)
    + b"1" * 5_000_192,
    "chain": pax("6 a=b\n") * 3000 + member("a.png"),
    "device": member("a.png", tarfile.CHRTYPE) + member("b.png", tarfile.FIFOTYPE),
    "link": member("a.png", tarfile.SYMTYPE, linkname="/etc/passwd")
    + member("b.png", tarfile.LNKTYPE, linkname="a.png"),
    "huge_label": member("a.cls", size=2**34),
}


def _tar(content: bytes, packed: bool) -> Maker:
    def made(folder: Path) -> Path:
        file = write_tar(folder / "x.tar", picture_files(IMAGES))
        whole = content + file.read_bytes()
        file.unlink()
        file = folder / ("cifar-10-python.tar.gz" if packed else "x.tar")
        file.write_bytes(gzip.compress(whole, 1) if packed else whole)
        return file

    return made


for _name, _content in TARS.items():
    CASES[f"tar_{_name}"] = _tar(_content, False)
    CASES[f"cifar_tar_{_name}"] = _tar(_content, True)


@case
def cifar_tar_bomb(folder: Path) -> Path:
    file = folder / "x.tar.gz"
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [squeezed.compress(member("a", size=2**33))]
    parts += [squeezed.compress(bytes(2**24)) for _ in range(32)]  # 512 MB
    file.write_bytes(b"".join(parts) + squeezed.flush())
    return file


# --- IDX ---

GZ_NAME = b"\x1f\x8b\x08\x08" + bytes(6)  # a gzip header that is followed by a name
IDX = {
    "claims": b"\0\0\x08\3" + b"\xff" * 12,
    "claims_gigabytes": b"\0\0\x08\3" + struct.pack(">3I", 2**22, 28, 28),
    "no_dimensions": b"\0\0\x08\0",
    "empty_width": b"\0\0\x08\3" + struct.pack(">3I", 2**31, 0, 28),
}
for _name, _content in IDX.items():
    CASES[f"idx_{_name}"] = lambda folder, content=_content: _written(
        folder / "x-images-idx3", content
    )
    CASES[f"idx_packed_{_name}"] = lambda folder, content=_content: _written(
        folder / "x-images-idx3.gz", gzip.compress(content)
    )


def _written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


@case
def idx_bomb(folder: Path) -> Path:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [squeezed.compress(b"\0\0\x08\3" + struct.pack(">3I", 2**23, 28, 28))]
    parts += [squeezed.compress(bytes(2**24)) for _ in range(32)]
    return _written(folder / "x-images-idx3.gz", b"".join(parts) + squeezed.flush())


@case
def idx_endless_name(folder: Path) -> Path:
    return _written(folder / "x-images-idx3.gz", GZ_NAME + b"a" * 20_000_000)


@case
def idx_labels_of_many_dimensions(folder: Path) -> Path:
    _written(folder / "a-images-idx3-ubyte", idx(IMAGES[..., 0]))
    _written(folder / "a-labels-idx1-ubyte", b"\0\0\x08\xff" + bytes(4 * 255))
    return folder / "a-images-idx3-ubyte"


@case
def idx_label_gap(folder: Path) -> Path:
    _written(folder / "a-images-idx3-ubyte", idx(IMAGES[..., 0]))
    _written(folder / "a-labels-idx1-ubyte", idx(np.array([0, 1, 255], np.uint8)))
    return folder / "a-images-idx3-ubyte"


# --- CIFAR ---

KEYS = b"\x80\2}(U\4dataK\1U\6labels]"
PICKLES = {
    "memo": b"\x80\2K\1r\xff\xff\xff\x7f.",
    "bytes": b"\x80\4\x8e" + struct.pack("<Q", 2**34) + b"a.",
    "bytearray": b"\x80\5\x96" + struct.pack("<Q", 2**34) + b"a.",
    "text": b"\x80\4\x8d" + struct.pack("<Q", 2**60) + b"a.",
    "number": b"\x80\2\x8b" + struct.pack("<I", 2**31 - 1) + b"a.",
    "digits": b"I" + b"9" * 3_000_000 + b"\n.",
    "frame": b"\x80\4\x95" + struct.pack("<Q", 2**60) + b".",
    "nesting": b"\x80\2" + b"]" * 10 + b"\x85" * 1_000_000 + b".",
    "doubling": KEYS[:-1]
    + b"]q\0("
    + b"K\1e"
    + b"".join(b"](h" + bytes([k]) + b"h" + bytes([k]) + b"eq" + bytes([k + 1]) for k in range(30))
    + b"u.",
    "copies": b"\x80\2X"
    + struct.pack("<I", 2**20)
    + b"a" * 2**20
    + b"q\0](c_codecs\nencode\nq\1"
    + b"h\1h\0\x85R" * 5000
    + b"e.",
    "changes_function": b"c_codecs\nencode\n(N}U\x0c__defaults__(U\1at\x86b.".replace(
        b"(N}U", b"N}(U"
    ).replace(b"t\x86", b"tu\x86"),
    "call": b"cos\nsystem\n(S'exit 7'\ntR.",
    "attribute": b"\x80\4\x8c\5numpy\x8c\x0bdtype.__new_\x93.",
    "empty": b"",
}
for _name, _content in PICKLES.items():
    CASES[f"cifar_{_name}"] = lambda folder, content=_content: (
        _written(folder / "data_batch_1", content).parent
    )


@case
def cifar_huge_batch(folder: Path) -> Path:
    with open(folder / "data_batch_1.bin", "wb") as file:
        file.truncate(3073 * 2**21)  # 6 GB, sparse
    return folder


@case
def cifar_device(folder: Path) -> Path:
    (folder / "data_batch_1").symlink_to("/dev/zero")
    return folder


@case
def lzma_in_zip(folder: Path) -> Path:
    file = folder / "x.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in picture_files(IMAGES).items():
            archive.writestr(name, content)
    return _patched(file, lambda raw: raw.replace(b"]\0\0\x80\0", b"]\xff\xff\xff\xff", 1))


# --- seeds for mutation ---

SEEDS: dict[str, bytes] = {
    "x.npy": saved(IMAGES),
    "data_batch_1.bin": cifar_binary(random_images(2, 32, 32), np.arange(2)),
    "data_batch_1": pickle.dumps(
        {"data": random_images(2, 32, 32).reshape(2, -1), "labels": [1, 2]}, 2
    ),
    "x-images-idx3": idx(IMAGES[..., 0]),
    "x-images-idx3.gz": gzip.compress(idx(IMAGES[..., 0])),
}
lzma  # noqa: B018
