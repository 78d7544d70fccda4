"""One update of each player, as functions of (state, batch); a step consumes its state.

The state is a dictionary of dictionaries of tensors: ``generator``, ``discriminator`` and ``ema``
(trained parameters), the same with ``_buffers`` (running statistics), and each player's optimiser
moments ``generator_mean``, ``generator_square`` and so on. Everything random is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ganbaru import nn, ops, optim
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor
from ganbaru.penalties import Penalty

State = dict[str, Parameters]
Report = dict[str, Tensor]
Scored = tuple[Tensor, Parameters]  # scores, and the buffers that scoring leaves


@dataclass(frozen=True)
class Game:
    """What stays the same during a run: the two networks, what they play for and how they learn."""

    generator: Network
    discriminator: Network
    d_loss: Callable[..., Tensor]
    g_loss: Callable[..., Tensor]
    relativistic: bool
    penalties: Sequence[Penalty]
    d_optimiser: optim.Adam
    g_optimiser: optim.Adam
    ema: float


@dataclass(frozen=True)
class Batch:
    """What one update draws: images (N, C, H, W) in [-1, 1], labels (N,), latents (N, Z)."""

    latent: Tensor
    label: Tensor | None = None  # of the fakes
    real: Tensor | None = None
    real_label: Tensor | None = None
    mix: Tensor | None = None  # (N, 1, 1, 1), uniform in [0, 1), for penalties


def start(game: Game, networks: State) -> State:
    """Make the first state of both players' first parameters and buffers."""
    state = dict(networks)
    state["ema"] = {name: p * 1.0 for name, p in state["generator"].items()}
    state["ema_buffers"] = {name: b * 1.0 for name, b in state["generator_buffers"].items()}
    for player, optimiser in _optimisers(game).items():
        moments = optimiser.start(state[player])
        state |= {f"{player}_{moment}": value for moment, value in moments.items()}
    return state


def _optimisers(game: Game) -> dict[str, optim.Adam]:
    return {"generator": game.g_optimiser, "discriminator": game.d_optimiser}


def _learn(game: Game, state: State, player: str, gradients: Parameters, update: int) -> State:
    """Move a player's parameters along its gradients."""
    moments = {moment: state[f"{player}_{moment}"] for moment in ("mean", "square")}
    optimiser = _optimisers(game)[player]
    parameters, moments = optimiser.update(state[player], gradients, moments, update)
    new = {f"{player}_{moment}": value for moment, value in moments.items()}
    return {**state, player: parameters, **new}


def _inputs(x: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
    return (x,) if label is None else (x, label)


def discriminator_update(
    game: Game, state: State, batch: Batch, update: int
) -> tuple[State, Report]:
    """Update D once (its update number `update` from 1) on reals and on fakes of G as it is.

    D scores reals and fakes in separate passes, each with its own batch statistics. The fakes'
    label is the one G was given. Reports `d_loss`, `real_score` and `fake_score` (means).
    """
    fake, g_buffers = nn.apply(
        game.generator, state["generator"], state["generator_buffers"],
        *_inputs(batch.latent, batch.label), training=True,
    )  # fmt: skip

    def loss(parameters: Parameters) -> tuple[Tensor, Any]:
        def score(image: Tensor, label: Tensor | None, buffers: Parameters) -> Scored:
            inputs = _inputs(image, label)
            return nn.apply(game.discriminator, parameters, buffers, *inputs, training=True)

        real_scores, buffers = score(batch.real, batch.real_label, state["discriminator_buffers"])
        fake_scores, buffers = score(fake, batch.label, buffers)
        total = game.d_loss(real_scores, fake_scores)
        for penalty in game.penalties:
            total = total + penalty(
                lambda image: score(image, batch.real_label, buffers)[0],
                lambda image: score(image, batch.label, buffers)[0],
                batch.real,
                fake,
                batch.mix,
            )
        return total, (buffers, ops.mean(real_scores), ops.mean(fake_scores))

    value, (buffers, real_score, fake_score), gradients = ops.value_and_grad(
        loss, state["discriminator"]
    )
    new = {**state, "generator_buffers": g_buffers, "discriminator_buffers": buffers}
    new = _learn(game, new, "discriminator", gradients, update)
    return new, {"d_loss": value, "real_score": real_score, "fake_score": fake_score}


def generator_update(game: Game, state: State, batch: Batch, update: int) -> tuple[State, Report]:
    """Update G once (its update number `update` from 1) and its running average; reports `g_loss`.

    A relativistic objective scores a fresh batch of reals with the updated D, without a gradient.
    """

    def score(image: Tensor, label: Tensor | None, buffers: Parameters) -> Scored:
        inputs = _inputs(image, label)
        return nn.apply(game.discriminator, state["discriminator"], buffers, *inputs, training=True)

    real_scores, d_buffers = None, state["discriminator_buffers"]
    if game.relativistic:
        real_scores, d_buffers = score(batch.real, batch.real_label, d_buffers)

    def loss(parameters: Parameters) -> tuple[Tensor, Any]:
        fake, buffers = nn.apply(
            game.generator, parameters, state["generator_buffers"],
            *_inputs(batch.latent, batch.label), training=True,
        )  # fmt: skip
        fake_scores, moved = score(fake, batch.label, d_buffers)
        return game.g_loss(real_scores, fake_scores), (buffers, moved)

    value, (buffers, moved), gradients = ops.value_and_grad(loss, state["generator"])
    new = {**state, "generator_buffers": buffers, "discriminator_buffers": moved}
    new = _learn(game, new, "generator", gradients, update)
    keep = optim.averaging_decay(game.ema, update)
    new["ema"] = optim.move_towards(new["ema"], new["generator"], keep)
    new["ema_buffers"] = optim.move_towards(new["ema_buffers"], new["generator_buffers"], keep)
    return new, {"g_loss": value}
