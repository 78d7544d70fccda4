"""CIFAR-10 in both published forms, and pickles that run code."""

import gzip
import os
import pickle

import numpy as np
import pytest
from data_helpers import cache, cifar_binary, random_images, write_folder, write_tar  # noqa: F401

from ganbaru import data
from ganbaru.data.formats import cifar_pickle
from ganbaru.errors import InputError

IMAGES = random_images(12, 32, 32)
LABELS = np.arange(12) % 10
NAMES = "airplane automobile bird cat deer dog frog horse ship truck"


def rows(images):
    return images.transpose(0, 3, 1, 2).reshape(len(images), 3072)


def python_batch(images, labels, protocol=2) -> bytes:
    batch = {
        "data": rows(images),
        "labels": labels.tolist(),
        "batch_label": "x",
        "filenames": ["a"],
    }
    return pickle.dumps(batch, protocol=protocol)


def binary_files(batches=(1, 2, 3, 4, 5)) -> dict[str, bytes]:
    files = {}
    for k in batches:
        part = slice(2 * k - 2, 2 * k)
        files[f"data_batch_{k}.bin"] = cifar_binary(IMAGES[part], LABELS[part])
    files["test_batch.bin"] = cifar_binary(IMAGES[10:], LABELS[10:])
    return files


def python_files(batches=(1, 2, 3, 4, 5)) -> dict[str, bytes]:
    files = {}
    for k in batches:
        part = slice(2 * k - 2, 2 * k)
        files[f"data_batch_{k}"] = python_batch(IMAGES[part], LABELS[part])
    files["test_batch"] = python_batch(IMAGES[10:], LABELS[10:])
    return files


FORMS = [("cifar-10-batches-bin", binary_files), ("cifar-10-batches-py", python_files)]


@pytest.mark.parametrize(("folder", "files"), FORMS)
def test_both_forms_as_folder_and_archive_by_name_and_by_path(tmp_path, folder, files):
    write_folder(tmp_path / "a" / folder, files())
    archive = {"cifar-10-batches-bin": "cifar-10-binary", "cifar-10-batches-py": "cifar-10-python"}
    inside = {f"{folder}/{name}": content for name, content in files().items()}
    (tmp_path / "b").mkdir()
    file = write_tar(tmp_path / "b" / f"{archive[folder]}.tar.gz", inside, "w:gz")
    named = [data.load("cifar10", data_dir=tmp_path / place) for place in "ab"]
    for source in (*named, data.load(tmp_path / "a" / folder), data.load(file)):
        assert (source.images == IMAGES[:10]).all()
        assert source.labels.tolist() == list(range(10)) and source.notes == ()
        assert source.classes == tuple(NAMES.split())
    test = data.load("cifar10", data_dir=tmp_path / "b", split="test")
    assert (test.images == IMAGES[10:]).all() and test.labels.tolist() == [0, 1]


def test_missing_batches_are_noted(tmp_path):
    write_folder(tmp_path / "cifar10", binary_files((1, 4)))
    source = data.load("cifar10", data_dir=tmp_path)
    assert (source.images == IMAGES[[0, 1, 6, 7]]).all()
    assert source.notes == ("Training batches present: 1, 4 of 5, with 4 images.",)
    write_folder(tmp_path / "one" / "cifar10", python_files((2,)))
    assert data.load("cifar10", data_dir=tmp_path / "one").notes == (
        "Training batches present: 2 of 5, with 2 images.",
    )


def test_folder_without_the_split(tmp_path):
    write_folder(tmp_path / "c", {"test_batch.bin": binary_files()["test_batch.bin"]})
    with pytest.raises(InputError, match="holds batches of CIFAR-10, but none of its train images"):
        data.load(tmp_path / "c")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_pickles_written_by_any_python(protocol):
    pixels, labels = cifar_pickle.read("x", python_batch(IMAGES, LABELS, protocol))
    assert (pixels == rows(IMAGES)).all() and (labels == LABELS).all()


def test_pickle_of_python_2():
    """Protocol 2 with byte strings, as published: keys and pixels are 8-bit strings."""
    raw = bytes(range(256)) * 24
    shape = b"K\x02M\x00\x0c\x86"
    body = (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        b"U\x01b\x87R(K\x01" + shape + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(raw).to_bytes(4, "little") + raw
    )
    pixels, labels = cifar_pickle.read("x", body + b"tbU\x06labels](K\x07K\x03eu.")
    assert labels.tolist() == [7, 3] and pixels.shape == (2, 3072)
    assert (pixels.ravel() == np.frombuffer(raw, np.uint8)).all()


class Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (os.system, "system"),
        (eval, "eval"),
        (np.load, "load"),
        (getattr, "getattr"),
        (np.frombuffer, "frombuffer"),
    ],
)
def test_pickle_that_runs_code_is_refused(tmp_path, call, named):
    trace = tmp_path / "trace"
    bad = pickle.dumps({"data": Evil(call, f"echo > {trace}"), "labels": [1]}, protocol=2)
    root = write_folder(tmp_path / "c", python_files() | {"data_batch_3": bad})
    message = rf"data_batch_3 calls \S*{named} when .* not genuine and was not loaded"
    with pytest.raises(InputError, match=message):
        data.load(root)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (python_batch(IMAGES, LABELS)[:500], "data_batch_1 is damaged or cut off"),
        (pickle.dumps([1], 2), "data_batch_1 is .*not a batch of CIFAR-10"),
        (pickle.dumps({"labels": [1]}, 2), "not a batch of CIFAR-10: KeyError: 'data'"),
        (pickle.dumps({"data": "", "labels": [1]}, 2), "not a batch .*'data' and 'labels'"),
        (python_batch(IMAGES[:0], LABELS[:0], 4), r"data of shape \(0,.*0 labels; expected"),
        (python_batch(IMAGES, np.array(["a"])), "not a batch of CIFAR-10: TypeError"),
        (python_batch(IMAGES, LABELS[:3]), r"data of shape \(12, 3072\) and 3 labels; expected"),
        (python_batch(IMAGES, LABELS + 5), "labels from 5 to 14; CIFAR-10's run from 0 to 9"),
        (python_batch(IMAGES.astype("f4"), LABELS), "values are f4, expected bytes"),
    ],
)
def test_damaged_pickle(tmp_path, content, message):
    root = write_folder(tmp_path / "c", {"data_batch_1": content})
    with pytest.raises(InputError, match=message):
        data.load(root)


def test_damaged_binary(tmp_path):
    whole = cifar_binary(IMAGES, LABELS)
    root = write_folder(tmp_path / "c", {"data_batch_1.bin": whole[:-1]})
    with pytest.raises(InputError, match=r"data_batch_1.bin .* 36,875 bytes .* 3,073-byte"):
        data.load(root)
    (root / "data_batch_1.bin").write_bytes(cifar_binary(IMAGES, LABELS + 1))
    with pytest.raises(InputError, match=r"data_batch_1.bin .* labels from 1 to 10"):
        data.load(root)


def test_damaged_archive(tmp_path):
    file = write_tar(tmp_path / "cifar-10-binary.tar.gz", binary_files(), "w:gz")
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(InputError, match="binary.tar.gz is damaged .* Delete it and copy"):
        data.load("cifar10", data_dir=tmp_path)
    empty = write_tar(tmp_path / "cifar-10-python.tar.gz", {"x/readme": b"hello"}, "w:gz")
    with pytest.raises(InputError, match="holds none of data_batch_1, .*Download it again"):
        data.load(empty)
    file.write_bytes(gzip.compress(b"no archive"))
    with pytest.raises(InputError, match="binary.tar.gz is damaged"):
        data.load(file)
