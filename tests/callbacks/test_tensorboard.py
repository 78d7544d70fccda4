"""TensorBoard event files, read back by TensorBoard itself."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_helpers import divided, grids, limited, needs_posix, process, tiny, trained

from ganbaru import data, train
from ganbaru.sampling import generators, image_io

needed = ("tensorboard", "tensorboardX")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, needed)), reason=f"needs {' and '.join(needed)}"
)

TAGS = {
    "loss/d": "d_loss",
    "loss/g": "g_loss",
    "score/real": "real_score",
    "score/fake": "fake_score",
    "held_out/d": "held_out_d_loss",
    "held_out/g": "held_out_g_loss",
    "held_out/d_on_training_images": "train_d_loss",
    "held_out/g_on_training_images": "train_g_loss",
    "images_per_second": "images_per_second",
}


def shown(run: Path):
    """Return all that TensorBoard makes of a run's records."""
    # Not above, where each process that collects tests would import it, in 1.7 s.
    from tensorboard.backend.event_processing import event_accumulator as reader

    found = reader.EventAccumulator(str(run / "tensorboard"), {"scalars": 0, "images": 0})
    return found.Reload()


def board(folder: Path, **options) -> Path:
    """Train a tiny run with records for TensorBoard."""
    return trained(folder, tensorboard=True, data=divided(folder / "set"), **options)


def pixels(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image.convert("RGB"))


def assert_shows(run: Path) -> None:
    """Compare with the log, each number at its images, and with the grids, pixel by pixel."""
    found, lines = shown(run), whole_log(run)
    names = {tag: name for tag, name in TAGS.items() if any(name in line for line in lines)}
    assert set(found.Tags()["scalars"]) == names.keys()
    for tag, name in names.items():
        points = [(event.step, event.value) for event in found.Scalars(tag)]
        wanted = [(line["images"], line[name]) for line in lines if name in line]
        assert points == [(images, np.float32(value)) for images, value in wanted]
    drawn = grids(run)
    assert set(found.Tags()["images"]) == {"samples/all", *(f"samples/{k}" for k in "abc")}
    for tag in found.Tags()["images"]:
        assert [event.step for event in found.Images(tag)] == sorted(drawn)
    for event in found.Images("samples/all"):
        np.testing.assert_array_equal(pixels(event.encoded_image_string), pixels(drawn[event.step]))


def whole_log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_numbers_and_pictures(tmp_path):
    run = board(tmp_path)
    assert_shows(run)
    found, last = shown(run), generators.load(run).sample(48)
    for k, name in enumerate("abc"):
        wanted = image_io.enlarge(image_io.grid(last[k::3], 4), least=256)
        picture = pixels(found.Images(f"samples/{name}")[-1].encoded_image_string)
        np.testing.assert_array_equal(picture, wanted.repeat(3, axis=2))
    (text,) = found.Tensors("configuration/text_summary")[0].tensor_proto.string_val
    assert b"| batch | 8 |" in text and str(tmp_path).encode() not in text
    assert "_hparams_/session_start_info" in found.PluginTagToContent("hparams")
    lines = whole_log(run)
    assert [len(found.Scalars(tag)) for tag in ("loss/d", "held_out/d")] == [len(lines), 2]


@pytest.mark.parametrize(
    "cut", [5, *(pytest.param(cut, marks=pytest.mark.extended) for cut in (3, 6))]
)
def test_run_that_goes_on_shows_everything_once(tmp_path, cut):
    """Cut at a line of the log, at a milestone, and at both a line and a grid of its own."""
    run = board(tmp_path, steps=cut)
    assert_shows(run)
    board(tmp_path, resume=True)
    assert_shows(run)
    assert len(list((run / "tensorboard").iterdir())) == 2


def test_run_that_lost_its_last_checkpoint_shows_everything_once(tmp_path):
    """As after a crash: what was shown beyond the checkpoint is void."""
    run = board(tmp_path, steps=11, checkpoint_every=40)
    before = shown(run).Scalars("loss/d")[-1].step
    for images in (80, 88):
        (run / "checkpoints" / f"{images:010d}.safetensors").unlink()
    board(tmp_path, resume=True, steps=8)
    assert_shows(run)
    assert shown(run).Scalars("loss/d")[-1].step == 64 < before


@needs_posix
def test_full_disk_ends_the_run_with_one_message(tmp_path):
    for options in ({}, {"split": "test", "channels": 1}):  # or the cache would be refused first
        data.load("digits", image_size=(16, 16), **options)
    arguments = ["train", "digits", "--tensorboard", "--steps", 30, "--width", 4, "--run", "r",
                 "--log-every", 64, "--sample-every", 640]  # fmt: skip
    said = process(*arguments, cwd=tmp_path, **limited(20_000))
    assert said.code == 1 and said.err.count("\n") == 1
    assert "runs/r/tensorboard: File too large" in said.err


def test_unconditional_run_shows_the_whole_grid(tmp_path):
    run = trained(tmp_path, tensorboard=True, conditioning="none", steps=1)
    assert shown(run).Tags()["images"] == ["samples/all"]


def test_without_the_flag_nothing_is_written_or_loaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    run = train(tiny(tmp_path, steps=1))
    assert not (run / "tensorboard").exists()
