"""Sets that cannot be downloaded: found by name where users put them, archive or folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_helpers import (
    cache,  # noqa: F401
    encoded,
    random_images,
    write_folder,
    write_zip,
)
from PIL import Image
from train_helpers import command

from ganbaru import InputError, data
from ganbaru.data.download import downloads
from ganbaru.data.sets import celeba

CATS = random_images(6, 64, 64)
FACES = random_images(4, 218, 178)


def jpegs(images: np.ndarray, folder: str = "") -> dict[str, bytes]:
    """Name pictures as the published sets do, 000001.jpg and so on, at full quality."""
    made = (encoded(Image.fromarray(image), "PNG") for image in images)
    return {f"{folder}{i:06d}.jpg": content for i, content in enumerate(made, 1)}


FORMS = {
    "cat-faces": {
        "cat-faces-64.zip": lambda path: write_zip(path, jpegs(CATS)),
        "cat-faces": lambda path: write_folder(path, jpegs(CATS)),
        "cats": lambda path: write_folder(path, jpegs(CATS, "cats/")),
    },
    "celeba": {
        "img_align_celeba.zip": lambda path: write_zip(path, jpegs(FACES, "img_align_celeba/")),
        "celeba/img_align_celeba": lambda path: write_folder(path, jpegs(FACES)),
        "img_align_celeba": lambda path: write_folder(path, jpegs(FACES)),
        "celeba": lambda path: write_folder(path, jpegs(FACES, "img_align_celeba/")),
    },
}
EACH = [(name, form) for name, forms in FORMS.items() for form in forms]
IMAGES = {"cat-faces": CATS, "celeba": FACES}


def put(place: Path, name: str, form: str) -> None:
    place.mkdir(exist_ok=True)
    FORMS[name][form](place / form)


@pytest.mark.parametrize(("name", "form"), EACH)
@pytest.mark.parametrize("way", ["--data-dir", "$GANBARU_DATA", "cache"])
def test_found_by_name_in_every_form_and_place(tmp_path, monkeypatch, name, form, way):
    """The published pictures, unlabelled, though they are in a folder of their own."""
    place = {"cache": downloads()}.get(way, tmp_path / "sets")
    place.parent.mkdir(parents=True, exist_ok=True)
    put(place, name, form)
    if way == "$GANBARU_DATA":
        monkeypatch.setenv("GANBARU_DATA", str(place))
    source = data.load(name, data_dir=place if way == "--data-dir" else None)
    np.testing.assert_array_equal(source.images, IMAGES[name])
    assert (source.labels, source.classes, source.notes) == (None, (), ())


@pytest.mark.parametrize(("name", "form"), EACH)
def test_pointing_at_it_is_the_same(tmp_path, name, form):
    put(tmp_path / "sets", name, form)
    by_name = data.load(name, data_dir=tmp_path / "sets")
    by_path = data.load(tmp_path / "sets" / form)
    assert by_name.fingerprint == by_path.fingerprint


def test_the_folder_named_first_wins(tmp_path, monkeypatch):
    put(tmp_path / "one", "cat-faces", "cats")
    write_folder(tmp_path / "two" / "cats", jpegs(CATS[:3]))
    monkeypatch.setenv("GANBARU_DATA", str(tmp_path / "one"))
    assert len(data.load("cat-faces").images) == 6
    assert len(data.load("cat-faces", data_dir=tmp_path / "two").images) == 3


def test_celeba_is_cropped_to_a_square(tmp_path):
    """178x218 to 64x64: the middle 178 rows, scaled alike both ways, nothing squeezed."""
    height, width, channels = celeba.DATASET.shape
    rows, columns = np.mgrid[:height, :width]
    ramps = [Image.fromarray(ramp.astype(np.uint8)) for ramp in (rows, columns)]
    faces = {f"{i}.jpg": encoded(ramp, "PNG") for i, ramp in enumerate(ramps)}
    write_folder(tmp_path / "celeba", faces)
    down, across = data.load("celeba", image_size=(64, 64), channels=1, data_dir=tmp_path).images
    middles = (
        np.arange(64) + 0.5
    ) * 178 / 64 - 0.5  # of each pixel, counted from the edge of the crop
    inner = slice(2, -2)  # a filter meets the edge of the picture
    np.testing.assert_allclose(down[inner, 7, 0], 20 + middles[inner], rtol=0, atol=1)
    np.testing.assert_allclose(across[7, inner, 0], middles[inner], rtol=0, atol=1)


@pytest.mark.parametrize("name", FORMS)
def test_test_images_are_not_the_training_images(tmp_path, name):
    for form in FORMS[name]:
        put(tmp_path / form.replace("/", "-"), name, form)
        with pytest.raises(InputError, match="not divided into training and test images"):
            data.load(name, split="test", data_dir=tmp_path / form.replace("/", "-"))


@pytest.mark.parametrize(("name", "first"), [(n, next(iter(f))) for n, f in FORMS.items()])
def test_absent_set_names_what_to_get_and_where_to_put_it(tmp_path, name, first):
    (tmp_path / "sets").mkdir()
    with pytest.raises(InputError) as refused:
        data.load(name, data_dir=tmp_path / "sets")
    message = str(refused.value)
    assert f"The set {name} is not here and cannot be downloaded. Get " in message
    assert f"put it into one of {tmp_path / 'sets'}, {downloads()} as {first}." in message


def test_the_command_reports_on_it(tmp_path):
    put(tmp_path / "sets", "cat-faces", "cat-faces-64.zip")
    sheet = tmp_path / "sheet.png"
    said = command("data", "cat-faces", "--data-dir", tmp_path / "sets", "-o", sheet)
    assert said.code == 0 and "cat-faces-64: 6 images, 64 high x 64 wide" in said.out
    with Image.open(sheet) as picture:
        assert picture.size[0] >= 64


@pytest.mark.parametrize("preset", ["dcgan-cats", "dcgan-celeba"])
def test_describing_needs_no_pictures(preset):
    said = command("describe", preset)
    assert said.code == 0 and "generator" in said.out.lower()
