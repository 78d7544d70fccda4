"""Batch norm's statistics of the averaged generator, as they are saved and sampled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import newest, run_with, tiny

from ganbaru import nn
from ganbaru.gan import standing
from ganbaru.sampling import generators


@pytest.mark.parametrize(
    "options", [{}, {"conditioning": "class-norm", "spectral_norm": "both"}], ids=["plain", "class"]
)
def test_statistics_are_those_of_the_averaged_weights(tmp_path, options):
    """Whatever the running ones are; other buffers stay; what is saved is what is sampled."""
    run = run_with(tiny(tmp_path, steps=2, **options))
    average, buffers = run.state["ema"], run.state["ema_buffers"]
    moved = {n: x + 1 if n.endswith(standing.RUNNING) else x for n, x in buffers.items()}
    found = standing.statistics(run.sampler, average, buffers)
    again = standing.statistics(run.sampler, average, moved)
    batches = []
    for i in range(standing.BATCHES):
        inputs = run.sampler.generator_inputs("standing statistics", i, standing.BATCH)
        after = nn.apply(run.gan.generator, average, buffers, *inputs, training=True)[1]
        batches.append({n: (x - 0.9 * buffers[n]) / 0.1 for n, x in after.items()})
    assert any(n.endswith("running_var") for n in found) and found.keys() == buffers.keys()
    run.save()
    saved = newest(run.folder.path)[0]
    shown = generators.from_run(run).buffers
    for name, array in found.items():
        assert array.dtype == buffers[name].dtype
        assert_array_equal(saved["ema_buffers"][name], array)
        assert_array_equal(shown[name], array)
        if name.endswith(standing.RUNNING):
            mean = np.mean([each[name] for each in batches], axis=0)
            assert_allclose(array, mean, rtol=1e-3, atol=1e-4)
            assert_array_equal(array, again[name])
        else:
            assert_array_equal(array, buffers[name])
    for name, array in run.state["generator_buffers"].items():  # training goes on with its own
        assert_array_equal(saved["generator_buffers"][name], array)


@pytest.mark.parametrize("options", [{"network": "r3gan"}, {"start": True}], ids=["r3gan", "start"])
def test_what_has_no_batch_norm_or_no_step_keeps_its_buffers(tmp_path, options):
    first = options.pop("start", False)
    run = run_with(tiny(tmp_path, steps=1, **options))
    run.step = 0 if first else run.step
    assert run.averaged["ema_buffers"] is run.state["ema_buffers"]
