"""The exponential moving average (EMA) of the generator's weights, which is what is sampled."""

from __future__ import annotations

from ganbaru import ops
from ganbaru.ops import Parameters


def move_towards(average: Parameters, target: Parameters, decay: float) -> Parameters:
    """Return ``decay * average + (1 - decay) * target``; consumes `average`."""
    if not average:  # the buffers of a network without batch norm
        return average
    moved: Parameters = _moved(average, target, decay)
    return moved


@ops.composed("move_towards")
def _moved(average: Parameters, target: Parameters, decay: float) -> Parameters:
    return {name: a * decay + target[name] * (1 - decay) for name, a in average.items()}


def decay_at(step: int, decay: float) -> float:
    """Return the decay at `step`; it rises to `decay`, to forget the first weights fast."""
    return min(decay, (1 + step) / (10 + step))


def decay_by_half_life(images: float, half_life: float) -> float:
    """Return the decay of a step over `images` that halves a weight's part in `half_life` images.

    The same for any batch; 0 for a half-life of 0, at which the average is the weights themselves.
    """
    return float(0.5 ** (images / half_life)) if half_life else 0.0
