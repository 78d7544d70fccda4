"""One update of each player, as functions of (state, batch); a step consumes its state.

The state is a dictionary of dictionaries of tensors: ``generator``, ``discriminator`` and ``ema``
(trained parameters), the same with ``_buffers`` (running statistics), and each player's optimiser
moments ``generator_mean``, ``generator_square`` and so on. All random numbers are in the batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganbaru import nn, ops
from ganbaru.gan import ema, optimizers, parts, signals
from ganbaru.gan.augmentation import Augmentation
from ganbaru.gan.optimizers import Optimizer, OptimizerStep
from ganbaru.gan.parts import Part
from ganbaru.gan.penalties import Penalty, PenaltyInputs
from ganbaru.gan.schedules import Change
from ganbaru.gan.step_inputs import Batch, Batches, StepSchedule
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor

State = dict[str, Parameters]
StepMetrics = dict[str, Tensor]  # of a step: losses and mean scores, by name
Updated = tuple[State, StepMetrics]
Result = tuple[Tensor, Parameters]  # a network's output, and its buffers after the pass


@dataclass(frozen=True)
class GAN:
    """What is constant during training: networks, losses, penalties and optimisers."""

    generator: Network
    discriminator: Network
    d_loss: Callable[..., Tensor]
    g_loss: Callable[..., Tensor]
    relativistic: bool
    penalties: Sequence[Penalty]
    d_optimizer: Optimizer
    g_optimizer: Optimizer
    ema: float
    clip: float | None = None  # the largest absolute value of D's weights
    realness: Callable[[Tensor], Tensor] = lambda scores: scores  # of D's logits, as a score (N,)
    order: UpdateOrder = field(default_factory=lambda: UPDATE_ORDERS["d-first"])
    same_fakes: bool = False  # D and G are updated on the same fakes
    same_labels: bool = False  # D's fakes have the labels of the reals, pair by pair
    gammas: Sequence[Change | None] = ()  # for each penalty, how its gamma changes
    ema_images: float | None = None  # the average's half-life, in place of `ema`
    augmentation: Augmentation = Augmentation()
    burn_in: float | None = None  # images during which numbers change; None: at their end at once
    frozen: frozenset[str] = frozenset()  # D's parameters that are not updated
    exact_scores: bool = False  # D's scores in training are not rounded to bf16


def step_schedule(
    gan: GAN, number: int, d_updates: int, factor: float = 1.0, images: int = 0, shown: int = 0
) -> StepSchedule:
    """Return the schedule of step `number`, from 0, at `factor` times the learning rates.

    D has been shown `images` real images before it, and is shown `shown` in it. All that changes
    from step to step is in a schedule, for a compiled or recorded step holds what it began with.
    """
    first, share = number * d_updates + 1, 1.0
    if gan.burn_in is not None:
        share = min(1.0, images / gan.burn_in)
    most = gan.ema
    if gan.ema_images is not None:
        most = ema.decay_by_half_life(shown, Change(0, gan.ema_images).at(share))
    updates = range(first, first + d_updates)
    return StepSchedule(
        d=[gan.d_optimizer.optimizer_step(update, factor, share) for update in updates],
        g=gan.g_optimizer.optimizer_step(number + 1, factor, share),
        ema_decay=ema.decay_at(number + 1, most),
        gammas=[None if change is None else change.at(share) for change in gan.gammas],
    )


def start(gan: GAN, networks: State) -> State:
    """Make the first state from both players' first parameters and buffers."""
    state = dict(networks)
    state["discriminator"] = _clipped(gan, state["discriminator"])
    state["ema"] = {name: p * 1.0 for name, p in state["generator"].items()}
    state["ema_buffers"] = {name: b * 1.0 for name, b in state["generator_buffers"].items()}
    for player, optimizer in _optimizers(gan).items():
        moments = optimizer.start(state[player])
        state |= {f"{player}_{moment}": value for moment, value in moments.items()}
    return state


def _optimizers(gan: GAN) -> dict[str, Optimizer]:
    return {"generator": gan.g_optimizer, "discriminator": gan.d_optimizer}


def _clipped(gan: GAN, parameters: Parameters) -> Parameters:
    return parameters if gan.clip is None else optimizers.clip(parameters, gan.clip)


def _updated(
    gan: GAN, state: State, player: str, gradients: Parameters, optimizer_step: OptimizerStep
) -> Updated:
    """Update the player's parameters that have gradients; reports the norms of `gan.signals`."""
    groups = {moment: f"{player}_{moment}" for moment in optimizers.MOMENTS}
    moments = {m: {n: state[group][n] for n in gradients} for m, group in groups.items()}
    parameters = {name: state[player][name] for name in gradients}
    optimizer, watch = _optimizers(gan)[player], signals.Watch(parameters, gradients)
    parameters, moments = optimizer.update(parameters, gradients, moments, optimizer_step)
    new = {group: {**state[group], **moments[m]} for m, group in groups.items()}
    new = {**state, player: {**state[player], **parameters}, **new}
    return new, watch.of_update(player[0], parameters)


def _generate(gan: GAN, parameters: Parameters, buffers: Parameters, batch: Batch) -> Result:
    return nn.apply(gan.generator, parameters, buffers, batch.latent, batch.label, training=True)


def _score(
    gan: GAN, parameters: Parameters, buffers: Parameters, image: Tensor, label: Tensor | None
) -> Result:
    return nn.apply(gan.discriminator, parameters, buffers, image, label, training=True)


def make_fakes(gan: GAN, state: State, batch: Batch) -> tuple[State, Batch]:
    """Add the fakes that G makes of a batch's latents; its running statistics move."""

    def made(part: Batch) -> tuple[Parameters, Batch]:
        fake, buffers = _generate(gan, state["generator"], state["generator_buffers"], part)
        return buffers, part._replace(fake=fake)

    each = [made(part) for part in batch.parts]
    buffers = parts.mean([buffers for buffers, _ in each])
    first, *rest = (part for _, part in each)
    return {**state, "generator_buffers": buffers}, first._replace(rest=rest or None)


def _seen(gan: GAN, batch: Batch, side: str, images: Tensor) -> Tensor:
    """Return images as D sees them: those of `side`, "real" or "fake", augmented."""
    if not gan.augmentation.transforms:
        return images
    assert batch.draws is not None
    return gan.augmentation.apply(images, batch.draws[side])


def discriminator_update(
    gan: GAN,
    state: State,
    batch: Batch,
    optimizer_step: OptimizerStep,
    gammas: Sequence[float | None] = (),
) -> Updated:
    """Update D once on reals and fakes.

    The fakes are the batch's own or, if it has none, made by G; their labels are those given to G.
    D scores reals and fakes in separate passes, each with its own batch statistics. It sees them
    augmented, and so do penalties. Reports `d_loss`, `real_score` and `fake_score` (means), and
    signals (`gan.signals`).
    """
    if batch.fake is None:
        state, batch = make_fakes(gan, state, batch)
    found = parts.over(lambda part: _d_part(gan, state, part, gammas), batch)
    new, moved = _updated(
        gan, {**state, **found.buffers}, "discriminator", found.gradients, optimizer_step
    )
    new["discriminator"] = _clipped(gan, new["discriminator"])
    return new, {**found.metrics, **moved}


def _d_part(gan: GAN, state: State, batch: Batch, gammas: Sequence[float | None]) -> Part:
    """Return D's gradients of a part of a batch."""
    metrics = signals.of_images(batch.real, batch.fake)
    sides = {side: _seen(gan, batch, side, getattr(batch, side)) for side in ("real", "fake")}
    batch = batch._replace(**sides)

    def loss(trained: Parameters) -> tuple[Tensor, Any]:
        parameters = {**state["discriminator"], **trained}
        before = state["discriminator_buffers"]
        real_scores, between = _score(gan, parameters, before, batch.real, batch.real_label)
        fake_scores, buffers = _score(gan, parameters, between, batch.fake, batch.label)
        total = gan.d_loss(real_scores, fake_scores)
        realness = [gan.realness(scores) for scores in (real_scores, fake_scores)]
        inputs = _penalty_inputs(gan, parameters, (before, between), batch, realness)
        for penalty, gamma in itertools.zip_longest(gan.penalties, gammas):
            changed = {} if gamma is None else {"gamma": gamma}
            total = total + penalty(inputs, **changed)
        return total, (buffers, *realness)

    value, (buffers, *scores), gradients = ops.value_and_grad(
        loss, {n: p for n, p in state["discriminator"].items() if n not in gan.frozen}
    )
    means = dict(zip(("real_score", "fake_score"), map(ops.mean, scores), strict=True))
    metrics = {"d_loss": value, **means, **signals.of_scores(*scores), **metrics}
    return Part(gradients, metrics, {"discriminator_buffers": buffers})


def _penalty_inputs(
    gan: GAN,
    parameters: Parameters,
    buffers: Sequence[Parameters],
    batch: Batch,
    realness: Sequence[Tensor],
) -> PenaltyInputs:
    """Return what penalties see: D as it scored the reals and the fakes, from the same buffers.

    With other buffers spectral norm's scale would differ between a score and its finite difference.
    """

    def score(before: Parameters, label: Tensor | None) -> Callable[[Tensor], Tensor]:
        def realness(image: Tensor) -> Tensor:
            return gan.realness(_score(gan, parameters, before, image, _first(label, image))[0])

        return realness

    scores = score(buffers[0], batch.real_label), score(buffers[1], batch.label)
    images = batch.real, batch.fake, batch.mix, batch.noise
    return PenaltyInputs(*scores, *images, *(realness if gan.exact_scores else ()))


def _first(label: Tensor | None, image: Tensor) -> Tensor | None:
    """Return the labels of as many images as there are."""
    count = image.shape[0]
    return label if label is None or label.shape[0] == count else label[:count]


def generator_update(
    gan: GAN, state: State, batch: Batch, optimizer_step: OptimizerStep, ema_decay: float
) -> Updated:
    """Update G once, and its running average; reports `g_loss`.

    For a relativistic objective D scores the batch's reals too, without a gradient. D sees images
    augmented, and G's gradient passes through the transforms of its fakes.
    """
    found = parts.over(lambda part: _g_part(gan, state, part), batch)
    new = {**state, **found.buffers}
    new, moved = _updated(gan, new, "generator", found.gradients, optimizer_step)
    new["ema"] = ema.move_towards(new["ema"], new["generator"], ema_decay)
    new["ema_buffers"] = ema.move_towards(new["ema_buffers"], new["generator_buffers"], ema_decay)
    return new, {**found.metrics, **moved}


def _g_part(gan: GAN, state: State, batch: Batch) -> Part:
    """Return G's gradients of a part of a batch."""
    d_parameters, d_buffers = state["discriminator"], state["discriminator_buffers"]
    real_scores = None
    if gan.relativistic:
        real = _seen(gan, batch, "real", batch.real)
        real_scores, d_buffers = _score(gan, d_parameters, d_buffers, real, batch.real_label)

    def loss(parameters: Parameters) -> tuple[Tensor, Any]:
        fake, buffers = _generate(gan, parameters, state["generator_buffers"], batch)
        fake = _seen(gan, batch, "fake", fake)
        fake_scores, moved = _score(gan, d_parameters, d_buffers, fake, batch.label)
        return gan.g_loss(real_scores, fake_scores), (buffers, moved)

    value, (buffers, moved), gradients = ops.value_and_grad(loss, state["generator"])
    groups = {"generator_buffers": buffers, "discriminator_buffers": moved}
    return Part(gradients, {"g_loss": value}, groups)


# A player's part of a step: update(gan, state, batches, schedule).
Update = Callable[[GAN, State, Batches, StepSchedule], Updated]
UpdateOrder = tuple[Update, ...]


def _update_d(gan: GAN, state: State, batches: Batches, schedule: StepSchedule) -> Updated:
    metrics: StepMetrics = {}
    for batch, optimizer_step in zip(batches.d, schedule.d, strict=True):
        state, metrics = discriminator_update(gan, state, batch, optimizer_step, schedule.gammas)
    return state, metrics


def _update_g(gan: GAN, state: State, batches: Batches, schedule: StepSchedule) -> Updated:
    return generator_update(gan, state, batches.g, schedule.g, schedule.ema_decay)


UPDATE_ORDERS: dict[str, UpdateOrder] = {
    "d-first": (_update_d, _update_g),
    "g-first": (_update_g, _update_d),
}


def train_step(gan: GAN, state: State, batches: Batches, schedule: StepSchedule) -> Updated:
    """Make a step: D's updates and G's, in the order that the GAN has.

    Reports the metrics of both; of several D updates, those of the last one.
    """
    if gan.same_fakes:
        state, batch = make_fakes(gan, state, batches.g)
        batches = batches._replace(d=[batch])
    metrics: StepMetrics = {}
    for update in gan.order:
        state, found = update(gan, state, batches, schedule)
        metrics |= found
    return state, metrics
