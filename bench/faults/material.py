"""Valid files of every kind: a run, a tournament, exports, weights to import, and image sets."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ganbaru.metrics import evaluator, scorer

from .child import PATIENT, attempt, ganbaru
from .mutations import MODULE

# Data and networks that take milliseconds; --engine numpy, so that nothing depends on a framework.
TINY = ("--batch", 8, "--width", 4, "--latent", 8, "--engine", "numpy")
OFTEN = ("--log-every", 24, "--sample-every", 48, "--checkpoint-every", 48)
SCORED = ("--evaluate-every", 48, "--evaluate-images", 50)
TRAIN = ("train", "digits", "--data", "pics.npz", *TINY, *OFTEN)
RUN = "./r"

# A module that says when it runs; it has every name that a family of modules needs.
HOSTILE = """
import sys
sys.audit("ganbaru.bench.marker", __name__)
def thing(*arguments, **options):
    sys.audit("ganbaru.bench.marker", "called")
    return 0.0
generator = discriminator = d = g = thing
LOGITS = 1
class Engine: pass
DATASET = thing
"""


def small_scorers() -> None:
    """Let scorers train for a moment, in this process and its children."""
    scorer.RECIPE = scorer.Recipe(width=4, shown=640)
    evaluator.CAS_RECIPE = scorer.Recipe(width=4, shown=640)


def pictures(count: int = 240, side: int = 16, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Return random images (N, H, W, C), uint8."""
    shape = (count, side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(place: Path, full: bool = True) -> Path:
    """Write the material and return its folder; without `full` only the run, its data and cache.

    It is made where the cases will be, since caches go by place.
    """
    folder = place / "case"
    _write(folder, full)
    return folder.rename(place / "base")


def _write(folder: Path, full: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["GANBARU_CACHE"] = "cache"  # below each case's own folder
    os.environ.pop("GANBARU_DATA", None)
    os.environ.pop("GANBARU_KEY", None)
    np.savez(folder / "pics.npz", images=pictures(), labels=np.arange(240) % 3)
    (folder / f"{MODULE}.py").write_text(HOSTILE)
    image_sets(folder)
    _run(folder, *TRAIN, *SCORED * full, "--steps", 12, "--run", RUN)
    if not full:
        return
    _run(folder, "evaluate", RUN, "-n", 50, "--json")
    _run(folder, "authenticity", RUN, "-n", 100, "--json")
    _run(folder, "directions", RUN, "--main", 2)
    answers = "".join(f"{i},yes\n{i + 1},no\n" for i in range(0, 9, 2))
    (folder / "answers.csv").write_text(answers)
    for name in ("hub", "weights.safetensors", "page.html"):
        _run(folder, "export", RUN, "-o", name)
    _run(folder, "generate", RUN, "-n", 12, "-o", "made.npz")
    _run(folder, "compare", "digits", "digits --lr 0.002", *_comparison(), "-o", "cmp")
    for name in ("folder", "set.zip"):
        _run(folder, "data", name, "-o", "sheet.png")
    imported(folder)


def _comparison() -> tuple:
    few = ("--seeds", 2, "--images", 96, "--evaluate-images", 50, "--held-out", 0)
    return ("--data", "pics.npz", *TINY, *few)


COMPARE = ("compare", "digits", "digits --lr 0.002", *_comparison(), "-o", "cmp")


def _run(folder: Path, *words: object) -> None:
    """Run a command that must succeed."""
    done = attempt(ganbaru(*words), folder, wall=PATIENT)
    if done.code:
        raise RuntimeError(f"{words}: {done.code}\n{done.out}{done.err}")


# --- image sets -------------------------------------------------------------------------------


def encoded(image: np.ndarray, kind: str) -> bytes:
    """Return the file of one image (H, W, C)."""
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(stream, kind)
    return stream.getvalue()


SUFFIXES = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "TIFF": "tiff", "WEBP": "webp",
            "BMP": "bmp", "PPM": "ppm"}  # fmt: skip


def image_sets(folder: Path) -> None:
    """Write small sets in every format."""
    images, labels = pictures(24, 8, 3), np.arange(24) % 3
    np.savez(folder / "set.npz", images=images, labels=labels)
    np.savez_compressed(folder / "packed.npz", images=images, labels=labels)
    np.save(folder / "set.npy", images)
    grey = images[..., :1]
    idx(folder / "idx", grey[..., 0], labels)
    kinds = list(SUFFIXES)
    files = {f"{'abc'[i % 3]}/{i:02d}.{SUFFIXES[kinds[i % 7]]}":
             encoded(images[i], kinds[i % 7]) for i in range(21)}  # fmt: skip
    with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
            path = folder / "folder" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    with tarfile.open(folder / "set.tar", "w") as tar:
        for i, data in enumerate(files.values()):
            for name, content in ((f"{i:03d}.png", data), (f"{i:03d}.cls", b"%d" % (i % 3))):
                _add(tar, name, content)
    (folder / "shards").mkdir()
    for shard in range(2):
        shutil.copy(folder / "set.tar", folder / "shards" / f"s-{shard}.tar")
    _parquet(folder, [*files.values()])
    _cifar(folder)
    _labelled(folder, files)


def _labelled(folder: Path, files: dict[str, bytes]) -> None:
    """Write pictures with labels beside them in files, and sets of arrays by key."""
    names = [Path(name).name for name in files]
    tables = {
        "labels.csv": "\n".join(["id,label", *(f"{n},{n[0]}" for n in names)]),
        "labels.tsv": "\n".join(["id\tlabel", *(f"{n}\t{n[0]}" for n in names)]),
        "metadata.jsonl": "\n".join(json.dumps({"file_name": n, "label": n[0]}) for n in names),
        "dataset.json": json.dumps({"labels": [[n, n[0]] for n in names]}),
        "list.txt": "\n".join(f"{n} {n[0]}" for n in names),
    }
    for table, text in tables.items():
        place = folder / "tables" / table.replace(".", "-")
        place.mkdir(parents=True)
        for name, data in zip(names, files.values(), strict=True):
            (place / name).write_bytes(data)
        (place / table).write_text(text)
    from scipy.io import savemat

    images, labels = pictures(24, 8, 3), np.arange(24) % 3
    savemat(folder / "set.mat", {"X": images, "y": labels}, do_compression=True)
    try:
        import h5py
    except ImportError:
        return
    with h5py.File(folder / "set.h5", "w") as file:
        file.create_dataset("images", data=images, compression="gzip")
        file["labels"] = labels


def _parquet(folder: Path, files: list[bytes]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return
    table = pyarrow.table({"image": files, "label": [k % 3 for k in range(len(files))]})
    parquet.write_table(table, folder / "set.parquet", row_group_size=8)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def idx(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write an IDX pair, plain and packed."""
    for place, suffix in ((folder, ""), (folder.with_name("idxgz"), ".gz")):
        place.mkdir(exist_ok=True)
        for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            sides = b"".join(struct.pack(">I", side) for side in array.shape)
            content = bytes([0, 0, 8, array.ndim]) + sides + array.astype(np.uint8).tobytes()
            data = gzip.compress(content, mtime=0) if suffix else content
            (place / f"train-{name}-ubyte{suffix}").write_bytes(data)


def _cifar(folder: Path) -> None:
    """Write CIFAR-10 in both published forms, with a few images in each batch."""
    rows, labels = pictures(4, 32, 3).transpose(0, 3, 1, 2).reshape(4, -1), [0, 3, 9, 1]
    binary, pickled = folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"
    binary.mkdir(), pickled.mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        records = np.concatenate([np.array(labels, np.uint8)[:, None], rows], axis=1)
        (binary / f"{name}.bin").write_bytes(records.tobytes())
        batch = {b"data": rows, b"labels": labels, b"batch_label": b"x"}
        (pickled / name).write_bytes(pickle.dumps(batch, 2))
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(pickled, pickled.name)


def imported(folder: Path) -> None:
    """Write a generator's weights as `import` takes them."""
    from safetensors.numpy import load_file, save_file

    ours = load_file(folder / "weights.safetensors")
    weights = {}
    for name, array in ours.items():
        group, _, rest = name.partition("/")
        if group.startswith(("ema", "generator")):
            weights[rest] = np.ascontiguousarray(array)
    save_file(weights, folder / "gen.safetensors")
    try:
        import torch
    except ImportError:
        return
    tensors = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
    torch.save(tensors, folder / "gen.pth")
    torch.save({"generator": tensors}, folder / "gen.pt", _use_new_zipfile_serialization=False)


# --- handmade ---------------------------------------------------------------------------------

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n{} loop\n%%EOF\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG of a few hundred bytes that claims so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + body + _chunk(b"IEND", b"")


def handmade(folder: Path) -> Iterator[tuple[str, str]]:
    """Write hostile image sets one by one; yield each one's path below the folder, and what it is.

    A set that a path cannot hold is named by another path, such as a device.
    """
    good = encoded(pictures(1, 8, 1)[0], "PNG")
    odd = {
        "EPS named .png": EPS,
        "EPS with a preview": b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, len(EPS))
        + bytes(20) + EPS,
        "WMF named .png": b"\xd7\xcd\xc6\x9a" + bytes(60),
        "PNG of 60,000 x 60,000": png_claiming(60_000, 60_000),
        "PNG of 2**31 x 1": png_claiming(2**31 - 1, 1),
        "text chunk of 200 MB": good[:-12]
        + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * 10**8))) + good[-12:],
    }  # fmt: skip
    for i, (what, content) in enumerate(odd.items()):
        place = folder / f"odd{i}"
        place.mkdir()
        (place / "a.png").write_bytes(content), (place / "b.png").write_bytes(good)
        yield place.name, what
    for what, path in _special(folder):
        yield path, what
    yield "/dev/zero", "device"
    images = pictures(24, 8, 1)
    np.savez(folder / "labels.npz", images=images, labels=np.arange(24) * 2849)
    yield "labels.npz", "labels up to 65,527 of 24 images"
    for name, content in _claims(images).items():
        (folder / name).write_bytes(content)
        yield name, "a claim of far more than the file holds"


def _special(folder: Path) -> Iterator[tuple[str, str]]:
    good = encoded(pictures(1, 8, 1)[0], "PNG")
    for name in ("pipes", "loop", "wide"):
        (folder / name).mkdir()
        for i in range(2):
            (folder / name / f"{i}.png").write_bytes(good)
    os.mkfifo(folder / "pipe.npz"), os.mkfifo(folder / "pipes" / "a.png")
    (folder / "loop" / "again").symlink_to(folder / "loop")
    (folder / "wide" / "zero.png").symlink_to("/dev/zero")
    yield "FIFO", "pipe.npz"
    yield "folder with a FIFO", "pipes"
    yield "folder that links to itself", "loop"
    yield "folder with a link to a device", "wide"


def _claims(images: np.ndarray) -> dict[str, bytes]:
    """Return files that claim much and hold little."""
    head = "{'descr': '|u1', 'fortran_order': False, 'shape': (%s, 8, 8, 1), }"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"{i}.png", bytes(300 << 20))
    return {
        "claim.npy": npy + (head % 2**40).encode().ljust(117) + b"\n" + images.tobytes(),
        "minus.npy": npy + (head % -1).encode().ljust(117) + b"\n" + images.tobytes(),
        "claim-idx3-ubyte": bytes([0, 0, 8, 3]) + b"\x7f\xff\xff\xff" * 3 + bytes(100),
        "bomb-idx3-ubyte.gz": gzip.compress(bytes([0, 0, 8, 3]) + b"\0\0\0\2\0\0\0\x10\0\0\0\x10"
                                            + bytes(300 << 20), 9),
        "bomb.zip": stream.getvalue(),
    }  # fmt: skip


def fresh(base: Path, case: Path, *names: str) -> Path:
    """Copy files and folders of the material (all without names) into an empty case folder."""
    if case.exists():
        shutil.rmtree(case)
    case.mkdir(parents=True)
    for name in names or [path.name for path in base.iterdir()]:
        source = base / name
        if source.is_dir():
            shutil.copytree(source, case / name, symlinks=True)
        elif source.exists():
            (case / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, case / name)
    return case


def header(path: Path) -> dict:
    """Return our part of a checkpoint's header."""
    from .mutations import unpacked

    return dict(json.loads(unpacked(path.read_bytes())[0]["__metadata__"]["ganbaru"]))
