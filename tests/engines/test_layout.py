"""A whole step on the NumPy engine in float32: no array in it is wide, none of images turned round.

NumPy keeps images channels-last through its functions, and loses it without a word in others; a
step in the wrong order, or in float64, is right and twice as slow.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from gan_cases import NORMS
from helpers import NUMPY32, is_channels_last, normal, table
from train_helpers import SIGNALS

from ganbaru import ops
from ganbaru.engines.numpy import autodiff
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES


def arrays_in(nest: Any) -> Iterator[np.ndarray]:
    """Yield the arrays and NumPy's own numbers in nested results of operations."""
    if isinstance(nest, dict):
        nest = list(nest.values())
    if isinstance(nest, (list, tuple)):
        for item in nest:
            yield from arrays_in(item)
    elif isinstance(autodiff.value_of(nest), (np.ndarray, np.generic)):
        yield autodiff.value_of(nest)


class Watch:
    """Sees every array that an operation of the engine returns, forwards or in a gradient."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.wrong: list[str] = []

    def look(self, where: str, found: Any) -> None:
        for array in arrays_in(found):
            self.seen[where] = self.seen.get(where, 0) + 1
            if array.dtype.kind == "f" and array.dtype != np.float32:
                self.wrong.append(f"{where}: {array.dtype} {array.shape}")
            if array.ndim == 4 and not is_channels_last(array):
                self.wrong.append(f"{where}: {array.shape} with strides {array.strides}")

    def watched(self, name: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            found = function(*arguments, **options)
            self.look(name, found)
            return found

        return call


@pytest.fixture
def watch(monkeypatch) -> Watch:
    """Watch all differentiable operations, by whatever name another module knows them."""
    watch = Watch()
    engine = [m for name, m in sys.modules.items() if name.startswith("ganbaru.engines.numpy")]
    homes = [(home, dict(vars(home))) for home in (*engine, autodiff.Tensor)]
    operations: dict[int, Callable] = {}
    for home, items in homes:
        for name, item in items.items():
            if hasattr(item, "pullback"):
                if id(item) not in operations:
                    back = watch.watched(f"gradient of {item.__name__}", item.pullback)
                    monkeypatch.setattr(item, "pullback", back)
                    operations[id(item)] = watch.watched(item.__name__, item)
                monkeypatch.setattr(home, name, operations[id(item)])
    engine_class = type(NUMPY32)
    for name in ops.OPERATIONS:
        if id(function := getattr(engine_class, name)) in operations:
            monkeypatch.setattr(engine_class, name, staticmethod(operations[id(function)]))
    for name, form in engine_class.FUSED.items():
        monkeypatch.setitem(engine_class.FUSED, name, watch.watched(name, form))
    made = autodiff.Tensor.__init__

    def make(self: autodiff.Tensor, value: Any, *rest: Any) -> None:
        watch.look("a recorded tensor", value)
        made(self, value, *rest)

    monkeypatch.setattr(autodiff.Tensor, "__init__", make)
    return watch


GAMES = [
    *({"objective": name} for name in OBJECTIVES if OBJECTIVES[name].logits == 1),
    {"share": "fakes", "order": "g-first", "distribution": "uniform", "clip": 0.05},
    *({"penalty": n, "conditioning": "projection", **NORMS.get(n, {})} for n in PENALTIES),
    {"conditioning": "planes", "shape": (16, 16, 3)},
    {"conditioning": "planes", "penalty": "r1+r2+wgan-gp", "shape": (28, 32, 1)},
]


@pytest.mark.parametrize("options", GAMES, ids=lambda gan: " ".join(map(str, gan.values())))
def test_a_step_keeps_its_layout_and_precision(options, watch):
    gan = table(NUMPY32, **options)
    report = {**gan.step(0), **gan.step(1)}
    assert not watch.wrong
    assert sum(watch.seen.values()) > 300
    assert {"conv2d", "gradient of conv2d", "batch_norm", "adam", "tanh"} <= watch.seen.keys()
    assert report.keys() == {"d_loss", "real_score", "fake_score", "g_loss", *SIGNALS}
    for group, tensors in gan.state.items():
        for name, array in tensors.items():
            assert array.dtype == np.float32, (group, name)
            assert array.ndim != 4 or is_channels_last(array), (group, name)


def test_the_watch_sees_what_is_wrong(watch):
    """It would fail: a copy in C order, and NumPy's promotion by a float64 scalar."""
    x = NUMPY32.from_numpy(normal(2, 3, 4, 5))
    ops.exp(np.ascontiguousarray(x))
    assert [line.partition(":")[0] for line in watch.wrong] == ["exp"]
    watch.wrong.clear()
    ops.grad(lambda t: ops.sum(t * np.float64(2.0)), x)
    assert any("mul: float64" in line for line in watch.wrong)
    assert any("gradient of mul: float64" in line for line in watch.wrong)


@pytest.mark.parametrize(
    "shape,strides,last",
    [
        ((2, 3, 4, 5), (240, 4, 60, 12), True),
        ((2, 3, 4, 5), (240, 80, 20, 4), False),
        ((2, 1, 4, 5), (80, 80, 20, 4), True),
        ((2, 3, 1, 1), (12, 4, 4, 4), True),
        ((2, 3, 4, 5), (12, 4, 0, 0), True),
        ((2, 3, 4, 5), (480, 4, 120, 12), True),
        ((2, 3, 4, 5), (240, 4, 12, 48), False),
    ],
    ids=["last", "first", "one channel", "one pixel", "repeated", "with gaps", "turned"],
)
def test_what_counts_as_channels_last(shape, strides, last):
    memory = np.zeros(2000, np.float32)
    assert is_channels_last(np.lib.stride_tricks.as_strided(memory, shape, strides)) is last
