"""A run with its callbacks: grids, films, checkpoints, log and order of the images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import NUMPY32, table
from network_calls import images_of_update, recorded
from numpy.testing import assert_array_equal
from PIL import Image, ImageSequence
from train_helpers import SIGNALS, assert_same_state, grids, log, newest, run_with, tiny, trained

from ganbaru import callbacks, nn, train
from ganbaru.gan.held_out import Reals
from ganbaru.sampling import generators, image_io
from ganbaru.training import checkpoint, loop, setup

TWO_CLASSES = {"network": "dcgan-5x5", "objective": "two-class", "distribution": "uniform"}


def test_sample_grids_do_not_affect_training(tmp_path):
    often = trained(tmp_path, run=tmp_path / "often", sample_every=8)
    never = trained(tmp_path, run=tmp_path / "never", sample_every=10**6)
    assert len(grids(often)) == 13 and len(grids(never)) == 2
    assert_same_state(often, never)
    before, _ = newest(trained(tmp_path, run=tmp_path / "half", steps=6, sample_every=8))
    for name, array in newest(often)[0]["generator_buffers"].items():
        assert (array != before["generator_buffers"][name]).any()


def test_sample_grids_change_over_epochs(tmp_path):
    run = trained(tmp_path, steps=None, epochs=3, sample_every=43)
    assert list(grids(run)) and newest(run)[1].images >= 3 * 43
    sheets = []
    for path in sorted((run / "samples").glob("*.png")):
        with Image.open(path) as picture:
            sheets.append(np.asarray(picture))
    assert len(sheets) == 4 and len({sheet.shape for sheet in sheets}) == 1
    assert all((one != other).any() for one, other in zip(sheets, sheets[1:], strict=False))


def test_class_timelapse_shows_its_class_and_is_appended_to(tmp_path):
    contents = []

    class Copies:
        def start(self, run):
            self.grid(run, None)  # the grid of step 0 is drawn before this callback starts

        def grid(self, run, path):
            contents.append(run.folder.class_timelapse("1").read_bytes())

    used = [callbacks.Checkpoints(), callbacks.Samples(), callbacks.TimeLapse(), Copies()]
    run = train(tiny(tmp_path), used)
    assert len(contents) == 4
    for before, after in zip(contents, contents[1:], strict=False):
        assert after.startswith(before[:-1])  # all but the trailer
    images = generators.load(run).sample(48)  # 8 rows of 6, which show each of 3 classes twice
    for k in range(3):
        with Image.open(run / "timelapse" / f"{k}.gif") as film:
            frames = [np.asarray(f.convert("L"), int) for f in ImageSequence.Iterator(film)]
        wanted = image_io.enlarge(image_io.grid(images[k::3], 4), least=256)[..., 0].astype(int)
        assert len(frames) == 4 and np.abs(frames[-1] - wanted).max() <= 1


def test_checkpoint_interval_counts_images_of_the_whole_run(tmp_path):
    run = trained(tmp_path, checkpoint_every=100, keep=99, steps=30)  # epochs of 40 images
    assert [int(p.stem) for p in checkpoint.found(run / "checkpoints")] == [104, 200, 240]
    parts = trained(tmp_path, run=tmp_path / "parts", steps=13)
    assert newest(parts)[1].step == 13
    assert_same_state(trained(tmp_path, run=parts, steps=30, resume=True), run)


def test_validation_uses_whole_batches_of_the_run():
    images = np.zeros((10_000, 2, 2, 1), np.uint8)
    test = Reals(images, None, np.arange(1000))
    sizes = [len(reals) for reals, _ in test.batches(64)]
    assert set(sizes) == {64} and len(sizes) == 15


def test_sample_grids_use_fixed_latents_in_inference_mode(tmp_path, monkeypatch):
    seen, modes = [], []
    floats, apply = generators.Generator.floats, nn.apply

    def recording(self, latents, labels=None):
        seen.append((latents.tobytes(), labels.tobytes()))
        return floats(self, latents, labels)

    def applied(*inputs, training, **options):
        modes.append(training)
        return apply(*inputs, training=training, **options)

    monkeypatch.setattr(generators.Generator, "floats", recording)
    run = setup.build(tiny(tmp_path, steps=12))
    drawn = callbacks.Samples()
    run.callbacks = [drawn]
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
    assert one == other  # no update between them


def test_log_is_written_while_training(tmp_path):
    class CrashError(Exception):
        pass

    class Breaks:
        def step(self, run, metrics):
            if run.step == 7:
                raise CrashError

    run = setup.build(tiny(tmp_path, log_every=8), [callbacks.Log(), Breaks()])
    with pytest.raises(CrashError):
        loop.loop(run, lambda: False)
    lines = [json.loads(line) for line in run.folder.log.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 8))


def test_state_is_float32_and_images_are_uint8(tmp_path):
    run = run_with(tiny(tmp_path, steps=2, penalty="r1", objective="rsgan"))
    assert run.source.images.dtype == np.uint8
    assert run.source.images.nbytes == 43 * 16 * 16
    for group, tensors in run.state.items():
        assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float32")}, group


def test_each_epoch_is_a_new_permutation_and_the_log_holds_few_steps(tmp_path):
    seen, waiting, written = [], [], callbacks.Log()

    class Watch:
        def step(self, run, metrics):
            seen.append(images_of_update(run, run.step - 1))
            waiting.append(len(written.metrics))

    train(tiny(tmp_path, short_batch=True, steps=18, log_every=24), [written, Watch()])
    epochs = [np.concatenate(seen[6 * e : 6 * e + 6]) for e in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(43)) for epoch in epochs)
    assert max(waiting) <= 3  # losses are held until the next log line


def test_epoch_is_one_pass_and_order_decides_the_first_update(tmp_path):
    run = run_with(tiny(tmp_path, steps=None, epochs=1, short_batch=True))
    seen = [images_of_update(run, number) for number in range(run.step)]
    assert sorted(sum(seen, [])) == list(range(43))
    for order, of_g in (("d-first", [False, True]), ("g-first", [True, False])):
        gan = table(NUMPY32, order=order)
        calls, latent = recorded(gan), gan.draw.step(0).g.latent
        gan.step(0)
        made = [call.x for call in calls if call.player == "generator"]
        assert [np.array_equal(x, latent) for x in made] == of_g


def test_log_line_has_losses_scores_and_signals_only(tmp_path):
    (line,) = log(trained(tmp_path, steps=1))
    losses = {"d_loss", "g_loss", "real_score", "fake_score"}
    assert line.keys() == {"images", "step"} | losses | SIGNALS


def test_timelapse_and_plot_need_no_external_program(tmp_path, monkeypatch, real_plots):
    monkeypatch.setenv("PATH", "")
    run = train(tiny(tmp_path, steps=6))
    with Image.open(run / "timelapse.gif") as film:
        assert film.n_frames == 3
    with Image.open(run / "losses.png") as plot:
        assert plot.size[0] > 500
