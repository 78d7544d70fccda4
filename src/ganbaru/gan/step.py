"""One update of each player, as functions of (state, batch); a step consumes its state.

The state is a dictionary of dictionaries of tensors: ``generator``, ``discriminator`` and ``ema``
(trained parameters), the same with ``_buffers`` (running statistics), and each player's optimiser
moments ``generator_mean``, ``generator_square`` and so on. Everything random is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ganbaru import nn, ops
from ganbaru.gan import optimizers
from ganbaru.gan.optimizers import Optimiser, Pace
from ganbaru.gan.penalties import Penalty
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor

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


class Batch(NamedTuple):
    """What one update draws: images (N, C, H, W) in [-1, 1], labels (N,), latents (N, Z)."""

    latent: Tensor
    label: Tensor | None = None  # of the fakes
    real: Tensor | None = None
    real_label: Tensor | None = None
    mix: Tensor | None = None  # (N, 1, 1, 1), uniform in [0, 1), for penalties
    fake: Tensor | None = None  # made before; if none, D's update makes them


class Batches(NamedTuple):
    """What one step draws: a batch for each of D's updates, and one for G's."""

    d: Sequence[Batch]
    g: Batch

    @property
    def images(self) -> int:
        """How many real images D is shown."""
        return sum(batch.real.shape[0] for batch in self.d if batch.real is not None)


class Paces(NamedTuple):
    """How far each update of one step goes."""

    d: Sequence[Pace]
    g: Pace
    keep: float  # the part of G's running average that stays


def paces(game: Game, number: int, d_updates: int, factor: float = 1.0) -> Paces:
    """Return the paces of step `number`, from 0, at `factor` times the learning rates."""
    first = number * d_updates + 1
    return Paces(
        d=[game.d_optimiser.pace(first + i, factor) for i in range(d_updates)],
        g=game.g_optimiser.pace(number + 1, factor),
        keep=optimizers.averaging_decay(game.ema, number + 1),
    )


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
    return parameters if game.clip is None else optimizers.clip(parameters, game.clip)


def _learn(game: Game, state: State, player: str, gradients: Parameters, pace: Pace) -> State:
    """Move a player's parameters along its gradients."""
    moments = {moment: state[f"{player}_{moment}"] for moment in optimizers.MOMENTS}
    optimiser = _optimisers(game)[player]
    parameters, moments = optimiser.update(state[player], gradients, moments, pace)
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
    return {**state, "generator_buffers": buffers}, batch._replace(fake=fake)


def discriminator_update(
    game: Game, state: State, batch: Batch, pace: Pace
) -> tuple[State, Report]:
    """Update D once on reals and fakes.

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
    new = _learn(game, new, "discriminator", gradients, pace)
    new["discriminator"] = _held(game, new["discriminator"])
    return new, {"d_loss": value, "real_score": real_score, "fake_score": fake_score}


def generator_update(
    game: Game, state: State, batch: Batch, pace: Pace, keep: float
) -> tuple[State, Report]:
    """Update G once; reports `g_loss`.

    Its running average follows, of which `keep` stays. A relativistic objective scores the batch's
    reals with D as it is now, without a gradient.
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
    new = _learn(game, new, "generator", gradients, pace)
    new["ema"] = optimizers.move_towards(new["ema"], new["generator"], keep)
    new["ema_buffers"] = optimizers.move_towards(new["ema_buffers"], new["generator_buffers"], keep)
    return new, {"g_loss": value}


# --- a whole step -----------------------------------------------------------------------------

# What a player does in a step: turn(game, state, batches, paces).
Turn = Callable[[Game, State, Batches, Paces], tuple[State, Report]]
Order = tuple[Turn, ...]


def _d_turn(game: Game, state: State, batches: Batches, paces: Paces) -> tuple[State, Report]:
    report: Report = {}
    for batch, pace in zip(batches.d, paces.d, strict=True):
        state, report = discriminator_update(game, state, batch, pace)
    return state, report


def _g_turn(game: Game, state: State, batches: Batches, paces: Paces) -> tuple[State, Report]:
    return generator_update(game, state, batches.g, paces.g, paces.keep)


ORDERS: dict[str, Order] = {"d-first": (_d_turn, _g_turn), "g-first": (_g_turn, _d_turn)}


def play(game: Game, state: State, batches: Batches, paces: Paces) -> tuple[State, Report]:
    """Make a step: D's updates and G's, in the game's order.

    Reports what the updates do; of several D updates, the last one.
    """
    if game.same_fakes:
        state, batch = make_fakes(game, state, batches.g)
        batches = batches._replace(d=[batch])
    report: Report = {}
    for turn in game.order:
        state, told = turn(game, state, batches, paces)
        report |= told
    return state, report
