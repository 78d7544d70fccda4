"""Interpolation: geometry of the paths, and videos of a trained generator along them."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_video import MP4, read
from train_helpers import ENGINES, command, pictures, trained

from ganbaru import InputError, data, randomness
from ganbaru.sampling import generators, interpolation, latent_spaces
from ganbaru.sampling.image_io import to_bytes

MANY = np.linspace(0, 1, 21)


def latents(*seeds: int, size: int = 100) -> np.ndarray:
    drawn = [randomness.normal(seed, "sample", 0, size) for seed in seeds]
    return np.stack(drawn).astype(np.float64)


def norms(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points, axis=1)


# --- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("walk", [interpolation.line, interpolation.slerp])
@given(count=st.integers(2, 5), seed=st.integers(0, 99), size=st.integers(2, 64))
def test_paths_pass_exactly_through_the_seeds_in_order(walk, count, seed, size):
    points = latents(*range(seed, seed + count), size=size)
    met = walk(points, np.linspace(0, 1, count))
    np.testing.assert_array_equal(met.astype(np.float32), points.astype(np.float32))


def test_line_is_straight_with_equal_steps():
    points = latents(0, 1, 2)
    steps = np.diff(interpolation.line(points, MANY), axis=0)
    np.testing.assert_allclose(steps[:10], np.tile((points[1] - points[0]) / 10, (10, 1)))
    np.testing.assert_allclose(steps[10:], np.tile((points[2] - points[1]) / 10, (10, 1)))


def test_slerp_preserves_the_norm_halfway_and_line_does_not():
    """Why slerp: 0.71 is 1 / sqrt(2), the norm of a mean of two independent normal latents."""
    pairs = [latents(2 * i, 2 * i + 1) for i in range(200)]
    middle = np.array([0.5])
    shares = {
        walk: np.mean([norms(walk(pair, middle))[0] / norms(pair).mean() for pair in pairs])
        for walk in (interpolation.line, interpolation.slerp)
    }
    assert shares[interpolation.line] == pytest.approx(0.7071, abs=0.01)
    assert shares[interpolation.slerp] == pytest.approx(1, abs=1e-9)


@given(st.integers(0, 99), st.integers(2, 64))
def test_slerp_turns_at_constant_speed_on_the_sphere(seed, size):
    points = latents(seed, seed + 1, size=size)
    points *= (3 / norms(points))[:, None]
    walked = interpolation.slerp(points, MANY)
    np.testing.assert_allclose(norms(walked), 3, rtol=1e-9)
    between = [np.arccos(np.clip(one @ other / 9, -1, 1)) for one, other in pairwise(walked)]
    np.testing.assert_allclose(between, between[0], rtol=1e-5, atol=1e-7)
    # All in the plane of both ends.
    inside = points.T @ np.linalg.lstsq(points.T, walked.T, rcond=None)[0]
    np.testing.assert_allclose(inside, walked.T, atol=1e-6)


def test_slerp_interpolates_the_norm_linearly():
    points = latents(0, 1) * np.array([[1.0], [4.0]])
    expected = np.linspace(*norms(points), 21)
    np.testing.assert_allclose(norms(interpolation.slerp(points, MANY)), expected, rtol=1e-9)


def test_slerp_between_parallel_latents():
    point = latents(3)
    same = interpolation.slerp(np.concatenate([point, 2 * point]), MANY)
    np.testing.assert_allclose(same, point * (1 + MANY[:, None]), rtol=1e-9)
    with pytest.raises(InputError, match="opposite directions.*--path line"):
        interpolation.slerp(np.concatenate([point, -point]), MANY)


@given(st.integers(0, 99), st.integers(3, 128), st.integers(3, 60))
def test_loop_is_closed_and_stays_on_its_sphere(seed, size, frames):
    points = latents(seed, seed + 1, seed + 2, size=size)
    walked = interpolation.loop(points, np.arange(frames + 1) / frames)
    np.testing.assert_allclose(norms(walked), norms(points)[0], rtol=1e-6)
    np.testing.assert_allclose(walked[-1], walked[0], atol=1e-6)
    np.testing.assert_allclose(walked[0], points[0], atol=1e-6)
    inside = points.T @ np.linalg.lstsq(points.T, walked.T, rcond=None)[0]
    np.testing.assert_allclose(inside, walked.T, atol=1e-5)


def test_speed_of_the_loop_has_no_jumps():
    """Its speed is sqrt(4 + sin(2t)^2), so between 2 and sqrt(5) radii a radian; it never jumps."""
    points = latents(0, 1, 2)
    walked = interpolation.loop(points, np.arange(1001) / 1000)
    speed = norms(np.diff(walked, axis=0)) / norms(points)[0] / (2 * np.pi / 1000)
    assert speed.min() == pytest.approx(2, rel=1e-3)
    assert speed.max() == pytest.approx(5**0.5, rel=1e-3)


@pytest.mark.parametrize("points", [latents(1, 1, 2), latents(1, 2, 1), latents(1, 2, 3, size=2)])
def test_loop_needs_three_independent_latents(points):
    with pytest.raises(InputError, match="three different seeds.*--latent is at least 3"):
        interpolation.loop(points, MANY)


# --- times ------------------------------------------------------------------------------------


@given(st.integers(2, 200))
def test_number_of_frames_is_exact_and_includes_both_ends(frames):
    plain = interpolation.times(frames)
    assert len(plain) == frames and plain[0] == 0 and plain[-1] == 1
    bounced = interpolation.times(frames, bounce=True)
    assert len(bounced) == frames and bounced[0] == 0 and bounced.max() == 1
    assert np.count_nonzero(bounced == 1) == np.count_nonzero(bounced == 0) == 1
    closed = interpolation.times(frames, closed=True)
    np.testing.assert_allclose(np.diff([*closed, 1.0]), 1 / frames)  # the next is the first again


@given(st.integers(1, 100))
def test_bounce_returns_through_the_same_frames(half):
    times = interpolation.times(2 * half, bounce=True)
    np.testing.assert_allclose(times[half + 1 :], times[1:half][::-1])


@pytest.mark.parametrize("frames", [1, 0, -5])
def test_too_few_frames(frames):
    with pytest.raises(InputError, match=f"{frames} frames: give --frames of at least 2"):
        interpolation.times(frames)


def test_closed_path_cannot_bounce():
    with pytest.raises(InputError, match="cannot bounce: leave out --bounce"):
        interpolation.times(9, closed=True, bounce=True)


# --- distributions ----------------------------------------------------------------------------


def test_every_distribution_has_a_space():
    assert latent_spaces.SPACES.keys() == randomness.DISTRIBUTIONS.keys()
    with pytest.raises(InputError, match="distribution of latents 'unifrom'.*'uniform'"):
        latent_spaces.space("unifrom")


@pytest.mark.parametrize(("name", "mean"), [("normal", 0), ("uniform", 0), ("unit", 0.5)])
def test_space_agrees_with_samples_of_its_distribution(name, mean):
    """Equal means; mapped to normal they have mean 0 and deviation 1; the map back is exact."""
    drawn = randomness.distribution(name)(0, "sample", 0, 40_000).astype(np.float64)
    space = latent_spaces.space(name)
    assert space.mean == mean and drawn.mean() == pytest.approx(mean, abs=0.02)
    normal = space.to_normal(drawn)
    assert normal.mean() == pytest.approx(0, abs=0.02) and normal.std() == pytest.approx(
        1, abs=0.02
    )
    np.testing.assert_allclose(space.from_normal(normal), drawn, atol=1e-12)


@pytest.mark.parametrize(("name", "ends"), [("uniform", [-1, 1]), ("unit", [0, 1])])
def test_ends_of_the_range_map_to_finite_numbers(name, ends):
    space = latent_spaces.space(name)
    there = space.to_normal(np.array(ends, np.float64))
    assert np.isfinite(there).all()
    np.testing.assert_allclose(space.from_normal(there), ends, atol=1e-12)
    assert space.from_normal(np.array([-50.0, 50.0])).tolist() == ends


# --- videos of a generator --------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("run"), steps=40, lr=0.01)


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("run"), conditioning="none", steps=20, lr=0.01)


def near(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether images are equal up to the rounding of a batch."""
    return np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", ["line", "slerp"])
def test_video_passes_through_the_images_of_its_seeds(run, path, engine):
    generator = generators.load(run, engine=engine)
    frames = np.stack(list(generator.morph(path, [4, 40, 9], frames=101)))
    assert frames.shape == (101, 16, 16, 1) and frames.dtype == np.uint8
    for i, seed in [(0, 4), (50, 40), (100, 9)]:
        assert near(frames[i], generator.sample(1, seed)[0])
    assert not near(frames[0], frames[25]) and not near(frames[0], frames[100])


def test_video_of_an_unconditional_generator(unconditional):
    generator = generators.load(unconditional)
    frames = np.stack(list(generator.morph(frames=7)))
    assert near(frames[[0, -1]], generator.sample(2)) and not near(frames[0], frames[-1])


@pytest.mark.parametrize("conditioning", ["projection", "planes", "class-norm"])
def test_path_classes_interpolates_class_weights(tmp_path, conditioning):
    """It passes through integer labels, and halfway between two each has weight one half."""
    run = trained(tmp_path, conditioning=conditioning, steps=20, lr=0.01)
    generator = generators.load(run)
    frames = list(generator.morph("classes", [5], frames=9))
    for i, label in [(0, 0), (4, 1), (8, 2)]:
        assert near(frames[i], generator.sample(1, 5, label)[0])
    half = to_bytes(generator.floats(generator.latents([5]), np.array([[0.5, 0.5, 0]])))
    assert near(frames[2], half[0]) and not near(frames[2], frames[0])
    chosen = list(generator.morph("classes", [5], [2, "0"], frames=3, close=True))
    assert len(chosen) == 3 and near(chosen[0], frames[8])


def test_class_norm_of_class_weights_is_the_weighted_mean_of_its_table(tmp_path):
    """By hand: scale and offset are the weighted means of the classes' own."""
    run = trained(tmp_path, conditioning="class-norm", steps=5, lr=0.01)
    generator = generators.load(run)
    first = {name: array.copy() for name, array in generator.parameters.items()}
    mixed = generator.floats(generator.latents([3]), np.array([[0.25, 0, 0.75]]))
    for name, table in first.items():
        if name.endswith(("class_weight", "class_bias")):
            generator.parameters[name] = table.copy()
            generator.parameters[name][1] = 0.25 * table[0] + 0.75 * table[2]
    one = generator.floats(generator.latents([3]), np.array([1]))
    np.testing.assert_allclose(mixed, one, atol=1e-6)


def test_labels_of_seeds(run):
    generator = generators.load(run)
    for labels, met in [(None, [1, 2]), (0, [0, 0]), ("2", [2, 2]), ([2, 0], [2, 0])]:
        frames = list(generator.morph(seeds=[4, 11], labels=labels, frames=5))
        for frame, seed, label in [(frames[0], 4, met[0]), (frames[-1], 11, met[1])]:
            assert near(frame, generator.sample(1, seed, label)[0])


def test_loop_begins_with_the_image_of_the_first_seed(run):
    generator = generators.load(run)
    frames = list(generator.morph("loop", [2, 5, 7], 1, frames=12))
    assert len(frames) == 12 and near(frames[0], generator.sample(1, 2, 1)[0])
    # Half way round it is where it began: cos(2t) is 1 again.
    assert near(frames[6], frames[0]) and not near(frames[3], frames[0])


def test_close_and_bounce(run):
    generator = generators.load(run)
    closed = list(generator.morph(seeds=[0, 1, 2], frames=9, close=True))
    for i, seed in enumerate([0, 1, 2]):
        assert near(closed[3 * i], generator.sample(1, seed)[0])
    bounced = list(generator.morph(seeds=[0, 1], frames=8, bounce=True))
    assert len(closed) == 9 and len(bounced) == 8
    assert near(bounced[0], generator.sample(1, 0)[0])
    assert near(bounced[4], generator.sample(1, 1)[0])
    for i in (1, 2, 3):
        assert near(bounced[4 - i], bounced[4 + i])


@pytest.mark.parametrize("distribution", ["uniform", "unit"])
@pytest.mark.parametrize("path", interpolation.PATHS)
def test_latents_of_a_path_stay_in_range(tmp_path_factory, path, distribution):
    """On every path; the first is the seed's own latent."""
    folder = tmp_path_factory.mktemp("run")
    generator = generators.load(trained(folder, distribution=distribution, steps=5, lr=0.01))
    seen: list[np.ndarray] = []
    floats = generators.Generator.floats

    def watched(self, latents, labels=None):
        seen.append(latents)
        return floats(self, latents, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generators.Generator, "floats", watched)
        frames = list(generator.morph(path, frames=100))
    walked = np.concatenate(seen)
    low, high = {"uniform": (-1, 1), "unit": (0, 1)}[distribution]
    assert len(walked) == len(frames) == 100 and walked.dtype == np.float32
    assert low <= walked.min() and walked.max() <= high
    np.testing.assert_allclose(walked[0], generator.latents([0])[0], atol=1e-6)
    assert near(frames[0], generator.sample(1)[0])


def test_frames_are_generated_in_batches(run, monkeypatch):
    sizes = []
    floats = generators.Generator.floats

    def watched(self, latents, labels=None):
        sizes.append(len(latents))
        return floats(self, latents, labels)

    monkeypatch.setattr(generators.Generator, "floats", watched)
    assert len(list(generators.load(run).morph(frames=150))) == 150
    assert sizes == [64, 64, 22]


WRONG = [
    ({"path": "slrp"}, "Unknown path 'slrp'. Did you mean 'slerp'.*classes, line, loop, slerp"),
    ({"path": "line", "seeds": [3]}, "line takes at least 2 seeds, not 1: give, .*--seeds 0,1"),
    ({"seeds": []}, "slerp takes at least 2 seeds, not 0"),
    ({"path": "loop", "seeds": [3, 4]}, "loop takes 3 seeds, not 2: give, .*--seeds 0,1,2"),
    ({"path": "classes", "seeds": [3, 4]}, "classes takes 1 seed, not 2: give, .*--seeds 0[.]"),
    ({"path": "classes", "labels": [1]}, "at least two labels: give --labels 0,1"),
    ({"path": "classes", "labels": np.int64(1)}, "at least two labels"),
    ({"path": "classes", "labels": "1"}, "at least two labels: give --labels 0,1"),
    ({"path": "classes", "labels": [1, 7]}, "Label '7' is out of range"),
    ({"labels": [1, 2, 0]}, "3 labels for 2 seeds: give one"),
    ({"labels": "cat"}, "Label 'cat' is out of range"),
    ({"seeds": [0, -1]}, "Seed -1 is out of range: give integers from 0"),
    ({"seeds": [0, 2**63]}, "Seed 9223372036854775808 is out of range"),
    ({"frames": 1}, "1 frames: give --frames"),
    ({"close": True, "bounce": True}, "cannot bounce"),
    ({"path": "loop", "bounce": True}, "cannot bounce"),
    ({"path": "loop", "seeds": [1, 1, 2]}, "three different seeds"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=str)
def test_wrong_arguments_are_refused_before_any_frame_is_generated(run, options, message):
    with pytest.raises(InputError, match=message):
        generators.load(run).morph(**options)


@pytest.mark.parametrize(("options", "message"), [
    ({"labels": [0, 1]}, "unconditional: it takes no label"),
    ({"path": "classes"}, "at least two classes, not 0"),
])  # fmt: skip
def test_unconditional_generator_takes_no_labels(unconditional, options, message):
    with pytest.raises(InputError, match=message):
        generators.load(unconditional).morph(**options)


# --- the command ------------------------------------------------------------------------------


def morphed(run, out, *options) -> tuple[list[np.ndarray], float]:
    said = command("morph", run, "-o", out, *options)
    assert (said.code, said.err) == (0, ""), said
    assert str(out) in said.out
    frames, delays = read(out)
    return frames, sum(delays)


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png", "", MP4])
def test_command_writes_every_format(run, tmp_path, ending):
    frames, seconds = morphed(
        run, tmp_path / f"x{ending}", "--seeds", "3,7,9", "--labels", "0,2,1", "--frames", 33,
        "--fps", 24, "--size", 40,
    )  # fmt: skip
    assert len(frames) == 33 and {frame.shape for frame in frames} == {(48, 48, 3)}
    assert not ending or abs(seconds - 33 / 24) < 0.006
    generator = generators.load(run)
    first = generator.sample(1, 3, 0)[0].repeat(3, axis=0).repeat(3, axis=1)
    assert np.abs(frames[0].astype(int) - first).mean() < (4 if ending == ".mp4" else 0.01)


def test_command_with_each_path(run, tmp_path):
    for path, options in [
        ("loop", ["--labels", 1]), ("classes", ["--labels", "2,0", "--seeds", 4]),
        ("line", ["--bounce"]), ("slerp", ["--close"]),
    ]:  # fmt: skip
        frames, _ = morphed(run, tmp_path / f"{path}.webp", "--path", path, "--frames", 6,
                           "--size", 1, *options)  # fmt: skip
        assert len(frames) == 6 and frames[0].shape == (16, 16, 3)
        assert len(np.unique(frames, axis=0)) > 2


def test_command_takes_class_names(tmp_path):
    pictures(tmp_path / "pictures.npz")
    with np.load(tmp_path / "pictures.npz") as found:
        np.savez(tmp_path / "pictures.npz", **found, classes=np.array(["cat", "dog", "2"]))
    run = trained(tmp_path, steps=1)
    options = ("--frames", 2, "--size", 1)
    one, _ = morphed(run, tmp_path / "a.png", "--labels", "cat,dog", *options)
    other, _ = morphed(run, tmp_path / "b.png", "--labels", "0,1", *options)
    np.testing.assert_array_equal(one, other)


def test_help_lists_every_path():
    out = command("morph", "--help").out
    for name, path in interpolation.PATHS.items():
        assert name in out and path.summary.split()[0] in out


def test_progress_is_reported_frame_by_frame(run, tmp_path, monkeypatch):
    heard: list[tuple[int, int, str]] = []
    bar = contextlib.nullcontext(lambda *report: heard.append(report))
    monkeypatch.setattr(data, "progress_bar", lambda: bar)
    assert command("morph", run, "--frames", 5, "-o", tmp_path / "film.gif").code == 0
    assert heard == [(i, 5, "making frames") for i in range(1, 6)]
