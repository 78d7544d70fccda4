"""A run without progress ends with a warning; one that is healthy, or has just begun, does not."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import command, tiny

from ganbaru.callbacks import collapse_alarm
from ganbaru.config import to_yaml
from ganbaru.data import Source

CLASSES = ("a", "b", "c", "d")


def run(images, step=100, classes=()):
    """Return a run as the alarm sees it, with these training images."""
    labels = np.arange(len(images)) % len(classes) if classes else None
    source = Source("s", images, labels, tuple(classes), "")
    return SimpleNamespace(source=source, classes=tuple(classes), step=step)


def pictures(count, seed=0, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (count, 6, 6, 1)).astype(np.uint8)


def codes(*given):
    return {*collapse_alarm.findings(*given)}


ONE = np.repeat(pictures(1), 64, axis=0)
NOISE = (np.arange(64) % 3).astype(np.uint8)[:, None, None, None]
EXTREMES = (pictures(64) > 127).astype(np.uint8) * np.uint8(255)
BY_CLASS = np.tile(pictures(4), (16, 1, 1, 1))


@pytest.mark.parametrize(
    ("images", "classes", "expected"),
    [
        (pictures(64, 1), (), set()),
        (pictures(64, 1, 100, 156), (), set()),  # of a fifth of the range
        (ONE, (), {"collapsed"}),
        (ONE // 2 + NOISE, (), {"collapsed"}),
        (EXTREMES, (), {"saturated"}),
        (np.zeros_like(ONE), (), {"collapsed", "saturated"}),
        (np.full_like(ONE, 255), CLASSES, {"collapsed", "saturated"}),
        (BY_CLASS, (), set()),
        (BY_CLASS, CLASSES, {"collapsed"}),  # one picture for each class
        (pictures(64, 1), CLASSES, set()),
        (np.zeros_like(ONE), [str(k) for k in range(30)], {"collapsed", "saturated"}),
    ],
)
def test_what_is_found_in_a_grid(images, classes, expected):
    assert codes(run(pictures(300), classes=classes), images) == expected


def test_a_run_that_has_just_begun_is_not_collapsed():
    """An untrained generator makes one grey picture of every seed."""
    grey = np.full_like(ONE, 127)
    assert codes(run(pictures(300), step=99), grey) == set()
    assert codes(run(pictures(300), step=100), grey) == {"collapsed"}
    assert codes(run(pictures(300), step=1), EXTREMES) == {"saturated"}


@given(st.integers(1, 300), st.booleans(), st.sampled_from([(), CLASSES]))
def test_real_images_are_never_warned_about(count, extreme, classes):
    """Nor are those of two values, or of one picture alone."""
    images = pictures(count)
    images = (images > 127).astype(np.uint8) * np.uint8(255) if extreme else images
    assert codes(run(images, classes=classes), np.resize(images, (64, 6, 6, 1))) <= (
        {"collapsed"} if count < 8 else set()
    )
    one = np.repeat(images[:1], count, axis=0)
    assert codes(run(one), np.repeat(one[:1], 64, axis=0)) == set()


@pytest.mark.parametrize(("lr", "warned"), [(5.0, True), (0.001, False)])
def test_a_sick_run_ends_with_a_warning(tmp_path, lr, warned):
    """In its closing lines, in about.json and in the report; the exit code stays 0."""
    config = tiny(tmp_path, steps=60, lr=lr, log_every=10**6, sample_every=10**6)
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    said = command("train", "--config", tmp_path / "c.yaml")
    assert said.code == 0 and "Done: " in said.out
    found = json.loads((tmp_path / "run" / "about.json").read_text())["warnings"]
    assert set(found) == ({"saturated"} if warned else set())
    page = (tmp_path / "run" / "report.html").read_text()
    for text in found.values():
        assert text in said.out and text in page
    assert ("Warning" in said.out) == warned
