"""Adam and running averages: the fused forms, the composed ones and the paper's formula."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import ops
from ganbaru.gan import optimizers

# A kernel of several blocks of 128k numbers, a small one, a table, a vector.
SHAPES = {"large": (70, 130, 4, 4), "kernel": (3, 2, 4, 4), "table": (5, 3), "bias": (7,)}


def _tensors(engine, seed: int) -> dict:
    return {name: engine.from_numpy(normal(*shape, seed=seed)) for name, shape in SHAPES.items()}


def _learn(engine, rule, updates: int) -> list[dict[str, np.ndarray]]:
    """Make updates with fresh gradients each and return parameters and both moments."""
    parameters = _tensors(engine, 0)
    adam = optimizers.Adam(1e-2, (0.5, 0.99))
    moments = adam.start(parameters)
    mean, square = moments["mean"], moments["square"]
    for update in range(1, updates + 1):
        gradients, optimizer_step = _tensors(engine, update), adam.optimizer_step(update)
        parameters, mean, square = rule(
            parameters, gradients, mean, square, optimizer_step, (0.5, 0.99), 1e-8
        )
    return [{n: ops.to_numpy(t) for n, t in group.items()} for group in (parameters, mean, square)]


def _paper(name: str, updates: int) -> np.ndarray:
    """Return a parameter after the updates of algorithm 1 of Kingma and Ba (2015)."""
    p, m, v = normal(*SHAPES[name]), 0.0, 0.0
    for t in range(1, updates + 1):
        g = normal(*SHAPES[name], seed=t)
        m = 0.5 * m + 0.5 * g
        v = 0.99 * v + 0.01 * g**2
        p = p - 1e-2 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
    return p


def test_fused_adam_equals_the_composed_one(any_engine):
    fused = any_engine.FUSED.get("adam")
    if fused is None:
        pytest.skip(f"{any_engine.name} has no form of its own")
    found = _learn(any_engine, fused, 20)
    expected = _learn(any_engine, inspect.unwrap(optimizers.adam_update), 20)
    for group, composed in zip(found, expected, strict=True):
        for name in SHAPES:
            assert_allclose(group[name], composed[name], rtol=0, atol=1e-12)


def test_adam_is_the_papers(any_engine):
    adam = optimizers.Adam(1e-2, (0.5, 0.99))
    parameters = _tensors(any_engine, 0)
    moments = adam.start(parameters)
    for update in range(1, 4):
        gradients = _tensors(any_engine, update)
        parameters, moments = adam.update(
            parameters, gradients, moments, adam.optimizer_step(update)
        )
    for name in SHAPES:
        assert_allclose(ops.to_numpy(parameters[name]), _paper(name, 3), rtol=0, atol=1e-12)


def test_adam_is_pytorchs(any_engine):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.tensor(normal(*SHAPES["kernel"])))
    theirs = torch.optim.Adam([weight], lr=1e-2, betas=(0.5, 0.99))
    for update in range(1, 21):
        weight.grad = torch.tensor(normal(*SHAPES["kernel"], seed=update))
        theirs.step()
    parameters, _, _ = _learn(any_engine, optimizers.adam_update, 20)
    assert_allclose(parameters["kernel"], weight.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_rmsprop_is_pytorchs(any_engine, momentum):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.tensor(normal(*SHAPES["kernel"])))
    theirs = torch.optim.RMSprop([weight], lr=1e-2, alpha=0.9, momentum=momentum)
    ours = optimizers.RMSprop(2e-2, (momentum, 0.9))
    parameters = _tensors(any_engine, 0)
    moments = ours.start(parameters)
    for update in range(1, 21):
        weight.grad = torch.tensor(normal(*SHAPES["kernel"], seed=update))
        theirs.step()
        gradients = _tensors(any_engine, update)
        optimizer_step = ours.optimizer_step(update, factor=0.5)
        parameters, moments = ours.update(parameters, gradients, moments, optimizer_step)
    found = ops.to_numpy(parameters["kernel"])
    assert_allclose(found, weight.detach().numpy(), rtol=0, atol=1e-12)


def test_clipping_limits_every_number(any_engine):
    found = optimizers.clip(_tensors(any_engine, 0), 0.3)
    for name, shape in SHAPES.items():
        assert_array_equal(ops.to_numpy(found[name]), np.clip(normal(*shape), -0.3, 0.3))


def test_fused_adam_in_float32_stays_close_to_float64(any_engine, any_engine32):
    if any_engine.name != any_engine32.name:
        pytest.skip("compares an engine with itself")
    found, expected = (
        _learn(engine, optimizers.adam_update, 20) for engine in (any_engine32, any_engine)
    )
    for group, exact in zip(found, expected, strict=True):
        for name in SHAPES:
            assert group[name].dtype == np.float32
            assert_allclose(group[name], exact[name], rtol=0, atol=1e-5)
