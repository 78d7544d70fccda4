"""Good and bad files to run commands on, and what a message about invalid input looks like."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from train_helpers import Said, pictures

# A tiny run on good data.
G = "train --data good.npz --batch 8 --width 4 --steps 2"

PNG = b"\x89PNG\r\n\x1a\n"


def idx(array: np.ndarray) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


def make_data(folder: Path) -> None:
    """Write sets that are empty, single, truncated, broken or unlabelled."""
    pictures(folder / "good.npz")
    pictures(folder / "unlabelled.npz", classes=0)
    pictures(folder / "one.npz", count=1)
    for name in ("empty", "texts", "broken", "single", "flat", "mixed"):
        (folder / name).mkdir()
    (folder / "empty.zip").write_bytes(b"")
    (folder / "texts" / "readme.txt").write_text("no pictures here")
    for i in range(3):
        (folder / "broken" / f"{i}.png").write_bytes(PNG + b"\x00" * 20)
        Image.new("L", (16, 16), i).save(folder / "flat" / f"{i}.png")
        Image.new("L", (16 + i, 16), i).save(folder / "mixed" / f"{i}.png")
    for name in ("train/ape", "train/bear", "test/ape", "test/zebra"):
        (folder / "zoo" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("L", (16, 16), i + len(name)).save(folder / "zoo" / name / f"{i}.png")
    Image.new("L", (16, 16)).save(folder / "single" / "0.png")
    (folder / "lie.png").write_text("I am a text file.")
    whole = idx(np.zeros((20, 16, 16), np.uint8))
    (folder / "cut-idx3-ubyte").write_bytes(whole[:-100])
    with zipfile.ZipFile(folder / "whole.zip", "w") as archive:
        for i in range(3):
            archive.write(folder / "flat" / f"{i}.png", f"{i}.png")
    content = (folder / "whole.zip").read_bytes()
    (folder / "cut.zip").write_bytes(content[: len(content) // 2])
    np.savez(folder / "strange.npz", pixels=np.zeros((3, 16, 16), np.uint8))
    np.savez(folder / "floats.npz", images=np.full((9, 16, 16, 1), 2.0))


YAML = {
    "broken.yaml": "batch: [",
    "list.yaml": "- 1\n- 2\n",
    "word.yaml": "batch: x\n",
    "typo.yaml": "btach: 3\n",
    "betas.yaml": "betas: 3\n",
    "switch.yaml": "replacement: maybe\n",
    "bytes.yaml": None,
}

MODULES = {
    "mine/__init__.py": "",
    "mine/empty.py": "",
    "mine/broken.py": "this is no Python\n",
    "mine/fails.py": "import a_module_that_is_absent\n",
    "mine/raises.py": "raise RuntimeError('out of cheese')\n",
    "mine/losses.py": "number = 3\ndef function(): ...\n",
}


def listing(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def assert_one_message(said: Said, *parts: str, code: int = 2) -> None:
    assert said.code == code, said
    assert said.out == "" and said.err.startswith("ganbaru: ") and said.err.endswith("\n")
    assert said.err.count("\n") == 1 and len(said.err) < 700, said.err
    for odd in ("Traceback", "<class", "usage:", "errno", "NoneType"):
        assert odd not in said.err
    for part in parts:
        assert part in said.err, said.err
