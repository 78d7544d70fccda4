"""The moving average of the generator: its value, its fused forms, its decay."""

from __future__ import annotations

import inspect

import pytest
from helpers import normal
from numpy.testing import assert_allclose

from ganbaru import ops
from ganbaru.gan import ema

SHAPES = {"large": (70, 130, 4, 4), "kernel": (3, 2, 4, 4), "table": (5, 3), "bias": (7,)}


def _tensors(engine, seed: int) -> dict:
    return {name: engine.from_numpy(normal(*shape, seed=seed)) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("decay", [0.0, 0.9, 1.0])
def test_averages_move_towards_their_target(any_engine, decay):
    found = ema.move_towards(_tensors(any_engine, 0), _tensors(any_engine, 1), decay)
    composed = inspect.unwrap(ema._moved)(_tensors(any_engine, 0), _tensors(any_engine, 1), decay)
    for name, shape in SHAPES.items():
        expected = decay * normal(*shape) + (1 - decay) * normal(*shape, seed=1)
        assert_allclose(ops.to_numpy(found[name]), expected, rtol=0, atol=1e-14)
        assert_allclose(ops.to_numpy(composed[name]), expected, rtol=0, atol=1e-14)


def test_an_average_of_no_tensors_is_empty():
    """A network without batch norm has no running statistics to average."""
    assert ema.move_towards({}, {}, 0.5) == {}


def test_the_decay_of_the_average_rises_to_its_final_value():
    decays = [ema.decay_at(step, 0.999) for step in range(20_000)]
    assert decays[1] == 2 / 11
    assert decays == sorted(decays)
    assert decays[-1] == 0.999
    assert ema.decay_at(1, 0.0) == 0.0
