"""The pictures of a run: grids cut up again, films that grow, the history."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont
from train_helpers import command, films, frames, grids, tiny, trained

from ganbaru import callbacks, train
from ganbaru.callbacks import grid_layout as sheets
from ganbaru.callbacks import latent_history
from ganbaru.sampling import generators, gif, image_io
from ganbaru.training.run_folder import Folder

# --- grids ------------------------------------------------------------------------------------


def fake_run(folder, *, shape=(16, 16, 1), classes=0):
    """Return as much of a run as grids take."""
    return SimpleNamespace(
        source=SimpleNamespace(images=np.empty((1, *shape), np.uint8)),
        classes=tuple(f"class {k}" for k in range(classes)),
        attributes=(),
        images=10**9,
        folder=Folder(folder),
    )


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 20))
def test_a_grid_on_disk_gives_its_images_back(tmp_path_factory, height, width, channels, classes):
    folder = tmp_path_factory.mktemp("grid")
    run = fake_run(folder, shape=(height, width, channels), classes=classes)
    count = 8 * image_io.columns(classes)
    images = np.random.default_rng(0).integers(
        0, 256, (count, *run.source.images.shape[1:]), np.uint8
    )
    image_io.save_png(folder / "grid.png", sheets.arranged(run, images))
    np.testing.assert_array_equal(sheets.cut(run, folder / "grid.png"), images)
    apart = sheets.by_class(run, folder / "grid.png")
    assert len(apart) == (classes if 2 <= classes <= 16 else 0)
    for k, sheet in enumerate(apart.values()):
        small = image_io.grid(images[k::classes], columns=4)
        times = sheet.shape[0] // small.shape[0]
        assert max(sheet.shape) >= 256 > (times - 1) * max(small.shape)
        np.testing.assert_array_equal(sheet[::times, ::times], small)


NAMES = st.lists(st.text(max_size=50) | st.sampled_from(["cat", "Cat", "all"]),
                 min_size=2, max_size=6, unique=True)  # fmt: skip


@given(NAMES)
def test_names_of_classes_may_be_names_of_files(classes):
    run = SimpleNamespace(classes=tuple(classes))
    names = sheets.class_names(run)
    assert len(names) == len({name.lower() for name in names} - {"all"}) == len(classes)
    assert all(re.fullmatch(r"[\w-]{1,44}", name) for name in names)


def test_names_of_classes_stay_as_they_are_where_they_can():
    run = SimpleNamespace(classes=("T-shirt/top", "Ankle boot", "7"))
    assert sheets.class_names(run) == ["T-shirt-top", "Ankle-boot", "7"]
    run.classes = ("a/b", "a b")
    assert sheets.class_names(run) == ["0-a-b", "1-a-b"]


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:2000]),
    lambda path: path.write_text("no picture"),
    lambda path: Image.new("L", (10, 10)).save(path),
    lambda path: Image.fromarray(grey(path).astype(np.uint8)).convert("RGB").save(path),
], ids=["cut short", "text", "another size", "colour"])  # fmt: skip
def test_damaged_grid_is_refused_and_the_run_goes_on_without_it(tmp_path, damage):
    run = trained(tmp_path, steps=7)
    path = run / "samples" / "0000000040.png"
    damage(path)
    again = ["train", "--run", run, "--resume", "--steps", 8]
    said = command(*again)
    assert said.code == 2 and said.err.count("\n") == 1
    assert f"The sample grid {path} is damaged or not the run's own" in said.err
    path.unlink()
    assert command(*again).code == 0
    assert len(frames(films(run)["timelapse.gif"])) == 3 == len(grids(run))


# --- films ------------------------------------------------------------------------------------


def grey(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), int)


def test_films_are_the_grids(trained_run):
    """Each frame is a grid, or the images of one class in it; a grey picture keeps its shades."""
    run = trained_run()
    drawn = sorted(grids(run))
    made = films(run)
    assert drawn == [0, 40, 80, 96]
    assert made.keys() == {"timelapse.gif", "0.gif", "1.gif", "2.gif"}
    whole = frames(made["timelapse.gif"])
    for frame, images in zip(whole, drawn, strict=True):
        grid = grey(run / "samples" / f"{images:010d}.png")
        assert np.abs(frame[..., 0].astype(int) - grid).max() <= 1
    last = generators.load(run).sample(48)  # 8 rows of 6, which show each class twice
    for k in range(3):
        film = frames(made[f"{k}.gif"])
        assert len(film) == 4
        wanted = image_io.enlarge(image_io.grid(last[k::3], 4), least=256)[..., 0].astype(int)
        assert np.abs(film[-1][..., 0].astype(int) - wanted).max() <= 1


def test_films_loop_and_hold_the_last_frame(trained_run):
    run = trained_run()
    for path in [run / "timelapse.gif", *(run / "timelapse").iterdir()]:
        with Image.open(path) as film:
            delays = []
            for i in range(film.n_frames):
                film.seek(i)
                delays.append(film.info["duration"])
            assert film.info["loop"] == 0 and delays == [150, 150, 150, 2000]


def test_unconditional_run_has_the_whole_film_alone(trained_run):
    run = trained_run(conditioning="none")
    assert films(run).keys() == {"timelapse.gif"} and not (run / "timelapse").exists()


def test_film_of_colours_keeps_them_apart(tmp_path):
    """64 images, each of a colour of its own, which is fewer colours than a GIF can hold."""
    run, images = with_grids(tmp_path, [0, 1], shape=(1, 1, 3))
    callbacks.TimeLapse().start(run)
    for count, shown in zip(images, frames(films(tmp_path)["timelapse.gif"]), strict=True):
        with Image.open(run.folder.sample(count)) as picture:
            np.testing.assert_array_equal(shown, picture)


class Viewer(callbacks.Callback):
    """Looks at the films while a run lasts."""

    def __init__(self):
        self.seen = []

    def start(self, run):
        self.step(run, {})

    def step(self, run, report):
        self.seen.append(films(run.folder.path))


def test_films_can_be_watched_and_only_grow(tmp_path, monkeypatch):
    """After each step a film has all frames so far, and what was written is not written again."""
    viewer, encoded = Viewer(), []
    encode = gif.frame
    monkeypatch.setattr(gif, "frame", lambda *made: encoded.append(made) or encode(*made))
    train(tiny(tmp_path), [callbacks.Samples(), callbacks.TimeLapse(), viewer])
    assert len(encoded) == 4 * 4  # a frame for each milestone and film, and nothing more
    counts = [len(frames(seen["timelapse.gif"])) for seen in viewer.seen]
    assert counts == [1] * 5 + [2] * 5 + [3] * 3
    for before, after in zip(viewer.seen, viewer.seen[1:], strict=False):
        for name, film in before.items():
            assert after[name].startswith(film.removesuffix(b";"))


# --- history ----------------------------------------------------------------------------------


def with_grids(folder, counts, **options):
    """Return a fake run that has drawn a grid of noise of its own at each number of images."""
    run = fake_run(folder, **options)
    (folder / "samples").mkdir()
    images = {}
    shape, columns = run.source.images.shape[1:], sheets.columns(run)
    for count in counts:
        rng = np.random.default_rng(count)
        images[count] = rng.integers(0, 256, (8 * columns, *shape), np.uint8)
        sheet = image_io.enlarge(image_io.grid(images[count], columns))
        image_io.save_png(run.folder.sample(count), sheet)
    return run, images


def label(text: str) -> np.ndarray:
    """Return the ink of a text, as Pillow's default font has it."""
    mask = ImageFont.load_default().getmask(text)
    return ink(np.asarray(mask).reshape(mask.size[::-1]).astype(int))[0]


def ink(paper: np.ndarray) -> tuple[np.ndarray, int]:
    """Cut away what is empty around a text; also return twice the height of its middle."""
    rows, places = np.nonzero(paper > 8)
    top, bottom = rows.min(), rows.max()
    return paper[top : bottom + 1, places.min() : places.max() + 1], top + bottom


@pytest.mark.parametrize(
    ("side", "channels", "classes", "times"), [(16, 1, 3, 3), (28, 3, 0, 2), (64, 1, 10, 1)]
)
def test_history_has_a_row_for_each_milestone(tmp_path, side, channels, classes, times):
    counts = [0, 20_032, 1_000_000]
    run, images = with_grids(tmp_path, counts, shape=(side, side, channels), classes=classes)
    shown = np.asarray(latent_history.picture(run))
    columns = image_io.columns(classes)
    cell = times * side + 2
    margin = shown.shape[1] - (columns * cell + 2)
    assert shown.shape[0] == 3 * cell + 2 and margin > 0
    for i, count in enumerate(counts):
        first = images[count][:columns].repeat(times, 1).repeat(times, 2)
        wanted = image_io.grid(first, columns)
        band = shown[i * cell : (i + 1) * cell + 2].reshape(cell + 2, -1, channels)
        np.testing.assert_array_equal(band[:, margin:], wanted)
        text, height = ink(band[:, :margin, 0].astype(int) - 24)
        assert np.corrcoef(text.ravel(), label(f"{count:,}").ravel())[0, 1] > 0.999
        assert abs(height - cell) <= 6  # half way up, but for commas


def test_label_of_another_number_looks_different():
    """The comparison above can fail."""
    one, other = label("20,032"), label("20,033")
    assert one.shape != other.shape or np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.99


@settings(max_examples=8)
@given(st.integers(1, 40))
def test_history_has_at_most_12_milestones_evenly_chosen(tmp_path_factory, count):
    folder = tmp_path_factory.mktemp("history")
    run, images = with_grids(folder, range(count), shape=(2, 2, 1))
    shown = np.asarray(latent_history.picture(run))
    rows = (shown.shape[0] - 2) // 50
    assert rows == min(12, count)
    tiles = shown[2:].reshape(rows, 50, -1)[:, ::24][:, :2, shown.shape[1] - 400 :: 50]
    found = []
    for row in tiles:
        (match,) = [k for k, of in images.items() if (row == of[:8, :, 0, 0].T).all()]
        found.append(match)
    assert found[0] == 0 and found[-1] == count - 1
    gaps = np.diff(found)
    assert rows == 1 or gaps.max() - gaps.min() <= 1


def test_history_of_many_classes_shows_16(tmp_path):
    run, _ = with_grids(tmp_path, [0], shape=(48, 48, 1), classes=16)
    assert latent_history.picture(run).width < 17 * 50 + 30


def test_history_of_a_run(tmp_path):
    run = train(tiny(tmp_path), callbacks.standard())
    last = generators.load(run).sample(6).repeat(3, 1).repeat(3, 2)
    with Image.open(run / "history.png") as picture:
        bottom = np.asarray(picture)[-52:, -302:]
        np.testing.assert_array_equal(bottom, image_io.grid(last, 6)[..., 0])
    shutil.rmtree(run)
