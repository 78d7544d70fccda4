"""The report on a data set: numbers against NumPy, known duplicates and blank images."""

import numpy as np
import pytest
from data_helpers import cache, png, random_images, write_folder  # noqa: F401

from ganbaru import data


@pytest.fixture
def source(tmp_path):
    images = random_images(300, 8, 6)
    images[7] = images[290] = images[3]
    images[5] = [1, 2, 3]
    images[299] = images[298]
    np.savez(
        tmp_path / "set.npz",
        images=images,
        labels=np.repeat([0, 1, 2], [200, 99, 1]),
        classes=np.array(["ant", "bee", "cat"]),
    )
    return data.load(tmp_path / "set.npz")


def test_numbers(source):
    found = data.inspect(source)
    assert found.source.images.shape == (300, 8, 6, 3)
    assert found.classes == [("ant", 200), ("bee", 99), ("cat", 1)]
    assert found.duplicates == 3 and found.groups == [[3, 7, 290], [298, 299]]
    assert found.constant == [5]
    assert found.mean == pytest.approx(source.images.mean(axis=(0, 1, 2)))
    assert found.std == pytest.approx(source.images.std(axis=(0, 1, 2)))
    assert found.lines()[-1] == f"fingerprint {source.fingerprint}"


def test_words(source):
    text = "\n".join(data.inspect(source).lines())
    assert "set: 300 images, 8 high x 6 wide, RGB, 0.0 MiB" in text
    assert "3 classes: ant 200, bee 99, cat 1" in text
    assert "3 images repeat another exactly, such as 3 = 7 = 290; 298 = 299" in text
    assert "1 images are of a single colour, such as 5" in text
    assert "originals all 8 high x 6 wide" in text


def test_originals_and_broken_files(tmp_path):
    sides = [(10, 20), (30, 12), (8, 8), (16, 9)]
    files = {f"{i}.png": png(random_images(1, *side, seed=i)[0]) for i, side in enumerate(sides)}
    root = write_folder(tmp_path / "set", files | {"x.png": b"text"})
    for _ in "12":  # decoded, then from the cache
        found = data.inspect(data.load(root, image_size=(8, 8)))
        assert found.source.broken == ("x.png (not a picture)",)
        assert found.lines()[1] == (
            "originals 8 to 30 high (median 13), 8 to 20 wide (median 10): "
            "2 upright, 1 wide, 1 square"
        )
        text = "\n".join(found.lines())
        assert "no labels" in text and "no exact repeats and no blank images" in text
        assert "1 of 5 files could not be read and were left out: x.png" in text


def test_many_classes_are_not_all_listed(tmp_path):
    np.savez(tmp_path / "a.npz", images=random_images(30), labels=np.arange(30))
    line = data.inspect(data.load(tmp_path / "a.npz")).lines()[4]
    assert line.startswith("30 classes: 0 1, 1 1,") and line.endswith("19 1 and 10 more")
