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
    "options",
    [{}, {"conditioning": "none"}, {"conditioning": "class-norm", "spectral_norm": "both"}],
)
def test_statistics_are_those_of_the_averaged_weights(tmp_path, options):
    """Whatever the running ones are; other buffers stay; what is saved is what is sampled."""
    run = run_with(tiny(tmp_path, steps=2, **options))
    average, buffers = run.state["ema"], run.state["ema_buffers"]
    found = standing.statistics(run.sampler, average, buffers)
    moved = {n: x + 1 if n.endswith(("mean", "var")) else x for n, x in buffers.items()}
    again = standing.statistics(run.sampler, average, moved)
    batches = []
    for i in range(standing.BATCHES):
        inputs = run.sampler.generator_inputs("statistics", i, standing.BATCH)
        after = nn.apply(run.gan.generator, average, buffers, *inputs, training=True)[1]
        batches.append({n: (x - 0.9 * buffers[n]) / 0.1 for n, x in after.items()})
    assert any(n.endswith("running_var") for n in found) and found.keys() == buffers.keys()
    for name, array in found.items():
        assert array.dtype == buffers[name].dtype
        if name.endswith(("running_mean", "running_var")):
            mean = np.mean([each[name] for each in batches], axis=0)
            assert_allclose(array, mean, rtol=1e-3, atol=1e-4)
            assert_array_equal(array, again[name])
        else:
            assert_array_equal(array, buffers[name])
    run.save()
    saved = newest(run.folder.path)[0]["ema_buffers"]
    shown = generators.from_run(run).buffers
    for name, array in found.items():
        assert_array_equal(saved[name], array)
        assert_array_equal(shown[name], array)


def test_a_generator_without_batch_norm_keeps_its_buffers(tmp_path):
    run = run_with(tiny(tmp_path, steps=1, network="r3gan"))
    buffers = run.state["ema_buffers"]
    assert standing.statistics(run.sampler, run.state["ema"], buffers) is buffers
