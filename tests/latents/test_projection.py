"""Projection: own samples are found, real pictures stay near, files, films and wrong inputs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from engine_names import engine
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from train_helpers import command

from ganbaru import api, files, load
from ganbaru.engines.base import PRECISIONS
from ganbaru.latents import projected, projection
from ganbaru.latents.layer_features import by_discriminator
from ganbaru.sampling import generators, image_io
from ganbaru.sampling.players import load_player

CLOSE = 2 / 255
FIRST = 10**6  # a seed outside the pool of starts


@pytest.fixture(scope="module")
def found(digits) -> tuple[image_io.Images, projection.Projection]:
    pictures = digits.sample(20, FIRST)
    return pictures, projection.project(digits, pictures)


def test_own_samples_are_found(found, digits):
    pictures, result = found
    assert np.mean(result.error <= CLOSE) >= 0.95
    assert_array_equal(result.images, image_io.to_bytes(digits.floats(*pair(result))))
    difference = np.abs(result.images.astype(float) - pictures).mean((1, 2, 3)) / 255
    assert_allclose(result.error, difference)
    starts = image_io.to_bytes(digits.floats(result.starts, result.labels))
    assert np.mean(np.abs(starts.astype(float) - pictures)) > 5 * 255 * result.error.mean()


def pair(result):
    return result.latents, result.labels


def test_a_real_picture_gets_a_latent_as_in_training(digits):
    """Nearer than the nearest start; the norm of 32 normal numbers is above 7.93 once in 1,000."""
    rng = np.random.default_rng(0)
    blurred = digits.sample(4, FIRST).astype(float) * 0.7 + rng.uniform(0, 60, (4, 16, 16, 1))
    pictures = blurred.astype(np.uint8)
    result = projection.project(digits, pictures)
    assert np.linalg.norm(result.latents, axis=1).max() < 7.93
    pool = digits.sample(projection.POOL).astype(float)
    for picture, error in zip(pictures, result.error, strict=True):
        assert error < np.abs(pool - picture).mean((1, 2, 3)).min() / 255


@pytest.mark.parametrize("distribution", ["uniform", "unit"])
def test_bounded_latents_stay_in_their_range(distribution, trained_run):
    generator = load(trained_run(distribution=distribution))
    result = projection.project(generator, generator.sample(4, FIRST))
    low = {"uniform": -1, "unit": 0}[distribution]
    assert result.latents.min() >= low and result.latents.max() <= 1
    assert np.median(result.error) <= CLOSE


def test_given_labels_are_kept(digits):
    pictures, labels = digits.sample(3, FIRST, 4), np.array([4, 4, 1])
    result = projection.project(digits, pictures, labels)
    assert_array_equal(result.labels, labels)
    assert result.error[:2].max() <= CLOSE < result.error[2]


@pytest.mark.parametrize("name", ["torch", pytest.param("jax", marks=pytest.mark.compiled)])
def test_engines_find_the_same(name, digits):
    """Latents within 1e-3 in float64, pictures within 2 levels in float32."""
    pictures = digits.sample(3, FIRST)
    for precision in PRECISIONS:
        player = load_player("zoo:digits")
        ours, other = (
            projection.project(generators.from_player(player, engine(each, precision)), pictures)
            for each in ("numpy", name)
        )
        assert np.abs(ours.images.astype(int) - other.images).max() <= 2
        if precision == "float64":
            assert_allclose(other.latents, ours.latents, rtol=0, atol=1e-3)


@pytest.mark.parametrize("conditioning", ["none", "projection"])
def test_features_of_the_discriminator_come_nearer(conditioning, trained_run, tmp_path):
    """Of pictures that the generator cannot make; its own are found as by pixels alone."""
    run = trained_run(conditioning=conditioning)
    generator, features = load(run), by_discriminator(run, "newest", ())
    pictures = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1), np.uint8)
    pixels = projection.project(generator, pictures)
    both = projection.project(generator, pictures, features=features)

    def apart(found):
        given, made = (x.transpose(0, 3, 1, 2) / 127.5 - 1 for x in (pictures, found.images))
        difference = features(made, found.labels) - features(given, found.labels)
        return np.square(difference).mean(axis=1)

    assert np.all(apart(both) < apart(pixels)) and np.all(both.error <= 1.2 * pixels.error)
    own = generator.sample(4, FIRST)
    first, second = (projection.project(generator, own, features=each) for each in (None, features))
    solved = np.square(first.images.astype(float) - own).mean((1, 2, 3)) < 1
    assert solved.any()
    assert_array_equal(first.latents[solved], second.latents[solved])
    image_io.save_png(tmp_path / "a.png", pictures[0])
    words = ["project", run, tmp_path / "a.png", "--json", "-o", tmp_path / "a.npz", "--overwrite"]
    for more in ([], ["--pixels"]):
        found = json.loads(command(*words, *more).out)
        assert found["by_features"] == (not more)
        expected = (pixels if more else both).error[0]
        assert_allclose(found["pictures"][0]["error"], expected, atol=1e-6)


def test_no_features_without_an_image_of_its_own(trained_run):
    assert by_discriminator("zoo:digits", "auto", ()) is None
    assert by_discriminator(trained_run(minibatch_deviation=True), "newest", ()) is None


# --- files ------------------------------------------------------------------------------------


@pytest.fixture
def drawn(tmp_path, digits, monkeypatch) -> list[str]:
    """Save two samples as the generator makes them, and one in colour, larger and wider."""
    monkeypatch.chdir(tmp_path)
    one, other = digits.sample(2, FIRST)[..., 0]
    Image.fromarray(one).save("a.png")
    Image.fromarray(other).save("b b.png")
    wide = Image.fromarray(one).convert("RGB").resize((64, 48))
    wide.save("c.png")
    return ["a.png", "b b.png", "c.png"]


def test_command_writes_arrays_and_says_what_it_fitted(drawn, digits):
    said = command("project", "zoo:digits", *drawn, "--json")
    arrays = np.load("projection.npz")
    result = api.project("zoo:digits", drawn, None, progress=False)
    assert said.code == 0 and files.is_ours(result_path := files.Path("projection.npz"))
    assert_array_equal(arrays["images"], result.found.images)
    assert_array_equal(arrays["images"], image_io.to_bytes(digits.floats(*(
        arrays[name] for name in ("latents", "labels"))
    )))  # fmt: skip
    assert_array_equal(arrays["error"], result.found.error)
    assert list(arrays["class_names"]) == list(digits.classes)
    assert '"note": "1 of 3 pictures cropped' in said.out and "projection.npz" in said.out
    assert result.found.error[:2].max() <= CLOSE and result_path.exists()


def test_a_folder_has_each_image_a_sheet_and_a_film(drawn):
    result = api.project("zoo:digits", drawn, "out", progress=False)
    names = {path.name for path in files.Path("out").iterdir()}
    assert names == {
        "000-a.png", "001-b-b.png", "002-c.png", "projection.npz", "sheet.png", "film.gif",
        "average.png",
    }  # fmt: skip
    latent, image = result.average
    norms = np.linalg.norm(result.found.latents, axis=1)
    assert np.linalg.norm(latent) == pytest.approx(norms.mean(), rel=1e-5)
    mean = result.found.latents.mean(axis=0)
    assert_allclose(latent / norms.mean(), mean / np.linalg.norm(mean), atol=1e-5)
    assert_array_equal(np.asarray(Image.open("out/average.png")), image[..., 0])
    assert_array_equal(np.load("out/projection.npz")["average"], image)
    assert_array_equal(np.asarray(Image.open("out/001-b-b.png")), result.found.images[1, ..., 0])
    with Image.open("out/film.gif") as film:
        assert film.n_frames > 1
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("L")).astype(float)
    expected = image_io.enlarge(image_io.grid(result.found.images, 3), 256)[..., 0]
    assert np.abs(last - expected).mean() < 3  # of a palette
    assert command("project", "zoo:digits", *drawn, "-o", "out").code == 0  # its own files


def test_a_film_passes_through_pictures(drawn, digits):
    """The first frame is the first picture's image, the middle one the second's."""
    said = command("morph", "zoo:digits", "--pictures", *drawn[:2], "--frames", 5, "--close",
                   "--size", 16, "-o", "frames")  # fmt: skip
    assert said.code == 0
    found = api.project("zoo:digits", drawn[:2], None, progress=False).found
    api.morph("zoo:digits", "again", pictures=drawn[:2], frames=5, close=True, size=16)
    frame = np.asarray(Image.open("frames/00000.png"))
    assert_array_equal(frame, found.images[0, ..., 0])
    assert_array_equal(frame, np.asarray(Image.open("again/00000.png")))


def test_a_point_of_a_film_may_be_an_average(drawn):
    """Files joined by +, or a list; a file whose own name has a + is one."""
    files.Path("c.png").rename("a.png+c")
    given = [[f"{drawn[0]}+{drawn[1]}", "a.png+c"], [drawn[:2], "a.png+c"]]
    one, other = (projected.points("zoo:digits", x, None, None, progress=False)[1] for x in given)
    result = api.project("zoo:digits", [*drawn[:2], "a.png+c"], None, progress=False)
    for found in (one, other):
        assert_array_equal(found["latents"], result.means([[0, 1], [2]])[0])
        assert_allclose(found["labels"].sum(axis=1), 1)
    norms = np.linalg.norm(result.found.latents[:2], axis=1)
    assert np.linalg.norm(one["latents"][0]) == pytest.approx(norms.mean(), rel=1e-5)
    said = command("morph", "zoo:digits", "--pictures", "a.png+absent.png", "a.png")
    assert said.code == 2 and "absent.png" in said.err and "+absent" not in said.err


WRONG = {
    "no picture": ([], ["0 pictures", "1 to"]),
    "a text": (["notes.txt"], ["notes.txt", "PNG"]),
    "absent": (["absent.png"], ["absent.png"]),
    "a folder": (["."], ["."]),
    "a label that it lacks": (["a.png", "--label", "11"], ["11", "9"]),
    "another format": (["a.png", "-o", "x.txt"], [".npz", ".png"]),
    "a file as a folder": (["a.png", "-o", "file"], ["file"]),
    "somebody's file": (["a.png", "-o", "mine.npz"], ["mine.npz", "--overwrite"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_one_message(case, drawn):
    files.Path("notes.txt").write_text("some text")
    files.Path("mine.npz").write_bytes(b"mine")
    files.Path("file").write_bytes(b"mine")
    words, said_of = WRONG[case]
    said = command("project", "zoo:digits", *words)
    assert said.code == 2 and not said.out and said.err.count("\n") <= 2
    assert all(word in said.err for word in said_of), said.err
    assert files.Path("mine.npz").read_bytes() == b"mine"


@pytest.mark.parametrize("words", [["--seeds", "1,2"], ["--labels", "1,2"]])
def test_points_of_two_kinds_are_refused(words, drawn):
    said = command("morph", "zoo:digits", "--pictures", *drawn[:2], *words)
    assert said.code == 2 and "--pictures" in said.err
