"""One call on a machine with a GPU: is every engine right on it, and how fast?

python -m bench.gpu                         all engines that compute on the GPU
python -m bench.gpu --device cpu --tiny     the same on a CPU in a minute, to see that it runs

Each engine plays a small game of every network beside the NumPy engine on the CPU: outputs and
gradients in float32, and three steps in float32 and float64. Then the 64x64 step (width 64, grey,
float32) is timed by batch size, with the peak memory of the engine's own counter (of the process,
on a CPU). Writes gpu.json and gpu.md; exits 1 if an engine disagrees, 2 if there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import engines, model, nn, ops, registry, step
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.errors import InputError

from .games import game, random_images
from .serve import peak as process_peak
from .telling import markdown

# The parity rule (docs/design.md) for outputs and gradients in float32, and for weights in float64.
# Three steps in float32 are shown, not judged: Adam makes steps of rounding.
ALLOWED = {"outputs float32": 1e-4, "gradients float32": 1e-4,
           "gradients float64": 1e-9, "3 steps float64": 1e-7}  # fmt: skip
Row = dict[str, Any]


# --- right? -----------------------------------------------------------------------------------


def error(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], share: float) -> float:
    """Return the largest difference, relative to each array's scale.

    No scale counts as smaller than a `share` of the largest one: a bias before batch norm has no
    gradient but rounding's, of which Adam makes steps.
    """
    scales = {name: float(np.abs(array).max(initial=0)) for name, array in expected.items()}
    least = max(scales.values()) * share
    return max(
        float(np.abs(found[name] - array).max(initial=0)) / max(scales[name], least)
        for name, array in expected.items()
    )


def outputs_and_gradients(engine: Engine, config: Config, shape: Any) -> Iterator[dict]:
    """Yield D's and G's outputs, then the gradients of their products with random directions."""
    made, draw, state = game(engine, config, random_images(2 * config.batch, shape))
    batch = draw.discriminator(0)
    players = {"generator": batch.latent, "discriminator": batch.real}

    def run(player: str, parameters: Any) -> tuple[Any, Any]:
        network, buffers = getattr(made, player), state[f"{player}_buffers"]
        y = nn.apply(network, parameters, buffers, players[player], training=True)[0]
        direction = np.random.default_rng(1).standard_normal(y.shape)
        return ops.mean(y * engine.from_numpy(direction)), y

    found = {player: ops.value_and_grad(partial(run, player), state[player]) for player in players}
    yield {player: ops.to_numpy(y) for player, (_, y, _) in found.items()}
    yield {
        f"{player} {name}": ops.to_numpy(g)
        for player, (_, _, gradients) in found.items()
        for name, g in gradients.items()
    }


def three_steps(engine: Engine, config: Config, shape: Any) -> dict[str, np.ndarray]:
    """Return both players' weights after three steps."""
    made, draw, state = game(engine, config, random_images(2 * config.batch, shape))
    play = engine.compile(partial(step.play, made), consumes=True)
    for number in range(3):
        state, _ = play(state, draw.step(number), step.paces(made, number, 1))
    return {
        f"{player} {name}": engine.to_numpy(x)
        for player in ("generator", "discriminator")
        for name, x in state[player].items()
    }


def check(name: str, device: str, network: str) -> Row:
    """Compare an engine with NumPy in one network; returns the worst errors."""
    logits = model.logits(network)
    shape = (64, 64, 1) if network == "patchgan" else (32, 32, 3)
    config = Config(network=network, width=4, latent=8, batch=16, image_size=str(shape[0]),
                    objective="two-class" if logits == 2 else "non-saturating")  # fmt: skip
    row: Row = {"engine": name, "network": network}
    for precision in ("float32", "float64"):
        here = engines.load(name, device, precision), engines.load("numpy", "cpu", precision)
        steps = [three_steps(engine, config, shape) for engine in here]
        row[f"3 steps {precision}"] = error(*steps, share=1.0)
        both = zip(*(outputs_and_gradients(engine, config, shape) for engine in here), strict=True)
        for what, pair in zip(("outputs", "gradients"), both, strict=True):
            row[f"{what} {precision}"] = error(*pair, share=0.1)
    row["agrees"] = all(row[what] <= most for what, most in ALLOWED.items())
    return row


# --- fast? ------------------------------------------------------------------------------------


def _torch_peak(device: str) -> float:
    import torch

    return torch.cuda.max_memory_allocated(device)


def _cupy_peak(device: str) -> float:
    import cupy

    return cupy.get_default_memory_pool().total_bytes()


def _jax_peak(device: str) -> float:
    import jax

    index = int(device.partition(":")[2] or 0)
    return jax.devices("cuda")[index].memory_stats()["peak_bytes_in_use"]


def _tensorflow_peak(device: str) -> float:
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


PEAKS: dict[str, Callable[[str], float]] = {
    "torch": _torch_peak, "cupy": _cupy_peak, "jax": _jax_peak, "tensorflow": _tensorflow_peak,
}  # fmt: skip


def peak(name: str, device: str) -> float:
    """Return the peak memory so far in MiB: batches grow, so the latest one's."""
    if device == "cpu":
        return process_peak()
    return PEAKS[name](device) / 2**20


def timed(name: str, device: str, batch: int, width: int, rounds: int) -> Row:
    """Time the 64x64 step at one batch size."""
    engine = engines.load(name, device)
    config = Config(width=width, image_size="64", channels=1, batch=batch)
    made, draw, state = game(engine, config, random_images(2 * batch, (64, 64, 1)))
    play = engine.compile(partial(step.play, made), consumes=True)
    seconds = []
    for number in range(rounds + 3):  # three to warm up and compile
        batches = draw.step(number)
        engine.module.synchronise()
        began = time.perf_counter()
        state, report = play(state, batches, step.paces(made, number, 1))
        float(report["g_loss"])
        engine.module.synchronise()
        seconds.append(time.perf_counter() - began)
    middle = statistics.median(seconds[3:])
    return {"engine": name, "batch": batch, "seconds": middle, "images/s": batch / middle,
            "peak MiB": peak(name, device)}  # fmt: skip


# --- told -------------------------------------------------------------------------------------


def usable(device: str, wanted: Sequence[str]) -> list[str]:
    """Return which engines compute on a device; says why the others do not."""
    found = []
    for name in wanted:
        try:
            print(engines.load(name, device).describe(), flush=True)
            found.append(name)
        except InputError as refused:
            print(f"without {name}: {refused}", flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--engines", nargs="+", default=["torch", "jax", "tensorflow", "cupy"])
    parser.add_argument("--networks", nargs="+", default=registry.names("networks"))
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64, 256, 1024])
    parser.add_argument("--tiny", action="store_true", help="width 4, batch 4, 2 rounds")
    parser.add_argument("--out", type=Path, default=Path("."))
    wanted = parser.parse_args(arguments)
    names = usable(wanted.device, wanted.engines)
    if not names:
        print(f"No engine computes on {wanted.device!r} here: nothing to check or to time.")
        return 2
    width, rounds, batches = (4, 2, [4]) if wanted.tiny else (64, 20, wanted.batches)
    checks = [check(name, wanted.device, network) for name in names for network in wanted.networks]
    times = [
        timed(name, wanted.device, batch, width, rounds) for name in names for batch in batches
    ]
    about = [engines.load(name, wanted.device).describe() for name in names]
    wanted.out.mkdir(parents=True, exist_ok=True)
    told = {"engines": about, "allowed": ALLOWED, "checks": checks, "times": times}
    (wanted.out / "gpu.json").write_text(json.dumps(told, indent=2), encoding="utf-8")
    text = f"{'; '.join(about)}\n\n{markdown(checks)}\n\n{markdown(times)}\n"
    (wanted.out / "gpu.md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(row["agrees"] for row in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
