"""One update of each player, as functions of (state, batch); a step consumes its state.

The state is a dictionary of dictionaries of tensors: ``generator``, ``discriminator`` and ``ema``
(trained parameters), the same with ``_buffers`` (running statistics), and each player's optimiser
moments ``generator_mean``, ``generator_square`` and so on. Everything random is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ganbaru import nn, ops, optim
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor
from ganbaru.optim import Optimiser
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
    d_optimiser: Optimiser
    g_optimiser: Optimiser
    ema: float
    clip: float | None = None  # the largest size of D's weights
    margin: Callable[[Tensor], Tensor] = lambda scores: scores  # what D's scores say for real
    order: Order = field(default_factory=lambda: ORDERS["d-first"])
    same_fakes: bool = False  # D judges the very fakes that G learns from


@dataclass(frozen=True)
class Batch:
    """What one update draws: images (N, C, H, W) in [-1, 1], labels (N,), latents (N, Z)."""

    latent: Tensor
    label: Tensor | None = None  # of the fakes
    real: Tensor | None = None
    real_label: Tensor | None = None
    mix: Tensor | None = None  # (N, 1, 1, 1), uniform in [0, 1), for penalties
    fake: Tensor | None = None  # made before; if none, D's update makes them


@dataclass(frozen=True)
class Batches:
    """What one step draws: a batch for each of D's updates, and one for G's."""

    d: Sequence[Batch]
    g: Batch

    @property
    def images(self) -> int:
        """How many real images D is shown."""
        return sum(batch.real.shape[0] for batch in self.d if batch.real is not None)


def start(game: Game, networks: State) -> State:
    """Make the first state of both players' first parameters and buffers."""
    state = dict(networks)
    state["discriminator"] = _held(game, state["discriminator"])
    state["ema"] = {name: p * 1.0 for name, p in state["generator"].items()}
    state["ema_buffers"] = {name: b * 1.0 for name, b in state["generator_buffers"].items()}
    for player, optimiser in _optimisers(game).items():
        moments = optimiser.start(state[player])
        state |= {f"{player}_{moment}": value for moment, value in moments.items()}
    return state


def _optimisers(game: Game) -> dict[str, Optimiser]:
    return {"generator": game.g_optimiser, "discriminator": game.d_optimiser}


def _held(game: Game, parameters: Parameters) -> Parameters:
    """Keep D's weights within the game's limit, if it has one."""
    return parameters if game.clip is None else optim.clip(parameters, game.clip)


def _learn(
    game: Game, state: State, player: str, gradients: Parameters, update: int, factor: float
) -> State:
    """Move a player's parameters along its gradients."""
    moments = {moment: state[f"{player}_{moment}"] for moment in optim.MOMENTS}
    optimiser = _optimisers(game)[player]
    parameters, moments = optimiser.update(state[player], gradients, moments, update, factor)
    new = {f"{player}_{moment}": value for moment, value in moments.items()}
    return {**state, player: parameters, **new}


def _inputs(x: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
    return (x,) if label is None else (x, label)


def make_fakes(game: Game, state: State, batch: Batch) -> tuple[State, Batch]:
    """Add the fakes that G, as it is, makes of a batch's latents; G's running statistics move."""
    fake, buffers = nn.apply(
        game.generator, state["generator"], state["generator_buffers"],
        *_inputs(batch.latent, batch.label), training=True,
    )  # fmt: skip
    return {**state, "generator_buffers": buffers}, replace(batch, fake=fake)


def discriminator_update(
    game: Game, state: State, batch: Batch, update: int, factor: float = 1.0
) -> tuple[State, Report]:
    """Update D once (its update number `update` from 1) on reals and fakes, at `factor` its rate.

    The fakes are the batch's own or, if it has none, what G makes as it is; their label is the one
    G was given. D scores reals and fakes in separate passes, each with its own batch statistics.
    Reports `d_loss`, `real_score` and `fake_score` (means).
    """
    if batch.fake is None:
        state, batch = make_fakes(game, state, batch)

    def loss(parameters: Parameters) -> tuple[Tensor, Any]:
        def score(image: Tensor, label: Tensor | None, buffers: Parameters) -> Scored:
            inputs = _inputs(image, label)
            return nn.apply(game.discriminator, parameters, buffers, *inputs, training=True)

        real_scores, buffers = score(batch.real, batch.real_label, state["discriminator_buffers"])
        fake_scores, buffers = score(batch.fake, batch.label, buffers)
        total = game.d_loss(real_scores, fake_scores)
        for penalty in game.penalties:
            total = total + penalty(
                lambda image: game.margin(score(image, batch.real_label, buffers)[0]),
                lambda image: game.margin(score(image, batch.label, buffers)[0]),
                batch.real,
                batch.fake,
                batch.mix,
            )
        means = [ops.mean(game.margin(scores)) for scores in (real_scores, fake_scores)]
        return total, (buffers, *means)

    value, (buffers, real_score, fake_score), gradients = ops.value_and_grad(
        loss, state["discriminator"]
    )
    new = {**state, "discriminator_buffers": buffers}
    new = _learn(game, new, "discriminator", gradients, update, factor)
    new["discriminator"] = _held(game, new["discriminator"])
    return new, {"d_loss": value, "real_score": real_score, "fake_score": fake_score}


def generator_update(
    game: Game, state: State, batch: Batch, update: int, factor: float = 1.0
) -> tuple[State, Report]:
    """Update G once (its update number `update` from 1), at `factor` its rate; reports `g_loss`.

    Its running average follows. A relativistic objective scores the batch's reals with D as it is
    now, without a gradient.
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
    new = _learn(game, new, "generator", gradients, update, factor)
    keep = optim.averaging_decay(game.ema, update)
    new["ema"] = optim.move_towards(new["ema"], new["generator"], keep)
    new["ema_buffers"] = optim.move_towards(new["ema_buffers"], new["generator_buffers"], keep)
    return new, {"g_loss": value}


# --- a whole step -----------------------------------------------------------------------------

# What a player does in a step: turn(game, state, batches, number, factor).
Turn = Callable[[Game, State, Batches, int, float], tuple[State, Report]]
Order = tuple[Turn, ...]


def _d_turn(
    game: Game, state: State, batches: Batches, number: int, factor: float
) -> tuple[State, Report]:
    report: Report = {}
    for i, batch in enumerate(batches.d):
        update = number * len(batches.d) + i + 1
        state, report = discriminator_update(game, state, batch, update, factor)
    return state, report


def _g_turn(
    game: Game, state: State, batches: Batches, number: int, factor: float
) -> tuple[State, Report]:
    return generator_update(game, state, batches.g, number + 1, factor)


ORDERS: dict[str, Order] = {"d-first": (_d_turn, _g_turn), "g-first": (_g_turn, _d_turn)}


def play(
    game: Game, state: State, batches: Batches, number: int, factor: float = 1.0
) -> tuple[State, Report]:
    """Make step `number`, from 0, at `factor` times the learning rates: D's updates and G's.

    Reports what the updates do; of several D updates, the last one.
    """
    if game.same_fakes:
        state, batch = make_fakes(game, state, batches.g)
        batches = replace(batches, d=(batch,))
    report: Report = {}
    for turn in game.order:
        state, told = turn(game, state, batches, number, factor)
        report |= told
    return state, report
