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
from ganbaru.gan.optimizers import Optimizer, OptimizerStep
from ganbaru.gan.penalties import Penalty
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor

State = dict[str, Parameters]
Report = dict[str, Tensor]
ScoreResult = tuple[Tensor, Parameters]  # scores, and the buffers that scoring leaves


@dataclass(frozen=True)
class GAN:
    """What stays the same during a run: the two networks, what they play for and how they learn."""

    generator: Network
    discriminator: Network
    d_loss: Callable[..., Tensor]
    g_loss: Callable[..., Tensor]
    relativistic: bool
    penalties: Sequence[Penalty]
    d_optimizer: Optimizer
    g_optimizer: Optimizer
    ema: float
    clip: float | None = None  # the largest size of D's weights
    realness: Callable[[Tensor], Tensor] = lambda scores: scores  # what D's scores say for real
    order: UpdateOrder = field(default_factory=lambda: UPDATE_ORDERS["d-first"])
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


class StepSchedule(NamedTuple):
    """How far each update of one step goes."""

    d: Sequence[OptimizerStep]
    g: OptimizerStep
    keep: float  # the part of G's running average that stays


def step_schedule(gan: GAN, number: int, d_updates: int, factor: float = 1.0) -> StepSchedule:
    """Return the paces of step `number`, from 0, at `factor` times the learning rates."""
    first = number * d_updates + 1
    return StepSchedule(
        d=[gan.d_optimizer.optimizer_step(first + i, factor) for i in range(d_updates)],
        g=gan.g_optimizer.optimizer_step(number + 1, factor),
        keep=optimizers.averaging_decay(gan.ema, number + 1),
    )


def start(gan: GAN, networks: State) -> State:
    """Make the first state of both players' first parameters and buffers."""
    state = dict(networks)
    state["discriminator"] = _held(gan, state["discriminator"])
    state["ema"] = {name: p * 1.0 for name, p in state["generator"].items()}
    state["ema_buffers"] = {name: b * 1.0 for name, b in state["generator_buffers"].items()}
    for player, optimizer in _optimizers(gan).items():
        moments = optimizer.start(state[player])
        state |= {f"{player}_{moment}": value for moment, value in moments.items()}
    return state


def _optimizers(gan: GAN) -> dict[str, Optimizer]:
    return {"generator": gan.g_optimizer, "discriminator": gan.d_optimizer}


def _held(gan: GAN, parameters: Parameters) -> Parameters:
    """Keep D's weights within the game's limit, if it has one."""
    return parameters if gan.clip is None else optimizers.clip(parameters, gan.clip)


def _learn(
    gan: GAN, state: State, player: str, gradients: Parameters, optimizer_step: OptimizerStep
) -> State:
    """Move a player's parameters along its gradients."""
    moments = {moment: state[f"{player}_{moment}"] for moment in optimizers.MOMENTS}
    optimizer = _optimizers(gan)[player]
    parameters, moments = optimizer.update(state[player], gradients, moments, optimizer_step)
    new = {f"{player}_{moment}": value for moment, value in moments.items()}
    return {**state, player: parameters, **new}


def _inputs(x: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
    return (x,) if label is None else (x, label)


def make_fakes(gan: GAN, state: State, batch: Batch) -> tuple[State, Batch]:
    """Add the fakes that G, as it is, makes of a batch's latents; G's running statistics move."""
    fake, buffers = nn.apply(
        gan.generator, state["generator"], state["generator_buffers"],
        *_inputs(batch.latent, batch.label), training=True,
    )  # fmt: skip
    return {**state, "generator_buffers": buffers}, batch._replace(fake=fake)


def discriminator_update(
    gan: GAN, state: State, batch: Batch, optimizer_step: OptimizerStep
) -> tuple[State, Report]:
    """Update D once on reals and fakes.

    The fakes are the batch's own or, if it has none, what G makes as it is; their label is the one
    G was given. D scores reals and fakes in separate passes, each with its own batch statistics.
    Reports `d_loss`, `real_score` and `fake_score` (means).
    """
    if batch.fake is None:
        state, batch = make_fakes(gan, state, batch)

    def loss(parameters: Parameters) -> tuple[Tensor, Any]:
        def score(image: Tensor, label: Tensor | None, buffers: Parameters) -> ScoreResult:
            inputs = _inputs(image, label)
            return nn.apply(gan.discriminator, parameters, buffers, *inputs, training=True)

        real_scores, buffers = score(batch.real, batch.real_label, state["discriminator_buffers"])
        fake_scores, buffers = score(batch.fake, batch.label, buffers)
        total = gan.d_loss(real_scores, fake_scores)
        for penalty in gan.penalties:
            total = total + penalty(
                lambda image: gan.realness(score(image, batch.real_label, buffers)[0]),
                lambda image: gan.realness(score(image, batch.label, buffers)[0]),
                batch.real,
                batch.fake,
                batch.mix,
            )
        means = [ops.mean(gan.realness(scores)) for scores in (real_scores, fake_scores)]
        return total, (buffers, *means)

    value, (buffers, real_score, fake_score), gradients = ops.value_and_grad(
        loss, state["discriminator"]
    )
    new = {**state, "discriminator_buffers": buffers}
    new = _learn(gan, new, "discriminator", gradients, optimizer_step)
    new["discriminator"] = _held(gan, new["discriminator"])
    return new, {"d_loss": value, "real_score": real_score, "fake_score": fake_score}


def generator_update(
    gan: GAN, state: State, batch: Batch, optimizer_step: OptimizerStep, keep: float
) -> tuple[State, Report]:
    """Update G once; reports `g_loss`.

    Its running average follows, of which `keep` stays. A relativistic objective scores the batch's
    reals with D as it is now, without a gradient.
    """

    def score(image: Tensor, label: Tensor | None, buffers: Parameters) -> ScoreResult:
        inputs = _inputs(image, label)
        return nn.apply(gan.discriminator, state["discriminator"], buffers, *inputs, training=True)

    real_scores, d_buffers = None, state["discriminator_buffers"]
    if gan.relativistic:
        real_scores, d_buffers = score(batch.real, batch.real_label, d_buffers)

    def loss(parameters: Parameters) -> tuple[Tensor, Any]:
        fake, buffers = nn.apply(
            gan.generator, parameters, state["generator_buffers"],
            *_inputs(batch.latent, batch.label), training=True,
        )  # fmt: skip
        fake_scores, moved = score(fake, batch.label, d_buffers)
        return gan.g_loss(real_scores, fake_scores), (buffers, moved)

    value, (buffers, moved), gradients = ops.value_and_grad(loss, state["generator"])
    new = {**state, "generator_buffers": buffers, "discriminator_buffers": moved}
    new = _learn(gan, new, "generator", gradients, optimizer_step)
    new["ema"] = optimizers.move_towards(new["ema"], new["generator"], keep)
    new["ema_buffers"] = optimizers.move_towards(new["ema_buffers"], new["generator_buffers"], keep)
    return new, {"g_loss": value}


# --- a whole step -----------------------------------------------------------------------------

# What a player does in a step: turn(game, state, batches, paces).
Update = Callable[[GAN, State, Batches, StepSchedule], tuple[State, Report]]
UpdateOrder = tuple[Update, ...]


def _d_turn(
    gan: GAN, state: State, batches: Batches, schedule: StepSchedule
) -> tuple[State, Report]:
    report: Report = {}
    for batch, optimizer_step in zip(batches.d, schedule.d, strict=True):
        state, report = discriminator_update(gan, state, batch, optimizer_step)
    return state, report


def _g_turn(
    gan: GAN, state: State, batches: Batches, schedule: StepSchedule
) -> tuple[State, Report]:
    return generator_update(gan, state, batches.g, schedule.g, schedule.keep)


UPDATE_ORDERS: dict[str, UpdateOrder] = {
    "d-first": (_d_turn, _g_turn),
    "g-first": (_g_turn, _d_turn),
}


def train_step(
    gan: GAN, state: State, batches: Batches, schedule: StepSchedule
) -> tuple[State, Report]:
    """Make a step: D's updates and G's, in the game's order.

    Reports what the updates do; of several D updates, the last one.
    """
    if gan.same_fakes:
        state, batch = make_fakes(gan, state, batches.g)
        batches = batches._replace(d=[batch])
    report: Report = {}
    for turn in gan.order:
        state, told = turn(gan, state, batches, schedule)
        report |= told
    return state, report
