"""Generators: a seed gives the same image alone, in a batch, and on every engine."""

from __future__ import annotations

import dataclasses
import gc
import tracemalloc

import numpy as np
import pytest
from data_helpers import random_images
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from train_helpers import (
    ENGINES,
    command,
    needs_torch,
    newest,
    pictures,
    trained,
)

from ganbaru import InputError, data, randomness
from ganbaru.cli import main
from ganbaru.sampling import generators, writers
from ganbaru.sampling.image_io import to_bytes

PLAIN = {"truncation": 1.0, "progress": data.silent}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("run"), steps=40, lr=0.01)


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("run"), conditioning="none", steps=3)


def floats(generator, seeds, labels=None):
    return generator.floats(generator.latents(seeds), generator.labels(seeds, labels))


# --- a seed is an image ------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_image_is_the_same_alone_and_in_a_batch(run, engine):
    generator = generators.load(run, engine=engine)
    together = generator.sample(150, seed=5)
    assert together.shape == (150, 16, 16, 1) and together.dtype == np.uint8

    @settings(max_examples=15)
    @given(st.integers(0, 149), st.integers(1, 70))
    def check(first, count):
        seeds = range(5 + first, 5 + first + count)
        alone = floats(generator, seeds[:1])
        assert np.abs(alone[0] - floats(generator, seeds)[0]).max() <= 1e-5
        part = generator.sample(count, seed=seeds[0])[: 150 - first].astype(int)
        assert np.abs(part - together[first : first + count]).max() <= 1

    check()


@needs_torch
def test_image_is_the_same_on_both_engines(run):
    one, other = (generators.load(run, engine=engine) for engine in ("numpy", "torch"))
    seeds = range(1000, 1100)
    assert np.abs(floats(one, seeds) - floats(other, seeds)).max() <= 1e-5
    bytes_ = one.sample(100, seed=1000).astype(int) - other.sample(100, seed=1000)
    assert np.abs(bytes_).max() <= 1


def test_seeds_differ_and_labels_differ(run):
    generator = generators.load(run)
    images = generator.sample(60, labels=1).reshape(60, -1)
    assert len(np.unique(images, axis=0)) == 60
    one, other = floats(generator, [7], 0), floats(generator, [7], 2)
    assert np.abs(one - other).max() > 1e-3


def test_latents_are_philox_words_by_seed(run):
    """A seed's latent depends on its own counter only."""
    latents = generators.load(run).latents([3, 2**40])
    assert latents.shape == (2, 8)
    np.testing.assert_array_equal(latents[1], randomness.normal(2**40, "sample", 0, 8))


def test_samples_are_of_the_ema_generator_in_inference_mode(run):
    """One image by hand: the EMA weights with their running statistics."""
    groups, _ = newest(run)
    generator = generators.load(run)
    for name, tensor in generator.parameters.items():
        np.testing.assert_array_equal(tensor, groups["ema"][name])
    stem, norm = groups["ema"], groups["ema_buffers"]
    latent = np.concatenate([generator.latents([4])[0], np.eye(3)[1]])  # 4 mod 3 is label 1
    x = np.einsum("k,kchw->chw", latent, stem["stem.conv.weight"].astype(float))

    def inner(x, layer):
        scale = stem[f"{layer}.weight"] / np.sqrt(norm[f"{layer}.running_var"] + 1e-5)
        x = (x - norm[f"{layer}.running_mean"][:, None, None]) * scale[:, None, None]
        return np.maximum(x + stem[f"{layer}.bias"][:, None, None], 0)

    def up(x, weight):
        wide = np.zeros((weight.shape[1], 2 * x.shape[1] + 2, 2 * x.shape[2] + 2))
        for i, j in np.ndindex(x.shape[1:]):
            patch = np.einsum("c,cokl->okl", x[:, i, j], weight)
            wide[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += patch
        return wide[:, 1:-1, 1:-1]

    x = inner(x, "stem.norm")
    x = inner(up(x, stem["up1.conv.weight"]), "up1.norm")
    expected = np.tanh(up(x, stem["image.conv.weight"]))
    np.testing.assert_allclose(floats(generator, [4])[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_sampling_does_not_change_the_generator(run, engine):
    generator = generators.load(run, engine=engine)
    both = (generator.parameters, generator.buffers)
    before = [{n: np.array(generator.engine.to_numpy(t)) for n, t in ts.items()} for ts in both]
    first = generator.sample(70)
    for tensors, copies in zip(both, before, strict=True):
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(generator.engine.to_numpy(tensor), copies[name])
    np.testing.assert_array_equal(generator.sample(70), first)


# --- truncation -------------------------------------------------------------------------------


@pytest.mark.parametrize(("distribution", "mean"), [("normal", 0), ("uniform", 0), ("unit", 0.5)])
def test_truncation_scales_latents_towards_their_mean(tmp_path, distribution, mean):
    generator = generators.load(trained(tmp_path, distribution=distribution, steps=1))
    whole = generator.latents(range(50))
    half = generator.latents(range(50), 0.5)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half - mean, 0.5 * (whole - mean), atol=1e-7)
    np.testing.assert_array_equal(generator.latents(range(50), 1), whole)


def test_truncated_sample_is_of_truncated_latents(run):
    generator = generators.load(run)
    images = generator.floats(0.3 * generator.latents(range(4, 10)), generator.labels(range(4, 10)))
    truncated = generator.sample(6, 4, truncation=0.3)
    assert np.abs(truncated.astype(int) - to_bytes(images)).max() <= 1
    whole = generator.sample(60, labels=1).astype(float)
    less = generator.sample(60, labels=1, truncation=0.3).astype(float)
    assert 0 < less.std(axis=0).mean() < 0.6 * whole.std(axis=0).mean()


@pytest.mark.parametrize("truncation", [0, -0.5, 1.01, float("nan")])
def test_truncation_out_of_range(run, truncation):
    with pytest.raises(InputError, match=f"--truncation {truncation:g} .*above 0 and at most 1"):
        generators.load(run).sample(2, truncation=truncation)


# --- labels -----------------------------------------------------------------------------------


def test_label_is_seed_mod_classes(run):
    generator = generators.load(run)
    assert generator.labels(range(4, 11), None).tolist() == [1, 2, 0, 1, 2, 0, 1]
    mixed = generator.sample(3, seed=4)
    for i in range(3):
        np.testing.assert_array_equal(mixed[i], generator.sample(1, 4 + i, (4 + i) % 3)[0])


def test_labels_by_number_name_and_list(tmp_path):
    data = tmp_path / "pictures.npz"
    pictures(data)
    with np.load(data) as found:
        np.savez(data, **found, classes=np.array(["cat", "dog", "2"]))
    generator = generators.load(trained(tmp_path, steps=1))
    for label, index in [("cat", 0), ("dog", 1), (1, 1), ("1", 1), ("2", 2), (np.int64(2), 2)]:
        assert generator.labels([5, 6], label).tolist() == [index, index]
    assert generator.labels([5, 6], ["dog", 0]).tolist() == [1, 0]
    chosen = generator.sample(4, seed=3, labels=[1, 2, 0, 1])
    for i, label in enumerate([1, 2, 0, 1]):
        np.testing.assert_array_equal(chosen[i], generator.sample(1, 3 + i, label)[0])
    with pytest.raises(InputError, match=r"'dgo' is out of range. Did you mean 'dog'.*0 \(cat\)"):
        generator.sample(2, labels="dgo")


@pytest.mark.parametrize("label", [3, -1, "3", "x", 1.5])
def test_label_out_of_range(run, label):
    with pytest.raises(InputError, match=f"Label '{label}' is out of range.*labels: 0, 1, 2"):
        generators.load(run).sample(2, labels=[label, 0])


def test_wrong_number_of_labels(run):
    with pytest.raises(InputError, match="2 labels for 3 seeds"):
        generators.load(run).sample(3, labels=[0, 1])


@pytest.mark.parametrize("engine", ENGINES)
def test_integer_labels_equal_one_hot_class_weights(run, engine):
    generator = generators.load(run, engine=engine)
    latents = generator.latents(range(6))
    labels = generator.labels(range(6))
    whole = generator.floats(latents, labels)
    np.testing.assert_array_equal(generator.floats(latents, np.eye(3)[labels]), whole)
    np.testing.assert_array_equal(generator.floats(latents, labels.astype(np.int32)), whole)


def test_unconditional_takes_no_label(unconditional):
    generator = generators.load(unconditional)
    assert generator.classes == () and generator.labels([1, 2], None) is None
    with pytest.raises(InputError, match="takes no label"):
        generator.sample(2, labels=0)


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (-3, 0), (2, -1), (1, 2**63), (2, 2**63 - 1)])
def test_count_or_seed_out_of_range(run, n, seed):
    with pytest.raises(InputError, match=f"{n} images from seed {seed}: "):
        generators.load(run).sample(n, seed)


# --- the command ------------------------------------------------------------------------------


def made(run, out, *options) -> None:
    said = command("generate", run, "-o", out, *options)
    assert (said.code, said.err) == (0, ""), said
    assert str(out) in said.out


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def loaded(path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_folder_and_npz_hold_equal_pixels(tmp_path, channels):
    pictures(tmp_path / "pictures.npz", channels=channels)
    run = trained(tmp_path, steps=2)
    options = ("-n", 7, "--seed", 20)
    for out in ("grid.png", "each", "all.npz"):
        made(run, tmp_path / out, *options)
    images = generators.load(run).sample(7, seed=20)
    arrays = loaded(tmp_path / "all.npz")
    assert sorted(arrays) == ["class_names", "images", "labels"]
    assert arrays["images"].dtype == np.uint8 and arrays["labels"].dtype == np.int64
    np.testing.assert_array_equal(arrays["images"], images)
    assert arrays["labels"].tolist() == [2, 0, 1, 2, 0, 1, 2]
    names = sorted(path.name for path in (tmp_path / "each").iterdir())
    assert names == [f"seed{20 + i:08d}-label{(20 + i) % 3}.png" for i in range(7)]
    sheet = pixels(tmp_path / "grid.png").reshape(2 * 18 + 2, 6 * 18 + 2, channels)
    for i, name in enumerate(names):
        alone = pixels(tmp_path / "each" / name).reshape(16, 16, channels)
        top, left = 2 + i // 6 * 18, 2 + i % 6 * 18
        np.testing.assert_array_equal(alone, images[i])
        np.testing.assert_array_equal(sheet[top : top + 16, left : left + 16], images[i])


def test_unconditional_output(unconditional, tmp_path):
    made(unconditional, tmp_path / "all.npz", "-n", 3)
    assert list(loaded(tmp_path / "all.npz")) == ["images"]
    made(unconditional, tmp_path / "each", "-n", 2)
    names = sorted(path.name for path in (tmp_path / "each").iterdir())
    assert names == ["seed00000000.png", "seed00000001.png"]


def test_many_images_take_no_more_memory_than_few(unconditional, tmp_path):
    generator, path = generators.load(unconditional), tmp_path / "all.npz"

    def most(count):
        gc.collect()
        tracemalloc.start()
        writers.writer(path)(path, writers.each_seed(generator, count, 0, None, **PLAIN))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    few = max(most(128), most(128))  # the first call also loads what is loaded once
    # Holding the other images would take their bytes twice: one by one, and joined.
    assert most(1_024) < few + 896 * 16 * 16


def test_one_label_by_command(run, tmp_path):
    made(run, tmp_path / "deep" / "ones.npz", "-n", 5, "--label", 1, "--seed", 3)
    arrays = loaded(tmp_path / "deep" / "ones.npz")
    assert arrays["labels"].tolist() == [1] * 5
    np.testing.assert_array_equal(arrays["images"], generators.load(run).sample(5, 3, 1))


def test_columns_are_classes_unless_a_label_is_given(run, tmp_path):
    made(run, tmp_path / "each.png", "-n", 12)
    made(run, tmp_path / "one.png", "-n", 12, "--label", 0)
    assert pixels(tmp_path / "each.png").shape == (2 * 18 + 2, 6 * 18 + 2)
    assert pixels(tmp_path / "one.png").shape == (3 * 18 + 2, 4 * 18 + 2)


def test_checkpoint_by_number_of_images(tmp_path):
    run = trained(tmp_path, checkpoint_every=40, keep=9, lr=0.01)
    made(run, tmp_path / "a.npz", "-n", 2, "--checkpoint", 40)
    made(run, tmp_path / "b.npz", "-n", 2)
    made(run / "checkpoints" / "0000000040.safetensors", tmp_path / "c.npz", "-n", 2)
    a, b, c = (loaded(tmp_path / f"{name}.npz")["images"] for name in "abc")
    np.testing.assert_array_equal(a, c)
    assert (a != b).any()


NAMED = {
    "one-based": ("1", "2", "3"),
    "years": ("1990", "2005", "2024"),
    "words": ("cat", "a/b", "a b"),
    "zeros": ("00", "02", "01"),
}


@pytest.fixture(scope="module", params=NAMED)
def named(request, run):
    """The generator of the run with other names of its classes."""
    return dataclasses.replace(generators.load(run), classes=NAMED[request.param])


def test_a_number_that_is_one_name_and_another_index_is_refused(named):
    for k, name in enumerate(named.classes):
        numbers = {int(name)} if name.isdecimal() else set()
        other = numbers & set(range(3)) - {k}
        for label in (name, *other):
            if not other:
                assert named.labels([0], name).tolist() == [k]
                continue
            with pytest.raises(InputError) as found:
                named.labels([0], label)
            (index,) = other
            for part in (named.classes[index], f"name:{name}", f"index:{index}"):
                assert part in str(found.value)
        assert named.labels([0], f"name:{name}").tolist() == [k]
        assert named.labels([0], f"index:{k}").tolist() == named.labels([0], np.array([k])).tolist()
        assert named.labels([0], f"index:{k}").tolist() == [k]
    for label in ("name:x", "index:3", "index:-1", "index:", "name:", -1, np.array([3])):
        with pytest.raises(InputError):
            named.labels([0], label)


def test_both_readings_are_refused_by_commands(tmp_path, capsys):
    images = random_images(43, 16, 16, 1)
    np.savez(tmp_path / "pictures.npz", images=images, labels=np.arange(43) % 3 + 1)
    own = trained(tmp_path, steps=2)
    assert generators.load(own).classes == ("1", "2", "3")
    flags = ["generate", str(own), "-o", str(tmp_path / "a.png"), "--label"]
    assert main.main([*flags, "1"]) == 2 and "index:1" in capsys.readouterr().err
    assert main.main([*flags, "name:1"]) == 0
    film = ["morph", str(own), "-o", str(tmp_path / "a.gif"), "--frames", "3"]
    assert main.main([*film, "--labels", "1,2"]) == 2 and "index:1" in capsys.readouterr().err
    assert main.main([*film, "--path", "classes"]) == 0  # by default all classes, by number


def test_outputs_carry_the_names_of_classes(named, tmp_path):
    job = writers.every_label(named, 1, 0, None, **PLAIN)
    for place in (tmp_path / "each", tmp_path / "all.npz"):
        writers.writer(place)(place, job)
    names = {path.name for path in (tmp_path / "each").iterdir()}
    assert len(names) == 3 and not any("label0" in name for name in names)
    for k, name in enumerate(named.classes):
        plain = "".join(c for c in name if c.isalnum())
        assert any(plain in found.replace("-", "") for found in names), (k, name)
    source = data.load(tmp_path / "all.npz")
    assert source.classes == named.classes and source.labels.tolist() == [0, 1, 2]


def test_every_label_of_each_seed(run, tmp_path):
    """A grid's row is one seed, its column one label; other outputs have the same order."""
    options = ("--every-label", "-n", 4, "--seed", 10)
    for out in ("grid.png", "each", "all.npz"):
        made(run, tmp_path / out, *options)
    generator = generators.load(run)
    sheet = pixels(tmp_path / "grid.png")
    assert sheet.shape == (4 * 18 + 2, 3 * 18 + 2)
    arrays = loaded(tmp_path / "all.npz")
    assert arrays["labels"].tolist() == [0, 1, 2] * 4
    names = {path.name for path in (tmp_path / "each").iterdir()}
    assert names == {f"seed{10 + i:08d}-label{k}.png" for i in range(4) for k in range(3)}
    for i, label in np.ndindex(4, 3):
        image = generator.sample(1, 10 + i, label)[0].astype(int)
        top, left = 2 + i * 18, 2 + label * 18
        for found in (
            arrays["images"][3 * i + label][..., 0],
            sheet[top : top + 16, left : left + 16],
            pixels(tmp_path / "each" / f"seed{10 + i:08d}-label{label}.png"),
        ):
            assert np.abs(found - image[..., 0]).max() <= 1


def test_truncation_by_command(run, tmp_path):
    made(run, tmp_path / "x.npz", "-n", 5, "--truncation", 0.4)
    expected = generators.load(run).sample(5, truncation=0.4)
    np.testing.assert_array_equal(loaded(tmp_path / "x.npz")["images"], expected)


def test_every_checkpoint_gets_its_own_file(tmp_path):
    run = trained(tmp_path, checkpoint_every=40, keep=9, lr=0.01)
    said = command("generate", run, "-n", 3, "--checkpoint", "all", "-o", tmp_path / "x.npz")
    names = sorted(path.name for path in tmp_path.glob("x*"))
    assert names == ["x-0000000040.npz", "x-0000000080.npz", "x-0000000096.npz"]
    assert said.out.count("3 images, seeds 0 to 2: ") == 3
    for name in names:
        made(run, tmp_path / "one.npz", "-n", 3, "--checkpoint", int(name[2:12]))
        one, other = (loaded(tmp_path / each)["images"] for each in ("one.npz", name))
        np.testing.assert_array_equal(one, other)
    assert (loaded(tmp_path / names[0])["images"] != loaded(tmp_path / names[2])["images"]).any()


def test_progress_is_reported_batch_by_batch(run):
    reports = []
    generator = generators.load(run)
    job = writers.each_seed(
        generator, 150, 0, None, truncation=1, progress=lambda *report: reports.append(report)
    )
    assert sum(len(images) for images, _ in job.batches()) == 150
    assert reports == [(n, 150, "making images") for n in (64, 128, 150)]


def test_to_bytes_of_a_generator_is_its_fixed_range(run):
    generator = generators.load(run)
    images = floats(generator, range(4))
    assert images.min() > -1 and images.max() < 1
    np.testing.assert_array_equal(to_bytes(images), generator.sample(4))
