"""Generated images and films: range, independence of the batch, sizes, classes, speed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers import NUMPY32, NUMPY64, table
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageSequence
from train_helpers import command, newest, pictures, trained

from ganbaru import InputError
from ganbaru.sampling import generators, image_io, interpolation
from ganbaru.training import checkpoint

TWO_CLASSES = {"network": "dcgan-5x5", "objective": "two-class", "distribution": "uniform"}


def test_saved_images_cover_the_whole_range(tmp_path):
    """Floats in [-1, 1] become bytes by (x + 1) * 127.5."""
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


def test_image_does_not_depend_on_its_batch():
    gan = table(NUMPY64, **TWO_CLASSES)
    for number in range(3):
        gan.step(number)
    sampler = gan.sampler()
    latents = sampler.latents(range(9))
    together = sampler.floats(latents)
    for count in (1, 2, 8):
        np.testing.assert_allclose(sampler.floats(latents[:count]), together[:count], atol=1e-12)


def test_generate_without_a_checkpoint_writes_nothing(tmp_path):
    run = trained(tmp_path, steps=1)
    for path in checkpoint.found(run / "checkpoints"):
        path.unlink()
    for name in (run, run / "checkpoints" / "0000000008.safetensors"):
        said = command("generate", name, "-o", tmp_path / "images.png")
        assert said.code == 2 and "no checkpoint" in said.err
    assert not (tmp_path / "images.png").exists()


@pytest.mark.parametrize("fps", [4, 12.5, 50])
def test_gif_has_the_requested_frame_rate(tmp_path, fps):
    run = trained(tmp_path, steps=1)
    out = tmp_path / "film.gif"
    said = command("morph", run, "--frames", 10, "--fps", fps, "--labels", 1, "-o", out)
    assert (said.code, said.err) == (0, "")
    with Image.open(out) as film:
        times = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert len(times) == 10 and sum(times) == pytest.approx(10_000 / fps, abs=10)


def test_slerp_keeps_the_norm_of_latents():
    points = np.random.default_rng(0).standard_normal((2, 100))
    ends, middle = np.linalg.norm(points, axis=1), np.array([0.5])
    norm = {name: np.linalg.norm(interpolation.PATHS[name].latents(points, middle)) for name in
            ("slerp", "line")}  # fmt: skip
    assert norm["line"] < 0.8 * ends.mean()
    assert norm["slerp"] == pytest.approx(ends.mean(), rel=1e-9)
    assert re.search(r"--path .*?\[slerp\]", command("morph", "--help").out, re.DOTALL)


@pytest.mark.parametrize("network", ["dcgan-linear", "resnet"])
def test_checkpoint_defines_its_network(tmp_path, network):
    one = trained(tmp_path, run=tmp_path / "one", network=network, latent=5, steps=1)
    other = trained(tmp_path, run=tmp_path / "other", steps=1)
    expected = generators.load(one).sample(2)
    (path,) = checkpoint.found(one / "checkpoints")
    assert_array_equal(generators.load(path).sample(2), expected)
    path.rename(other / "checkpoints" / "9999999999.safetensors")
    said = command("train", "--run", other, "--resume", "--steps", 4)
    assert said.code == 2 and "is of another architecture" in said.err


def test_grid_has_unscaled_pixels(tmp_path):
    pictures(tmp_path / "pictures.npz", side=64, channels=3, classes=0)
    run = trained(tmp_path, conditioning="none", steps=1)
    assert command("generate", run, "-n", 64, "-o", tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as picture:
        sheet = np.asarray(picture)
    gap = (sheet.shape[0] - 512) // 9
    assert sheet.shape == (512 + 9 * gap, 512 + 9 * gap, 3) and gap <= 2
    tiles = sheet[gap:, gap:].reshape(8, 64 + gap, 8, 64 + gap, 3)[:, :64, :, :64]
    assert_array_equal(tiles.swapaxes(1, 2).reshape(64, 64, 64, 3), generators.load(run).sample(64))


@pytest.mark.parametrize("size", ["20x24", "28", "32x16"])
@pytest.mark.parametrize("classes", [2, 7])
def test_image_size_and_class_count_reach_the_networks(tmp_path, size, classes):
    pictures(tmp_path / "pictures.npz", classes=classes)
    run = trained(tmp_path, image_size=size, conditioning="planes", steps=1)
    height, _, width = size.partition("x")
    images = generators.load(run).sample(classes)
    assert images.shape == (classes, int(height), int(width or height), 1)
    assert newest(run)[0]["discriminator"]["down1.conv.weight"].shape[1] == 1 + classes
    with pytest.raises(InputError, match="out of range"):
        generators.load(run).sample(1, labels=classes)
