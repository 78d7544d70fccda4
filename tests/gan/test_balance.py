"""Balanced classes: evenly drawn, by counter, and refused where there is nothing to balance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import assert_same_state, pictures, tiny, trained

from ganbaru import InputError
from ganbaru.cli import main
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.gan import balance
from ganbaru.gan.balance import BalancedOrder
from ganbaru.gan.batches import BatchSampler
from ganbaru.training import setup


def labelled(*counts: int) -> Source:
    """Return grey images, `counts` of each class, in a random order."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    images = np.zeros((len(labels), 4, 4, 1), np.uint8)
    return Source("counted", images, labels, tuple("abcdefgh"[: len(counts)]), "")


COUNTS = st.lists(st.integers(0, 9), min_size=2, max_size=6).filter(lambda x: sum(map(bool, x)) > 1)


@given(counts=COUNTS, batch=st.integers(2, 9), seed=st.integers(0, 99), replacement=st.booleans())
def test_classes_are_even_in_any_stretch_of_draws(counts, batch, seed, replacement):
    labels = labelled(*counts).labels
    order = BalancedOrder(seed, "order", labels, batch, replacement)
    turns = [order.indices(turn) for turn in range(12)]
    drawn = np.concatenate(turns)
    classes = [k for k, count in enumerate(counts) if count]
    shown = np.bincount(labels[drawn], minlength=len(counts))[classes]
    assert shown.max() - shown.min() <= 1 and shown.sum() == 12 * batch
    if not replacement:  # a class's images come equally often too
        for k in classes:
            of = np.bincount(drawn, minlength=len(labels))[labels == k]
            assert of.max() - of.min() <= 1
    fresh = BalancedOrder(seed, "order", labels, batch, replacement)
    for turn in (7, 0, 11):
        np.testing.assert_array_equal(fresh.indices(turn), turns[turn])


def test_replacement_and_seeds_change_the_images():
    labels = labelled(50, 5).labels
    drawn = {
        tuple(BalancedOrder(seed, of, labels, 64, replacement).indices(1).tolist())
        for seed in (0, 1)
        for of in ("order", "order of G")
        for replacement in (False, True)
    }
    assert len(drawn) == 8


@pytest.mark.parametrize("rule", ["shares", "uniform"])
@pytest.mark.parametrize("pairs", [False, True])
def test_labels_of_fakes_are_even_as_those_of_reals(rule, pairs):
    config = Config(batch=64, latent=2, balance=True, fake_labels=rule, engine="numpy")
    gan = SimpleNamespace(relativistic=pairs, same_labels=pairs, penalties=())
    sampler = BatchSampler(config, labelled(90, 8, 2), None, gan, 3)
    for of in ("label", "real_label"):
        drawn = np.concatenate([getattr(sampler.sample(i).d[0], of) for i in range(40)])
        shares = np.bincount(drawn, minlength=3) / len(drawn)
        assert np.abs(shares - 1 / 3).max() < 0.04


def test_a_run_resumes_exactly(tmp_path):
    options = {"balance": True, "steps": 8, "checkpoint_every": 32, "sample_every": 10_000}
    data = tmp_path / "x.npz"
    np.savez(
        data, images=np.load(pictures(tmp_path / "p.npz"))["images"], labels=[0] * 40 + [1, 1, 2]
    )
    whole = trained(tmp_path, data=data, run=tmp_path / "whole", **options)
    parts = tmp_path / "parts"
    trained(tmp_path, data=data, run=parts, **{**options, "steps": 4})
    trained(tmp_path, data=data, run=parts, **options, resume=True)
    assert_same_state(whole, parts)
    run = setup.build(tiny(tmp_path, data=data, run=tmp_path / "new", **options), [])
    assert any("--balance" in note and "'2'" in note for note in run.notes)  # which has one image
    run.close()


@pytest.mark.parametrize("classes", [0, 1])
def test_without_two_classes_it_is_refused(classes, tmp_path, capsys):
    data = pictures(tmp_path / "x.npz", classes=classes)
    command = ["train", "digits", "--data", data, "--image-size", 16, "--conditioning", "none"]
    command += ["--balance", "--batch", 8, "--run", tmp_path / "run"]
    assert main.main([*map(str, command)]) == 2
    assert "--balance" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_it_has_no_short_batches(tmp_path):
    with pytest.raises(InputError):
        setup.build(tiny(tmp_path, balance=True, short_batch=True), [])


def test_the_note_names_the_rarest_class():
    assert "'b'" in balance.note(labelled(50, 1, 7)) and "50" in balance.note(labelled(50, 1, 7))
