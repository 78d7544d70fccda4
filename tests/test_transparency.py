"""Transparency: every consumer of images with four channels, by values."""

from __future__ import annotations

import importlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageSequence
from train_helpers import tiny

import ganbaru
from ganbaru import Config, InputError, data, export, train
from ganbaru.cli import main
from ganbaru.data import alpha
from ganbaru.data.picture import fit_block
from ganbaru.data.source import Target
from ganbaru.gan import auto_augmentation
from ganbaru.gan.batches import to_range
from ganbaru.gan.transforms import Colour
from ganbaru.metrics import checkerboard, nearest, neighbour_sheet, scorer
from ganbaru.sampling import gif, image_io, png, video

COUNT, SIDE = 220, 16
LEVELS = st.sampled_from([0, 1, 2, 127, 128, 254, 255])
PICTURE = arrays(np.uint8, (1, 5, 6, 4), elements=LEVELS)


def drawn(count: int = COUNT, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Return discs of random colours and places on nothing, with a soft edge (n, side, side, 4)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[:side, :side]
    images = np.zeros((count, side, side, 4), np.uint8)
    for image in images:
        down, right = rng.uniform(4, side - 4, 2)
        edge = 5 - np.hypot(rows - down, columns - right)
        image[..., :3] = rng.integers(0, 256, 3)
        image[..., 3] = np.clip(128 * edge, 0, 255)
    return alpha.cleared(images)


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    """A folder of the discs as PNG files, whose invisible pixels have a colour."""
    folder = tmp_path_factory.mktemp("discs")
    for i, image in enumerate(drawn()):
        hidden = np.where(image[..., 3:] == 0, np.array([9, 99, 199, 0], np.uint8), image)
        path = folder / "ab"[i % 2] / f"{i:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(hidden).save(path)
    return folder


@pytest.fixture(scope="module")
def run(discs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alpha")
    return train(tiny(folder, data=discs, channels=4, steps=3, sample_every=8))


def in_order(images: np.ndarray) -> np.ndarray:
    """Return the discs in the order in which their folders list them."""
    return np.concatenate([images[::2], images[1::2]])


# --- reading ----------------------------------------------------------------------------------


def test_round_trip_is_exact_and_invisible_pixels_become_black(discs, tmp_path):
    source = data.load(discs, channels=4)
    np.testing.assert_array_equal(source.images, in_order(drawn()))
    for i in range(2):
        image_io.save_png(tmp_path / f"{i}.png", source.images[i])
        (tmp_path / f"e{i}.png").write_bytes(png.encoded(source.images[i]))
    again = data.load(tmp_path, channels=4).images  # 0, 1, e0, e1
    np.testing.assert_array_equal(again, source.images[[0, 1, 0, 1]])


@pytest.mark.parametrize("form", ["float32", "uint16", "first", "bool"])
def test_arrays_have_alpha_too(form, tmp_path):
    images = drawn(4)
    made = {
        "float32": images.astype(np.float32) / 255,
        "uint16": images.astype(np.uint16) * 257,
        "first": images.transpose(0, 3, 1, 2),
        "bool": images > 127,
    }[form]
    expected = images if form != "bool" else alpha.cleared((images > 127) * np.uint8(255))
    np.savez(tmp_path / "x.npz", images=made)
    np.testing.assert_array_equal(data.load(tmp_path / "x.npz", channels=4).images, expected)
    plain = data.load(tmp_path / "x.npz")
    np.testing.assert_array_equal(plain.images, alpha.over(expected))
    assert any("--channels 4" in note and "--background" in note for note in plain.notes)


def test_range_stretches_colours_and_leaves_the_alpha_of_whole_numbers():
    images = np.full((2, 6, 6, 4), 50, np.uint8)
    found = data.in_memory("x", images, channels=4, value_range="0:100").images
    assert (found[..., :3] == 128).all() and (found[..., 3] == 50).all()


BACKGROUNDS = {None: (255, 255, 255), "black": (0, 0, 0), "#1a2b3c": (26, 43, 60)}


@pytest.mark.parametrize("colour", BACKGROUNDS)
@pytest.mark.parametrize("kind", ["folder", "array"])
def test_background_of_pictures_and_arrays(kind, colour, discs, tmp_path):
    np.savez(tmp_path / "x.npz", images=in_order(drawn()))
    what = discs if kind == "folder" else tmp_path / "x.npz"
    source = data.load(what, background=colour)
    expected = alpha.over(in_order(drawn()), BACKGROUNDS[colour])
    np.testing.assert_allclose(source.images.astype(int), expected, atol=1)
    assert any("transparent" in note for note in source.notes) == (colour is None)


def test_opaque_pictures_get_alpha_and_a_note(tmp_path):
    for i, mode in enumerate(["L", "RGB", "P", "LA"]):
        Image.new("RGBA", (5, 5), (9 * i, 9, 9, 255)).convert(mode).save(tmp_path / f"{i}.png")
    source = data.load(tmp_path, channels=4)
    assert source.images.shape == (4, 5, 5, 4) and (source.images[..., 3] == 255).all()
    assert any("--channels 3" in note for note in source.notes)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_resizing_weights_colours_by_alpha(how):
    """Red beside invisible blue stays red, and what pads is transparent."""
    image = np.zeros((1, 8, 12, 4), np.uint8)
    image[:, :, ::2] = [255, 0, 0, 255]
    image[:, :, 1::2] = [0, 0, 255, 0]
    found = fit_block(image, Target((4, 4), 4, fit=how))
    seen = found[found[..., 3] > 60]
    assert len(seen) and (seen[:, 0] > 250).all() and (seen[:, 2] == 0).all()
    assert (found[:, -1, :, 3] == 0).all() == (how == "pad")


# --- values -----------------------------------------------------------------------------------


@given(PICTURE)
def test_arithmetic_of_alpha(images):
    exact = images.astype(float)
    share = exact[..., 3:] / 255
    white = exact[..., :3] * share + 255 * (1 - share)
    assert np.abs(alpha.over(images) - white).max() <= 0.5 + 1e-4
    product = alpha.premultiplied(images)
    assert np.abs(product[..., :3] - exact[..., :3] * share).max() <= 0.5 + 1e-4
    np.testing.assert_array_equal(product[..., 3], images[..., 3])
    clear = alpha.cleared(images)
    np.testing.assert_array_equal(clear[images[..., 3] > 0], images[images[..., 3] > 0])
    assert (clear[images[..., 3] == 0] == 0).all()
    for function in (alpha.over, alpha.premultiplied, alpha.cleared):
        assert function(images[..., :3]).tobytes() == images[..., :3].tobytes()


HIDDEN = {
    "scorer": lambda x: scorer.resized(x, (8, 8, 4)),
    "scorer of colours": lambda x: scorer.resized(x, (8, 8, 3)),
    "nearest": nearest.fine,
    "checkerboard": checkerboard.spectrum,
    "mirrored": auto_augmentation._reduced,
    "drawn": auto_augmentation.drawn,
    "bytes": lambda x: image_io.to_bytes(to_range(x)),
    "data": lambda x: data.in_memory("x", x, channels=4).images,
    "statistics": lambda x: data.inspect(data.in_memory("x", x, channels=4)).mean,
    "gif": lambda x: [np.asarray(f) for f in _frames(_gif(x), "RGBA")],
    "checker": lambda x: alpha.over_checker(x[0]),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_colours_of_invisible_pixels_change_nothing(name):
    images = drawn(6)
    other = images.copy()
    other[images[..., 3] == 0, :3] = [200, 30, 90]
    np.testing.assert_array_equal(HIDDEN[name](images), HIDDEN[name](other))


def test_scorers_see_alpha_itself():
    """White on nothing is no blank image for a scorer of four channels."""
    white = drawn(2)
    white[..., :3] = 255
    assert scorer.resized(white, (16, 16, 4)).std() > 50
    assert scorer.resized(white, (16, 16, 3)).shape[3] == 3


def test_colour_augmentation_leaves_alpha():
    images, made = to_range(drawn(8)), Colour(p=1.0)
    numbers = np.random.default_rng(1).random((8, 3))
    four = made.apply(images, made.arrays(np.ones(8, bool), numbers, (SIDE, SIDE, 4)))
    three = made.apply(images[:, :3], made.arrays(np.ones(8, bool), numbers, (SIDE, SIDE, 3)))
    np.testing.assert_allclose(four[:, :3], three, atol=1e-6)
    np.testing.assert_allclose(four[:, 3], images[:, 3], atol=1e-6)
    assert np.abs(four[:, :3] - images[:, :3]).max() > 0.1


def test_sheets_show_a_checker(tmp_path):
    images = np.zeros((9, 8, 8, 4), np.uint8)
    found = nearest.Nearest(np.ones((9, 5), np.float32), np.zeros((9, 5), np.int64))
    shown = neighbour_sheet.Neighbours(images, found, np.ones(9), images, 0)
    neighbour_sheet.save(shown, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "RGB" and {alpha.LIGHT, alpha.DARK} <= {*np.unique(sheet)}


# --- films ------------------------------------------------------------------------------------


def _gif(images: np.ndarray) -> bytes:
    head = gif.header(images.shape[2:0:-1])
    return head + b"".join(gif.frame(image_io.picture(x), 4) for x in images) + gif.TRAILER


def _frames(film: bytes, mode: str) -> list[Image.Image]:
    with Image.open(io.BytesIO(film)) as opened:
        return [frame.convert(mode) for frame in ImageSequence.Iterator(opened)]


@pytest.mark.parametrize("ending", [*video.FORMATS])
def test_films_keep_transparency(ending, tmp_path):
    images = drawn(5)
    if ending == ".mp4":
        pytest.importorskip("av")
    path = tmp_path / f"film{ending}"
    video.writer(path, 20)(iter(images))
    if ending == "":
        files = [np.asarray(Image.open(file)) for file in sorted(path.iterdir())]
        np.testing.assert_array_equal(files, images)
    elif ending == ".mp4":
        import av

        with av.open(path) as film:
            found = np.stack([x.to_ndarray(format="rgb24") for x in film.decode(video=0)])
        assert np.abs(found - alpha.over(images).astype(int)).mean() < 12
    else:
        found = np.stack([np.asarray(x) for x in _frames(path.read_bytes(), "RGBA")])
        expected = images.copy()
        if ending == ".gif":  # one level of transparency
            expected[..., 3] = np.where(images[..., 3] < gif.HALF, 0, 255)
            expected, found = alpha.cleared(expected), alpha.cleared(found)
        np.testing.assert_array_equal(found, expected)


def test_grids_have_opaque_gaps_and_keep_transparency():
    sheet = image_io.grid(drawn(4), 2)
    assert (sheet[:2, :, 3] == 255).all()
    np.testing.assert_array_equal(sheet[2 : 2 + SIDE, 2 : 2 + SIDE], drawn(4)[0])


# --- a run ------------------------------------------------------------------------------------


def test_a_run_trains_samples_and_resumes(run, discs, tmp_path):
    generator = ganbaru.load(run)
    images = generator.sample(6)
    assert images.shape == (6, SIDE, SIDE, 4) and images.dtype == np.uint8
    assert (images[images[..., 3] == 0] == 0).all()
    assert np.asarray(Image.open(sorted((run / "samples").glob("*.png"))[-1])).shape[2] == 4
    with Image.open(run / "timelapse.gif") as film:
        assert film.n_frames >= 2
    main.main(["generate", str(run), "-n", "4", "-o", str(tmp_path / "made")])
    found = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "made").iterdir())]
    np.testing.assert_array_equal(found, generator.sample(4))
    np.testing.assert_array_equal(data.load(tmp_path / "made", channels=4).images, found)
    main.main(["report", str(run)])
    assert "conic-gradient" in (run / "report.html").read_text(encoding="utf-8")


SCORERS = ["random", pytest.param("classifier", marks=pytest.mark.extended)]


@pytest.mark.parametrize("scorer_name", SCORERS)
def test_a_run_is_scored_with_alpha(run, scorer_name):
    found = ganbaru.evaluate(run, scorer=scorer_name, number=50, progress=False)
    assert found.passport.resize.startswith("16x16x4") and np.isfinite(found.scores["kernel"].value)


def test_exports_have_alpha(run, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    generator, seeds = ganbaru.load(run), range(3)
    latents, labels = generator.latents(seeds), generator.labels(seeds)
    export.write(run, tmp_path / "g.onnx")
    session = runtime.InferenceSession(tmp_path / "g.onnx")
    given = dict(zip([x.name for x in session.get_inputs()], [latents, labels], strict=False))
    floats = session.run(None, given)[0]
    assert floats.shape == (3, 4, SIDE, SIDE)
    np.testing.assert_array_equal(image_io.to_bytes(floats), generator.sample(3))
    facts = json.loads(session.get_modelmeta().custom_metadata_map["image_shape"])
    assert facts == [4, SIDE, SIDE]
    export.write(run, tmp_path / "page.html")
    assert '"image_shape":[4,16,16]' in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("framework", ["torch"])
def test_native_modules_have_alpha(run, framework):
    pytest.importorskip(framework)
    import torch

    generator = ganbaru.load(run)
    module = importlib.import_module(f"ganbaru.native.{framework}").module(run)
    latents, labels = generator.latents(range(3)), generator.labels(range(3))
    floats = module(*(torch.from_numpy(x) for x in (latents, labels) if x is not None))
    np.testing.assert_array_equal(image_io.to_bytes(floats.detach().numpy()), generator.sample(3))


# --- wrong input ------------------------------------------------------------------------------

WRONG = {
    "five": {"channels": 5},
    "two": {"channels": 2},
    "both": {"channels": 4, "background": "white"},
    "unknown": {"background": "whit"},
    "too bright": {"background": "rgb(256,0,0)"},
    "its own alpha": {"background": "#11223344"},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_choices_are_refused_everywhere(name, discs, capsys):
    for call in (lambda x: Config(**x), lambda x: data.load(discs, **x)):
        with pytest.raises(InputError):
            call(WRONG[name])
    flags = [word for pair in WRONG[name].items() for word in (f"--{pair[0]}", str(pair[1]))]
    for command in (["train", "digits"], ["data", str(discs)]):
        assert main.main([*command, *flags]) == 2
        assert str([*WRONG[name].values()][-1]) in capsys.readouterr().err
