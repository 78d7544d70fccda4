"""Loading a generator in another program changes no switch of its process; commands set them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from train_helpers import trained

from ganbaru import engines

SCRIPT = """
import sys
import numpy as np
import threadpoolctl
import ganbaru
name, run, configured = sys.argv[1:]

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

if name == "jax":
    import jax.numpy
elif name == "torch":
    import torch
before = switches()
if configured == "True":
    from ganbaru import engines
    engines.own_process()
generator = ganbaru.load(run, engine=name, device="cpu")
images = generator.sample(3)
after = switches()
print(int(images.astype(np.int64).sum()), before == after)
print(before, after, file=sys.stderr)
"""


def _loaded(name: str, run, configured: bool = False) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, name, str(run), str(configured)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}  # in tests 1, as the engine sets it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    print(done.stderr)  # the switches, for a test that fails
    return done.stdout.split()


@pytest.mark.parametrize(
    "name,precision",  # JAX in float64 is the next test's
    [
        pytest.param(name, precision, marks=[pytest.mark.extended] * (precision == "float64"))
        for name in ("numpy", "torch", "jax")
        for precision in ("float32", "float64")
        if name in engines.available() and (name, precision) != ("jax", "float64")
    ],
)
def test_loading_a_generator_changes_no_switch(name, precision, tmp_path):
    run = trained(tmp_path, precision=precision, engine="numpy", steps=1)
    _, unchanged = _loaded(name, run)
    assert unchanged == "True"


@pytest.mark.skipif("jax" not in engines.available(), reason="needs JAX")
def test_jax_computes_in_float64_in_a_process_of_32_bits(tmp_path):
    run = trained(tmp_path, precision="float64", engine="numpy", steps=1)
    assert _loaded("jax", run) == [_loaded("numpy", run)[0], "True"]
    assert _loaded("jax", run, configured=True)[1] == "False"


@pytest.mark.skipif("jax" not in engines.available(), reason="needs JAX")
def test_jax_float64_numbers_are_numpys_without_the_switch():
    script = (
        "import numpy as np, jax\nfrom ganbaru import engines, ops\n"
        "for name in ('numpy', 'jax'):\n"
        "    engine = engines.load(name, 'cpu', 'float64')\n"
        "    x = engine.from_numpy(np.linspace(0, 1, 5))\n"
        "    f = engine.compile(lambda p: ops.value_and_grad(\n"
        "        lambda q: (ops.sum(ops.exp(q['x'])), None), p)[2])\n"
        "    y = engine.to_numpy(f({'x': x})['x'])\n"
        "    print(y.dtype, abs(y - np.exp(np.linspace(0, 1, 5))).max() < 1e-14)\n"
        "print(jax.config.jax_enable_x64)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["float64", "True", "float64", "True", "False"]
