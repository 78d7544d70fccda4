"""`ganbaru explain step`: its numbers are those of the training step on the NumPy engine."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from train_helpers import command

from ganbaru import ops
from ganbaru.errors import InputError
from ganbaru.gan import step, step_inputs
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.optimizers import Adam
from ganbaru.labs import one_step


def generator(scope, latent, label=None):
    a, b = (scope.parameter(name, (count,), "weight") for name, count in (("a", 2), ("b", 1)))
    return ops.tanh(ops.sum(latent * a, 1) + b)


def discriminator(scope, x, label=None):
    w, c, v = (scope.parameter(name, (2,), "weight") for name in "wcv")
    hidden = ops.leaky_relu(ops.reshape(x, (-1, 1)) * w + c, one_step.LEAK)
    return ops.sum(hidden * v, 1) + scope.parameter("d", (1,), "weight")


def _grouped(numbers: dict[str, float], names: str) -> dict[str, np.ndarray]:
    """Return the numbers a1, a2, b as the arrays a, b."""
    return {n: np.array([value for key, value in numbers.items() if key[0] == n]) for n in names}


@pytest.mark.parametrize("seed", [0, 1, 7, 123])
def test_each_number_is_that_of_the_numpy_engine(seed):
    shown = one_step.explain(seed=seed)
    loss = OBJECTIVES["non-saturating"]
    optimizer = Adam(one_step.RATE, one_step.BETAS, one_step.EPSILON)
    gan = step.GAN(generator, discriminator, loss.d, loss.g, False, (), optimizer, optimizer, 0.999)
    players = {
        "generator": _grouped(shown.before, "ab"),
        "discriminator": _grouped(shown.before, "wcvd"),
    }
    state = step.start(gan, {**players, "generator_buffers": {}, "discriminator_buffers": {}})
    batches = step_inputs.Batches(
        [step_inputs.Batch(np.array(shown.d_latents), real=np.array(shown.reals))],
        step_inputs.Batch(np.array(shown.g_latents)),
    )
    state, metrics = step.train_step(gan, state, batches, step.step_schedule(gan, 0, 1))
    assert len(shown.before) == 10 and str(shown).count("\n") > 40
    for name, value in shown.losses.items():
        assert_allclose(metrics[name], value, rtol=1e-12)
    for player, names in {"generator": "ab", "discriminator": "wcvd"}.items():
        after, gradients = _grouped(shown.after, names), _grouped(shown.gradients, names)
        for name in names:
            assert_allclose(state[player][name], after[name], rtol=0, atol=1e-12)
            mean = state[f"{player}_mean"][name] / (1 - one_step.BETAS[0])
            assert_allclose(mean, gradients[name], rtol=0, atol=1e-12)


def test_the_command_prints_the_lines_or_json():
    said = command("explain", "step", "--seed", "3")
    assert said.code == 0 and said.out.strip() == str(one_step.explain(seed=3))
    found = json.loads(command("explain", "--json").out)
    assert found["before"].keys() == found["after"].keys() == found["gradients"].keys()


def test_what_there_is_no_explanation_of_is_refused():
    with pytest.raises(InputError, match="step"):
        one_step.explain("epoch")
    assert command("explain", "epoch").code == 2
