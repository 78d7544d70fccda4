"""Real data sets: known means, counts and pixels."""

import gzip
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_helpers import REAL, cache, needs_real_data  # noqa: F401
from PIL import Image

from ganbaru import data, registry
from ganbaru.data.sets import fashion_mnist, mnist, stacked_mnist

pytestmark = needs_real_data


@pytest.fixture(scope="module")
def decoded(tmp_path_factory) -> Path:
    """Return one cache for all of these tests: to decode the sets takes seconds."""
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture
def real(monkeypatch, decoded) -> Path:
    monkeypatch.setenv("GANBARU_DATA", REAL)
    monkeypatch.setenv("GANBARU_CACHE", str(decoded))
    return Path(REAL)


DIGITS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
BATCH_1 = (1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981)


@pytest.mark.parametrize(
    ("name", "split", "mean", "std", "counts"),
    [
        ("mnist", "train", 33.318, 78.567, DIGITS),
        ("mnist", "test", 33.791, 79.172, (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)),
        ("fashion-mnist", "train", 72.940, 90.021, (6000,) * 10),
        ("fashion-mnist", "test", 73.147, 89.873, (1000,) * 10),
    ],
)
def test_published_numbers(real, name, split, mean, std, counts):
    source = data.load(name, split=split)
    found = data.inspect(source)
    assert found.mean == pytest.approx((mean,), abs=6e-4)
    assert found.std == pytest.approx((std,), abs=6e-4)
    assert tuple(count for _, count in found.classes) == counts
    assert source.images.shape[1:] == (28, 28, 1)


@pytest.mark.parametrize(
    ("split", "mean", "std", "counts"),
    [
        ("train", (125.832, 123.261, 114.031), (63.143, 62.369, 66.966), BATCH_1),
        ("test", (126.025, 123.709, 114.854), (62.896, 61.938, 66.706), (1000,) * 10),
    ],
)
def test_cifar_numbers(real, split, mean, std, counts):
    source = data.load("cifar10", split=split)
    found = data.inspect(source)
    assert found.mean == pytest.approx(mean, abs=1e-3)
    assert found.std == pytest.approx(std, abs=1e-3)
    assert tuple(count for _, count in found.classes) == counts
    assert source.classes[0] == "airplane" and source.classes[9] == "truck"


def test_cifar_says_which_batches_there_are(real):
    missing = [
        k for k in range(1, 6) if not (real / f"cifar-10-batches-bin/data_batch_{k}.bin").exists()
    ]
    assert len(data.load("cifar10").notes) == bool(missing)


def test_mnist_pixels_are_the_bytes_of_the_file(real):
    raw = gzip.decompress((real / "MNIST/raw/train-images-idx3-ubyte.gz").read_bytes())
    source = data.load("mnist")
    assert source.images.tobytes() == raw[16:]
    labels = gzip.decompress((real / "MNIST/raw/train-labels-idx1-ubyte.gz").read_bytes())
    assert source.labels.astype(np.uint8).tobytes() == labels[8:]


def test_published_checksums_are_those_of_the_files(real):
    for published, folder in ((mnist.FILES, "MNIST"), (fashion_mnist.FILES, "FashionMNIST")):
        for name, checksum in published.packed.items():
            packed = (real / folder / "raw" / f"{name}-ubyte.gz").read_bytes()
            assert hashlib.sha256(packed).hexdigest() == checksum
            unpacked = hashlib.sha256(gzip.decompress(packed)).hexdigest()
            assert unpacked == published.unpacked[name]


@pytest.mark.extended  # its shape is checked below
def test_cats(real):
    source = data.load("cat-faces")
    found = data.inspect(source)
    assert source.images.shape == (7908, 64, 64, 3) and source.notes == ()
    assert found.mean == pytest.approx((122.98, 110.38, 98.23), abs=6e-3)
    assert found.std == pytest.approx((66.37, 64.18, 64.60), abs=6e-3)
    assert found.duplicates == 0
    with zipfile.ZipFile(real / "cat-faces-64.zip") as archive:
        names = sorted(archive.namelist())
        for i in (0, 4000, 7907):
            with archive.open(names[i]) as file, Image.open(file) as image:
                assert (source.images[i] == np.asarray(image)).all()


@pytest.mark.parametrize("name", [name for name in registry.names("data") if name != "celeba"])
def test_known_sets_are_as_declared(real, name, monkeypatch):
    """`describe` relies on shape and classes without the set's files."""
    monkeypatch.setattr(stacked_mnist, "COUNTS", {"train": 100})  # of 128,000
    dataset, found = data.declared(name, None), data.load(name)
    assert found.images.shape[1:] == dataset.shape
    assert found.classes == dataset.classes
