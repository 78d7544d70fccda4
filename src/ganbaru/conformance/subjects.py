"""What is checked: networks with the weights of a checkpoint, what they play, on which pictures."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ganbaru
from ganbaru import checkpoint, describing, model, registry, runs
from ganbaru.checkpoint import Groups
from ganbaru.conditioning import CONDITIONINGS
from ganbaru.config import Config, from_fields, from_preset
from ganbaru.conformance.problems import random
from ganbaru.errors import InputError
from ganbaru.model import Shape
from ganbaru.nn import Network
from ganbaru.objectives import OBJECTIVES
from ganbaru.penalties import PENALTIES

PLAYERS = ("generator", "discriminator")
BATCH = 8
# Small, for speed, and higher than wide, so that exchanged axes show.
SHAPE: Shape = (20, 16, 3)
CLASSES = 3
SMALL: dict[str, Any] = {"width": 4, "latent": 6, "batch": BATCH, "lr": 2e-3}
# A preset's own sizes are kept but for these: an operation is right or wrong at any width.
MOST = {"width": 8, "latent": 16, "batch": BATCH}


@dataclass(frozen=True)
class Subject:
    """Two networks, their weights as a checkpoint holds them, and the game of their configuration.

    `shape` is that of an image, `groups` holds both players' parameters and buffers.
    """

    name: str
    config: Config
    shape: Shape
    classes: int
    groups: Groups

    def networks(self) -> Iterator[tuple[str, Network, dict[str, np.ndarray]]]:
        """Yield each player, its network, and what it is given: "input" and perhaps "labels"."""
        shapes = model.input_shapes(self.config, self.shape, self.classes, BATCH)
        networks = model.networks(self.config, self.shape, self.classes)
        for player, network, (shape, *labels) in zip(PLAYERS, networks, shapes, strict=True):
            given = {"input": random(tuple(shape), f"input of {player}")}
            if labels:
                given["labels"] = np.arange(BATCH) % self.classes
            yield player, network, given


def _perturbed(groups: dict[str, dict[str, Any]]) -> Groups:
    """Move every number a little: what starts as zero, or closed, hides what lies behind it."""
    return {
        group: {
            name: (array + 0.02 * random(array.shape, name)).astype(np.float32)
            for name, array in arrays.items()
        }
        for group, arrays in groups.items()
    }


def fresh(name: str, config: Config, shape: Shape, classes: int) -> Subject:
    """Make new weights, write them to a checkpoint, and read them as any run does."""
    # With He's start scores and slopes are near 1 at any width; with DCGAN's they would be tiny.
    config = dataclasses.replace(config, initialisation="he")
    groups = _perturbed(model.first_parameters(config, shape, classes))
    header = checkpoint.Header(
        version=ganbaru.__version__, config=dataclasses.asdict(config), step=0, images=0,
        seconds=0.0, reports=[],
        data={"shape": list(shape), "classes": [str(i) for i in range(classes)]},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.safetensors"
        checkpoint.save(path, groups, header)
        return from_checkpoint(path, name)


def from_checkpoint(path: Path, name: str) -> Subject:
    """Read the networks of a checkpoint; raises InputError where it does not fit them."""
    groups, header = checkpoint.load(path)
    config, (height, width, channels) = from_fields(header.config), header.data["shape"]
    classes = len(model.class_names(config, header.data["classes"]))
    expected = model.first_parameters(config, (height, width, channels), classes)
    checkpoint.check_fits(path, groups, expected)
    # A network without batch norm may have no buffers, and the file then says nothing of them.
    kept = {group: groups.get(group, {}) for group in expected}
    return Subject(name, config, (height, width, channels), classes, kept)


# --- plans ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """All that is checked: whose networks, which objectives and penalties, and which games.

    Objectives and penalties are named as in a configuration; each penalty is put on every
    discriminator of `judged`.
    """

    networks: list[Subject]
    objectives: list[str]
    penalties: list[str]
    judged: list[Subject]
    games: list[Subject]


def registered() -> Plan:
    """Plan for everything registered, at small sizes."""
    names = registry.names("networks")
    plain = {name: _small(name, network=name, objective=_objective(name)) for name in names}
    networks = [*plain.values(), *(subject for name in names for subject in _conditioned(name))]
    networks.append(_small("dcgan, spectral norm and deviation", network="dcgan",
                           spectral_norm="both", minibatch_deviation=True))  # fmt: skip
    games = [*plain.values(), *(_small(name, **options) for name, options in _games().items())]
    return Plan(networks, list(OBJECTIVES), list(PENALTIES), list(plain.values()), games)


def _small(name: str, **options: Any) -> Subject:
    config = Config(**{**SMALL, **options})
    return fresh(name, config, SHAPE, 0 if config.conditioning == "none" else CLASSES)


def _objective(network: str) -> str:
    """Return an objective that takes as many logits as the network's discriminator gives."""
    given = model.logits(network)
    return next(name for name, found in OBJECTIVES.items() if found.logits == given)


def _conditioned(network: str) -> Iterator[Subject]:
    """Yield a network with every conditioning that it can have."""
    for way in CONDITIONINGS:
        try:
            yield _small(f"{network}, {way}", network=network, conditioning=way)
        except InputError:  # no single logit to add a product to, or no norms to give labels to
            continue


def _network(logits: int) -> str:
    """Return a network whose discriminator gives as many logits for an image."""
    others = (n for n in registry.names("networks") if model.logits(n) == logits)
    return next(others)


def _games() -> dict[str, dict[str, Any]]:
    """Return a game for each objective, penalty and conditioning, and for the other rules."""
    objectives = {
        name: {"objective": name, "network": _network(found.logits)}
        for name, found in OBJECTIVES.items()
    }
    penalties = {name: {"penalty": name, "network": "wgan"} for name in PENALTIES}
    conditionings = {name: {"conditioning": name} for name in CONDITIONINGS}
    return objectives | penalties | conditionings | {
        "RMSprop, clipped, 2 D updates": {
            "objective": "wgan", "clip": 0.05, "optimiser": "rmsprop", "d_steps": 2, "lr": 5e-4,
        },
        "the same fakes, G first": {"share": "fakes", "order": "g-first"},
    }  # fmt: skip


def of_preset(name: str) -> Plan:
    """Plan for a preset: its networks at its own image size, its objective and its penalties."""
    config = from_preset(name)
    shape, classes = describing.assumed(config)
    less = {field: min(most, getattr(config, field)) for field, most in MOST.items()}
    return _of(fresh(name, dataclasses.replace(config, **less), shape, classes))


def of_run(name: str) -> Plan:
    """Plan for a run: the networks and weights of its newest checkpoint, and its game."""
    return _of(from_checkpoint(runs.find_checkpoint(name), str(name)))


def _of(subject: Subject) -> Plan:
    config = subject.config
    penalties = [] if config.penalty == "none" else config.penalty.split("+")
    return Plan([subject], [config.objective], penalties, [subject], [subject])
