"""Comparison of an engine on a device with the NumPy engine on the CPU, in every precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ganbaru import engines, nn, ops
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.gan import build, models, step
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.prefetch import prefetched

from .games import gan, random_images

# The parity rule (docs/design.md) for outputs and gradients in float32, and for weights in float64.
# Three steps in float32 are reported only: Adam amplifies rounding errors.
ALLOWED = {"outputs float32": 1e-4, "gradients float32": 1e-4,
           "gradients float64": 1e-9, "3 steps float64": 1e-7}  # fmt: skip
Row = dict[str, Any]


def error(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], share: float) -> float:
    """Return the largest difference, relative to each array's scale.

    Scales below `share` times the largest one are raised to it: the gradient of a bias before batch
    norm is pure rounding error, which Adam amplifies.
    """
    scales = {name: float(np.abs(array).max(initial=0)) for name, array in expected.items()}
    least = max(scales.values()) * share
    return max(
        float(np.abs(found[name] - array).max(initial=0)) / max(scales[name], least)
        for name, array in expected.items()
    )


def outputs_and_gradients(engine: Engine, config: Config, shape: Any) -> Iterator[dict]:
    """Yield D's and G's outputs, then the gradients of their products with random directions."""
    made, draw, state = gan(engine, config, random_images(2 * config.batch, shape))
    batch = draw.step(0).d[0]
    players = {"generator": batch.latent, "discriminator": batch.real}

    def run(player: str, parameters: Any) -> tuple[Any, Any]:
        network, buffers = getattr(made, player), state[f"{player}_buffers"]
        y = nn.apply(network, parameters, buffers, players[player], training=True)[0]
        direction = np.random.default_rng(1).standard_normal(y.shape)
        return ops.mean(y * engine.from_numpy(direction)), y

    found = {player: ops.value_and_grad(partial(run, player), state[player]) for player in players}
    yield {player: ops.to_numpy(y) for player, (_, y, _) in found.items()}
    yield {
        f"{player} {name}": ops.to_numpy(g)
        for player, (_, _, gradients) in found.items()
        for name, g in gradients.items()
    }


def three_steps(engine: Engine, config: Config, shape: Any) -> dict[str, np.ndarray]:
    """Return the weights of both players after three steps."""
    made, draw, state = gan(engine, config, random_images(2 * config.batch, shape))
    train_step = engine.compile(partial(step.train_step, made), consumes=True)
    for number in range(3):
        state, _ = train_step(state, draw.step(number), step.step_schedule(made, number, 1))
    return {
        f"{player} {name}": engine.to_numpy(x)
        for player in ("generator", "discriminator")
        for name, x in state[player].items()
    }


def check(name: str, device: str, network: str) -> Row:
    """Compare an engine with NumPy on one network; returns the largest errors."""
    logits = models.logits(network, None)
    shape = (64, 64, 1) if network == "patchgan" else (32, 32, 3)
    config = Config(network=network, width=4, latent=8, batch=16, image_size=str(shape[0]),
                    objective="two-class" if logits == 2 else "non-saturating")  # fmt: skip
    row: Row = {"engine": name, "network": network}
    for precision in ("float32", "float64"):
        here = engines.load(name, device, precision), engines.load("numpy", "cpu", precision)
        steps = [three_steps(engine, config, shape) for engine in here]
        row[f"3 steps {precision}"] = error(*steps, share=1.0)
        both = zip(*(outputs_and_gradients(engine, config, shape) for engine in here), strict=True)
        for what, pair in zip(("outputs", "gradients"), both, strict=True):
            row[f"{what} {precision}"] = error(*pair, share=0.1)
    row["agrees"] = all(row[what] <= most for what, most in ALLOWED.items())
    return row


# --- fast ways --------------------------------------------------------------------------------

# GANs that together cover what a CUDA graph of a step must support.
GAMES: dict[str, dict[str, Any]] = {
    "plain": {},
    "r1 and r2, by class": {"penalty": "r1+r2", "conditioning": "projection"},
    "wgan-gp, 2 D steps": {"objective": "wgan", "penalty": "wgan-gp", "d_steps": 2},
    "pairs, class norms": {"objective": "rahinge", "conditioning": "class-norm"},
    "spectral norm, deviation": {"spectral_norm": "both", "minibatch_deviation": True},
    "short batches": {"short_batch": True, "batch": 12},
    "two logits, RMSprop": {"network": "dcgan-5x5", "objective": "two-class",
                            "optimiser": "rmsprop", "clip": 0.1},
}  # fmt: skip
STEPS = 8  # of which the first three run without a graph
# Tolerance of losses against NumPy's in any step, relative where they exceed 1: in float64 the
# parity rule, else what rounding to 10 and to 7 bits amounts to in a few steps.
APART = {"float64": 1e-7, "float32": 0.05, "bf16": 0.3}


def labelled(source: Source) -> Source:
    """Return the source with cyclic labels."""
    return dataclasses.replace(
        source, labels=np.arange(len(source.images)) % 5, classes=tuple("abcde")
    )


def train_step(engine: Engine, config: Config, steps: int = STEPS) -> tuple[Any, list, dict]:
    """Train some steps; returns the compiled step, the losses and the last state."""
    source = labelled(random_images(40, (32, 32, 3)))
    classes = len(models.class_names(config, source.classes))
    made = build.gan(config, (32, 32, 3), classes)
    first = {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in models.initial_parameters(config, (32, 32, 3), classes).items()
    }
    draw = prefetched(BatchSampler(config, source, engine, made, classes))
    state, reports = step.start(made, first), []
    played = engine.compile(partial(step.train_step, made), consumes=True)
    for number in range(steps):
        batches = draw.step(number)
        state, report = played(state, batches, step.step_schedule(made, number, len(batches.d)))
        reports.append(report)
    losses = [{name: float(x) for name, x in report.items()} for report in reports]
    return played, losses, state


def check_fast(device: str, what: str, precision: str) -> Row:
    """Compare PyTorch's fast steps with the NumPy engine's on one GAN."""
    config = Config(**{"width": 8, "latent": 8, "batch": 16, "image_size": "32", **GAMES[what]})
    kept = engines.storage_precision(precision)
    _, expected, wanted = train_step(engines.load("numpy", "cpu", kept), config)
    recorder, losses, state = train_step(engines.load("torch", device, precision, True), config)
    pairs = [(found[name], other[name]) for found, other in zip(losses, expected, strict=True)
             for name in other]  # fmt: skip
    reports = max(abs(found - other) / max(1.0, abs(other)) for found, other in pairs)
    states = error(_flat(state), _flat(wanted), share=1.0)
    seen = vars(recorder)
    row = {
        "game": what, "precision": precision, "reports": reports, "state": states,
        "recordings": len(seen.get("replays", ())), "refused": seen.get("refused", ""),
    }  # fmt: skip
    recorded = device == "cpu" or bool(row["recordings"] and not row["refused"])
    close = reports <= APART[precision] and (precision != "float64" or states <= 1e-7)
    return {**row, "agrees": recorded and close}


def _flat(state: Any) -> dict[str, np.ndarray]:
    return {f"{group} {name}": ops.to_numpy(x) for group, each in state.items()
            for name, x in each.items()}  # fmt: skip
