"""Every operation of `ops.OPERATIONS`, recorded on inputs that small networks do not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.conformance.functions import random
from ganbaru.conformance.recording import Record, Recorded
from ganbaru.nn import normalization

IMAGES, KERNELS = (3, 6, 7, 9), (5, 6, 3, 4)


def _positive(x: Any) -> Any:
    return Recorded(0.5 + np.abs(x.value), x.tape)


def _norm(x: Recorded) -> None:
    """Normalise more numbers than the NumPy engine takes in one block (131,072)."""
    start = (Recorded(np.full(x.shape[1], value), x.tape) for value in (1.0, 0.0, 0.0, 1.0))
    numbers = normalization.BATCH_NORM_MOMENTUM, normalization.BATCH_NORM_EPSILON
    normalization.normalise_batch(x, *start, *numbers)


Example = tuple[Callable[..., object], tuple[tuple[int, ...], ...]]

# For each operation, functions with the shapes of their tensors. Kernels of 64x48x4x4 take the
# NumPy engine's other way to their gradient, a single channel its other gather, and a stride of 3
# leaves pixels unread.
EXAMPLES: dict[str, list[Example]] = {
    "matmul": [
        (ops.matmul, ((4, 5), (5, 3))),
        (ops.matmul, ((2, 3, 4, 5), (3, 5, 2))),
    ],
    "conv2d": [
        (lambda x, w: ops.conv2d(x, w, stride=3, padding=2), (IMAGES, KERNELS)),
        (lambda x, w: ops.conv2d(x, w, padding=1), ((2, 1, 6, 5), (8, 1, 3, 3))),
        (lambda x, w: ops.conv2d(x, w, stride=2, padding=1), ((8, 48, 8, 8), (64, 48, 4, 4))),
        (lambda x, w: ops.conv2d(x, w, padding=1, groups=6), (IMAGES, (12, 1, 3, 3))),
        (lambda x, w: ops.conv2d(x, w, stride=2, groups=3), (IMAGES, (9, 2, 3, 4))),
    ],
    "conv_transpose2d": [
        (
            lambda x, w: ops.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
            ((2, 5, 4, 3), (5, 6, 3, 4)),
        ),
        (lambda x, w: ops.conv_transpose2d(x, w, stride=3), ((2, 8, 3, 2), (8, 1, 3, 3))),
    ],
    "reshape": [(lambda x: ops.reshape(x, (2, 10)), ((4, 5),))],
    "transpose": [(lambda x: ops.transpose(x, (1, 0)), ((4, 5),))],
    "broadcast_to": [(lambda x: ops.broadcast_to(x, (4, 5)), ((4, 1),))],
    "concat": [(lambda x, y: ops.concat([x, y], axis=1), ((4, 5), (4, 2)))],
    "pad": [(lambda x: ops.pad(x, ((1, 0), (0, 2))), ((4, 5),))],
    "slice": [(lambda x: ops.slice(x, (1, 0), (3, 5)), ((4, 5),))],
    "translate": [
        (lambda x: ops.translate(x, Recorded(np.array([[1, -2], [0, 3]]), x.tape)), ((2, 3, 5, 4),))
    ],
    "sum": [(ops.sum, ((4, 5),))],
    "mean": [(lambda x: ops.mean(x, axis=1, keepdims=True), ((4, 5),))],
    "max": [(lambda x: ops.max(x, axis=(0, 2), keepdims=True), ((4, 5, 3),))],
    "maximum": [
        (lambda x: ops.maximum(x, 0.0), ((4, 5),)),
        (ops.maximum, ((4, 5), (4, 5))),
    ],
    "exp": [(ops.exp, ((4, 5),))],
    "log": [(lambda x: ops.log(_positive(x)), ((4, 5),))],
    "sqrt": [(lambda x: ops.sqrt(_positive(x)), ((4, 5),))],
    "tanh": [(ops.tanh, ((4, 5),))],
    "sigmoid": [(ops.sigmoid, ((4, 5),))],
    "softplus": [(ops.softplus, ((4, 5),))],
    "leaky_relu": [(lambda x: ops.leaky_relu(x, 0.2), ((4, 5),))],
    "one_hot": [(lambda x: ops.one_hot(Recorded(np.array([2, 0]), x.tape), 3, x), ((4, 5),))],
    "stop_gradient": [(ops.stop_gradient, ((4, 5),))],
}
OPERATORS: list[Example] = [
    (lambda x, y: x - y, ((4, 5), (1, 5))),
    (lambda x, y: x / _positive(y), ((4, 5), (4, 1))),
    (lambda x: 2.0 / _positive(x), ((4, 5),)),
    (lambda x: (1.0 - x) ** 3, ((4, 5),)),
    (lambda x: -x, ((4, 5),)),
    (_norm, ((8, 20, 32, 32),)),
]
# They evaluate other operations: every check of this package uses both.
EVERYWHERE = ("value_and_grad", "to_numpy")


def records() -> Iterator[Record]:
    """Yield the operations of all examples."""
    named = [each for name in ops.OPERATIONS if name not in EVERYWHERE for each in EXAMPLES[name]]
    for number, (example, shapes) in enumerate((*named, *OPERATORS)):
        tape: list[Record] = []
        example(*(Recorded(random(shape, f"{number} {i}"), tape) for i, shape in enumerate(shapes)))
        yield from tape
