"""The cost model counts what the networks have, and costs grow as they must."""

from __future__ import annotations

import math

import pytest
from bench import cost_model, distributed

from ganbaru.config import Config, from_preset
from ganbaru.gan import models
from ganbaru.ranks import Group, threads


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


@pytest.mark.parametrize("options", [{}, {"d_steps": 2}, {"network": "r3gan"}])
def test_messages_are_those_that_a_step_sends(options):
    config = Config(data="digits", width=1, latent=6, image_size="16", channels=1, **options)

    def count(group: Group) -> int:
        distributed.trained(options, 1, group)
        return group.table.messages

    together = 1  # the message that keeps the ranks in step is the loop's
    assert cost_model.step(config).messages == threads.run(2, count)[0] + together
