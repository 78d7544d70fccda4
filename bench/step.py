"""A training step: our engines and plain code of their frameworks.

One D and one G update, non-saturating, Adam, float32, on random images in memory, on all cores.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from ganbaru import engines
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.gan import step

from . import flops
from .games import gan, random_images
from .interleaved import Bench, Contestant, Entry, Race, Row, Table
from .roofline import core_count
from .scale import Size
from .worker import Turn


def ours(
    engine: str, size: int, channels: int, width: int, batch: int, source: Source | None = None
) -> Turn:
    """Return a turn that makes one of our steps and measures how long it waited for its batches.

    It trains on the source or, without one, on random images in memory.
    """
    images = source or random_images(4 * batch, (size, size, channels))
    return steps_of(engine, flops.config(Size(size, channels, width, batch)), images)


def steps_of(engine: str, config: Config, images: Source) -> Turn:
    """Return a turn that makes a step of a configuration on images."""
    machine = engines.load(engine, "cpu")
    played, draw, state = gan(machine, config, images)
    train_step = machine.compile(partial(step.train_step, played), consumes=True)
    number = 0

    def turn() -> dict[str, float]:
        nonlocal state, number
        began = time.perf_counter()
        batches = draw.step(number)
        waited = time.perf_counter() - began
        state, report = train_step(state, batches, step.step_schedule(played, number, 1))
        number += 1
        losses = {name: float(report[name]) for name in ("d_loss", "g_loss")}
        return {**losses, "waited": waited}

    return turn


TUNED = ("tuned PyTorch", "compiled PyTorch", "bf16 PyTorch", "compiled bf16 PyTorch")
EXAMPLE = "example PyTorch"
# The NumPy engine has no framework, and is compared with what most people would use instead.
CONTESTANTS: dict[str, Contestant] = {
    EXAMPLE: Contestant("torch", "bench.plain.pytorch_example:step", shared=True),
    "plain PyTorch": Contestant("torch", "bench.plain.pytorch:step"),
    "tuned PyTorch": Contestant("torch", "bench.plain.pytorch_tuned:step"),
    "compiled PyTorch": Contestant(
        "torch", "bench.plain.pytorch_tuned:step", {"compiled": True}, compiled=True
    ),
    "bf16 PyTorch": Contestant("torch", "bench.plain.pytorch_tuned:step", {"bf16": True}),
    "compiled bf16 PyTorch": Contestant(
        "torch", "bench.plain.pytorch_tuned:step", {"compiled": True, "bf16": True}, compiled=True
    ),
    "torch engine": Contestant(
        "torch", "bench.step:ours", {"engine": "torch"}, (EXAMPLE, "plain PyTorch", *TUNED)
    ),
    "numpy engine": Contestant(
        "numpy", "bench.step:ours", {"engine": "numpy"}, (EXAMPLE, "plain PyTorch", *TUNED)
    ),
}
for _engine, _title in {"tensorflow": "TensorFlow", "jax": "JAX"}.items():
    _plain = f"plain {_title}"
    CONTESTANTS |= {
        _plain: Contestant(_engine, f"bench.plain.{_engine}:step"),
        f"{_engine} engine": Contestant(
            _engine, "bench.step:ours", {"engine": _engine}, (_plain,)
        ),
    }  # fmt: skip
PLAIN = {"numpy": "plain PyTorch", "torch": "plain PyTorch", "tensorflow": "plain TensorFlow",
         "jax": "plain JAX"}  # fmt: skip


def fewer(bench: Bench) -> dict[str, Contestant]:
    """Return only our engines and their plain counterparts, for cases with many sizes."""
    names = [name for engine in bench.ours for name in (PLAIN[engine], f"{engine} engine")]
    return bench.entrants({name: CONTESTANTS[name] for name in names})


def entries(contestants: Mapping[str, Contestant], size: Size) -> dict[str, Entry]:
    """Return the entries of contestants for steps of a size."""
    return {
        name: Entry(one, size._asdict(), flops.step(size, one.shared), size.batch)
        for name, one in contestants.items()
    }


def steps(bench: Bench) -> list[Table]:
    """Time all contestants at each size."""
    tables = []
    for size in bench.scale.steps:
        race = bench.race(entries(bench.entrants(CONTESTANTS), size), fresh=True)
        cost = flops.step(size)
        needs = f"A step needs {cost.flops / 1e9:.3g} GFLOP and {cost.bytes / 1e6:,.0f} MB."
        tables.append(Table(f"Step, {size}", race.rows(), (needs, *race.absent())))
    return tables


def over(what: str, values: str, bench: Bench) -> list[Table]:
    """Time steps at each of the scale's `values` for one field of the size."""
    rows: list[Row] = []
    for value in getattr(bench.scale, values):
        size = bench.scale.middle._replace(**{what: value})
        rows += _at(value, what, bench.race(entries(fewer(bench), size)))
    return [Table(f"Step over {what}, else {bench.scale.middle}", rows, over=what)]


def _at(value: int, what: str, race: Race) -> list[Row]:
    return [{what: value, **row} for row in race.rows()]


def over_cores(bench: Bench) -> list[Table]:
    """Time steps on one core, two, four and so on, up to all; the ceilings use as many."""
    most, size = core_count(), bench.scale.middle
    rows: list[Row] = []
    for count in sorted({2**i for i in range(most.bit_length())} | {most}):
        cores = count if count < most else 0
        rows += _at(count, "cores", bench.race(entries(fewer(bench), size), cores))
    return [Table(f"Step over cores, {size}", rows, over="cores")]
