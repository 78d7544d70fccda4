"""The cache: used when it has the images, never half-written, optional."""

import errno
import json
import os
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from data_helpers import cache, cache_path, picture_files, png, random_images, write_folder  # noqa: F401

from ganbaru import data, files
from ganbaru.data import cache as _cache
from ganbaru.data import decoding
from ganbaru.data.npy_writer import NpyWriter
from ganbaru.errors import InputError, RunError

IMAGES = random_images()


@pytest.fixture
def root(tmp_path):
    files = picture_files(IMAGES, ("cat", "dog")) | {"cat/broken.png": b"?"}
    return write_folder(tmp_path / "set", files)


@pytest.fixture
def decoded(monkeypatch):
    """Count the files that are really decoded."""
    seen = []

    def decode(content, target):
        seen.append(len(content))
        return original(content, target)

    original = decoding.decode
    monkeypatch.setattr(decoding, "decode", decode)
    return seen


def entries() -> list[Path]:
    return sorted((cache_path() / "images").glob("*"))


def same(a: data.Source, b: data.Source) -> bool:
    fields = ("name", "classes", "fingerprint", "notes", "broken")
    labels = a.labels.tolist() == b.labels.tolist()
    return (
        (a.images == b.images).all()
        and (a.original_sizes == b.original_sizes).all()
        and labels
        and all(getattr(a, field) == getattr(b, field) for field in fields)
    )


def test_second_load_decodes_nothing_and_is_the_same(root, decoded):
    first = data.load(root)
    assert len(decoded) == 7
    second = data.load(root)
    assert len(decoded) == 7
    assert same(first, second) and second.broken == ("cat/broken.png (not a picture)",)
    assert second.original_sizes.tolist() == [[8, 8]] * 6


def test_images_are_a_read_only_map(root):
    images = data.load(root).images
    assert isinstance(images.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_sizes_and_channels_are_cached_apart(root):
    shapes = [
        data.load(root, image_size=size, channels=channels).images.shape
        for size, channels in ((None, None), ((4, 4), None), ((4, 4), 1))
    ]
    assert shapes == [(6, 8, 8, 3), (6, 4, 4, 3), (6, 4, 4, 1)]
    assert len(entries()) == 3


@pytest.mark.parametrize("change", ["content", "time", "new file", "gone", "renamed"])
def test_changing_a_file_decodes_again_and_drops_the_old_copy(root, decoded, change):
    before = data.load(root)
    changes = {
        "content": lambda: (root / "cat/0.png").write_bytes(png(255 - IMAGES[0])),
        "time": lambda: os.utime(root / "cat/0.png", (1, 1)),
        "new file": lambda: (root / "cat/z.png").write_bytes(png(IMAGES[0])),
        "gone": lambda: (root / "cat/0.png").unlink(),
        "renamed": lambda: (root / "cat").rename(root / "cow"),
    }
    changes[change]()
    after = data.load(root)
    assert len(decoded) > 7 and len(entries()) == 1
    assert (before.fingerprint == after.fingerprint) == (change in ("time", "renamed"))


@pytest.mark.parametrize("name", ["images.npy", "about.json", "labels.npy", "sizes.npy"])
@pytest.mark.parametrize("damage", [lambda raw: raw[:20], lambda raw: b"", None])
def test_damaged_copy_is_made_again(root, decoded, name, damage):
    found = data.load(root)
    before = replace(found, images=found.images.copy())  # the map looks into the file cut below
    del found
    (entry,) = entries()
    file = entry / name
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(file.read_bytes()))
    again = data.load(root)
    assert again.notes[:-1] == before.notes and str(entry) in again.notes[-1]
    assert same(replace(again, notes=before.notes), before) and len(decoded) == 14
    assert same(data.load(root), before) and len(decoded) == 14


def test_interrupted_decoding_leaves_nothing(root):
    def interrupt(*step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.load(root, progress=interrupt)
    assert entries() == []
    assert len(data.load(root).images) == 6


def test_disk_that_fills_up_is_noted_and_leaves_nothing(root, monkeypatch):
    def writer(stream=None, limit=None):
        return NpyWriter(FullDisk(stream) if stream else None, limit)

    with monkeypatch.context() as patched:
        patched.setattr(_cache, "NpyWriter", writer)
        without = data.load(root)
    assert entries() == []
    usual = data.load(root)
    assert (without.images == usual.images).all() and without.fingerprint == usual.fingerprint
    (note,) = set(without.notes) - set(usual.notes)
    assert "No space left" in note and "$GANBARU_CACHE" in note


class FullDisk:
    """A file with room for the header and two images of 192 bytes."""

    def __init__(self, stream):
        self.stream, self.name, self.room = stream, stream.name, 128 + 2 * 192

    def write(self, content):
        self.room -= memoryview(content).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.stream.write(content)

    def flush(self):
        self.stream.flush()


def test_disk_that_fills_up_at_the_end(root, monkeypatch):
    def dumps(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_cache.json, "dumps", dumps)
    source = data.load(root)
    assert len(source.images) == 6 and "No space left on device" in source.notes[-1]
    assert entries() == []


def test_without_a_writable_cache_images_are_decoded_in_memory(root, tmp_path, monkeypatch):
    usual = data.load(root)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path / "file"))
    source = data.load(root)
    assert (source.images == usual.images).all() and source.fingerprint == usual.fingerprint
    assert not source.images.flags.writeable
    (note,) = set(source.notes) - set(usual.notes)
    assert note.startswith(f"Cannot write decoded images to {tmp_path / 'file'}: Not a directory")
    assert "$GANBARU_CACHE" in note and note.endswith("decoded again each time.")
    assert len(data.load("digits").images) == 1497


def test_without_a_cache_large_sets_are_refused(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(_cache, "MAX_IN_MEMORY", 1000)
    with pytest.raises(RunError, match=r"cannot be written .* GiB of memory.* \$GANBARU_CACHE"):
        data.load(root)


def test_unreadable_data_is_an_input_error(tmp_path, monkeypatch):
    file = tmp_path / "a.npz"
    np.savez(file, images=IMAGES)

    def read(path, keys):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("ganbaru.data.formats.numpy_files._read_npz", read)
    with pytest.raises(InputError, match="Cannot read .*a.npz: .*Permission denied"):
        data.load(file)
    assert entries() == []


def load_fingerprint(root: str) -> str:
    return data.load(root).fingerprint


def test_two_processes_at_once(root):
    with get_context("spawn").Pool(2) as pool:
        found = pool.map(load_fingerprint, [str(root)] * 4)
    assert len(set(found)) == 1 and found[0] == data.load(root).fingerprint
    assert len(entries()) == 1


def test_process_that_was_second_uses_the_first_copy(root):
    """The other process finishes while this one decodes: rename finds the folder taken."""
    raced = []

    def race(*step):
        if not raced:
            raced.append(True)
            data.load(root)

    source = data.load(root, progress=race)
    assert len(source.images) == 6 and len(entries()) == 1


def test_what_a_killed_process_leaves_is_removed(root):
    (cache_path() / "images" / ".ganbaru-0123456789abcdef.tmp").mkdir(parents=True)
    files._sweep.cache_clear()
    data.load(root)
    assert len(entries()) == 1


def test_grey_blocks_widen_in_place(tmp_path):
    """More than one block of grey images before the first coloured one."""
    grey, colour = random_images(600, 3, 2, 1), random_images(2, 3, 2, 3)
    with open(tmp_path / "x.npy", "w+b") as stream:
        writer = NpyWriter(stream)
        for block in (grey[:256], grey[256:], colour, grey[:3]):
            writer.write(block)
        written = writer.finish()
    found = np.load(tmp_path / "x.npy")
    assert found.shape == written.shape == (605, 3, 2, 3) and (found == written).all()
    assert (found[:600] == grey).all() and (found[600:602] == colour).all()
    assert (found[602:] == grey[:3]).all()


def test_cache_is_the_platforms_unless_named(monkeypatch):
    import pooch

    monkeypatch.delenv("GANBARU_CACHE")
    from ganbaru.files import cache as folder

    assert folder() == Path(pooch.os_cache("ganbaru"))


def _about(**fields):
    def change(entry: Path) -> None:
        file = entry / "about.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


def _array(name, array):
    return lambda entry: np.save(entry / f"{name}.npy", array)


def _pipe(entry: Path) -> None:
    (entry / "about.json").unlink()
    os.mkfifo(entry / "about.json")


@pytest.mark.parametrize(
    "damage",
    [
        *(_about(**{name: 3}) for name in ("name", "classes", "fingerprint", "notes", "broken")),
        *(_about(**fields) for fields in ({"classes": ["a"]}, {"classes": [1, 2]}, {"odd": 1})),
        _about(labelled=[]),
        lambda entry: (entry / "about.json").write_text("[" * 100_000),
        lambda entry: (entry / "about.json").write_bytes(b"\xff"),
        *(_array("images", IMAGES[:k].astype(kind)) for k, kind in ((6, "f4"), (5, "u1"))),
        _array("images", IMAGES[..., 0]),
        *(_array("labels", np.array(list)) for list in ([0, 1] * 2, [0, 1, 2] * 2, [-1, 1] * 3)),
        _array("labels", np.zeros(6, "f4")),
        *(_array("sizes", array) for array in (np.zeros((6, 2), "i4"), np.ones((3, 3), "i4"))),
        _pipe,
    ],
)
def test_copy_that_does_not_fit_is_made_again(root, damage):
    found = data.load(root)
    before = replace(found, images=found.images.copy())
    del found
    (entry,) = entries()
    damage(entry)
    again = data.load(root)
    labelled = again.labels is not None and again.notes[-1].startswith("The decoded images")
    assert labelled and same(replace(again, notes=before.notes), before)
    assert same(data.load(root), before)
