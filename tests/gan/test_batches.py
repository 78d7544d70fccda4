"""Batches: the same on every engine, every image once in an epoch, pairs of one label."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import NUMPY32, source
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.errors import InputError
from ganbaru.gan import build
from ganbaru.gan.batches import BatchSampler, EpochOrder, to_range
from ganbaru.gan.step_inputs import Batch
from ganbaru.randomness import DISTRIBUTIONS

COUNT, BATCH = 23, 5


def _draw(
    engine=NUMPY32, pictures=None, relativistic=False, num_classes=5, same_labels=False, **options
) -> BatchSampler:
    config = Config(**{"seed": 3, "batch": BATCH, "latent": 4, **options})
    pictures = pictures or source(COUNT, (2, 3, 3), classes=5)
    pairs = relativistic or same_labels
    gan = SimpleNamespace(relativistic=relativistic, same_labels=pairs, penalties=())
    return BatchSampler(config, pictures, engine, gan, num_classes)


def _numbered() -> Source:
    """Return pictures known by their pixels: image i is grey i, its label i mod 5."""
    images = np.arange(COUNT, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    return Source("numbered", images, np.arange(COUNT) % 5, tuple("abcde"), "")


def _which(images) -> list[int]:
    """Read off which images of `_numbered` a batch holds."""
    return np.rint((np.asarray(images)[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


def _arrays(engine, batch: Batch) -> dict:
    return {n: None if x is None else engine.to_numpy(x) for n, x in batch._asdict().items()}


# --- bytes to numbers -------------------------------------------------------------------------


def test_bytes_fill_the_range_from_minus_one_to_one():
    values = to_range(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)).ravel()
    assert (values[0], values[255]) == (-1, 1)
    assert values.dtype == np.float32
    assert np.abs(np.diff(values) - 2 / 255).max() < 1e-6
    assert_array_equal(np.rint((values + 1) * 127.5), np.arange(256))


def test_images_become_channels_first():
    images = source(2, (4, 5, 3), classes=0).images
    found = to_range(images)
    assert found.shape == (2, 3, 4, 5)
    assert found[1, 2, 3, 4] == np.float32(images[1, 3, 4, 2]) / np.float32(127.5) - 1


# --- the order of images ----------------------------------------------------------------------


@given(seed=st.integers(0, 2**63), length=st.integers(1, 60), batch=st.integers(1, 60))
def test_an_epoch_shows_every_image_at_most_once(seed, length, batch):
    """All of them but the last short batch, which is dropped; another order in the next epoch."""
    batch = min(batch, length)
    order = EpochOrder(seed, "order", length, batch, replacement=False)
    turns = length // batch
    for epoch in range(2):
        shown = np.concatenate([order.indices(epoch * turns + i) for i in range(turns)])
        assert len(shown) == len(set(shown.tolist())) == turns * batch
        assert set(shown.tolist()) <= set(range(length))


def test_each_epoch_is_another_permutation():
    order = EpochOrder(0, "order", 60, 6, replacement=False)
    epochs = [np.concatenate([order.indices(10 * e + i) for i in range(10)]) for e in range(3)]
    for epoch in epochs:
        assert_array_equal(np.sort(epoch), np.arange(60))
    assert len({tuple(epoch) for epoch in epochs}) == 3


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_a_batch_depends_on_its_number_alone(turns):
    """Not on what was drawn before: a resumed run draws what an uninterrupted one would."""
    used = EpochOrder(1, "order", 17, 3, replacement=False)
    for turn in turns:
        fresh = EpochOrder(1, "order", 17, 3, replacement=False)
        assert_array_equal(used.indices(turn), fresh.indices(turn))


def test_with_replacement_images_repeat():
    """Also in batches larger than the data."""
    order = EpochOrder(0, "order", 7, 50, replacement=True)
    first, second = order.indices(0), order.indices(1)
    assert len(first) == 50
    assert set(first.tolist()) == set(range(7))
    assert (first != second).any()
    assert_array_equal(EpochOrder(0, "order", 7, 50, replacement=True).indices(1), second)


# --- batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("relativistic", [False, True])
@pytest.mark.parametrize("replacement", [False, True])
def test_batches_are_the_same_on_every_engine(relativistic, replacement, other_engine32):
    how = {"relativistic": relativistic, "replacement": replacement}
    draws = [_draw(engine, **how) for engine in (NUMPY32, other_engine32)]
    for number in range(6):
        ours, theirs = (draw.step(number) for draw in draws)
        for batch, other in ((ours.d[0], theirs.d[0]), (ours.g, theirs.g)):
            expected, found = _arrays(NUMPY32, batch), _arrays(other_engine32, other)
            for name, array in expected.items():
                assert (found[name] is None) == (array is None)
                if array is not None:
                    assert_array_equal(found[name], array)
                    assert found[name].dtype == array.dtype


@pytest.mark.parametrize(("rule", "share"), [("shares", 20 / 23), ("uniform", 1 / 3)])
def test_labels_of_fakes_have_the_shares_of_the_data_or_equal_ones(rule, share):
    """Of 23 images 20 are of the first class and 3 of the second; the third has none."""
    pictures = dataclasses.replace(_numbered(), labels=np.repeat([0, 1], [20, 3]))
    draw = _draw(pictures=pictures, num_classes=3, fake_labels=rule)
    both = [(step.d[0].label, step.g.label) for step in map(draw.step, range(300))]
    for labels in map(np.concatenate, zip(*both, strict=True)):
        found = np.bincount(labels, minlength=3) / len(labels)
        assert found[0] == pytest.approx(share, abs=0.04)  # three deviations of 1,500 labels
        assert (found[2] > 0.25) == (rule == "uniform")


def test_mixtures_are_of_one_class():
    """A penalty on mixtures scores them under the real's label: D's fakes have it too."""
    config = Config(penalty="wgan-gp", conditioning="projection")
    assert build.gan(config, (16, 16, 1), 5).same_labels
    assert not build.gan(Config(penalty="r1+r2"), (16, 16, 1), 0).same_labels
    step = _draw(same_labels=True).step(0)
    assert_array_equal(step.d[0].label, step.d[0].real_label)
    assert step.g.label is not None and step.g.real is None


def test_an_unknown_rule_is_refused_with_the_choices():
    with pytest.raises(InputError, match="'share'.*shares, uniform"):
        _draw(fake_labels="share")


def test_fields_of_a_batch():
    of_d = _arrays(NUMPY32, _draw().step(0).d[0])
    absent = ("fake", "draws", "noise", "rest")
    assert [of_d.pop(name) for name in absent] == [None] * 4
    shapes = {name: array.shape for name, array in of_d.items()}
    assert shapes == {
        "latent": (5, 4),
        "label": (5,),
        "real": (5, 3, 2, 3),
        "real_label": (5,),
        "mix": (5, 1, 1, 1),
    }
    assert 0 <= of_d["mix"].min() < of_d["mix"].max() < 1
    assert {of_d[name].dtype for name in ("latent", "real", "mix")} == {np.dtype("float32")}
    of_g = _draw().step(0).g
    assert of_g.real is of_g.real_label is of_g.mix is None
    plain = _draw(num_classes=0).step(0).d[0]
    assert plain.label is plain.real_label is None


def test_the_updates_of_a_step_use_different_images():
    """With several D updates each has a fresh batch: 4 of them make an epoch of 23 images."""
    draw = _draw(pictures=_numbered())
    batches = [_which(draw.step(turn).d[0].real) for turn in range(4)]
    shown = [image for batch in batches for image in batch]
    assert len(set(shown)) == 20
    latents = [draw.step(turn).d[0].latent for turn in range(4)] + [draw.step(0).g.latent]
    assert len({float(latent[0, 0]) for latent in latents}) == 5


def test_reals_come_with_their_own_labels():
    for relativistic in (False, True):
        draw = _draw(pictures=_numbered(), relativistic=relativistic)
        for turn in range(5):
            batches = [draw.step(turn).d[0], draw.step(turn).g]
            for batch in batches[: 1 + relativistic]:
                assert [i % 5 for i in _which(batch.real)] == batch.real_label.tolist()


def test_in_a_relativistic_pair_the_fake_has_the_reals_label():
    draw = _draw(relativistic=True)
    for turn in range(5):
        for batch in (draw.step(turn).d[0], draw.step(turn).g):
            assert_array_equal(batch.label, batch.real_label)


def test_otherwise_the_fakes_labels_are_drawn_independently():
    draw = _draw(batch=20)
    of_d, of_g = draw.step(0).d[0], draw.step(0).g
    assert (of_d.label != of_d.real_label).any()
    assert (of_d.label != of_g.label).any()
    assert set(of_d.label.tolist()) <= set(range(5))


def test_the_generators_reals_are_not_the_discriminators():
    draw = _draw(pictures=_numbered(), relativistic=True)
    pairs = [(_which(draw.step(t).d[0].real), _which(draw.step(t).g.real)) for t in range(4)]
    assert all(of_d != of_g for of_d, of_g in pairs)


def test_another_seed_draws_other_batches():
    batches = [_draw(seed=seed).step(0).d[0] for seed in (0, 1)]
    for name in ("real", "latent", "mix"):
        assert (getattr(batches[0], name) != getattr(batches[1], name)).any()


# --- short batches, replacement, sharing ------------------------------------------------------


@given(seed=st.integers(0, 2**63), length=st.integers(1, 60), batch=st.integers(1, 60))
def test_with_short_batches_an_epoch_shows_every_image_exactly_once(seed, length, batch):
    order = EpochOrder(seed, "order", length, batch, short=True)
    turns = -(-length // batch)
    for epoch in range(2):
        batches = [order.indices(epoch * turns + i) for i in range(turns)]
        assert [len(each) for each in batches[:-1]] == [batch] * (turns - 1)
        assert len(batches[-1]) == length - batch * (turns - 1)
        assert_array_equal(np.sort(np.concatenate(batches)), np.arange(length))


@given(length=st.integers(2, 40), batch=st.integers(2, 40), d_steps=st.integers(1, 3))
def test_the_images_of_steps_add_up_to_epochs(length, batch, d_steps):
    """Of `d_steps` epochs, since so many whole epochs are a whole number of steps."""
    pictures = source(length, (1, 1, 1), classes=0)
    draw = _draw(pictures=pictures, batch=batch, d_steps=d_steps, num_classes=0, short_batch=True)
    turns = -(-length // batch)
    images = [draw.images(number) for number in range(turns)]
    assert sum(images) == length * d_steps
    assert images == [draw.step(number).images for number in range(turns)]


def test_all_fields_of_a_short_batch_are_short():
    """Of G's own batch only what goes with reals: without them it stays whole."""
    for relativistic in (False, True):
        draw = _draw(short_batch=True, relativistic=relativistic)
        for number, count in enumerate((5, 5, 5, 5, 3, 5)):
            batches = draw.step(number)
            of_d = _arrays(NUMPY32, batches.d[0])
            assert {len(array) for array in of_d.values() if array is not None} == {count}
            assert len(batches.g.latent) == (count if relativistic else BATCH)
    shared = _draw(short_batch=True, share="latents").step(4)
    assert len(shared.g.latent) == 3


@pytest.mark.parametrize("d_steps", [2, 3, 4])
def test_several_updates_of_d_use_no_image_twice_in_an_epoch(d_steps):
    draw = _draw(pictures=_numbered(), d_steps=d_steps)
    batches = [_which(b.real) for number in range(12 // d_steps) for b in draw.step(number).d]
    for epoch in range(3):  # of 4 batches
        shown = sum(batches[4 * epoch : 4 * epoch + 4], [])
        assert len(set(shown)) == len(shown) == 20
    assert len({tuple(sorted(batch)) for batch in batches}) == 12


def test_replacement_draws_images_uniformly_and_some_twice_in_a_batch():
    order = EpochOrder(5, "order", COUNT, BATCH, replacement=True)
    turns = [order.indices(turn) for turn in range(4000)]
    counts = np.bincount(np.concatenate(turns), minlength=COUNT)
    mean, deviation = 20_000 / COUNT, (20_000 / COUNT * (1 - 1 / COUNT)) ** 0.5
    assert np.abs(counts - mean).max() < 4 * deviation
    # Five of 23 are all different in 63 % of all cases: 22/23 * 21/23 * 20/23 * 19/23.
    different = np.mean([len(set(turn.tolist())) == BATCH for turn in turns])
    assert different == pytest.approx(22 * 21 * 20 * 19 / 23**4, abs=0.03)
    assert all(len(turn) == BATCH for turn in turns)


@pytest.mark.parametrize("relativistic", [False, True])
def test_sharing_gives_both_players_the_same_batch(relativistic):
    shared = _draw(share="latents", relativistic=relativistic)
    apart = _draw(share="nothing", relativistic=relativistic)
    for number in range(3):
        batches = shared.step(number)
        assert batches.d[0] is batches.g
        other = apart.step(number)
        assert other.d[0] is not other.g
        assert_array_equal(other.d[0].latent, batches.g.latent)  # D draws as it would alone
        assert (other.g.latent != batches.g.latent).any()


@pytest.mark.parametrize("share", ["nothing", "latents"])
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("replacement", [False, True])
def test_relativistic_pairs_have_one_label_in_every_mode(share, short, replacement):
    how = {"share": share, "short_batch": short, "replacement": replacement}
    draw = _draw(pictures=_numbered(), relativistic=True, **how)
    for number in range(6):
        batches = draw.step(number)
        for batch in (*batches.d, batches.g):
            assert_array_equal(batch.label, batch.real_label)
            assert [i % 5 for i in _which(batch.real)] == batch.label.tolist()


# Of each distribution: the range, the mean, and the deviation.
MOMENTS = {
    "normal": (-6, 6, 0, 1),
    "uniform": (-1, 1, 0, 3**-0.5),
    "unit": (0, 1, 0.5, 12**-0.5),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_latents_have_the_range_and_moments_of_their_distribution(name):
    low, high, mean, deviation = MOMENTS[name]
    draw = _draw(distribution=name, latent=500, batch=20)
    for latent in (draw.step(0).d[0].latent, draw.step(0).g.latent):
        assert latent.shape == (20, 500) and latent.dtype == np.float32
        assert low <= latent.min() < low + 0.01 * (high - low) or name == "normal"
        assert high >= latent.max() > high - 0.01 * (high - low) or name == "normal"
        assert latent.mean() == pytest.approx(mean, abs=5 * deviation / 100)
        assert latent.std() == pytest.approx(deviation, rel=0.05)
        assert np.abs(np.corrcoef(latent[:10].ravel(), latent[10:].ravel())[0, 1]) < 0.06
