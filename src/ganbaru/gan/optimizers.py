"""Optimisers over dictionaries of tensors, and the exponential moving average (EMA)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from ganbaru import ops
from ganbaru.ops import Parameters

Moments = dict[str, Parameters]


class OptimizerStep(NamedTuple):
    """The numbers that change from update to update: Python numbers, or inputs when compiled.

    Adam's two bias corrections are computed here, in float64: in float32 the second one is off by
    1e-5 in the first updates.
    """

    update: int  # 1, 2, ...
    rate: float
    mean: float  # 1 - b1^update, by which Adam divides the running mean
    square: float  # 1 - b2^update, likewise for the squares


@dataclass(frozen=True)
class Optimizer(ABC):
    """An update rule with its learning rate, two decays and the floor of its denominator.

    It has two running moments of the gradients, `mean` and `square`, zero at first.
    """

    rate: float
    betas: tuple[float, float]
    epsilon: float = 1e-8

    def start(self, parameters: Parameters) -> Moments:
        """Return the two running moments before the first update."""
        return {moment: {name: p * 0.0 for name, p in parameters.items()} for moment in MOMENTS}

    def optimizer_step(self, update: int, factor: float = 1.0) -> OptimizerStep:
        """Return the numbers of update `update` (1, 2, ...) at `factor` times the rate."""
        first, second = self.betas
        return OptimizerStep(update, self.rate * factor, 1 - first**update, 1 - second**update)

    @abstractmethod
    def update(
        self,
        parameters: Parameters,
        gradients: Parameters,
        moments: Moments,
        optimizer_step: OptimizerStep,
    ) -> tuple[Parameters, Moments]:
        """Make an update; consumes the arguments, returns the new parameters and moments."""


MOMENTS = ("mean", "square")


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), bias corrected."""

    def update(
        self,
        parameters: Parameters,
        gradients: Parameters,
        moments: Moments,
        optimizer_step: OptimizerStep,
    ) -> tuple[Parameters, Moments]:
        """Make an update."""
        how = (optimizer_step, self.betas, self.epsilon)
        parameters, *after = adam_update(
            parameters, gradients, *(moments[m] for m in MOMENTS), *how
        )
        return parameters, dict(zip(MOMENTS, after, strict=True))


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012) with momentum, as in PyTorch.

    v = b2 v + (1 - b2) g²; m = b1 m + g / (sqrt(v) + eps); p -= rate m. The first of `betas` is the
    momentum, the second the decay of the squares.
    """

    def update(
        self,
        parameters: Parameters,
        gradients: Parameters,
        moments: Moments,
        optimizer_step: OptimizerStep,
    ) -> tuple[Parameters, Moments]:
        """Make an update."""
        first, second = self.betas
        square = {
            n: moments["square"][n] * second + g * g * (1 - second) for n, g in gradients.items()
        }
        mean = {
            n: moments["mean"][n] * first + g / (ops.sqrt(square[n]) + self.epsilon)
            for n, g in gradients.items()
        }
        new = {n: p - mean[n] * optimizer_step.rate for n, p in parameters.items()}
        return new, {"mean": mean, "square": square}


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "rmsprop": RMSprop}


def clip(parameters: Parameters, limit: float) -> Parameters:
    """Clip every number to [-limit, limit] (Arjovsky et al. 2017, algorithm 1, line 7)."""
    return {
        name: ops.maximum(ops.maximum(p, -limit) * -1.0, -limit) * -1.0
        for name, p in parameters.items()
    }


@ops.composed("adam")
def adam_update(
    parameters: Parameters,
    gradients: Parameters,
    mean: Parameters,
    square: Parameters,
    optimizer_step: OptimizerStep,
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[Parameters, Parameters, Parameters]:
    """Adam (Kingma and Ba 2015, algorithm 1) by single operations, in PyTorch's order.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²;
    p -= rate m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
    """
    first, second = betas
    new_mean = {n: mean[n] * first + g * (1 - first) for n, g in gradients.items()}
    new_square = {n: square[n] * second + g * g * (1 - second) for n, g in gradients.items()}
    step, root = optimizer_step.rate / optimizer_step.mean, optimizer_step.square**0.5
    new = {
        n: p - new_mean[n] / (ops.sqrt(new_square[n]) / root + epsilon) * step
        for n, p in parameters.items()
    }
    return new, new_mean, new_square


def move_towards(average: Parameters, target: Parameters, keep: float) -> Parameters:
    """Return ``keep * average + (1 - keep) * target``; consumes `average`."""
    if not average:  # the buffers of a network without batch norm
        return average
    moved: Parameters = _moved(average, target, keep)
    return moved


@ops.composed("move_towards")
def _moved(average: Parameters, target: Parameters, keep: float) -> Parameters:
    """The exponential moving average by single operations."""
    return {name: a * keep + target[name] * (1 - keep) for name, a in average.items()}


def averaging_decay(decay: float, step: int) -> float:
    """Return the decay of the average at `step`; it rises to `decay`, to forget the start fast."""
    return min(decay, (1 + step) / (10 + step))
