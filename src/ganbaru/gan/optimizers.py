"""Optimisers over dictionaries of tensors, and the exponential moving average (EMA)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ganbaru import ops
from ganbaru.gan.schedules import Change
from ganbaru.ops import Parameters

Moments = dict[str, Parameters]
MOMENTS = ("mean", "square")


class OptimizerStep(NamedTuple):
    """The numbers that change from update to update: Python numbers, or inputs when compiled.

    Adam's two bias corrections are computed here, in float64: in float32 the second one is off by
    1e-5 in the first updates.
    """

    update: int  # 1, 2, ...
    rate: float
    mean: float  # 1 - b1^update, by which Adam divides the running mean
    square: float  # 1 - b2^update, likewise for the squares
    beta2: float | None = None  # of this update, if it changes; None: the optimiser's own


# rule(parameters, gradients, mean, square, optimizer_step, betas, epsilon) -> new parameters, new
# mean, new square; it consumes its arguments.
Rule = Callable[..., tuple[Parameters, Parameters, Parameters]]


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


def rmsprop_update(
    parameters: Parameters,
    gradients: Parameters,
    mean: Parameters,
    square: Parameters,
    optimizer_step: OptimizerStep,
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[Parameters, Parameters, Parameters]:
    """RMSprop (Tieleman and Hinton 2012) with momentum, as in PyTorch.

    v = b2 v + (1 - b2) g²; m = b1 m + g / (sqrt(v) + eps); p -= rate m.
    """
    first, second = betas
    square = {n: square[n] * second + g * g * (1 - second) for n, g in gradients.items()}
    mean = {n: mean[n] * first + g / (ops.sqrt(square[n]) + epsilon) for n, g in gradients.items()}
    return {n: p - mean[n] * optimizer_step.rate for n, p in parameters.items()}, mean, square


@dataclass(frozen=True)
class Optimizer:
    """An update rule with its learning rate, two decays and what is added to its denominator.

    It has two running moments of the gradients, `mean` and `square`, zero at first.
    """

    rule: ClassVar[Rule]
    rate: float
    betas: tuple[float, float]
    epsilon: float = 1e-8
    beta2_end: float | None = None  # what the second decay changes to during the burn-in

    def start(self, parameters: Parameters) -> Moments:
        """Return the two running moments before the first update."""
        return {moment: {name: p * 0.0 for name, p in parameters.items()} for moment in MOMENTS}

    def optimizer_step(
        self, update: int, factor: float = 1.0, burned_in: float = 1.0
    ) -> OptimizerStep:
        """Return the numbers of update `update` (1, 2, ...) at `factor` times the rate.

        `burned_in` is the share of the burn-in that is over. A beta2 that changes is in the bias
        correction what it is now, as in PyTorch when a group's betas are set.
        """
        first, second = self.betas
        changing = None
        if self.beta2_end is not None:
            second = changing = Change(second, self.beta2_end).at(burned_in)
        rate, mean, square = self.rate * factor, 1 - first**update, 1 - second**update
        return OptimizerStep(update, rate, mean, square, changing)

    def update(
        self,
        parameters: Parameters,
        gradients: Parameters,
        moments: Moments,
        optimizer_step: OptimizerStep,
    ) -> tuple[Parameters, Moments]:
        """Make an update; consumes the arguments, returns the new parameters and moments."""
        before = (moments[moment] for moment in MOMENTS)
        rule, betas = self.rule, self.betas
        if optimizer_step.beta2 is not None:
            betas = betas[0], optimizer_step.beta2
            if not isinstance(optimizer_step.beta2, float):
                # An input of a compiled or recorded step, where fused forms take numbers alone.
                rule = inspect.unwrap(rule)
        parameters, *after = rule(
            parameters, gradients, *before, optimizer_step, betas, self.epsilon
        )
        return parameters, dict(zip(MOMENTS, after, strict=True))


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), bias corrected."""

    rule = staticmethod(adam_update)


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012) with momentum, as in PyTorch.

    The first of `betas` is the momentum, the second the decay of the squares.
    """

    rule = staticmethod(rmsprop_update)


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "rmsprop": RMSprop}


def clip(parameters: Parameters, limit: float) -> Parameters:
    """Clip every number to [-limit, limit] (Arjovsky et al. 2017, algorithm 1, line 7)."""
    return {
        name: ops.maximum(ops.maximum(p, -limit) * -1.0, -limit) * -1.0
        for name, p in parameters.items()
    }
