"""What bench counts and whom it measures: FLOPs by hand, and plain code that does our work."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from bench import flops
from bench.games import gan, random_images
from bench.scale import Size
from bench.worker import UnableError
from hypothesis import given
from hypothesis import strategies as st

from ganbaru import engines
from ganbaru.gan import models, step

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
SMALL = Size(16, 1, 4, 8)


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize(
    "name,library",
    [
        ("pytorch", "torch"),
        ("pytorch_example", "torch"),
        ("pytorch_tuned", "torch"),
        pytest.param("tensorflow", "tensorflow", marks=pytest.mark.compiled),
        pytest.param("jax", "jax", marks=pytest.mark.compiled),
    ],
)
def test_plain_code_learns(name, library):
    """D's loss falls below that of one which says nothing, 2 log 2: reals and fakes come apart."""
    pytest.importorskip(library)
    script = (
        f"from bench.plain.{name} import step\n"
        "advance = step(64, 1, 8, 8)\n"
        "told = (advance() for _ in range(30))\n"
        "print(*(f'{one[\"d_loss\"]} {one[\"g_loss\"]}' for one in told), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT,
                          env=ENVIRONMENT, capture_output=True, text=True, check=True)  # fmt: skip
    losses = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(losses) == 30 and all(math.isfinite(x) for pair in losses for x in pair)
    assert sum(d for d, _ in losses[-5:]) / 5 < 2 * math.log(2)


# --- counting ---------------------------------------------------------------------------------


# The layers of a 16x16 grey DCGAN of width 4, for one image: numbers read, of weights and written,
# multiply-adds. G: 100 latents to 8 maps of 4x4, to 4 of 8x8, to the image; D the other way.
G = [(100, 100 * 8 * 16, 8 * 16, 100 * 8 * 16), (8 * 16, 8 * 4 * 16, 4 * 64, 16 * 8 * 4 * 16),
     (4 * 64, 4 * 16, 256, 64 * 4 * 16)]  # fmt: skip
D = [(256, 4 * 16, 4 * 64, 64 * 4 * 16), (4 * 64, 4 * 8 * 16, 8 * 16, 16 * 4 * 8 * 16),
     (8 * 16, 8 * 16, 1, 8 * 16)]  # fmt: skip


def by_hand(batch, shared):
    """Passes through each layer: forwards, for the weights' gradient, for the inputs'."""
    g_passes = [2 + (not shared)] + [3 + (not shared)] * 2  # no gradient of the latents
    d_passes = [2 * 2 + 2] + [2 * 3 + 2] * 2  # of the reals and fakes neither, when D learns
    count = moved = 0
    for layers, passes in ((G, g_passes), (D, d_passes)):
        for (given_, weights, made, macs), times in zip(layers, passes, strict=True):
            count += 2 * macs * batch * times
            moved += (batch * (given_ + made) + weights) * times
    # Norms have a scale and an offset for each map: after G's first two layers, D's second.
    trained = sum(layer[1] for layer in G + D) + 2 * (8 + 4) + 2 * 8
    return count, 4 * (moved + 7 * trained)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("batch", [2, 64])
def test_a_step_costs_what_a_hand_counts(batch, shared):
    assert flops.step(SMALL._replace(batch=batch), shared) == by_hand(batch, shared)


def test_the_docstring_formula_and_figure():
    """4 G - g + 8 D - 2 d, and 2.5 GFLOP for an image of a 64x64 DCGAN of width 64."""
    size = Size(64, 3, 64, 2)
    g, d = ([record.macs for record in flops.products(*player)]
            for player in flops.players(size))  # fmt: skip
    macs = 4 * sum(g) - g[0] + 8 * sum(d) - 2 * d[0]
    assert flops.step(size).flops == 2 * macs == pytest.approx(2.5e9 * 2, rel=0.01)
    assert flops.sampling(size).flops == 2 * sum(g)


def test_matrices_are_those_of_the_convolutions():
    """Patches (N OH OW, C KH KW) times kernels (C KH KW, O)."""
    assert flops.matrices(SMALL) == {(8 * 64, 16, 4), (8 * 16, 4 * 16, 8)}


# --- the same work on both sides --------------------------------------------------------------


@given(
    size=st.sampled_from([16, 20, 28, 32, 64, 128]),
    channels=st.sampled_from([1, 3]),
    width=st.integers(1, 8),
)
def test_plain_networks_are_ours(size, channels, width):
    pytest.importorskip("torch")
    from bench.plain.pytorch import networks

    config = flops.config(Size(size, channels, width, 2))
    ours = models.initial_parameters(config, (size, size, channels), 0)
    for player, net in zip(("generator", "discriminator"), networks(size, channels, width),
                           strict=True):  # fmt: skip
        shapes = [tuple(p.shape) for p in net.parameters()]
        assert shapes == [array.shape for array in ours[player].values()]


@pytest.mark.compiled
@pytest.mark.parametrize("size,channels,width", [(16, 1, 4), (28, 3, 2), (64, 3, 4)])
def test_plain_networks_of_other_frameworks_are_ours(size, channels, width):
    pytest.importorskip("jax"), pytest.importorskip("tensorflow")
    from bench.plain.jax import shapes
    from bench.plain.tensorflow import networks

    config = flops.config(Size(size, channels, width, 2))
    ours = models.initial_parameters(config, (size, size, channels), 0)
    both = zip(networks(size, channels, width), shapes(size, channels, width), strict=True)
    for player, (net, layers) in zip(("generator", "discriminator"), both, strict=True):
        arrays = ours[player].values()
        trained = [variable.shape.num_elements() for variable in net.trainable_variables]
        assert sum(trained) == sum(array.size for array in arrays)
        kernels = [array.size for array in arrays if array.ndim == 4]
        assert [side * side * i * o for side, i, o in layers] == kernels


def our_losses(shared):
    """Return the losses of our first step, its weights, its reals and its latents."""
    machine = engines.load("numpy", "cpu")
    played, draw, state = gan(machine, flops.config(SMALL), random_images(32, (16, 16, 1)))
    weights = [
        {name: machine.to_numpy(x).copy() for name, x in state[player].items()}
        for player in ("generator", "discriminator")
    ]
    batches = draw.step(0)
    if shared:
        batches = batches._replace(g=batches.g._replace(latent=batches.d[0].latent))
    arrays = [batches.d[0].real, batches.d[0].latent, batches.g.latent]
    numbers = [machine.to_numpy(x).copy() for x in arrays]
    _, report = step.train_step(played, state, batches, step.step_schedule(played, 0, 1))
    return {name: float(report[name]) for name in ("d_loss", "g_loss")}, weights, numbers


@pytest.mark.parametrize("name", ["pytorch", "pytorch_example", "pytorch_tuned"])
def test_equal_weights_have_equal_losses(name):
    """G's loss is that after D's update: the gradients are the same, too."""
    torch = pytest.importorskip("torch")
    from bench.plain.pytorch import networks, players

    module, shared = import_module(f"bench.plain.{name}"), name == "pytorch_example"
    expected, weights, numbers = our_losses(shared)
    nets = networks(16, 1, 4)
    for net, arrays in zip(nets, weights, strict=True):
        for parameter, array in zip(net.parameters(), arrays.values(), strict=True):
            parameter.data = torch.from_numpy(array)
    if shared:
        nets[1].append(torch.nn.Sigmoid())
    real, *latents = (torch.from_numpy(array) for array in numbers)
    latents = tuple(x.reshape(*x.shape, 1, 1) for x in latents)
    found = module.update(players(*nets), real, latents[0] if shared else latents)
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-4)


def test_what_cannot_take_part_says_why(monkeypatch):
    torch = pytest.importorskip("torch")
    from bench.plain import pytorch_tuned

    def broken(*inputs):
        raise RuntimeError("no C++ compiler\nand more")

    monkeypatch.setattr(torch, "compile", lambda net: broken)
    with pytest.raises(
        UnableError, match=r"torch.compile does not work here \(no C\+\+ compiler\)"
    ):
        pytorch_tuned.step(16, 1, 2, 4, compiled=True)
    monkeypatch.setattr(pytorch_tuned, "has_bf16", lambda: False)
    with pytest.raises(UnableError, match="no bfloat16"):
        pytorch_tuned.step(16, 1, 2, 4, bf16=True)
