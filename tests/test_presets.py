"""Presets: their options reach the configuration and the optimizers."""

from __future__ import annotations

import pytest

from ganbaru import registry
from ganbaru.cli import options
from ganbaru.config import from_preset
from ganbaru.data import declared
from ganbaru.gan import build
from ganbaru.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_preset_options_reach_the_configuration(name):
    config = options.config("train", "", [name])
    for field, value in PRESETS[name].options.items():
        assert getattr(config, field) == value, field


@pytest.mark.parametrize("name", PRESETS)
def test_preset_rates_and_betas_reach_the_optimizers(name):
    config = from_preset(name)
    gan = build.gan(config, (28, 28, 1), 10 if config.conditioning != "none" else 0)
    for of in (gan.g_optimizer, gan.d_optimizer):
        assert (of.rate, of.betas) == (config.lr, config.betas)
    assert from_preset("dcgan-mnist28").betas == (0.5, 0.99)


@pytest.mark.parametrize("name", registry.names("data"))
def test_every_known_data_set_has_a_preset(name):
    assert name in {from_preset(preset).data for preset in PRESETS}
    assert callable(declared(name, None).original)
