"""In JAX: pure functions in NHWC, one compiled program for a step, its state donated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import BETAS, EPSILON, LATENT, POOL, RATE, SLOPE, maps

LAYOUT = ("NHWC", "HWIO", "NHWC")
softplus, tree = jax.nn.softplus, jax.tree.map


class Player(NamedTuple):
    """A network in training: layers of weights, their running statistics, Adam's moments."""

    layers: list[dict[str, jax.Array]]
    running: list[dict[str, jax.Array]]
    mean: Any
    square: Any


class State(NamedTuple):
    g: Player
    d: Player
    count: jax.Array
    key: jax.Array


def player(rng: np.random.Generator, shapes: list[tuple[int, int, int]]) -> Player:
    """Return layers of (kernel side, inputs, outputs); batch norm is unused in the end layers."""
    layers = [
        {"w": jnp.asarray(rng.normal(0, 0.02, (side, side, i, o)), jnp.float32),
         "scale": jnp.ones(o), "offset": jnp.zeros(o)}
        for side, i, o in shapes
    ]  # fmt: skip
    running = [{"mean": jnp.zeros(o), "var": jnp.ones(o)} for *_, o in shapes]
    return Player(layers, running, tree(jnp.zeros_like, layers), tree(jnp.zeros_like, layers))


def batch_norm(x: jax.Array, layer: dict, running: dict) -> tuple[jax.Array, dict]:
    mean, var = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
    y = (x - mean) * (layer["scale"] * lax.rsqrt(var + EPSILON)) + layer["offset"]
    return y, tree(lambda old, new: 0.9 * old + 0.1 * new, running, {"mean": mean, "var": var})


def generate(layers: list, running: list, x: jax.Array) -> tuple[jax.Array, list]:
    moved, last = list(running), len(layers) - 1
    for i, layer in enumerate(layers):
        around = len(layer["w"]) - 2  # 2n sides by 4x4 kernels, 2n - 1 by 3x3 ones
        how = ((1, 1), "VALID") if i == 0 else ((2, 2), [(around, around)] * 2)
        x = lax.conv_transpose(x, layer["w"], *how, dimension_numbers=LAYOUT)
        if i < last:
            x, moved[i] = batch_norm(x, layer, running[i])
            x = jax.nn.relu(x)
    return jnp.tanh(x), moved


def judge(layers: list, running: list, x: jax.Array) -> tuple[jax.Array, list]:
    moved, last = list(running), len(layers) - 1
    for i, layer in enumerate(layers):
        how = ((1, 1), "VALID") if i == last else ((2, 2), "SAME")
        x = lax.conv_general_dilated(x, layer["w"], *how, dimension_numbers=LAYOUT)
        if 0 < i < last:
            x, moved[i] = batch_norm(x, layer, running[i])
        if i < last:
            x = jax.nn.leaky_relu(x, SLOPE)
    return x.reshape(-1), moved


def d_loss(layers: list, running: list, real: jax.Array, fake: jax.Array) -> tuple[jax.Array, list]:
    on_real, running = judge(layers, running, real)
    on_fake, running = judge(layers, running, fake)
    return jnp.mean(softplus(-on_real)) + jnp.mean(softplus(on_fake)), running


def g_loss(layers: list, running: list, d: Player, latent: jax.Array) -> tuple[jax.Array, tuple]:
    fake, running = generate(layers, running, latent)
    on_fake, d_running = judge(d.layers, d.running, fake)
    return jnp.mean(softplus(-on_fake)), (running, d_running)


def adam(of: Player, gradients: list, running: list, count: jax.Array) -> Player:
    first, second = BETAS
    mean = tree(lambda m, g: first * m + (1 - first) * g, of.mean, gradients)
    square = tree(lambda v, g: second * v + (1 - second) * g * g, of.square, gradients)
    rate = RATE * jnp.sqrt(1 - second**count) / (1 - first**count)
    move = lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8)  # noqa: E731
    return Player(tree(move, of.layers, mean, square), running, mean, square)


@partial(jax.jit, donate_argnums=0)
def train_step(state: State, real: jax.Array) -> tuple[State, tuple[jax.Array, jax.Array]]:
    g, d, count = state.g, state.d, state.count + 1
    key, *keys = jax.random.split(state.key, 3)
    latents = [jax.random.normal(k, (len(real), 1, 1, LATENT)) for k in keys]
    fake, running = generate(g.layers, g.running, latents[0])
    g = g._replace(running=running)
    of_d, slopes = jax.value_and_grad(d_loss, has_aux=True)(d.layers, d.running, real, fake)
    d = adam(d, slopes, of_d[1], count)
    of_g, slopes = jax.value_and_grad(g_loss, has_aux=True)(g.layers, g.running, d, latents[1])
    g = adam(g, slopes, of_g[1][0], count)
    return State(g, d._replace(running=of_g[1][1]), count, key), (of_d[0], of_g[0])


def shapes(size: int, channels: int, width: int) -> tuple[list, list]:
    """Return (kernel side, inputs, outputs) of the layers of G and of D."""
    inner, counts, kernels = maps(size, width)
    halving = list(zip(kernels, [channels, *counts], counts, strict=False))
    wide = [(inner, LATENT, counts[-1]), *((k, o, i) for k, i, o in reversed(halving))]
    return wide, [*halving, (inner, counts[-1], 1)]


def step(size: int, channels: int, width: int, batch: int) -> Callable[[], dict[str, float]]:
    rng = np.random.default_rng(0)  # JAX's own would compile for each shape, seconds
    players = [player(rng, layers) for layers in shapes(size, channels, width)]
    state = State(*players, jnp.zeros(()), jax.random.key(0))
    images = jnp.asarray(rng.uniform(-1, 1, (POOL * batch, size, size, channels)), jnp.float32)
    turn = 0

    def advance() -> dict[str, float]:
        nonlocal state, turn
        start = batch * (turn % POOL)
        turn += 1
        state, losses = train_step(state, images[start : start + batch])
        return {"d_loss": float(losses[0]), "g_loss": float(losses[1])}

    return advance
