"""The cases that each engine computes: operations, networks, losses, twenty steps of training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganbaru import nn
from ganbaru.conformance import operations, training_cases
from ganbaru.conformance.fixtures import BATCH, CheckPlan, Fixture
from ganbaru.conformance.functions import Arrays, Function, TestedFunction, evaluate, random, replay
from ganbaru.conformance.recording import Record, Recorded, Tape
from ganbaru.engines import Engine
from ganbaru.errors import RunError
from ganbaru.gan import build, models
from ganbaru.gan.objectives import REALNESS
from ganbaru.gan.penalties import PenaltyInputs
from ganbaru.nn import Network
from ganbaru.ops import Parameters, Tensor
from ganbaru.training.checkpoint import Groups

Run = Callable[[Engine], Arrays]

# In float64 an operation of two engines differs by the order of its sums alone: measured over all
# of them, at most 7e-15 of a quantity's largest entry, 2e-14 through a whole network.
OPERATION, NETWORK = 1e-11, 1e-9
# The parity rule: 20 steps in float64 within 1e-7 (measured: 1e-8), and 1e-4 of the layer's scale
# in float32 (2e-5).
GAME, SINGLE = 1e-7, 1e-4
IN_SINGLE: dict[str, Any] = {"precision": "float32", "tolerance": SINGLE}
STEPS = 20


def largest(arrays: Arrays, group: Callable[[str], str]) -> dict[str, float]:
    """Return for each array the largest absolute entry in its group."""
    sizes: dict[str, float] = {}
    for name, array in arrays.items():
        sizes[group(name)] = max(sizes.get(group(name), 0.0), float(np.abs(array).max(initial=0)))
    return {name: sizes[group(name)] for name in arrays}


def by_order(quantity: str) -> str:
    """Return the scale group of a quantity of one operation: all those of its order share one."""
    if not quantity.endswith("gradient"):
        return quantity
    return "second order" if quantity.startswith("second-order") else "first order"


def by_layer(quantity: str) -> str:
    """Return the scale group of a quantity of a network: all those of its layer share one."""
    name, _, kind = quantity.partition(" ")
    return f"{name.rpartition('.')[0] or name} {kind}"


@dataclass(frozen=True)
class Case:
    """A computation to compare between every engine and the reference.

    `runs` are tried in order until one succeeds: the whole first, then fewer orders. `scale` groups
    the quantities that share a scale. `expected` is the composed form on the same engine, for
    engines that have a fused form `fused`. Finite differences are taken of `tested`, if given.
    """

    section: str
    where: str
    runs: tuple[Run, ...]
    tolerance: float
    scale: Callable[[str], str]
    precision: str = "float64"
    expected: Run | None = None
    fused: str = ""
    tested: TestedFunction | None = None


def solving(tested: TestedFunction) -> tuple[Run, ...]:
    """Return runs of a function: with all its orders, and with fewer in case those fail."""
    orders = range(tested.orders, -1, -1)
    return tuple(functools.partial(evaluate, tested=replace(tested, orders=o)) for o in orders)


def _case(section: str, where: str, tested: TestedFunction, tolerance: float = OPERATION) -> Case:
    return Case(section, where, solving(tested), tolerance, by_order, tested=tested)


# --- layers -----------------------------------------------------------------------------------


def record(subject: Fixture) -> Iterator[tuple[str, Record]]:
    """Run both networks on the recording engine; yield each operation, and the network it is in."""
    for player, network, given in subject.networks():
        tape, who = Tape(), f"{subject.name} {player}"
        parameters, buffers = (
            {name: Recorded(x.astype(np.float64), tape, (name,)) for name, x in arrays.items()}
            for arrays in (subject.groups[player], subject.groups[f"{player}_buffers"])
        )
        inputs = [Recorded(x, tape) for x in given.values()]
        try:
            nn.apply(network, parameters, buffers, *inputs, training=True)
        except Exception as error:  # a fault may raise anything
            last = f"after {tape.records[-1]}" if tape.records else "at the start"
            raise RunError(
                f"The NumPy engine, the reference of the others, fails in the {who}, {last}: "
                f"{error}"
            ) from error
        yield from ((f"{who}, {one.place}", one) for one in tape.records)


def layers(plan: CheckPlan) -> Iterator[Case]:
    """Yield every distinct operation recorded, with its own inputs."""
    seen = set()
    recorded = (pair for subject in plan.networks for pair in record(subject))
    for where, one in (*recorded, *(("vocabulary", each) for each in operations.records())):
        if one.signature not in seen:
            seen.add(one.signature)
            case = _case("layers", f"{where}, {one}", replay(one))
            # Its gradient is zero by design, and its finite differences are not.
            stops = one.operation == "stop_gradient"
            yield replace(case, tested=None) if stops else case


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


def _labels(fixed: Parameters) -> list[Tensor]:
    return [fixed["labels"]] if "labels" in fixed else []


def _whole(
    subject: Fixture, player: str, network: Network, given: Arrays, training: bool
) -> TestedFunction:
    """Return a network as a function of its parameters and its input."""

    def function(at: Parameters, fixed: Parameters) -> tuple[Tensor, Parameters]:
        inputs = at["input"], *_labels(fixed)
        return nn.apply(network, at, taken("buffers", fixed), *inputs, training=training)

    shape, _ = nn.trace(network, *(x.shape for x in given.values()))
    fixed = within("buffers", subject.groups[f"{player}_buffers"])
    fixed |= {name: x for name, x in given.items() if name == "labels"}
    at = {"input": given["input"], **subject.groups[player]}
    return TestedFunction(function, at, shape, fixed, orders=1, whole=True)


def networks(plan: CheckPlan) -> Iterator[Case]:
    """Yield whole networks, in training and in inference mode."""
    for subject in plan.networks:
        for player, network, given in subject.networks():
            for mode, training in (("training", True), ("inference", False)):
                tested = _whole(subject, player, network, given, training)
                where, runs = f"{subject.name} {player}, {mode}", solving(tested)
                yield Case("networks", where, runs, NETWORK, by_layer)


# --- objectives and penalties -----------------------------------------------------------------


def objectives(plan: CheckPlan) -> Iterator[Case]:
    """Yield both losses of every objective as functions of both score vectors."""
    for spec in plan.objectives:
        found, options = build.objective(spec)
        shape = (BATCH, found.logits) if found.logits > 1 else (BATCH,)
        at = {f"{side} scores": random(shape, side) for side in ("real", "fake")}
        for player, loss in (("D", found.d), ("G", found.g)):
            tested = TestedFunction(_loss(functools.partial(loss, **options)), at, ())
            yield replace(_case("objectives", f"{spec}, loss of {player}", tested), tested=None)


def _loss(loss: Callable[..., Tensor]) -> Function:
    return lambda at, fixed: (loss(at["real scores"], at["fake scores"]), {})


def penalties(plan: CheckPlan) -> Iterator[Case]:
    """Yield each penalty's value and its gradient in the weights, a second-order gradient."""
    for spec, subject in plan.penalties:
        _, (player, network, given) = subject.networks()
        shape = given.pop("input").shape
        images = {side: random(shape, side) for side in ("real", "fake")}
        mix = np.linspace(0, 0.9, BATCH).reshape(-1, 1, 1, 1)
        buffers = within("buffers", subject.groups[f"{player}_buffers"])
        (penalty,) = build.penalties(spec)
        function = _penalised(subject, network, penalty)
        fixed = {**given, **images, "mix": mix, **buffers}
        tested = TestedFunction(function, subject.groups[player], (), fixed, orders=1, whole=True)
        yield Case(
            "penalties", f"{spec} on {subject.name} {player}", solving(tested), NETWORK, by_layer
        )


def _penalised(subject: Fixture, network: Network, penalty: Callable[..., Tensor]) -> Function:
    realness = REALNESS[models.logits(subject.config.network)]

    def function(at: Parameters, fixed: Parameters) -> tuple[Tensor, Parameters]:
        def score(image: Tensor) -> Tensor:
            inputs = image, *_labels(fixed)
            buffers = taken("buffers", fixed)
            return realness(nn.apply(network, at, buffers, *inputs, training=True)[0])

        images = (fixed[name] for name in ("real", "fake", "mix"))
        return penalty(PenaltyInputs(score, score, *images)), {}

    return function


# --- training cases ----------------------------------------------------------------------------


def _played(engine: Engine, subject: Fixture) -> Arrays:
    """Train for twenty steps; return all losses and the final state."""
    source = training_cases.pictures(40, subject.shape, subject.classes)
    table = training_cases.table(engine, subject.config, source, subject.classes, subject.groups)
    reports = [table.step(number) for number in range(STEPS)]
    losses = {name: np.array([report[name] for report in reports]) for name in reports[0]}
    states = (within(group, arrays) for group, arrays in _counted(table.arrays()).items())
    return functools.reduce(lambda one, other: {**one, **other}, states, losses)


def _counted(state: Groups) -> Groups:
    """Leave out entries whose gradients, by their squares, stay under 1e-6 of their layer's scale.

    The parity rule excludes them. A bias before a norm has no gradient: what Adam makes of its
    rounding reached 1.5e-7 after 20 steps, without any effect.
    """
    learning = {"generator": "generator", "ema": "generator", "discriminator": "discriminator"}
    counted = dict(state)
    for group, player in learning.items():
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
        run = functools.partial(_played, subject=subject)
        yield Case("games", f"{STEPS} steps of {subject.name}", (run,), GAME, scale)
