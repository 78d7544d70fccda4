"""Hostile zip and tar files."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from data_helpers import picture_files, write_tar
from hostile_helpers import CASES, IMAGES, Maker, case, cases, gzipped_zeros, zeros, zip_of
from hostile_pictures import BOMB


@case
def zip_overlapping(folder: Path) -> Path:
    """The same bytes are 60 pictures of 177 megapixels."""
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


cases("zip", {"bomb": zip_of("0.png", zeros(600), 600 * 2**20)}, "x.zip")


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


BOMBED = {"bomb": gzipped_zeros(16_000, member("a", size=2**35))}
cases("cifar_tar", BOMBED, "x.tar.gz")


@case
def lzma_in_zip(folder: Path) -> Path:
    file = folder / "x.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in picture_files(IMAGES).items():
            archive.writestr(name, content)
    return _patched(file, lambda raw: raw.replace(b"]\0\0\x80\0", b"]\xff\xff\xff\xff", 1))
