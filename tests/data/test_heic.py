"""Photographs of telephones: decoded by the extra, otherwise counted with the remedy."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ganbaru import data
from ganbaru.data import picture_file
from ganbaru.errors import InputError


def written(folder, count=6):
    """Write smooth pictures as HEIC and as PNG, in two folders."""
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.linspace(0, 200, 32)
    for i in range(count):
        image = np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None],
                          np.full((32, 32), 30.0 * i)], axis=2).astype(np.uint8)  # fmt: skip
        for kind in ("heic", "png"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            path = folder / kind / f"IMG_{i}.{kind.upper()}"
            if kind == "png":
                Image.fromarray(image).save(path)
            else:
                encoded = io.BytesIO()
                pillow_heif.from_pillow(Image.fromarray(image)).save(encoded, quality=95)
                path.write_bytes(encoded.getvalue())
    return folder


def test_heic_is_decoded_like_the_same_pictures_in_png(tmp_path):
    folder = written(tmp_path)
    found, wanted = data.load(folder / "heic"), data.load(folder / "png")
    assert found.images.shape == wanted.images.shape and not found.left_out
    assert np.abs(found.images.astype(int) - wanted.images).max() < 12  # it is lossy


def test_a_damaged_photograph_is_left_out(tmp_path):
    folder = written(tmp_path) / "heic"
    path = folder / "IMG_0.HEIC"
    path.write_bytes(path.read_bytes()[:200])
    found = data.load(folder)
    assert len(found.images) == 5 and [one.kind for one in found.left_out] == ["unreadable"]


def test_without_the_extra_they_are_counted_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_file, "decodes_heic", lambda: False)
    for i in range(4):
        Image.new("RGB", (16, 16), (60 * i, 0, 0)).save(tmp_path / f"{i}.png")
        (tmp_path / f"IMG_{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (left,) = data.load(tmp_path).left_out
    assert (left.kind, left.count) == ("no decoder", 4) and "ganbaru[heic]" in left.reason
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"ganbaru\[heic\]"):
        data.load(tmp_path)
