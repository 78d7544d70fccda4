"""What was wrong in three DCGANs, and that it is right here; see `test_defects.py`."""

from __future__ import annotations

import ast
import gc
import json
import os
import pickle
import re

import numpy as np
import pytest
from defect_helpers import DOCUMENTS, README, blocks, links, shown, watched
from helpers import NUMPY32, NUMPY64, table
from numpy.testing import assert_array_equal
from PIL import Image
from train_helpers import (
    ROOT,
    assert_same_state,
    command,
    log,
    needs_torch,
    pictures,
    run_with,
    tiny,
    trained,
)

from ganbaru import Config, InputError, callbacks, data, nn, ops, registry, train
from ganbaru.callbacks import plots
from ganbaru.config import from_preset
from ganbaru.gan import build, models, step
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.metrics import evaluator, scorer
from ganbaru.nn.initializers import INITIALISATIONS
from ganbaru.presets import PRESETS
from ganbaru.sampling import generators
from ganbaru.training import setup
from ganbaru.training.loop import loop

# --- the DCGAN in NumPy -----------------------------------------------------------------------


def test_d_is_not_saturated_from_the_start():
    """NumPy DCGAN 1: Within 13 updates D's last layer was saturated, and a loss negative."""
    gan = table(
        NUMPY32, (64, 64, 3), order="g-first", share="fakes", optimiser="adam:epsilon=1e-7",
        lr=2e-4, latent=100,
    )  # fmt: skip
    for number in range(13):
        report = gan.step(number)
        assert 0.05 < report["d_loss"] < 3 and 0.05 < report["g_loss"] < 3
        assert abs(report["real_score"]) < 5 and abs(report["fake_score"]) < 5


@pytest.mark.parametrize("logit", [40.0, 1e3, 1e6])
def test_losses_have_no_cap_and_no_wrong_sign(logit):
    """NumPy DCGAN 1: A 1e-7 inside the logarithms capped the loss at 16.1; exp overflowed."""
    found, high = OBJECTIVES["non-saturating"], np.full(3, logit, np.float32)
    assert found.d(-high, high) == pytest.approx(2 * logit, rel=1e-6)
    assert found.g(None, -high) == pytest.approx(logit, rel=1e-6)
    assert 0 <= found.d(high, -high) < 1e-16 and 0 <= found.g(None, high) < 1e-16


def test_weights_losses_and_seed_are_kept(tmp_path):
    """NumPy DCGAN 2: Weights and losses were dropped at the end; there was no seed, no option."""
    run = trained(tmp_path, run=tmp_path / "run", log_every=8)
    assert [line["step"] for line in log(run)] == list(range(1, 13))
    assert generators.load(run).sample(2).shape == (2, 16, 16, 1)
    assert_same_state(trained(tmp_path, run=tmp_path / "same", log_every=8), run)
    with pytest.raises(AssertionError):
        assert_same_state(trained(tmp_path, run=tmp_path / "other", log_every=8, seed=1), run)


def test_numbers_are_float32_and_images_bytes(tmp_path):
    """NumPy DCGAN 3: Everything was float64, the whole set of images too."""
    run = run_with(tiny(tmp_path, steps=2, penalty="r1", objective="rsgan"))
    assert run.source.images.dtype == np.uint8
    assert run.source.images.nbytes == 43 * 16 * 16
    for group, tensors in run.state.items():
        assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float32")}, group


def test_each_epoch_has_an_order_of_its_own(tmp_path):
    """NumPy DCGAN 4: Images were shuffled once; arrays of losses regrew at every step."""
    log, seen, waiting = callbacks.Log(), [], []

    class Watch(callbacks.Callback):
        def step(self, run, report):
            seen.append(shown(run, run.step - 1))
            waiting.append(len(log.reports))

    run_with(tiny(tmp_path, short_batch=True, steps=18, log_every=24), log, Watch())
    epochs = [np.concatenate(seen[6 * e : 6 * e + 6]) for e in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(43)) for epoch in epochs)
    assert max(waiting) <= 3  # losses wait for the next line of the log, and no longer


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_what_is_there(document):
    """NumPy DCGAN 5: The README named a folder that the code did not write to."""
    for path in links(document):
        assert path.exists(), path
    text = document.read_text(encoding="utf-8")
    for module in re.findall(r"-m ((?:bench|examples)[\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
    for name in re.findall(r"`((?:src|tests|bench|docs|examples|engines)/[\w./]+)`", text):
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "src" / "ganbaru")), name


def test_what_a_run_says_it_wrote_is_there(tmp_path):
    """NumPy DCGAN 5: The README named a folder that the code did not write to."""
    config = tiny(tmp_path)
    how = ["--batch", 8, "--width", 4, "--steps", 2, "--run", tmp_path / "run"]
    said = command("train", "--data", config.data, *how)
    files = re.findall(r"^  [a-z -]+ (\S+)$", said.out, re.MULTILINE)
    assert len(files) >= 5 and all(os.path.exists(name) for name in files)


def test_grids_are_pixels_and_plots_leave_nothing_open(tmp_path):
    """NumPy DCGAN 6: Grids were figures with axes and margins, and never closed."""
    pictures(tmp_path / "pictures.npz", side=64, channels=3, classes=0)
    run = trained(tmp_path, conditioning="none", steps=1)
    assert command("generate", run, "-n", 64, "-o", tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as picture:
        sheet = np.asarray(picture)
    gap = (sheet.shape[0] - 512) // 9
    assert sheet.shape == (512 + 9 * gap, 512 + 9 * gap, 3) and gap <= 2
    tiles = sheet[gap:, gap:].reshape(8, 64 + gap, 8, 64 + gap, 3)[:, :64, :, :64]
    assert_array_equal(tiles.swapaxes(1, 2).reshape(64, 64, 64, 3), generators.load(run).sample(64))
    import matplotlib.pyplot

    plots.losses(log(run), tmp_path / "losses.png")
    assert matplotlib.pyplot.get_fignums() == []


def test_biases_start_on_both_sides_of_zero():
    """NumPy DCGAN 7: Biases of transposed convolutions started in [-limit, 0]."""
    config = Config(network="dcgan-5x5", width=64)
    generator, _ = models.networks(config, (28, 28, 3), 0)
    made, _ = nn.initialise(generator, (2, 100), seed=0, initialisation=INITIALISATIONS["pytorch"])
    bias, limit = made["up1.conv.bias"], (64 * 25) ** -0.5
    assert bias.shape == (64,) and np.abs(bias).max() <= limit
    assert bias.min() < -0.8 * limit and bias.max() > 0.8 * limit
    assert abs(bias.mean()) < 4 * limit / (3 * 64) ** 0.5


def test_a_gradient_that_two_branches_get_is_not_changed_by_one(any_engine):
    """NumPy DCGAN 7: ReLU changed the gradient that it was given in place."""
    x = np.array([[-2.0, 3.0], [4.0, -5.0]])

    def loss(given):
        y = given["x"] * 1.0
        return ops.sum(ops.leaky_relu(y) + y), None

    _, _, slopes = ops.value_and_grad(loss, {"x": any_engine.from_numpy(x)})
    assert_array_equal(ops.to_numpy(slopes["x"]), 1 + (x > 0))


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["cats_datasets_npy.pickle", "data_batch_1", "images.npy"])
def test_data_run_no_code(tmp_path, name):
    """NumPy DCGAN 8: Images came from a pickle, which runs code on loading."""
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)], dtype=object)
    if name.endswith("npy"):
        np.save(tmp_path / name, trap, allow_pickle=True)
    else:
        (tmp_path / name).write_bytes(pickle.dumps({"data": trap, "labels": [0]}))
    with pytest.raises(InputError):
        data.load(tmp_path / name)
    assert not sprung.exists()
    with (tmp_path / name).open("rb") as file:  # the trap does work
        np.load(file, allow_pickle=True) if name.endswith("npy") else pickle.load(file)
    assert sprung.exists()


# --- the DCGAN in TensorFlow ------------------------------------------------------------------

TWO_CLASSES = {"network": "dcgan-5x5", "objective": "two-class", "distribution": "uniform"}


def test_reals_and_fakes_have_one_range():
    """TensorFlow DCGAN 1: D saw reals in 0 to 255 and fakes in 0 to 1."""
    gan = table(NUMPY32, **TWO_CLASSES)
    calls = watched(gan)
    gan.step(0)
    real, fake, _ = (call.x for call in calls if call.player == "discriminator")
    assert -1 <= real.min() < -0.98 and 0.98 < real.max() <= 1
    assert -1 < fake.min() < 0 < fake.max() < 1
    big = {"image.conv.bias": np.full(1, 1e3, np.float32)}
    for sign in (-1, 1):
        weights = {**gan.state["generator"], "image.conv.bias": sign * big["image.conv.bias"]}
        made, _ = nn.apply(
            gan.gan.generator, weights, gan.state["generator_buffers"], calls[0].x,
            training=False,
        )  # fmt: skip
        assert set(made.ravel()) == {sign}  # both ends are those of the reals


def test_a_picture_does_not_depend_on_its_neighbours():
    """TensorFlow DCGAN 2: Sampling took the batch's own statistics, and one batch size only."""
    gan = table(NUMPY64, **TWO_CLASSES)
    for number in range(3):
        gan.step(number)
    sampler = gan.sampler()
    latents = sampler.latents(range(9))
    together = sampler.floats(latents)
    for count in (1, 2, 8):
        np.testing.assert_allclose(sampler.floats(latents[:count]), together[:count], atol=1e-12)


def test_drawing_again_and_again_keeps_nothing(any_engine32):
    """TensorFlow DCGAN 3: Every evaluation added to a graph that only grew."""
    gan = table(any_engine32, **TWO_CLASSES)

    def objects(times: int) -> int:
        for _ in range(times):
            gan.sampler().sample(3)
        gc.collect()
        return len(gc.get_objects())

    objects(2)
    before = objects(1)
    assert objects(20) - before < 20  # less than one for each drawing, of some 20 operations


def test_pictures_and_films_need_no_other_program(tmp_path, monkeypatch):
    """TensorFlow DCGAN 4: Pictures and GIFs needed a function long gone and another program."""
    monkeypatch.setenv("PATH", "")
    run = train(tiny(tmp_path, steps=6))
    with Image.open(run / "timelapse.gif") as film:
        assert film.n_frames == 3
    with Image.open(run / "losses.png") as plot:
        assert plot.size[0] > 500


def test_no_folder_of_anybodys_computer_is_in_the_code():
    """TensorFlow DCGAN 4: The code held a folder of its author and calls of dead interfaces."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(r"[A-Z]:\\|/(home|Users|root|tmp)/", node.value), path
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            assert not {"subprocess", "scipy.misc"} & {*names, getattr(node, "module", "")}, path


def test_an_epoch_is_a_pass_and_the_order_is_what_it_says(tmp_path):
    """TensorFlow DCGAN 5: An epoch was one update, and the order of updates was not one."""
    run = run_with(tiny(tmp_path, steps=None, epochs=1, short_batch=True))
    assert sorted(sum((shown(run, turn) for turn in range(run.step)), [])) == list(range(43))
    for order, of_g in (("d-first", [False, True]), ("g-first", [True, False])):
        gan = table(NUMPY32, order=order)
        calls, latent = watched(gan), gan.draw.step(0).g.latent
        gan.step(0)
        made = [call.x for call in calls if call.player == "generator"]
        assert [np.array_equal(x, latent) for x in made] == of_g


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_decays_and_rates_reach_the_optimisers(name):
    """TensorFlow DCGAN 5: beta2 was one number in the README and another in the code."""
    config = from_preset(name)
    gan = build.gan(config, (28, 28, 1), 10 if config.conditioning != "none" else 0)
    for of in (gan.g_optimizer, gan.d_optimizer):
        assert (of.rate, of.betas) == (config.lr, config.betas)
    assert from_preset("dcgan-mnist28").betas == (0.5, 0.99)


def test_no_meaningless_total_is_logged(tmp_path):
    """TensorFlow DCGAN 5: The sum of both losses was shown, which means nothing."""
    (line,) = log(trained(tmp_path, steps=1))
    assert line.keys() == {"images", "step", "d_loss", "g_loss", "real_score", "fake_score"}


def test_a_logged_loss_is_that_of_the_update_itself():
    """TensorFlow DCGAN 6: Losses were computed once more, later and of other noise."""
    gan = table(NUMPY64, **TWO_CLASSES)
    calls = watched(gan)
    report = gan.step(0)
    real, fake, last = (call.y for call in calls if call.player == "discriminator")
    assert float(gan.gan.d_loss(real, fake)) == pytest.approx(report["d_loss"], rel=1e-14)
    assert float(gan.gan.g_loss(None, last)) == pytest.approx(report["g_loss"], rel=1e-14)
    margins = [np.mean(scores[:, 1] - scores[:, 0]) for scores in (real, fake)]
    assert [report["real_score"], report["fake_score"]] == pytest.approx(margins, rel=1e-12)


@pytest.mark.parametrize("name", registry.names("data"))
def test_every_known_set_is_used(name):
    """TensorFlow DCGAN 7: CIFAR-10 was listed, and never used."""
    assert name in {from_preset(preset).data for preset in PRESETS}
    assert callable(registry.module("data", name).original)


# --- the DCGAN in PyTorch of 2025 -------------------------------------------------------------

SMALL = "minutes=1"  # in the README, where two steps will do here


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    """PyTorch DCGAN 1: The README's code gave latents of a wrong shape, and crashed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=1280))
    monkeypatch.setattr(evaluator, "CAS_RECIPE", scorer.Recipe(width=4, shown=1280))
    code = blocks(README, "python")
    assert len(code) >= 2 and sum(SMALL in block for block in code) == 1
    known, names = dict(OBJECTIVES), {}
    try:
        for block in code:
            exec(block.replace(SMALL, "steps=2, width=4"), names)
        assert (OBJECTIVES.keys() - known.keys()) == {"my-objective"}
    finally:
        OBJECTIVES.clear(), OBJECTIVES.update(known)
    assert names["images"].shape == (16, 16, 16, 1) and names["images"].dtype == np.uint8


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_named_exists(document):
    """PyTorch DCGAN 2: Spectral norm and other options were listed that did not exist."""
    text = document.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "ruff" not in line and "python -m" not in line]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(lines)))
    takers = (
        "train", "generate", "data", "morph", "import", "conformance", "evaluate", "compare",
        "authenticity", "export", "serve",
    )  # fmt: skip
    pages = [command(name, "--help").out for name in takers]
    known = set(re.findall(r"--[a-z][a-z-]+", "\n".join(pages))) | {"--help", "--version"}
    assert named <= known, named - known


@pytest.mark.parametrize("option", ["spectral_norm", "minibatch_deviation", "clip", "d_steps"])
def test_options_that_are_listed_do_something(option):
    """PyTorch DCGAN 2: What the README said of D's updates and of its norm was not in the code."""
    other = {"spectral_norm": "d", "minibatch_deviation": True, "clip": 0.01, "d_steps": 2}[option]
    losses = []
    for options in ({}, {option: other}):
        gan = table(NUMPY64, **options)
        gan.step(0)
        losses.append(gan.step(1)["d_loss"])
    assert losses[0] != losses[1]


@pytest.mark.parametrize("network", registry.names("networks"))
def test_widths_and_latents_reach_every_network(network):
    """PyTorch DCGAN 3: Feature maps were stored and ignored; the latent had one size."""
    counts = {}
    for width, latent in ((8, 16), (16, 16), (8, 32)):
        config = Config(network=network, width=width, latent=latent)
        made = models.initial_parameters(config, (16, 16, 3), 0)
        counts[width, latent] = [nn.parameter_count(made[p]) for p in
                                 ("generator", "discriminator")]  # fmt: skip
    first, wide, long = counts.values()
    assert wide[0] > 1.5 * first[0] and wide[1] > 1.5 * first[1]
    assert long[0] > first[0] and long[1] == first[1]


def test_progress_pictures_are_of_the_same_latents(tmp_path, monkeypatch):
    """PyTorch DCGAN 4: Progress pictures had new noise each time, training's norms, and each its
    own contrast.
    """
    seen, modes = [], []
    floats, apply = generators.Generator.floats, nn.apply

    def telling(self, latents, labels=None):
        seen.append((latents.tobytes(), labels.tobytes()))
        return floats(self, latents, labels)

    def applied(*inputs, training):
        modes.append(training)
        return apply(*inputs, training=training)

    monkeypatch.setattr(generators.Generator, "floats", telling)
    drawn = callbacks.Samples()
    run = setup.build(tiny(tmp_path, steps=12), [drawn])
    drawn.start(run)
    monkeypatch.setattr(nn, "apply", applied)
    run.images = 40
    before = {name: array.copy() for name, array in run.state["ema_buffers"].items()}
    drawn.step(run, {})
    assert len(seen) == 2 and seen[0] == seen[1]
    assert modes == [False]
    for name, array in before.items():
        assert_array_equal(run.state["ema_buffers"][name], array)
    one, other = (run.folder.sample(images).read_bytes() for images in (0, 40))
    assert one == other  # nothing was learnt: the same picture, in the same range


def test_losses_are_on_disk_while_the_run_lasts(tmp_path):
    """PyTorch DCGAN 5: Losses were kept in memory and lost on a stop; nothing could go on."""

    class CrashError(Exception):
        pass

    class Breaks(callbacks.Callback):
        def step(self, run, report):
            if run.step == 7:
                raise CrashError

    chosen = [callbacks.Log(), callbacks.Checkpoints(), Breaks()]
    run = setup.build(tiny(tmp_path, steps=12, log_every=8), chosen)
    with pytest.raises(CrashError):
        loop(run, lambda: False)
    lines = [json.loads(line) for line in run.folder.log.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 8))


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    """PyTorch DCGAN 5: Losses were kept in memory and lost on a stop; nothing could go on."""
    whole = trained(tmp_path, run=tmp_path / "whole", steps=9)
    trained(tmp_path, steps=4)
    assert_same_state(trained(tmp_path, steps=9, resume=True), whole)


def test_the_floors_of_smoothed_targets_are_told():
    """PyTorch DCGAN 6: Smoothed targets left floors under both losses that nothing explained."""
    found = OBJECTIVES["non-saturating"]
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    scores = np.linspace(-6, 6, 4001)
    lowest_g = min(float(found.g(None, scores[i : i + 1], real=0.9)) for i in range(4001))
    assert lowest_g == pytest.approx(entropy, abs=1e-6)
    assert f"{2 * entropy:.3f}" in found.summary and f"{lowest_g:.3f}" in found.summary


@pytest.mark.parametrize("arguments", [["train", "digits", "--steps", "1"], ["generate", "run"]])
def test_a_device_that_is_not_there_is_refused(tmp_path, monkeypatch, arguments):
    """PyTorch DCGAN 7: A device that was not there became the CPU without a word."""
    monkeypatch.chdir(tmp_path)
    trained(tmp_path, run=tmp_path / "runs" / "run", steps=1)
    said = command(*arguments, "--device", "cuda:7")
    assert said.code == 2 and "device 'cuda:7'" in said.err and said.out == ""


@needs_torch
def test_a_step_fetches_no_number(tmp_path):
    """PyTorch DCGAN 7: Two losses were fetched at every step, for which a GPU had to be waited."""
    import torch

    run = setup.build(tiny(tmp_path, engine="torch", steps=3))
    _, report = step.train_step(
        run.gan, run.state, run.sampler.step(0), step.step_schedule(run.gan, 0, 1)
    )
    assert {type(value) for value in report.values()} == {torch.Tensor}


def test_the_readme_lists_every_part():
    """PyTorch DCGAN 8: The list of files left one out, and versions had lower bounds only."""
    (tree,) = (block for block in blocks(README) if "training.py" in block)
    named = re.findall(r"[\w/]+(?:\.py|/)", tree)
    package = ROOT / "src" / "ganbaru"
    for name in named:
        assert (ROOT / name).exists() or (package / name).exists(), name
    parts = [path.name for path in package.iterdir() if path.is_dir() and path.name[0] != "_"]
    for part in (*parts, "bench", "docs"):
        assert f"{part}/" in named, part


def test_every_dependency_has_an_exact_version():
    """PyTorch DCGAN 8: The list of files left one out, and versions had lower bounds only."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = set(re.findall(r'"([\w-]+)>=[\d.]+"', project)) - {"cupy-cuda12x"}  # needs a GPU
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    exact = {name.lower() for name in re.findall(r"^([\w-]+)==", pinned, re.MULTILINE)}
    wanted = {name.lower() for name in wanted}
    assert {"numpy", "torch"} <= wanted <= exact, wanted - exact
