"""The cost model counts what the networks have, and costs grow as they must."""

from __future__ import annotations

import math

import pytest
from bench import cost_model

from ganbaru.config import from_preset
from ganbaru.gan import models


@pytest.mark.parametrize("name", cost_model.PRESETS)
def test_a_step_is_counted_from_the_networks(name):
    config = from_preset(name, data="digits")
    step = cost_model.step(config)
    shape = (*(config.size or (32, 32)), config.channels or 3)
    found = models.tensor_shapes(config, shape, 10 * (config.conditioning != "none"))
    sizes = [sum(map(math.prod, found[each].values())) for each in ("generator", "discriminator")]
    assert step.bytes == 4 * (sizes[0] + config.d_steps * sizes[1])
    machine = cost_model.Machine()
    alone = step.seconds(1, 64, machine)
    assert alone == pytest.approx(64 * step.flops / 30e12)
    times = [step.seconds(ranks, 64, machine) for ranks in cost_model.RANKS]
    assert times == sorted(times) and times[-1] > alone
    assert alone < step.seconds(64, 64, machine, 0.8) < times[-1]


def test_a_dcgan_takes_what_its_documents_say():
    step = cost_model.step(from_preset("dcgan", data="digits"))
    assert step.flops == pytest.approx(2.5e9, rel=0.02)
    # Four batch norms in G, three in D; gradients of two players, and one to keep in step.
    assert step.messages == (4 + 2 * 2 * 3 + 1) + (2 * 4 + 2 * 3 + 1) + 1
