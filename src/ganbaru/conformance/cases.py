"""The cases that each engine computes: operations, networks, losses, twenty steps of training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ganbaru import nn
from ganbaru.conformance import operations, training_cases
from ganbaru.conformance.case import GAME, IN_SINGLE, NETWORK, Case, by_layer, case_of, largest
from ganbaru.conformance.fixtures import BATCH, SHAPE, CheckPlan, Fixture
from ganbaru.conformance.functions import Arrays, TestedFunction, called, random
from ganbaru.conformance.recording import Record, Recorded
from ganbaru.engines import Engine
from ganbaru.errors import RunError
from ganbaru.gan import augmentation, build, models
from ganbaru.gan.augmentation import Augmentation
from ganbaru.gan.objectives import REALNESS
from ganbaru.gan.penalties import PenaltyInputs
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor
from ganbaru.training.checkpoint import Groups

STEPS = 20


# --- layers -----------------------------------------------------------------------------------


def record(subject: Fixture) -> Iterator[tuple[str, Record]]:
    """Run both networks on the recording engine; yield each operation, and the network it is in."""
    for player, network, given in subject.networks():
        who, tape = f"{subject.name} {player}", list[Record]()
        parameters, buffers = (
            {name: Recorded(x.astype(np.float64), tape, (name,)) for name, x in arrays.items()}
            for arrays in (subject.groups[player], subject.groups[f"{player}_buffers"])
        )
        inputs = [Recorded(x, tape) for x in given.values()]
        try:
            nn.apply(network, parameters, buffers, *inputs, training=True)
        except Exception as error:  # a fault may raise anything
            last = f"after {tape[-1]}" if tape else "at the start"
            raise RunError(
                f"The NumPy engine, the reference of the others, fails in the {who}, {last}: "
                f"{error}"
            ) from error
        yield from ((f"{who}, {one.place}", one) for one in tape)


def replay(record: Record) -> TestedFunction:
    """Return a recorded operation as a function of its own inputs."""
    count = len(record.names)
    arguments = dict(zip(record.names, record.arguments[:count], strict=True))
    # No engine differentiates through running statistics in training, and none need.
    still = record.names[3:] if record.operation == "batch_norm" else ()
    numbers = record.arguments[count:]  # momentum and epsilon
    operation = functools.partial(record.function, **record.options)
    tested = called(operation, arguments, record.shape, still, numbers)
    return tested if tested.at and record.kind == "f" else replace(tested, orders=0)


def layers(plan: CheckPlan) -> Iterator[Case]:
    """Yield every distinct operation recorded, with its own inputs."""
    seen = set()
    recorded = (pair for subject in plan.networks for pair in record(subject))
    for where, one in (*recorded, *(("vocabulary", each) for each in operations.records())):
        if one.signature not in seen:
            seen.add(one.signature)
            tested = replay(one)
            # Its gradient is zero by design, and its finite differences are not.
            checked = None if one.operation == "stop_gradient" else tested
            yield case_of("layers", f"{where}, {one}", tested, tested=checked)


def single(plan: CheckPlan) -> Iterator[Case]:
    """Yield outputs and gradients in float32: of single operations, and outputs of networks.

    Through a whole network, rounding decides the sign of a number near 0, and a rectifier then
    passes a gradient or none: one in 100,000 moved an input's gradient by 4e-3 of its scale.
    """
    for case in layers(plan):
        yield replace(case, section="float32", tested=None, runs=case.runs[-2:], **IN_SINGLE)
    for case in networks(plan):
        yield replace(case, section="float32", runs=case.runs[-1:], **IN_SINGLE)


# --- networks ---------------------------------------------------------------------------------


def within(name: str, arrays: Arrays) -> Arrays:
    """Prefix the names of arrays, so that several groups fit into one dictionary."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def taken(name: str, tensors: Parameters) -> Parameters:
    """Return the tensors below a prefix, without it: the inverse of `within`."""
    return {
        key.removeprefix(f"{name}/"): x for key, x in tensors.items() if key.startswith(f"{name}/")
    }


def _applied(
    network: Network, training: bool, at: Parameters, fixed: Parameters
) -> tuple[Tensor, Parameters]:
    """Run a network on the input and with the parameters of `at`, labels and buffers of `fixed`."""
    inputs = at["input"], *([fixed["labels"]] if "labels" in fixed else [])
    return nn.apply(network, at, taken("buffers", fixed), *inputs, training=training)


def networks(plan: CheckPlan) -> Iterator[Case]:
    """Yield whole networks, in training and in inference mode."""
    for subject in plan.networks:
        for player, network, given in subject.networks():
            shape, _ = nn.trace(network, *(x.shape for x in given.values()))
            at = {"input": given.pop("input"), **subject.groups[player]}
            fixed = {**given, **within("buffers", subject.groups[f"{player}_buffers"])}
            for mode, training in (("training", True), ("inference", False)):
                function = functools.partial(_applied, network, training)
                tested = TestedFunction(function, at, shape, fixed, orders=1, whole=True)
                where = f"{subject.name} {player}, {mode}"
                yield case_of("networks", where, tested, NETWORK, by_layer)


# --- objectives and penalties -----------------------------------------------------------------


def objectives(plan: CheckPlan) -> Iterator[Case]:
    """Yield both losses of every objective as functions of both score vectors."""
    for spec in plan.objectives:
        found, options = build.objective(spec, plan.trust)
        shape = (BATCH, found.logits) if found.logits > 1 else (BATCH,)
        at = {f"{side} scores": random(shape, side) for side in ("real", "fake")}
        for player, loss in (("D", found.d), ("G", found.g)):
            tested = called(functools.partial(loss, **options), at, ())
            yield case_of("objectives", f"{spec}, loss of {player}", tested)


def penalties(plan: CheckPlan) -> Iterator[Case]:
    """Yield each penalty's value and its gradient in the weights, a second-order gradient."""
    for spec, subject in plan.penalties:
        _, (player, network, given) = subject.networks()
        shape = given.pop("input").shape
        fixed = {
            **given,
            **{side: random(shape, side) for side in ("real", "fake")},
            "mix": np.linspace(0, 0.9, BATCH).reshape(-1, 1, 1, 1),
            "noise": random(shape, "noise"),
            **within("buffers", subject.groups[f"{player}_buffers"]),
        }
        config = subject.config
        (penalty,) = build.penalties(spec, config.trust)
        realness = REALNESS[models.logits(config.network, config.trust)]
        function = functools.partial(_penalised, penalty, realness, network)
        tested = TestedFunction(function, subject.groups[player], (), fixed, orders=1, whole=True)
        where = f"{spec} on {subject.name} {player}"
        yield case_of("penalties", where, tested, NETWORK, by_layer)


def _penalised(
    penalty: Callable[..., Tensor],
    realness: Callable[[Tensor], Tensor],
    network: Network,
    at: Parameters,
    fixed: Parameters,
) -> tuple[Tensor, Parameters]:
    def score(image: Tensor) -> Tensor:
        return realness(_applied(network, True, {**at, "input": image}, fixed)[0])

    drawn = (fixed[n] for n in ("real", "fake", "mix", "noise"))
    return penalty(PenaltyInputs(score, score, *drawn)), {}


def augmentations(plan: CheckPlan) -> Iterator[Case]:
    """Yield augmentations as functions of images, most of which they transform."""
    for spec in plan.augmentations:
        made = augmentation.parse(spec)
        drawn = made.arrays(made.sample(0, "conformance", 0, BATCH), 1.0, SHAPE)
        shape = (BATCH, SHAPE[2], *SHAPE[:2])

        def function(
            at: Parameters, fixed: Parameters, made: Augmentation = made
        ) -> tuple[Tensor, Parameters]:
            return made.apply(at["images"], fixed), {}

        tested = TestedFunction(function, {"images": random(shape, spec)}, shape, drawn)
        yield case_of("augmentations", spec, tested, tested=tested)


# --- training cases ----------------------------------------------------------------------------


def _trained(engine: Engine, subject: Fixture) -> Arrays:
    """Train for twenty steps; return all losses and the final state."""
    source = training_cases.pictures(40, subject.shape, subject.classes)
    given = subject.config, source, subject.classes, subject.groups
    case = training_cases.training_case(engine, *given)
    reports = [case.step(number) for number in range(STEPS)]
    losses = {name: np.array([report[name] for report in reports]) for name in reports[0]}
    for group, arrays in _counted(case.arrays()).items():
        losses |= within(group, arrays)
    return losses


def _counted(state: Groups) -> Groups:
    """Leave out entries whose gradients, by their squares, stay under 1e-6 of their layer's scale.

    The parity rule excludes them. A bias before a norm has no gradient: what Adam makes of its
    rounding reached 1.5e-7 after 20 steps, without any effect.
    """
    counted = dict(state)
    for group in ("generator", "ema", "discriminator"):
        player = "generator" if group == "ema" else group
        squares = state[f"{player}_square"]
        scales = largest(squares, lambda name: name.rpartition(".")[0])
        counted[group] = {
            name: np.where(squares[name] >= 1e-12 * scales[name], array, 0.0)
            for name, array in state[group].items()
        }
    return counted


def twenty_steps(plan: CheckPlan) -> Iterator[Case]:
    """Yield the training cases; losses and mean scores share a scale."""

    def scale(quantity: str) -> str:
        return quantity.rpartition(".")[0] if "/" in quantity else "losses"

    for subject in plan.games:
        run = functools.partial(_trained, subject=subject)
        yield Case("games", f"{STEPS} steps of {subject.name}", (run,), GAME, scale)
