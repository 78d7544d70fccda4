"""Build the GAN of a configuration: networks, losses, penalties, optimisers, order of updates.

Names with options are written ``name:key=value,key=value``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ganbaru import registry
from ganbaru.config import Config
from ganbaru.errors import InputError, pick
from ganbaru.gan import models
from ganbaru.gan.objectives import OBJECTIVES, Objective
from ganbaru.gan.optimizers import OPTIMIZERS, Optimizer
from ganbaru.gan.penalties import MIXING, PENALTIES, Penalty, check_signature
from ganbaru.gan.schedules import SCHEDULES
from ganbaru.gan.step import GAN, UPDATE_ORDERS
from ganbaru.registry import Trust

Rule = TypeVar("Rule")


def _listed(kind: str, spec: str, table: Mapping[str, Rule]) -> tuple[Rule, dict[str, float]]:
    """Find the rule and the options of ``name:key=value,...``."""
    name, options = registry.parse_options(spec)
    rule = pick(kind, name, table)
    registry.check_options(kind, name, rule, options)
    return rule, options


def objective(spec: str, trust: Trust | None) -> tuple[Objective, dict[str, float]]:
    """Find the objective of ``name:key=value,...``, or a user's own by dotted path."""
    name, options = registry.parse_options(spec)
    chosen: object
    if "." in name:
        chosen = registry.user_object(
            "objective", name, trust, lambda found: isinstance(found, Objective)
        )
    else:
        chosen = pick("objective", name, OBJECTIVES)
    if not isinstance(chosen, Objective):
        raise InputError(f"{name} is no objective: decorate its class with @ganbaru.objective().")
    for loss in (chosen.d, chosen.g):
        registry.check_options("objective", name, loss, options)
    return chosen, options


def penalties(spec: str, trust: Trust | None) -> Sequence[Penalty]:
    """Find the penalties of ``name:gamma=value+name+...``; "none" is none."""
    if spec == "none":
        return ()
    chosen = []
    for part in spec.split("+"):
        name, options = registry.parse_options(part)
        function: Any
        if "." in name:
            function = registry.user_object("penalty", name, trust, _is_penalty)
        else:
            function = pick("penalty", name, PENALTIES, "none")
        registry.check_options("penalty", name, function, options)
        check_signature(function)
        chosen.append(functools.partial(function, **options))
    return tuple(chosen)


def _is_penalty(found: object) -> bool:
    return any(found is each for each in PENALTIES.values())


def mixes(penalties: Sequence[Penalty]) -> bool:
    """Return whether one of the penalties mixes reals with fakes."""
    return any(getattr(each, "func", each) in MIXING for each in penalties)


def gan(config: Config, shape: models.Shape, num_classes: int) -> GAN:
    """Build the GAN of a configuration for images of a shape."""
    generator, discriminator = models.networks(config, shape, num_classes)
    chosen, options = objective(config.objective, config.trust)
    _check_logits(config, chosen)
    _check_share(config)
    g_rate, d_rate = config.rates
    penalty = penalties(config.penalty, config.trust)
    return GAN(
        generator=generator,
        discriminator=discriminator,
        d_loss=functools.partial(chosen.d, **options),
        g_loss=functools.partial(chosen.g, **options),
        relativistic=chosen.relativistic,
        penalties=penalty,
        d_optimizer=optimiser(config.optimiser, d_rate, config.betas),
        g_optimizer=optimiser(config.optimiser, g_rate, config.betas),
        ema=config.ema,
        clip=config.clip,
        realness=chosen.realness,
        order=pick("--order", config.order, UPDATE_ORDERS),
        same_fakes=SHARES[config.share].fakes,
        same_labels=chosen.relativistic or mixes(penalty),
    )


@dataclass(frozen=True)
class Share:
    """What the updates of D and of G in a step share."""

    latents: bool
    fakes: bool


SHARES = {
    "nothing": Share(latents=False, fakes=False),
    "latents": Share(latents=True, fakes=False),
    "fakes": Share(latents=True, fakes=True),
}


def _check_share(config: Config) -> None:
    pick("choice of --share", config.share, SHARES)
    if SHARES[config.share].latents and config.d_steps > 1:
        raise InputError(
            f"--share {config.share} gives both players the same batch, but with --d-steps "
            f"{config.d_steps} each of D's updates has one of its own. Take --d-steps 1, or "
            f"--share nothing."
        )


def _check_logits(config: Config, chosen: Objective) -> None:
    given = models.logits(config.network, config.trust)
    if given == chosen.logits:
        return
    fitting = [each.name for each in OBJECTIVES.values() if each.logits == given]
    fix = (
        f"With this network take --objective {' or '.join(fitting)}."
        if fitting
        else f"No objective takes {given}: write one with @ganbaru.objective(logits={given}), or "
        f"take another --network."
    )
    raise InputError(
        f"The network {config.network} gives {given} logit{'s' * (given > 1)} for an image and the "
        f"objective {chosen.name} takes {chosen.logits}. {fix}"
    )


LEAST_EPSILON = 1e-30  # float32 has no normal numbers below 1e-38


def optimiser(spec: str, rate: float, betas: tuple[float, float]) -> Optimizer:
    """Build the optimiser of ``name:epsilon=value``."""
    rule, options = _listed("optimiser", spec, OPTIMIZERS)
    if options.get("epsilon", 1.0) < LEAST_EPSILON:
        raise InputError(
            f"The optimiser {spec} would divide zero gradients by zero: give epsilon a number from "
            f"{LEAST_EPSILON:g}, such as epsilon=1e-8."
        )
    return rule(rate, betas, **options)


def schedule(spec: str) -> Callable[[int], float]:
    """Find the schedule of ``name:start=images,end=images``, as a function of images."""
    rule, options = _listed("schedule", spec, SCHEDULES)
    return functools.partial(rule, **options)


def ending(spec: str, images: float | None) -> str:
    """Add its end, after `images`, to a decreasing schedule that has none.

    So a run that is later resumed with a larger total keeps its first schedule.
    """
    rule, options = _listed("schedule", spec, SCHEDULES)
    if "end" not in inspect.signature(rule).parameters:
        return spec
    _check_fall(spec, options, options.get("end", images))
    if "end" in options:
        return spec
    if images is None:
        raise InputError(
            f"The schedule {spec} ends with the run, and a limit of minutes says no number of "
            f"images. Give {spec}{',' if options else ':'}end=100000, or a total in images, steps "
            f"or epochs."
        )
    complete = {**options, "end": images}
    given = ",".join(f"{key}={value:.12g}" for key, value in complete.items())
    return f"{spec.partition(':')[0].strip()}:{given}"


def _check_fall(spec: str, options: dict[str, float], end: float | None) -> None:
    start = options.get("start", 0)
    if end is not None and end <= start:
        raise InputError(
            f"The schedule {spec} would decrease from {start:,g} images to its end at {end:,g}. "
            f"Give it a start= before its end; the end is the run's total if end= is not given."
        )
