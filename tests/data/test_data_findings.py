"""What is said of a set before training: warnings, what is left out, the JSON of `ganbaru data`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data_helpers import cache, encoded, png, random_images, write_folder, write_tar  # noqa: F401
from PIL import Image
from train_helpers import command, divided, run_with, tiny

from ganbaru import data
from ganbaru.config import load_yaml
from ganbaru.data import picture_file
from ganbaru.data.picture import fit_block
from ganbaru.data.source import LeftOut, Target
from ganbaru.gan.dataset import load_test_data
from ganbaru.training import setup

KEYS = {"images", "classes", "shape", "channels", "labels_from", "split", "left_out", "warnings"}


def many(make, count=100) -> dict[str, bytes]:
    """Return picture files that `make` makes of their number."""
    return {f"{i:03}.png": make(i) for i in range(count)}


def noise(i: int) -> bytes:
    return png(random_images(1, 4, 4, 1, seed=i)[0])


def icon(colour: int, alpha: bool = True):
    """Return a function that draws an icon of one colour on a transparent background."""

    def make(i: int) -> bytes:
        image = Image.new("RGBA", (8, 8), (colour,) * 3 + (0,))
        image.paste((colour,) * 3 + (255,), (1, 1, 3 + i % 5, 4))
        return encoded(image if alpha else image.convert("LA"), "PNG")

    return make


def wide(i: int) -> bytes:
    return png(random_images(1, 4, 40, 1, seed=i)[0])


SETS = {
    "right": (many(noise), {}, []),
    "few": (many(noise, 99), {}, ["few-images"]),
    "one colour": (many(lambda i: png(np.full((4, 4, 1), 7, np.uint8))), {}, ["single-colour"]),
    "a colour each": (
        many(lambda i: encoded(Image.new("RGB", (4, 4), (i, 250, 0)), "PNG")),
        {},
        ["single-colour"],
    ),
    "some blank": (many(lambda i: noise(i) if i > 9 else png(np.zeros((4, 4, 1), "u1"))), {}, []),
    "dark": (many(lambda i: png(random_images(1, 4, 4, 1, i)[0] // 5)), {}, ["range"]),
    "white icons": (many(icon(255)), {}, ["alpha"]),
    "pale icons": (many(icon(245)), {}, ["alpha"]),
    "grey icons": (many(icon(255, alpha=False)), {}, ["alpha"]),
    "black icons": (many(icon(0)), {}, []),
    "wide": (many(wide), {"image_size": (8, 8)}, ["crop"]),
    "wide, padded": (many(wide), {"image_size": (8, 8), "fit": "pad"}, []),
    "wide, stretched": (many(wide), {"image_size": (8, 8), "fit": "stretch"}, []),
    "wide as they are": (many(wide), {}, []),
}


@pytest.mark.parametrize("name", SETS)
def test_warnings(tmp_path, name):
    files, how, codes = SETS[name]
    place = write_tar(tmp_path / "set.tar", files)
    for _ in "12":  # decoded, then from the cache
        assert [each.code for each in data.load(place, **how).warnings] == codes


def test_images_in_arrays_get_the_same_warnings(tmp_path):
    np.save(tmp_path / "a.npy", random_images(30, 4, 4, 1) // 8)
    for _ in "12":
        source = data.load(tmp_path / "a.npy")
        assert [each.code for each in source.warnings] == ["range", "few-images"]


def test_a_square_crop_of_wide_images_is_reported_before_a_size_is_given(tmp_path):
    place = write_tar(tmp_path / "set.tar", many(wide))
    (found,) = data.inspect(place).warnings
    assert found.code == "crop" and "90 %" in found.message
    assert data.inspect(place, image_size=(4, 40)).warnings == ()


FRAMES = [Image.fromarray(image) for image in random_images(3)]


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG"])
def test_later_pages_and_frames_are_counted(tmp_path, form):
    moving = encoded(FRAMES[0], form, save_all=True, append_images=FRAMES[1:])
    files = {f"{i}.png": moving for i in range(2)} | {"3.png": encoded(FRAMES[0], "PNG")}
    source = data.load(write_folder(tmp_path / "set", files))
    assert source.left_out == (LeftOut("pages", "after the first of 2 files", 4),)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"text", "unreadable", "not a picture"),
        (b"", "unreadable", "the file is empty"),
        (
            b"\0\0\0\x18ftypheic" + bytes(9),
            "no decoder",
            "no decoder for HEIC, which the extra ganbaru[heic] has",
        ),
    ],
)
def test_unreadable_files_are_counted_by_reason(tmp_path, content, kind, reason, monkeypatch):
    monkeypatch.setattr(picture_file, "decodes_heic", lambda: False)
    files = many(noise, 5) | {f"x{i}.jpg": content for i in range(7)}
    source = data.load(write_folder(tmp_path / "set", files))
    assert source.left_out == (LeftOut(kind, reason, 7),)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(4, 8), (8, 4)])
def test_fit(how, shape):
    """An image of two halves, 200 and 100, along its longer side."""
    image = np.full((*shape, 1), 100, np.uint8)
    half = (slice(None), slice(0, 4)) if shape[1] == 8 else (slice(0, 4),)
    image[half] = 200
    found = fit_block(image[None], Target((4, 4), fit=how))[0, ..., 0].astype(int)
    found = found if shape[1] == 8 else found.T
    columns = {"crop": [200, 200, 100, 100], "stretch": [200, 200, 100, 100]}
    if how == "pad":
        assert (found[[0, 3]] == 0).all()
    inner = found[1:3] if how == "pad" else found
    assert np.abs(inner[:, [0, 3]] - np.array([200, 100])).max() <= 8
    assert how not in columns or np.abs(inner - columns[how]).max() <= 30
    if how == "crop":
        assert (inner == columns[how]).all()


# --- the command ------------------------------------------------------------------------------


def test_json_is_alone_on_stdout_and_no_file_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {f"{name}/{i}.png": noise(i) for name in ("ant", "bee") for i in range(3)}
    write_folder(tmp_path / "set", files | {"ant/x.png": b"?"})
    before = sorted(tmp_path.rglob("*.*"))
    said = command("data", "set", "--json", "--image-size", "8x6", "--channels", "3")
    found = json.loads(said.out)
    assert (said.code, said.err) == (0, "") and found.keys() >= KEYS
    assert (found["images"], found["classes"]) == (6, {"ant": 3, "bee": 3})
    assert (found["shape"], found["channels"]) == ([8, 6, 3], 3)
    assert {"kind": "unreadable", "reason": "not a picture", "count": 1} in found["left_out"]
    assert [each["code"] for each in found["warnings"]] == ["crop", "few-images"]
    assert found == data.inspect("set", image_size=(8, 6), channels=3).to_json()
    after = [path for path in tmp_path.rglob("*.*") if "cache" not in path.parts]
    assert sorted(after) == before


def test_words_and_json_say_the_same(tmp_path):
    write_folder(tmp_path / "set", many(lambda i: encoded(Image.new("I;16", (4, 4), i), "PNG"), 9))
    words = command("data", tmp_path / "set").out
    found = json.loads(command("data", tmp_path / "set", "--json").out)
    assert found["warnings"] and all(each["message"] in words for each in found["warnings"])
    assert found["depth"] == "16-bit" and found["range"]["high"] == 8
    assert found["range"]["part"] == pytest.approx(8 / 65535, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--fit", "squash"], ["'squash'", "crop, pad, stretch"]),
        (["--range", "9:1"], ["9:1", "0:4095"]),
        (["--channels", "2"], ["not 2"]),
        ([], ["int", "--range LOW:HIGH", "--range auto"]),
    ],
)
def test_wrong_options_get_one_message(tmp_path, words, parts):
    np.save(tmp_path / "a.npy", random_images().astype(np.int32))
    said = command("data", tmp_path / "a.npy", "--json", *words)
    assert said.code == 2 and said.out == "" and all(part in said.err for part in parts), said.err


# --- training ---------------------------------------------------------------------------------


def test_a_run_says_warnings_once_and_keeps_its_range(tmp_path):
    """Test images get the numbers of the training images, not their own, and so does a resume."""
    folder = divided(tmp_path / "set", train=20, test=4)
    for path in folder.rglob("*.png"):
        values = np.asarray(Image.open(path), np.uint16) * (2 if "test" in path.parts else 4)
        values[0, :2] = 0, 255 * (2 if "test" in path.parts else 4)
        path.write_bytes(encoded(Image.fromarray(values), "PNG"))
    options = {"data": folder, "channels": None, "steps": 1, "image_size": "16"}
    plain = setup.build(tiny(tmp_path, **options), [])
    for code in ("(range)", "(few-images)"):
        assert sum(code in note for note in plain.notes) == 1
    run = run_with(tiny(tmp_path, **options, range="auto", run=tmp_path / "auto"))
    assert run.config.range == "0:1020" and run.source.images.max() == 255
    test = load_test_data(run.config, run.source, None)
    assert 126 <= test.images.max() <= 129 and test.black_white == "0:1020"
    stored = load_yaml(run.folder.config)
    assert (stored["range"], stored["fit"]) == ("0:1020", "crop")
