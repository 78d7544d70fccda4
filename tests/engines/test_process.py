"""Loading a generator in another program changes no switch of its process; commands set them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from ganbaru import engines, load

SCRIPT = """
import sys
import numpy as np
import threadpoolctl
import ganbaru
from ganbaru import engines, ops
name, *runs = sys.argv[1:]

def blas():
    pools = threadpoolctl.threadpool_info()  # in any order
    return sorted((pool["filepath"], pool["num_threads"]) for pool in pools)

def torch_switches():
    import torch
    cudnn = torch.backends.cudnn
    return (torch.get_float32_matmul_precision(), cudnn.deterministic, cudnn.allow_tf32,
            cudnn.benchmark, torch.get_num_threads())

def jax_switches():
    import jax
    return jax.config.values

def switches():
    found = {"torch": torch_switches, "jax": jax_switches}.get(name, dict)()
    return blas(), dict(found) if name == "jax" else found

def in_float64():
    engine = engines.load(name, "cpu", "float64")
    x = np.linspace(0, 1, 5)
    f = engine.compile(lambda p: ops.value_and_grad(
        lambda q: (ops.sum(ops.exp(q["x"])), None), p)[2])
    y = engine.to_numpy(f({"x": engine.from_numpy(x)})["x"])
    return y.dtype == np.float64 and abs(y - np.exp(x)).max() < 1e-14

if name == "jax":
    import jax.numpy
elif name == "torch":
    import torch
for run in runs:
    before = switches()
    if run == "configured":
        engines.own_process()
        engines.load.cache_clear()
    else:
        last = run
    images = ganbaru.load(last, engine=name, device="cpu").sample(3)
    print(int(images.astype(np.int64).sum()), before == switches(), in_float64())
    print(before, switches(), file=sys.stderr)
"""


def _loaded(name: str, *runs) -> list[list[str]]:
    """Return, for each run loaded in one process, its images' sum, whether no switch changed, and
    whether the engine computes in float64.
    """
    command = [sys.executable, "-c", SCRIPT, name, *map(str, runs)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}  # in tests 1, as the engine sets it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    print(done.stderr)  # the switches, for a test that fails
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", [n for n in ("numpy", "torch", "jax") if n in engines.available()])
def test_loading_a_generator_changes_no_switch(name, trained_run):
    """JAX computes in float64 in a process of 32 bits; a command's process alone is configured."""
    runs = [trained_run(precision=p, steps=1) for p in ("float32", "float64")]
    found = _loaded(name, *runs, *["configured"] * (name == "jax"))
    assert [unchanged for _, unchanged, _ in found] == ["True", "True", "False"][: len(found)]
    assert all(computed == "True" for *_, computed in found)
    assert found[1][0] == str(load(runs[1]).sample(3).astype(np.int64).sum())
