"""IDX files by path and as the published sets, whole and damaged."""

import gzip

import numpy as np
import pytest
from data_helpers import cache, idx, random_images, write_idx  # noqa: F401

from ganbaru import data
from ganbaru.data.formats.idx import parse
from ganbaru.errors import InputError

IMAGES = random_images(6, 5, 4, 1)[..., 0]
LABELS = np.array([3, 1, 2, 0, 1, 3], np.uint8)


@pytest.mark.parametrize("packed", [True, False])
def test_folder_has_both_splits(tmp_path, packed):
    write_idx(tmp_path / "set", "train", IMAGES, LABELS, packed)
    write_idx(tmp_path / "set", "t10k", IMAGES[::-1].copy(), LABELS[::-1].copy(), packed)
    train, test = (data.load(tmp_path / "set", split=split) for split in ("train", "test"))
    assert (train.images[..., 0] == IMAGES).all() and train.labels.tolist() == LABELS.tolist()
    assert (test.images[..., 0] == IMAGES[::-1]).all()
    assert test.labels.tolist() == LABELS[::-1].tolist()
    assert train.classes == ("0", "1", "2", "3")


def test_file_takes_the_labels_beside_it(tmp_path):
    write_idx(tmp_path, "train", IMAGES, LABELS)
    source = data.load(tmp_path / "train-images-idx3-ubyte.gz")
    assert source.labels.tolist() == LABELS.tolist()
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert data.load(tmp_path / "train-images-idx3-ubyte.gz").labels is None


def test_file_of_labels_or_of_the_other_split(tmp_path):
    write_idx(tmp_path, "train", IMAGES, LABELS)
    with pytest.raises(InputError, match="idx1-ubyte.gz holds labels. Give the file of images"):
        data.load(tmp_path / "train-labels-idx1-ubyte.gz")
    with pytest.raises(InputError, match="not divided .* 'test' split"):
        data.load(tmp_path / "train-images-idx3-ubyte.gz", split="test")
    with pytest.raises(InputError, match="holds train-images-idx3-ubyte.gz but no .* test images"):
        data.load(tmp_path, split="test")


@pytest.mark.parametrize("folder", ["mnist", "mnist/raw", "MNIST/raw", "MNIST"])
def test_mnist_is_found_in_the_usual_layouts(tmp_path, folder):
    write_idx(tmp_path / folder, "train", IMAGES, LABELS)
    source = data.load("mnist", data_dir=tmp_path)
    assert source.name == "mnist" and (source.images[..., 0] == IMAGES).all()
    assert source.classes == tuple("0123456789")


def test_fashion_mnist_is_found_and_its_classes_named(tmp_path):
    write_idx(tmp_path / "FashionMNIST" / "raw", "t10k", IMAGES, LABELS, packed=False)
    source = data.load("fashion-mnist", data_dir=tmp_path, split="test")
    assert source.classes[3] == "Dress" and len(source.classes) == 10


def test_names_with_a_dot_are_found_too(tmp_path):
    write_idx(tmp_path / "mnist", "train", IMAGES, LABELS, packed=False)
    for file in (tmp_path / "mnist").iterdir():
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    assert (data.load("mnist", data_dir=tmp_path).images[..., 0] == IMAGES).all()


def test_data_dir_comes_before_the_variable(tmp_path, monkeypatch):
    write_idx(tmp_path / "a" / "mnist", "train", IMAGES, LABELS)
    write_idx(tmp_path / "b" / "mnist", "train", IMAGES[:4], LABELS[:4])
    monkeypatch.setenv("GANBARU_DATA", str(tmp_path / "b"))
    assert len(data.load("mnist").images) == 4
    assert len(data.load("mnist", data_dir=tmp_path / "a").images) == 6


def test_places_that_do_not_exist(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--data-dir is .*gone.*not a folder"):
        data.load("mnist", data_dir=tmp_path / "gone")
    monkeypatch.setenv("GANBARU_DATA", str(tmp_path / "lost"))
    with pytest.raises(InputError, match=r"\$GANBARU_DATA is .*lost.*not a folder"):
        data.load("cifar10")


def test_two_dimensions_three_and_four(tmp_path):
    for array in (IMAGES, IMAGES[..., None], LABELS):
        (tmp_path / "x").write_bytes(idx(array))
        assert (parse(tmp_path / "x") == array).all()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-10], r"announces 6 x 5 x 4 = 120 bytes, but 110 follow"),
        (lambda raw: raw + b"x", r"= 120 bytes, but more than 120 follow"),
        (lambda raw: raw[:9], r"ends after 9 bytes, within its header"),
        (
            lambda raw: b"\0\0\x0d" + raw[3:],
            r"not an IDX file of bytes: it begins with 00 00 0d 03",
        ),
        (lambda raw: b"garbage" * 40, r"it begins with 67 61 72 62, expected 00 00 08"),
        (lambda raw: b"", r"it begins with nothing"),
        (lambda raw: raw[:4] + b"\xff" * 12 + raw[16:], r"4294967295 x .* bytes, but has 1\d\d"),
    ],
)
def test_damaged_files_say_what_was_expected(tmp_path, damage, message, packed):
    write_idx(tmp_path / "mnist", "train", IMAGES, LABELS, packed)
    file = tmp_path / "mnist" / f"train-images-idx3-ubyte{'.gz' * packed}"
    raw = damage(idx(IMAGES))
    file.write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(InputError, match=rf"train-images-idx3-ubyte.*({message})"):
        data.load("mnist", data_dir=tmp_path)


def test_packed_file_that_is_cut_off_or_garbled(tmp_path):
    write_idx(tmp_path / "mnist", "train", random_images(50)[..., 0], np.zeros(50, np.uint8))
    file = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    whole = file.read_bytes()
    for raw in (whole[:-100], whole[:40] + b"\0" * 40 + whole[80:]):
        file.write_bytes(raw)
        with pytest.raises(InputError, match="ubyte.gz is damaged .* unpack .* Delete it and copy"):
            data.load("mnist", data_dir=tmp_path)


def test_images_and_labels_that_do_not_belong_together(tmp_path):
    write_idx(tmp_path / "mnist", "train", IMAGES, LABELS[:5])
    message = "labels-idx1-ubyte.gz holds 5 labels but .*images-idx3-ubyte.gz holds 6 images"
    with pytest.raises(InputError, match=message):
        data.load("mnist", data_dir=tmp_path)
