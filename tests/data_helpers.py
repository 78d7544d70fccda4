"""Small sets of images in every form, and the places that real ones are found in."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Give every test an empty cache and no data but its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GANBARU_CACHE", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("GANBARU_DATA", raising=False)
    monkeypatch.delenv("GANBARU_MIRROR", raising=False)
    return folder


REAL = os.environ.get("GANBARU_DATA", "")
SETS = ("MNIST/raw", "FashionMNIST/raw", "cifar-10-batches-bin", "cat-faces-64.zip")
ABSENT = [name for name in SETS if not Path(REAL, name).exists()] if REAL else [*SETS]
needs_real_data = pytest.mark.skipif(
    bool(ABSENT),
    reason=f"needs {', '.join(ABSENT)} in the folder that $GANBARU_DATA names",
)


def cache_path() -> Path:
    return Path(os.environ["GANBARU_CACHE"])


def random_images(count=6, height=8, width=8, channels=3, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def png(image: np.ndarray) -> bytes:
    """Return the PNG file of one image (H, W, C)."""
    return encoded(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), "PNG")


def encoded(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


def write_zip(file: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def write_tar(file: Path, files: dict[str, bytes], mode="w") -> Path:
    with tarfile.open(file, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def picture_files(images: np.ndarray, folders: tuple[str, ...] = ("",)) -> dict[str, bytes]:
    """Name images 0.png, 1.png ... and spread them over the folders in turn."""
    names = (f"{folders[i % len(folders)]}/{i}.png".lstrip("/") for i in range(len(images)))
    return dict(zip(names, map(png, images), strict=True))


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray, packed=True):
    """Write the two files of a split as MNIST's are named."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        data = idx(array)
        file = folder / f"{prefix}-{name}-ubyte{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(data) if packed else data)


def cifar_binary(images: np.ndarray, labels: np.ndarray) -> bytes:
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], rows], axis=1).tobytes()
