"""What is checked: plans, and their networks with weights, called fixtures."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import registry
from ganbaru.config import Config, from_file, from_preset
from ganbaru.conformance.functions import random
from ganbaru.errors import InputError
from ganbaru.gan import layer_table, models
from ganbaru.gan.models import Shape
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import DIFFERENCES, PENALTIES
from ganbaru.gan.transforms import TRANSFORMS
from ganbaru.nn import Network
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.registry import Trust
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.checkpoint import Groups

PLAYERS = ("generator", "discriminator")
BATCH = 8
# Small, for speed, and higher than wide, so that exchanged axes show.
SHAPE: Shape = (20, 16, 3)
CLASSES = 3
SMALL: dict[str, Any] = {"width": 4, "latent": 6, "batch": BATCH, "lr": 5e-4}
# Limits of a preset's own sizes: an operation is right or wrong at any width.
MOST = {"width": 8, "latent": 16, "batch": BATCH}


@dataclass(frozen=True)
class Fixture:
    """Two networks of a configuration, for images of a shape, and their weights.

    `groups` holds both players' parameters and buffers, as a checkpoint does.
    """

    name: str
    config: Config
    shape: Shape
    classes: int
    groups: Groups

    def networks(self) -> Iterator[tuple[str, Network, dict[str, np.ndarray]]]:
        """Yield each player, its network, and its inputs: "input" and perhaps "labels"."""
        shapes = models.input_shapes(self.config, self.shape, self.classes, BATCH)
        networks = models.networks(self.config, self.shape, self.classes)
        for player, network, (shape, *labels) in zip(PLAYERS, networks, shapes, strict=True):
            given = {"input": random(tuple(shape), f"input of {player}")}
            if labels:
                given["labels"] = np.arange(BATCH) % self.classes
            yield player, network, given


def fresh(name: str, config: Config, shape: Shape, classes: int) -> Fixture:
    """Return networks with initial weights, perturbed: a zero would hide the layers before it."""
    # With He's start scores and slopes are near 1 at any width; with DCGAN's they would be tiny.
    config = dataclasses.replace(config, initialisation="he")
    groups = {
        group: {n: (x + 0.02 * random(x.shape, n)).astype(np.float32) for n, x in arrays.items()}
        for group, arrays in models.initial_parameters(config, shape, classes).items()
    }
    return Fixture(name, config, shape, classes, groups)


def from_checkpoint(path: Path, name: str, trust: Collection[str] = ()) -> Fixture:
    """Read the networks of a checkpoint; raises InputError where it does not fit them."""
    groups, header = checkpoint.load(path)
    config = from_file(header.config, path, trust)
    height, width, channels = header.data["shape"]
    shape = height, width, channels
    names = header.data["classes"] or header.data.get("attributes", [])
    classes = len(models.class_names(config, names))
    expected = models.tensor_shapes(config, shape, classes)
    checkpoint.check_fits(path, groups, expected)
    # A network without batch norm may have no buffers, and then no group of them in the file.
    present = {group: groups.get(group, {}) for group in expected}
    return Fixture(name, config, shape, classes, present)


# --- plans ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckPlan:
    """What is checked: networks, objectives, penalties, augmentations, training cases (`games`).

    `penalties` are pairs of one, named as in a configuration, and the networks whose discriminator
    it is put on.
    """

    networks: list[Fixture]
    objectives: list[str]
    penalties: list[tuple[str, Fixture]]
    games: list[Fixture]
    trust: Trust | None = None  # in the names of objectives; penalties have their networks'
    augmentations: list[str] = dataclasses.field(default_factory=list)


def registered() -> CheckPlan:
    """Return a plan of everything registered, at small sizes, each at least once in every section.

    Independent options are combined in turn, not in all combinations, which would be hundreds: an
    engine that compiles takes seconds for each.
    """
    names = registry.names("networks")
    plain = [_small(name, network=name) for name in names]
    labelled = [_conditioned(name, i) for i, name in enumerate(names)]
    hooks = {"spectral_norm": "both", "minibatch_deviation": True}
    wrapped = _small("dcgan, spectral norm and deviation", network="dcgan", **hooks)
    penalties = list(zip(itertools.cycle(PENALTIES), plain, strict=False))
    penalties += [(name, plain[0]) for name in PENALTIES]
    networks = [*plain, *labelled, wrapped]
    return CheckPlan(
        networks, list(OBJECTIVES), penalties, list(_games()), augmentations=[*TRANSFORMS, "auto"]
    )


def _small(name: str, **options: Any) -> Fixture:
    config = Config(**{**SMALL, **options})
    return fresh(name, config, SHAPE, models.class_count(config, CLASSES))


def _conditioned(network: str, turn: int) -> Fixture:
    """Return a network with a conditioning that it supports, another one each turn."""
    ways = list(CONDITIONINGS)
    for way in (*ways[turn % len(ways) :], *ways):
        try:
            return _small(f"{network}, {way}", network=network, conditioning=way)
        except InputError:  # no single logit to add a product to, or no norms to give labels to
            continue
    raise InputError(f"The network {network} supports no conditioning.")


def _games() -> Iterator[Fixture]:
    """Yield training cases until every network, objective, penalty and conditioning is covered."""
    for logits in sorted({found.logits for found in OBJECTIVES.values()}):
        networks = [
            name for name in registry.names("networks") if models.logits(name, None) == logits
        ]
        objectives = [name for name, found in OBJECTIVES.items() if found.logits == logits]
        for turn in range(max(len(networks), len(objectives))):
            network = networks[turn % len(networks)]
            options = {
                "network": network,
                "objective": objectives[turn % len(objectives)],
                "penalty": ["none", *PENALTIES][turn % (1 + len(PENALTIES))],
                "conditioning": _conditioned(network, turn).config.conditioning,
            }
            of_image = PENALTIES.get(options["penalty"]) in DIFFERENCES  # not of its batch
            norm = {"norm": "none"} if of_image else {}
            yield _small(", ".join([*options.values(), *norm.values()]), **options, **norm)
    clipped = {"objective": "wgan", "clip": 0.05, "optimiser": "rmsprop", "d_steps": 2}
    yield _small("clipping, RMSprop, 2 D updates", **clipped)
    yield _small("the same fakes, G first", share="fakes", order="g-first")
    yield _small("everything augmented, in pairs", augment="auto", objective="rsgan", penalty="r1")


def of_preset(name: str) -> CheckPlan:
    """Return a preset's plan: its networks at its own image size, its objective and penalties."""
    config = from_preset(name)
    shape, classes = layer_table.assumed(config)
    less = {field: min(most, getattr(config, field)) for field, most in MOST.items()}
    return _of(fresh(name, dataclasses.replace(config, **less), shape, classes))


def of_run(name: str, trust: Collection[str] = ()) -> CheckPlan:
    """Return a run's plan: the networks and weights of its newest checkpoint, and its training.

    `trust` is as in `ganbaru.load`, for its network, objective and penalties.
    """
    return _of(from_checkpoint(run_folder.find_checkpoint(name), str(name), trust))


def _of(subject: Fixture) -> CheckPlan:
    config = subject.config
    specs = [] if config.penalty == "none" else config.penalty.split("+")
    penalties = [(spec, subject) for spec in specs]
    augment = [] if config.augment == "none" else [config.augment]
    return CheckPlan(
        [subject], [config.objective], penalties, [subject], config.trust, augmentations=augment
    )
