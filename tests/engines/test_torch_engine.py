"""The PyTorch engine's own promises: layouts in memory, its fused forms, devices."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import engines, ops
from ganbaru.cli import engines as listing
from ganbaru.errors import InputError
from ganbaru.gan import optimizers

torch = pytest.importorskip("torch")
TORCH = engines.load("torch", "cpu", "float64")
LAST = torch.channels_last


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 1, 4, 5), (5, 3, 1, 1)])
def test_images_are_channels_last_in_memory(shape):
    assert TORCH.from_numpy(normal(*shape)).is_contiguous(memory_format=LAST)


def test_views_of_any_stride_are_copied_in():
    x = normal(4, 6)
    for view in (x[::-1], x[:, ::2], x.T, np.broadcast_to(x[:1], (3, 6))):
        assert_array_equal(ops.to_numpy(TORCH.from_numpy(view)), view)


def _adam(parameters: dict, gradients: dict, updates: int) -> dict:
    """Make updates by the engine's form, the gradients being one number larger each time."""
    adam = optimizers.Adam(1e-2, (0.5, 0.999))
    moments = adam.start(parameters)
    for update in range(1, updates + 1):
        grown = {name: g + update for name, g in gradients.items()}
        parameters, moments = adam.update(parameters, grown, moments, adam.optimizer_step(update))
    return parameters


@pytest.mark.parametrize(
    "ours,theirs", [(LAST, torch.contiguous_format), (torch.contiguous_format, LAST)]
)
def test_fused_adam_takes_gradients_of_another_memory_layout(ours, theirs):
    """PyTorch's kernel walks memory: with another layout each weight got its neighbour's step."""
    weight, gradient = (torch.tensor(normal(4, 3, 5, 2, seed=i)) for i in range(2))
    straight = _adam({"w": weight.clone()}, {"w": gradient}, 3)["w"]
    mixed = _adam(
        {"w": weight.clone().contiguous(memory_format=ours)},
        {"w": gradient.contiguous(memory_format=theirs)},
        3,
    )["w"]
    assert mixed.is_contiguous(memory_format=ours)
    assert_allclose(mixed.numpy(), straight.numpy(), rtol=1e-14)


def test_fused_adam_takes_a_transposed_gradient():
    weight, gradient = torch.tensor(normal(4, 3)), torch.tensor(normal(3, 4)).T
    straight = _adam({"w": weight.clone()}, {"w": gradient.contiguous()}, 3)["w"]
    assert_array_equal(_adam({"w": weight.clone()}, {"w": gradient}, 3)["w"], straight)


def test_no_gradient_is_recorded_after_an_update():
    x = TORCH.from_numpy(normal(3))
    value, _, gradients = ops.value_and_grad(lambda p: (ops.sum(p["x"] ** 2), None), {"x": x})
    assert not (value.requires_grad or gradients["x"].requires_grad or x.requires_grad)


def test_gradients_are_taken_where_pytorch_records_none():
    with torch.no_grad():
        found = ops.grad(lambda x: ops.sum(x**2), TORCH.from_numpy(normal(3)))
    assert_allclose(found.numpy(), 2 * normal(3))


@pytest.mark.parametrize("device", ["quantum", "cuda:99"])
def test_a_device_it_does_not_have_is_refused(device):
    with pytest.raises(InputError, match=f"'{device}'.*Allowed here: cpu"):
        engines.load("torch", device)


# --- Apple's GPUs, by a stand-in ----------------------------------------------------------------


@pytest.fixture
def apple(monkeypatch):
    """Let PyTorch have an Apple GPU, and no other; it computes nothing there."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    zeros = torch.zeros

    def on_apple(*shape, device="cpu", **options):
        return zeros(*shape, device="meta" if device == "mps" else device, **options)

    monkeypatch.setattr(torch, "zeros", on_apple)
    engines.load.cache_clear()
    yield
    engines.load.cache_clear()


def test_apples_gpus_are_taken_only_if_they_are_named(apple):
    assert engines.load("torch").device == "cpu"
    assert engines.load("auto").device == "cpu"
    assert engines.load("torch", "mps").device == "mps"
    assert engines.choose("mps").engine == "torch"
    row = listing.look("torch")
    assert row.takes == "cpu" and "mps" in row.devices


@pytest.mark.parametrize("name", ["torch", "auto"])
def test_apples_gpus_have_no_float64(apple, name):
    with pytest.raises(InputError, match="float64.*'mps'.*--precision float32, or --device cpu"):
        engines.load(name, "mps", "float64")
    assert engines.load(name, "mps", "auto", fast=True).precision == "float32"
    assert engines.load(name, "cpu", "float64").precision == "float64"
