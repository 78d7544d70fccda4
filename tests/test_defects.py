"""What was wrong in five systems that the presets reproduce, and that it is right here.

Each docstring names a system, the number of a defect on its list, and the defect. This file has the
conditional and the relativistic GAN, `test_defects_dcgans.py` the three DCGANs.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from defect_helpers import README, commands, watched
from helpers import NUMPY32, NUMPY64, table
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageSequence
from train_helpers import (
    ROOT,
    assert_same_state,
    command,
    grids,
    newest,
    pictures,
    tiny,
    trained,
)

from ganbaru import InputError, callbacks, nn, registry, train
from ganbaru.callbacks import validation
from ganbaru.cli import compare, options, serve
from ganbaru.comparison import contestants
from ganbaru.gan import models
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.presets import PRESETS
from ganbaru.sampling import generators, image_io, interpolation
from ganbaru.training import checkpoint

# How many defects each system's list has.
SYSTEMS = {
    "Conditional GAN": 13,
    "Relativistic GAN": 6,
    "NumPy DCGAN": 8,
    "TensorFlow DCGAN": 7,
    "PyTorch DCGAN": 8,
}

# Defects of which other tests say all there is to say.
COVERED = {
    # Training collapsed near epoch 50 with the vanilla loss: what can be held is that a losing G
    # keeps its gradient, and that numbers that break down end the run with a good checkpoint.
    "Conditional GAN 13": (
        "test_objectives.py::test_a_lost_game_keeps_its_gradient",
        "test_training.py::test_nan_stops_the_run_and_keeps_the_last_good_checkpoint",
    ),
    # CelebA was an option that failed; its test images were its training images.
    "Relativistic GAN 2": (
        "test_data_local.py::test_found_by_name_in_every_form_and_place",
        "test_data_local.py::test_celeba_is_cropped_to_a_square",
        "test_data_local.py::test_test_images_are_not_the_training_images",
    ),
    # The same files as the conditional GAN's: range, pictures, resuming, missing files, sizes.
    "Relativistic GAN 3": (
        "test_defects.py::test_pictures_have_their_negative_half",
        "test_defects.py::test_training_goes_on_past_the_first_pictures",
        "test_defects.py::test_checkpoints_come_by_images_of_the_whole_run",
        "test_defects.py::test_a_missing_checkpoint_makes_no_picture",
        "test_defects.py::test_films_have_the_speed_asked_for",
        "test_defects.py::test_sizes_and_classes_reach_the_networks",
    ),
}


def _tests() -> dict[str, str]:
    """Return the docstring of every test, by file and name."""
    found = {}
    for path in (ROOT / "tests").glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[f"{path.name}::{node.name}"] = ast.get_docstring(node) or ""
    return found


def test_every_defect_has_its_test():
    tests = _tests()
    told = [re.match(r"([\w ]+ (?:GAN|DCGAN) \d+): \S.*\.$", text, re.DOTALL)
            for text in tests.values()]  # fmt: skip
    named = {found.group(1) for found in told if found} | COVERED.keys()
    listed = {f"{system} {i + 1}" for system, count in SYSTEMS.items() for i in range(count)}
    assert named == listed
    assert {name for names in COVERED.values() for name in names} <= tests.keys()


# --- the conditional GAN ----------------------------------------------------------------------


def test_d_judges_fakes_by_the_label_that_g_was_given():
    """Conditional GAN 1: D judged fakes by the label of the reals, in both updates."""
    gan = table(NUMPY64, conditioning="planes")
    calls = watched(gan)
    of_d = gan.draw.step(0).d[0]
    gan.step(0)
    made = {call.y.tobytes(): call.label for call in calls if call.player == "generator"}
    judged = [call for call in calls if call.x.tobytes() in made]
    assert len(judged) == len(made) == 2
    for call in judged:
        assert_array_equal(call.label, made[call.x.tobytes()])
    assert (of_d.label != of_d.real_label).any()  # or the two could not be told apart


def test_drawing_pictures_leaves_training_alone(tmp_path):
    """Conditional GAN 2: From the first pictures on, G trained in inference mode."""
    often = trained(tmp_path, run=tmp_path / "often", sample_every=8)
    never = trained(tmp_path, run=tmp_path / "never", sample_every=10**6)
    assert len(grids(often)) == 13 and len(grids(never)) == 2
    assert_same_state(often, never)
    before, _ = newest(trained(tmp_path, run=tmp_path / "half", steps=6, sample_every=8))
    for name, array in newest(often)[0]["generator_buffers"].items():
        assert (array != before["generator_buffers"][name]).any()


@pytest.mark.parametrize("name", [n for n in registry.names("networks") if models.logits(n) == 1])
def test_scores_and_targets_have_one_shape(name):
    """Conditional GAN 3: Scores (N, 1, 1, 1) met targets (N,), an error or a wrong mean."""
    gan = table(NUMPY64, network=name)
    calls = watched(gan)
    report = gan.step(0)
    real, fake, last = (call.y for call in calls if call.player == "discriminator")
    assert real.shape == fake.shape == last.shape
    assert real.shape[0] == 8 and real.ndim == (2 if name == "patchgan" else 1)
    losses = [np.mean(np.logaddexp(0, -s)) for s in (real, last)] + [np.mean(np.logaddexp(0, fake))]
    assert report["g_loss"] == pytest.approx(losses[1], rel=1e-12)
    assert report["d_loss"] == pytest.approx(losses[0] + losses[2], rel=1e-12)


def test_pictures_have_their_negative_half(tmp_path):
    """Conditional GAN 4: Images in [-1, 1] were saved as if in [0, 1], half of them black."""
    gan = table(NUMPY32, network="dcgan-5x5", objective="two-class", lr=0.05)
    for number in range(5):
        gan.step(number)
    sampler = gan.sampler()
    floats = sampler.floats(sampler.latents(range(4)))[:, 0]
    assert floats.min() < -0.2 and floats.max() > 0.2
    for i, image in enumerate(sampler.sample(4)):
        image_io.save_png(tmp_path / f"{i}.png", image)
        with Image.open(tmp_path / f"{i}.png") as picture:
            assert_allclose(np.asarray(picture), (floats[i] + 1) * 127.5, rtol=0, atol=0.5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Return a folder with a tiny run of ten classes at runs/NAME, as the README calls it."""
    folder = tmp_path_factory.mktemp("readme")
    pictures(folder / "pictures.npz", count=240, classes=10)  # as many as scores need
    trained(folder, run=folder / "runs" / "NAME", steps=2)
    return folder


@pytest.mark.parametrize("words", list(commands(README)), ids=" ".join)
def test_every_command_of_the_readme_is_one(words, runs, monkeypatch):
    """Conditional GAN 5: The README's numbers were not those of the code."""
    monkeypatch.chdir(runs)
    if any(word.endswith(".onnx") for word in words):
        pytest.importorskip("onnx")
    if words[0] == "train":
        config = options.config("train", "", words[1:])
        flags = {w[2:].replace("-", "_"): words[i + 1 : i + 2] for i, w in enumerate(words)
                 if w.startswith("--") and w != "--resume"}  # fmt: skip
        assert config.preset in PRESETS
        for name, (given,) in flags.items():
            assert str(getattr(config, name)) in (given, f"{given}.0")
    elif words[0] == "import":  # which would look for the files
        config, files = options.importing("", words[1:])
        assert config.preset in PRESETS and list(files) == ["generator", "discriminator"]
    elif words[0] == "serve":  # which would go on until it is stopped
        assert serve._parser().parse(words[1:]).runs
    elif words[0] == "compare":  # which would train for minutes
        _, wanted = options.given(compare._parser(), words[1:], contestants.FREE)
        entrants = [compare._entry(word, contestants.FREE)
                    for word in wanted["contestants"] or ()]  # fmt: skip
        assert all(entrant["preset"] in PRESETS for entrant in entrants)
    elif words[0] != "data" and "--data" not in words:  # which would look for a set
        said = command(*words)
        assert (said.code, said.err) == (0, ""), said


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_options_are_what_a_run_takes(name):
    """Conditional GAN 5: The README's table of options contradicted the code's constants."""
    config = options.config("train", "", [name])
    for field, value in PRESETS[name].options.items():
        assert getattr(config, field) == value, field


def test_training_goes_on_past_the_first_pictures(tmp_path):
    """Conditional GAN 6: Saving the first pictures failed, and training with it."""
    run = trained(tmp_path, steps=None, epochs=3, sample_every=43)
    assert list(grids(run)) and newest(run)[1].images >= 3 * 43
    sheets = []
    for path in sorted((run / "samples").glob("*.png")):
        with Image.open(path) as picture:
            sheets.append(np.asarray(picture))
    assert len(sheets) == 4 and len({sheet.shape for sheet in sheets}) == 1
    assert all((one != other).any() for one, other in zip(sheets, sheets[1:], strict=False))


def test_a_classs_film_shows_that_class_and_grows_by_a_frame(tmp_path):
    """Conditional GAN 7: Films failed, mixed all classes, and were rewritten whole each time."""
    contents = []

    class Copies(callbacks.Callback):
        def start(self, run):
            self.grid(run, run.folder.sample(0))

        def grid(self, run, path):
            contents.append((run.folder.path / "timelapse" / "1.gif").read_bytes())

    films = [callbacks.Samples(), callbacks.TimeLapse(), Copies()]
    run = train(tiny(tmp_path), [callbacks.Log(), callbacks.Checkpoints(), *films])
    assert len(contents) == 4
    for before, after in zip(contents, contents[1:], strict=False):
        assert after.startswith(before[:-1])  # all but the mark of its end
    images = generators.load(run).sample(48)  # 8 rows of 6, which show each of 3 classes twice
    for k in range(3):
        with Image.open(run / "timelapse" / f"{k}.gif") as film:
            frames = [np.asarray(f.convert("L"), int) for f in ImageSequence.Iterator(film)]
        wanted = image_io.enlarge(image_io.grid(images[k::3], 4), least=256)[..., 0].astype(int)
        assert len(frames) == 4 and np.abs(frames[-1] - wanted).max() <= 1


@pytest.mark.parametrize("size", ["20x24", "28", "32x16"])
@pytest.mark.parametrize("classes", [2, 7])
def test_sizes_and_classes_reach_the_networks(tmp_path, size, classes):
    """Conditional GAN 8: Any number of classes but 10 and any size but 64 crashed."""
    pictures(tmp_path / "pictures.npz", classes=classes)
    run = trained(tmp_path, image_size=size, conditioning="planes", steps=1)
    height, _, width = size.partition("x")
    images = generators.load(run).sample(classes)
    assert images.shape == (classes, int(height), int(width or height), 1)
    assert newest(run)[0]["discriminator"]["down1.conv.weight"].shape[1] == 1 + classes
    with pytest.raises(InputError, match="out of range"):
        generators.load(run).sample(1, labels=classes)


def test_checkpoints_come_by_images_of_the_whole_run(tmp_path):
    """Conditional GAN 9: The interval was compared with the step inside the epoch, and nothing
    could be resumed.
    """
    run = trained(tmp_path, checkpoint_every=100, keep=99, steps=30)  # epochs of 40 images
    assert [int(p.stem) for p in checkpoint.found(run / "checkpoints")] == [104, 200, 240]
    parts = trained(tmp_path, run=tmp_path / "parts", steps=13)
    assert newest(parts)[1].step == 13
    assert_same_state(trained(tmp_path, run=parts, steps=30, resume=True), run)


def test_a_missing_checkpoint_makes_no_picture(tmp_path):
    """Conditional GAN 10: Without a checkpoint, pictures of random weights were made."""
    run = trained(tmp_path, steps=1)
    for path in checkpoint.found(run / "checkpoints"):
        path.unlink()
    for name in (run, run / "checkpoints" / "0000000008.safetensors"):
        said = command("generate", name, "-o", tmp_path / "images.png")
        assert said.code == 2 and "no checkpoint" in said.err
    assert not (tmp_path / "images.png").exists()


@pytest.mark.parametrize("fps", [4, 12.5, 50])
def test_films_have_the_speed_asked_for(tmp_path, fps):
    """Conditional GAN 11: A GIF took no notice of --fps."""
    run = trained(tmp_path, steps=1)
    out = tmp_path / "film.gif"
    said = command("morph", run, "--frames", 10, "--fps", fps, "--labels", 1, "-o", out)
    assert (said.code, said.err) == (0, "")
    with Image.open(out) as film:
        times = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert len(times) == 10 and sum(times) == pytest.approx(10_000 / fps, abs=10)


def test_a_film_keeps_to_the_norms_that_training_saw():
    """Conditional GAN 11: Straight lines between latents passed through norms of 0.71."""
    points = np.random.default_rng(0).standard_normal((2, 100))
    ends, middle = np.linalg.norm(points, axis=1), np.array([0.5])
    norm = {name: np.linalg.norm(interpolation.PATHS[name].latents(points, middle)) for name in
            ("slerp", "line")}  # fmt: skip
    assert norm["line"] < 0.8 * ends.mean()
    assert norm["slerp"] == pytest.approx(ends.mean(), rel=1e-9)
    assert re.search(r"--path .*?\[slerp\]", command("morph", "--help").out, re.DOTALL)


@pytest.mark.parametrize("network", ["dcgan-linear", "resnet"])
def test_a_checkpoint_builds_the_network_it_is_of(tmp_path, network):
    """Conditional GAN 12: The examples named checkpoints of another network, which did not fit."""
    one = trained(tmp_path, run=tmp_path / "one", network=network, latent=5, steps=1)
    other = trained(tmp_path, run=tmp_path / "other", steps=1)
    expected = generators.load(one).sample(2)
    (path,) = checkpoint.found(one / "checkpoints")
    assert_array_equal(generators.load(path).sample(2), expected)
    path.rename(other / "checkpoints" / "9999999999.safetensors")
    said = command("train", "--run", other, "--resume", "--steps", 4)
    assert said.code == 2 and "is of another architecture" in said.err


def test_nothing_lies_about_unused():
    """Conditional GAN 12: Two networks, a function and a result of clamping were never used."""
    sources = {p: p.read_text(encoding="utf-8") for folder in ("src", "tests", "examples", "bench")
               for p in (ROOT / folder).rglob("*.py")}  # fmt: skip
    words = Counter(re.findall(r"\w+", "\n".join(sources.values())))
    registered = {"format_help", "find_class", "extra_repr"}  # which libraries call
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(sources[path])):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.decorator_list:
                once = words[node.name] == 1 and not node.name.startswith("__")
                assert not once or node.name in registered, f"{path}: {node.name}"


def test_held_out_losses_take_few_large_batches():
    """Conditional GAN 12: The test images were scored four at a time."""
    images = np.zeros((10_000, 2, 2, 1), np.uint8)
    test = validation.HeldOut(images, None, np.arange(1000))
    sizes = [len(reals) for _, reals, _ in test.batches()]
    assert set(sizes) == {64} and len(sizes) == 15


# --- the relativistic GAN ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, each in OBJECTIVES.items() if each.relativistic])
def test_g_learns_against_scores_of_the_updated_d(name):
    """Relativistic GAN 1: G's loss held scores, and their graph, from before D's update."""
    gan, heard = table(NUMPY64, objective=name), []

    def listening(real, fake, g_loss=gan.gan.g_loss):
        heard.append(real)
        return g_loss(real, fake)

    gan.gan = dataclasses.replace(gan.gan, g_loss=listening)
    batches, stale = gan.draw.step(0), gan.arrays()
    gan.d_update(batches.d[0])
    fresh = gan.arrays()
    gan.g_update(batches.g)
    scores = [
        nn.apply(gan.gan.discriminator, state["discriminator"], fresh["discriminator_buffers"],
                 batches.g.real, training=True)[0]
        for state in (stale, fresh)
    ]  # fmt: skip
    (real,) = heard
    assert_array_equal(real, scores[1])
    assert (real != scores[0]).all()
    assert type(real) is np.ndarray  # no part of a graph: nothing is computed for D's weights


def test_each_of_ds_updates_has_reals_of_its_own():
    """Relativistic GAN 4: All of D's updates of a step saw one batch, and G its last scores."""
    gan = table(NUMPY64, objective="rsgan", d_steps=3)
    calls = watched(gan)
    batches = gan.draw.step(0)
    gan.step(0)
    scored = [call.x for call in calls if call.player == "discriminator"]
    reals = [scored[i] for i in (0, 2, 4, 6)]  # each before its fakes; the last in G's turn
    for found, batch in zip(reals, (*batches.d, batches.g), strict=True):
        assert_array_equal(found, batch.real)
    assert len({image.tobytes() for real in reals[:3] for image in real}) == 24


def test_what_a_run_says_leads_to_its_pictures(tmp_path, monkeypatch):
    """Relativistic GAN 5: The script for sampling named a folder that training did not write."""
    monkeypatch.chdir(tmp_path)
    config = tiny(tmp_path)
    how = [
        "--data",
        config.data,
        "--batch",
        8,
        "--width",
        4,
        "--steps",
        2,
        "--conditioning",
        "none",
    ]
    said = command("train", *how, "--objective", "ralsgan")
    assert said.code == 0
    words = re.search(r"^More images: ganbaru (.*)$", said.out, re.MULTILINE).group(1).split()
    assert command(*words).code == 0 and (tmp_path / words[-1]).exists()


@pytest.mark.parametrize("name", [n for n, each in OBJECTIVES.items() if each.relativistic])
def test_relativistic_pairs_have_one_label_and_one_place(name):
    """Relativistic GAN 6: There were no labels, and patches of unrelated images made pairs."""
    gan = table(NUMPY64, objective=name, network="patchgan", conditioning="planes")
    calls = watched(gan)
    report = gan.step(0)
    real, fake, of_g, of_g_fake = (call for call in calls if call.player == "discriminator")
    assert_array_equal(real.label, fake.label)
    assert_array_equal(of_g.label, of_g_fake.label)
    assert real.y.shape == fake.y.shape == (8, 16)  # 4x4 patches, in order
    assert float(OBJECTIVES[name].d(real.y, fake.y)) == pytest.approx(report["d_loss"], rel=1e-12)
    shuffled = OBJECTIVES[name].d(real.y, np.roll(fake.y, 1, axis=0))
    assert (abs(shuffled - report["d_loss"]) > 1e-9) == (name == "rsgan")  # the one that has pairs
