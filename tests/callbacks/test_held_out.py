"""Validation: the held-out losses, when they are computed, and data without test images."""

from __future__ import annotations

import dataclasses
import functools
import sys

import numpy as np
import pytest
from data_helpers import cifar_binary, picture_files, random_images, write_folder, write_idx
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit
from train_helpers import assert_same_state, divided, log, newest, pictures, tiny, trained

from ganbaru import InputError, RunError, callbacks, data, engines, nn, ops
from ganbaru.callbacks import validation
from ganbaru.config import Config
from ganbaru.gan import augmentation, batches, build, held_out, models
from ganbaru.gan.dataset import load_data
from ganbaru.gan.held_out import Reals
from ganbaru.sampling import generators
from ganbaru.training import setup

KEYS = ("held_out_d_loss", "held_out_g_loss", "train_d_loss", "train_g_loss")


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def mean(scores: np.ndarray) -> np.ndarray:
    return scores.mean(1, keepdims=True)


# What d and g lose, of scores (B, n) of real and fake: one row for each batch.
LOSSES = {
    "non-saturating": lambda r, f: (
        (softplus(-r) + softplus(f)).mean(1), softplus(-f).mean(1)),
    "wgan": lambda r, f: (f.mean(1) - r.mean(1), -f.mean(1)),
    "rsgan": lambda r, f: (softplus(f - r).mean(1), softplus(r - f).mean(1)),
    "rasgan": lambda r, f: (
        (softplus(mean(f) - r) + softplus(f - mean(r))).mean(1) / 2,
        (softplus(r - mean(f)) + softplus(mean(r) - f)).mean(1) / 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "conditioning"),
    [
        pytest.param(objective, conditioning, marks=[pytest.mark.extended] * ((i + j) % 2))
        for i, objective in enumerate(LOSSES)
        for j, conditioning in enumerate(("projection", "none"))
    ],
)
def test_losses_are_the_formulas_of_the_checkpointed_networks(tmp_path, objective, conditioning):
    """140 test images are 17 batches of 8, as many of the 43 training images too."""
    options = {"data": divided(tmp_path / "set", test=140), "objective": objective,
               "conditioning": conditioning, "penalty": "r1", "lr": 0.01}  # fmt: skip
    path = trained(tmp_path, steps=6, checkpoint_every=40, **options)
    (line,) = [line for line in log(path) if "held_out_d_loss" in line]
    assert line["images"] == 48
    config = tiny(tmp_path, steps=6, **options)
    labelled = conditioning == "projection"
    networks = models.networks(config, (16, 16, 1), 3 if labelled else 0)
    groups, _ = newest(path)
    numpy = engines.load("numpy", "cpu", "float32")

    def outputs(player, network, *inputs):
        """Return what a network makes of batches of 8, each with its own statistics."""
        parts = [groups[player], groups[f"{player}_buffers"]]
        parts = [{k: numpy.from_numpy(v) for k, v in part.items()} for part in parts]
        found = []
        for start in range(0, 136, 8):
            batch = [numpy.from_numpy(x[start : start + 8]) for x in inputs]
            out, _ = nn.apply(network, *parts, *batch, training=True)
            found.append(numpy.to_numpy(out).astype(float))
        return np.stack(found)

    latents = generators.load(path).latents(range(136))
    load = functools.partial(data.load, options["data"], image_size=(16, 16), channels=1)
    train, test = load(), load(split="test")
    chosen = held_out.spread(140, 140)
    labels = [test.labels[chosen[:136]]] * labelled
    pairs = held_out.spread(43, 140)
    if labelled:
        pairs = held_out.paired(Reals(test.images, test.labels, chosen), train.images, train.labels)
        pairs = pairs.chosen
        np.testing.assert_array_equal(train.labels[pairs[:136]], labels[0])
    shown, parts = {}, {}
    for split, source, places in (("test", test, chosen), ("train", train, pairs)):
        reals = batches.to_range(source.images[places[:136]])
        fakes = outputs("generator", networks[0], latents, *labels).astype(np.float32)
        both = (reals, fakes.reshape(reals.shape))
        r, f = (outputs("discriminator", networks[1], x, *labels).reshape(17, 8) for x in both)
        losses = LOSSES[objective](r, f)
        shown[split] = [loss.mean() for loss in losses]
        parts[split] = losses[0]
    relativistic = objective.startswith("r")
    assert ("train_g_loss" in line) == relativistic
    if not relativistic:
        assert shown["train"][1] == shown["test"][1]
        line["train_g_loss"] = shown["test"][1]
    expected = [*shown["test"], *shown["train"]]
    assert [line[key] for key in KEYS] == pytest.approx(expected, abs=1e-5)
    error = (parts["test"] - parts["train"]).std(ddof=1) / 17**0.5 * stdtrit(16, 0.975) / 2
    assert line["held_out_error"] == pytest.approx(error, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("count", [2, 3, 7, 11, 12, 24, 200])
def test_twice_the_error_of_a_gap_is_half_of_its_95_percent_interval(count):
    gaps = np.random.default_rng(count).normal(size=count)
    moments = (held_out.Moment(tuple(x), tuple(x)) for x in (gaps, gaps * 0))
    expected = stdtrit(count - 1, 0.975) * gaps.std(ddof=1) / count**0.5
    assert 2 * held_out.gap_error(*moments) == pytest.approx(expected, rel=1e-3)


def test_nothing_of_the_run_changes(tmp_path):
    options = {"data": divided(tmp_path / "set"), "checkpoint_every": 40, "objective": "rsgan"}
    with_ = trained(tmp_path, run=tmp_path / "with", **options)
    without = trained(tmp_path, run=tmp_path / "without", held_out=0, **options)
    assert_same_state(with_, without)
    lines = log(with_)
    assert [line["images"] for line in lines if KEYS[0] in line] == [48, 96]
    for line in lines:
        assert len({*KEYS} & {*line}) in (0, len(KEYS))
        for key in (*KEYS, "held_out_error"):
            line.pop(key, None)
    assert lines == log(without)


def test_an_overfitted_discriminator_scores_training_images_higher():
    """D is the mean of the pixels: scores and losses are those of the images' brightness."""
    config = Config(batch=4, latent=2, objective="wgan")
    bright, dark = (np.full((9, 4, 4, 1), value, np.uint8) for value in (255, 0))
    sets = [Reals(images, None, held_out.spread(9, 9)) for images in (bright, dark)]
    engine = engines.load("numpy", "cpu", "float64")
    gan = build.gan(Config(batch=4, objective="wgan", image_size=None), (16, 16, 1), 0)

    def mean(scope, x):
        return ops.mean(x, (1, 2, 3))

    def black(scope, latent):
        return ops.reshape(ops.concat([latent] * 8, 1), (-1, 1, 4, 4)) * 0.0 - 1.0

    gan = dataclasses.replace(gan, discriminator=mean, generator=black)
    state = dict.fromkeys(("generator", "generator_buffers"), {})
    state |= dict.fromkeys(("discriminator", "discriminator_buffers"), {})
    assert held_out.mean_scores(engine, gan, state, 4, *sets) == (1.0, -1.0)
    found = held_out.moments(engine, gan, state, config, *sets)
    assert [each.d_loss for each in found] == [-2.0, 0.0]
    assert [each.g_loss for each in found] == [1.0, 1.0]


@given(st.integers(1, 500), st.integers(1, 300))
def test_images_are_spread_over_the_set_in_whole_batches(length, wanted):
    """Each image as often as another, in a random order."""
    images = np.arange(length, dtype=np.int64).reshape(-1, 1, 1, 1)
    chosen = held_out.spread(length, wanted)
    assert len(chosen) == wanted and np.ptp(np.bincount(chosen, minlength=length)) <= 1
    places = np.sort(chosen)
    if wanted <= length:
        assert places[-1] >= length - 1 - length / wanted
        assert np.ptp(np.diff(places)) <= 1 if wanted > 1 else places[0] == 0
    if wanted > 20:
        assert abs(np.corrcoef(chosen, np.arange(wanted))[0, 1]) < 0.9
    found = list(Reals(images, images.ravel() % 5, chosen).batches(64))
    assert len(found) == max(1, wanted // 64)
    for reals, labels in found:
        assert len(reals) == min(64, wanted)
        np.testing.assert_array_equal(labels, reals.ravel() % 5)
    seen = np.concatenate([reals.ravel() for reals, _ in found])
    np.testing.assert_array_equal(seen, chosen[: len(seen)])


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60), st.lists(st.integers(0, 4), max_size=60)
)
def test_pairs_have_the_same_label_where_there_is_one(first, second):
    """Of each label all images are used before one is used again."""
    second = [4, *second]  # at least one image
    sets = [(np.arange(len(each)).reshape(-1, 1, 1, 1), np.array(each)) for each in (first, second)]
    reals = Reals(*sets[0], held_out.spread(len(first), len(first)))
    found = held_out.paired(reals, *sets[1])
    one, other = reals.labels[reals.chosen], found.labels[found.chosen]
    known = np.isin(one, second)
    np.testing.assert_array_equal(one[known], other[known])
    for label in {*one[known].tolist()}:
        used = np.bincount(found.chosen[one == label], minlength=len(second))
        assert np.ptp(used[sets[1][1] == label]) <= 1
    assert held_out.paired(dataclasses.replace(reals, labels=None), *sets[1]).labels is None


# --- labels -----------------------------------------------------------------------------------


def held(tmp_path, train, test, **options):
    """Return what is held out of a folder with pictures of `train` and of `test` classes."""
    images = random_images(12, 16, 16, 1)
    for split, folders in (("train", train), ("test", test)):
        named = tuple(f"set/{split}/{name}".rstrip("/") for name in folders)
        write_folder(tmp_path, picture_files(images + (split == "test"), named))
    config = Config(data=tmp_path / "set", conditioning="projection", **options)
    return validation.load(config, data.load(tmp_path / "set"), conditional=True)


def test_labels_go_by_name(tmp_path):
    """The test images lack the first class: their own numbers would all be wrong."""
    found = held(tmp_path, ("a", "b", "c"), ("b", "c"))
    assert found.labels.tolist() == [1] * 6 + [2] * 6


@pytest.mark.parametrize(
    ("test", "words"), [(("a", "zebra"), "class 'zebra', which"), (("",), "have no labels")]
)
def test_labels_that_do_not_fit(tmp_path, test, words):
    with pytest.raises(InputError, match=f"{words}.* To train without test images: --held-out 0"):
        held(tmp_path, ("a", "b"), test)
    assert held(tmp_path, ("a", "b"), test, held_out=0) is None


# --- data without a test split ----------------------------------------------------------------


def undivided(place):
    return write_folder(place / "set", picture_files(random_images(), ("a", "b")))


def one_idx(place):
    write_idx(place / "set", "train", random_images(9, 28, 28, 1)[..., 0], np.zeros(9, np.uint8))
    return place / "set"


def idx_of_test_images(place):
    write_idx(place / "set", "t10k", random_images(9, 28, 28, 1)[..., 0], np.zeros(9, np.uint8))
    return place / "set" / "t10k-images-idx3-ubyte.gz"


def one_batch(place):
    images = random_images(9, 32, 32, 3)
    return write_folder(place / "set", {"data_batch_1.bin": cifar_binary(images, np.zeros(9))})


def archive(place):
    return pictures(place / "set.npz")


@pytest.mark.parametrize("make", [undivided, one_idx, one_batch, archive])
def test_data_say_that_there_is_no_test_split(tmp_path, make):
    path = make(tmp_path)
    with pytest.raises(data.SplitError, match="test"):
        data.load(path, split="test")
    config = Config(data=path)
    assert validation.load(config, data.load(path), conditional=False) is None


@pytest.mark.parametrize("conditioning", ["projection", "none"])
def test_what_adaptive_augmentation_spares_is_held_out(tmp_path, conditioning):
    """Of a set that lists one class after the other: both are in each batch."""
    labels = np.arange(90) // 45
    np.savez(tmp_path / "set.npz", images=random_images(90, 16, 16, 1), labels=labels)
    measured = validation.Validation()
    config = tiny(tmp_path, data=tmp_path / "set.npz", augment="flip+adaptive:hold=32", held_out=24,
                  conditioning=conditioning)  # fmt: skip
    run = setup.build(config, [callbacks.Log([measured])])
    spared, training = measured.sets
    train, held = augmentation.split(run.gan.augmentation, 90)
    assert len(spared.chosen) == len({*spared.chosen}) == len(training.chosen) == 24
    assert {*spared.chosen} <= {*held} and {*training.chosen} <= {*train}
    if conditioning == "projection":
        np.testing.assert_array_equal(labels[spared.chosen], labels[training.chosen])
    for each in (spared, training):
        batches = each.chosen.reshape(3, 8)
        assert all(0 < labels[batch].sum() < 8 for batch in batches)
    callback = callbacks.AdaptiveAugmentation()
    callback.setup(run, data.silent)
    assert {*callback.held_out.chosen} == {*held}
    lines = log(trained(tmp_path, **{**dataclasses.asdict(config), "run": tmp_path / "other"}))
    assert any({*KEYS[:3]} <= {*line} for line in lines)


def test_test_images_come_before_those_that_augmentation_spares(tmp_path):
    measured = validation.Validation()
    options = {"data": divided(tmp_path / "set"), "augment": "flip+adaptive:hold=8"}
    run = setup.build(tiny(tmp_path, **options), [callbacks.Log([measured])])
    held, training = measured.sets
    train, _ = augmentation.split(run.gan.augmentation, 43)
    assert len(held.images) == 70 and {*training.chosen} <= {*train}


def test_training_on_the_test_images_holds_nothing_out(tmp_path):
    path = idx_of_test_images(tmp_path)
    source = data.load(path)
    assert len(data.load(path, split="test").images) == len(source.images) == 9
    assert validation.load(Config(data=path), source, conditional=False) is None


MODULES = {
    "deaf": "images",
    "dictionary": "{'train': images}[split]",
    "both": "{'train': images, 'test': images + 1}[split]",
    "wrong": "{'train': images, 'test': {}['x']}[split] if split == 'test' else images",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    for name, images in MODULES.items():
        (tmp_path / f"module_{name}.py").write_text(
            "import numpy as np\n"
            "from ganbaru.data import of_arrays\n"
            "images = np.arange(600, dtype=np.uint8).reshape(6, 10, 10)\n"
            "def original(split, data_dir, progress):\n"
            f"    return of_arrays('mine', {images})\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in MODULES:
        sys.modules.pop(f"module_{name}", None)


@pytest.mark.parametrize(("name", "images"), [("deaf", 0), ("dictionary", 0), ("both", 6)])
def test_own_module(modules, name, images):
    name = f"module_{name}.original".removesuffix(".original")
    found = validation.load(Config(data=name), data.load(name), conditional=False)
    assert (len(found.images) if found else 0) == images


def test_mistake_in_a_module_is_not_taken_for_a_missing_split(modules):
    with pytest.raises(KeyError, match="x"):
        validation.load(Config(data="module_wrong"), data.load("module_wrong"), conditional=False)


def test_test_images_that_cannot_be_had(tmp_path, monkeypatch):
    """The training images are there, the download of the others fails: a note, and no losses."""
    write_idx(
        tmp_path / "mnist",
        "train",
        random_images(9, 28, 28, 1)[..., 0],
        np.arange(9, dtype=np.uint8) % 3,
    )
    monkeypatch.delenv("GANBARU_DATA", raising=False)
    config = Config(data="mnist", data_dir=tmp_path, batch=4, steps=1, run=tmp_path / "run")
    source = data.load("mnist", data_dir=tmp_path)
    monkeypatch.setenv("GANBARU_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="t10k-images"):
        validation.load(config, source, conditional=False)
    measured = validation.Validation()
    run = setup.build(config, [callbacks.Log([measured])])
    assert measured.sets is None
    assert "Without losses on test images" in run.notes[-1] and "t10k-images" in run.notes[-1]
    assert validation.load(dataclasses.replace(config, held_out=0), source, False) is None


def test_digits_are_held_out_at_the_training_size():
    config = Config(data="digits", image_size="16", held_out=128)
    source = load_data(config)
    found = validation.load(config, source, conditional=True)
    test = data.load("digits", image_size=(16, 16), split="test")
    assert [len(reals) for reals, _ in found.batches(64)] == [64, 64]
    rows = held_out.spread(300, 128)
    np.testing.assert_array_equal(np.sort(rows), np.arange(128) * 300 // 128)
    shown = np.concatenate([reals for reals, _ in found.batches(64)])
    np.testing.assert_array_equal(shown, test.images[rows])
    labels = np.concatenate([labels for _, labels in found.batches(64)])
    np.testing.assert_array_equal(labels, test.labels[rows])
