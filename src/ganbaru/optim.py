"""Optimisers over dictionaries of tensors, and the running average of the generator."""

from __future__ import annotations

from dataclasses import dataclass

from ganbaru import ops
from ganbaru.ops import Parameters


@dataclass(frozen=True)
class Adam:
    """Adam's settings: learning rate, the two decays and the denominator's floor."""

    rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    epsilon: float = 1e-8

    def start(self, parameters: Parameters) -> dict[str, Parameters]:
        """Return the two running moments, zero at first."""
        return {
            "mean": {name: p * 0.0 for name, p in parameters.items()},
            "square": {name: p * 0.0 for name, p in parameters.items()},
        }

    def update(
        self,
        parameters: Parameters,
        gradients: Parameters,
        moments: dict[str, Parameters],
        update: int,
    ) -> tuple[Parameters, dict[str, Parameters]]:
        """Make update number `update` (1, 2, ...); consumes the arguments, returns the new ones."""
        rule = ops.fused("adam", parameters, composed_adam)
        mean, square = moments["mean"], moments["square"]
        how = (update, self.rate, self.betas, self.epsilon)
        parameters, mean, square = rule(parameters, gradients, mean, square, *how)
        return parameters, {"mean": mean, "square": square}


def composed_adam(
    parameters: Parameters,
    gradients: Parameters,
    mean: Parameters,
    square: Parameters,
    update: int,
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[Parameters, Parameters, Parameters]:
    """Adam (Kingma and Ba 2015, algorithm 1) in the vocabulary, in PyTorch's order of operations.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²;
    p -= rate m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
    """
    first, second = betas
    new_mean = {n: mean[n] * first + g * (1 - first) for n, g in gradients.items()}
    new_square = {n: square[n] * second + g * g * (1 - second) for n, g in gradients.items()}
    step, root = rate / (1 - first**update), (1 - second**update) ** 0.5
    new = {
        n: p - new_mean[n] / (ops.sqrt(new_square[n]) / root + epsilon) * step
        for n, p in parameters.items()
    }
    return new, new_mean, new_square


def move_towards(average: Parameters, target: Parameters, keep: float) -> Parameters:
    """Return ``keep * average + (1 - keep) * target``; consumes `average`."""
    if not average:  # the buffers of a network without batch norm
        return average
    result: Parameters = ops.fused("move_towards", average, composed_move_towards)(
        average, target, keep
    )
    return result


def composed_move_towards(average: Parameters, target: Parameters, keep: float) -> Parameters:
    """An exponential moving average in the vocabulary."""
    return {name: a * keep + target[name] * (1 - keep) for name, a in average.items()}


def averaging_decay(decay: float, step: int) -> float:
    """Return the decay of the average at `step`: it grows to `decay`, to forget the start fast."""
    return min(decay, (1 + step) / (10 + step))
