"""Build the GAN of a configuration: networks, losses, penalties, optimisers, order of updates.

Names with options are written ``name:key=value,key=value``.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ganbaru import registry
from ganbaru.config import Config
from ganbaru.errors import InputError, pick
from ganbaru.gan import augmentation, models
from ganbaru.gan.objectives import OBJECTIVES, Objective
from ganbaru.gan.optimizers import OPTIMIZERS, Optimizer
from ganbaru.gan.penalties import (
    DIFFERENCES,
    MIXING,
    PENALTIES,
    Penalty,
    check_signature,
    noisy_parts,
)
from ganbaru.gan.schedules import SCHEDULES, Change
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
        chosen = registry.member("objectives", "objective", name, OBJECTIVES)
    if not isinstance(chosen, Objective):
        raise InputError(f"{name} is no objective: decorate its class with @ganbaru.objective().")
    for loss in (chosen.d, chosen.g):
        registry.check_options("objective", name, loss, options)
    return chosen, options


def penalties(spec: str, trust: Trust | None) -> Sequence[Penalty]:
    """Find the penalties of ``name:gamma=value,end=value+name+...``; "none" is none."""
    return tuple(penalty for penalty, _ in _penalties(spec, trust))


def _penalties(spec: str, trust: Trust | None) -> list[tuple[Penalty, Change | None]]:
    """Find the penalties of a configuration, and how the gamma of each changes."""
    chosen: list[tuple[Penalty, Change | None]] = []
    if spec == "none":
        return chosen
    for part in spec.split("+"):
        name, options = registry.parse_options(part)
        function: Any
        if "." in name:
            function = registry.user_object("penalty", name, trust, _is_penalty)
        else:
            function = registry.member("penalties", "penalty", name, PENALTIES, "none")
        end = _taken_end(function, options)
        registry.check_options("penalty", name, function, options)
        check_signature(function)
        change = None
        if end is not None:
            gamma = inspect.signature(function).parameters["gamma"].default
            change = Change(options.get("gamma", gamma), end)
        chosen.append((functools.partial(function, **options), change))
    return chosen


def _taken_end(function: Any, options: dict[str, float]) -> float | None:
    """Take the option `end` out, to which gamma changes, unless it is the penalty's own."""
    known = inspect.signature(function).parameters if callable(function) else {}
    return options.pop("end", None) if "gamma" in known and "end" not in known else None


def burn_in(config: Config, images: float | None) -> int | None:
    """Return over how many images numbers change: --burn-in, or the total, `images`.

    None if nothing changes. A run that is resumed with a larger total keeps the first one.
    """
    changes = config.beta2_end is not None
    changes |= any(change for _, change in _penalties(config.penalty, config.trust))
    if config.burn_in is not None and not changes and config.ema_images is None:
        raise InputError(
            f"--burn-in {config.burn_in} changes nothing: give also what is to change, with "
            f"--penalty r1:gamma=0.05,end=0.005, --beta2-end or --ema-images, or leave it out."
        )
    if config.burn_in is not None or not changes:
        return config.burn_in
    if images is None:
        raise InputError(
            "A gamma with end= and --beta2-end change until the run ends, and a limit of minutes "
            "says no number of images. Give --burn-in, or a total in images, steps or epochs."
        )
    return math.ceil(images)


def _is_penalty(found: object) -> bool:
    return any(found is each for each in PENALTIES.values())


def mixes(penalties: Sequence[Penalty]) -> bool:
    """Return whether one of the penalties mixes reals with fakes."""
    return _any_of(penalties, MIXING)


def _any_of(penalties: Sequence[Penalty], group: frozenset[Penalty]) -> bool:
    return any(getattr(each, "func", each) in group for each in penalties)


def _check_differences(
    config: Config, shape: models.Shape, num_classes: int, penalties: Sequence[Penalty]
) -> None:
    """Refuse finite differences of scores that other images enter, and of no part of a batch."""
    if not _any_of(penalties, DIFFERENCES):
        return
    if not all(0 < part <= 1 for part in noisy_parts(penalties)):
        raise InputError(
            f"--penalty {config.penalty}: part is the share of the batch that is penalised. Give a "
            f"number above 0, up to 1, such as part=0.25."
        )
    if config.minibatch_deviation or models.depends_on_batch(config, shape, num_classes):
        *others, last = BY_IMAGE
        raise InputError(
            f"--penalty {config.penalty} compares D's score of an image in two batches, and here "
            f"it depends on the other images of its batch. Take --norm layer or none, or --network "
            f"{', '.join(others)} or {last}, without --minibatch-deviation; or r1 and r2."
        )


def gan(config: Config, shape: models.Shape, num_classes: int) -> GAN:
    """Build the GAN of a configuration for images of a shape."""
    generator, discriminator = models.networks(config, shape, num_classes)
    chosen, options = objective(config.objective, config.trust)
    _check_logits(config, chosen)
    _check_share(config)
    g_rate, d_rate = config.rates
    found = _penalties(config.penalty, config.trust)
    penalty = tuple(each for each, _ in found)
    _check_differences(config, shape, num_classes, penalty)
    return GAN(
        generator=generator,
        discriminator=discriminator,
        d_loss=functools.partial(chosen.d, **options),
        g_loss=functools.partial(chosen.g, **options),
        relativistic=chosen.relativistic,
        penalties=penalty,
        d_optimizer=optimiser(config.optimiser, d_rate, config.betas, config.beta2_end),
        g_optimizer=optimiser(config.optimiser, g_rate, config.betas, config.beta2_end),
        ema=config.ema,
        clip=config.clip,
        realness=chosen.realness,
        order=pick("--order", config.order, UPDATE_ORDERS),
        same_fakes=SHARES[config.share].fakes,
        same_labels=chosen.relativistic or mixes(penalty),
        gammas=tuple(change for _, change in found),
        ema_images=config.ema_images,
        augmentation=augmentation.parse(config.augment),
        burn_in=config.burn_in,
        frozen=models.frozen(config, shape, num_classes),
        exact_scores=config.precision in ("float32", "float64"),  # auto: not known here
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


BY_IMAGE = ("wgan", "r3gan", "sndcgan")  # networks whose scores are of one image each


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


def optimiser(
    spec: str, rate: float, betas: tuple[float, float], beta2_end: float | None = None
) -> Optimizer:
    """Build the optimiser of ``name:epsilon=value``."""
    rule, options = _listed("optimiser", spec, OPTIMIZERS)
    if options.get("epsilon", 1.0) < LEAST_EPSILON:
        raise InputError(
            f"The optimiser {spec} would divide zero gradients by zero: give epsilon a number from "
            f"{LEAST_EPSILON:g}, such as epsilon=1e-8."
        )
    return rule(rate, betas, beta2_end=beta2_end, **options)


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
