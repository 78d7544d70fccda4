"""What is JAX's own: programs kept between runs, and settings that are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganbaru import engines

if "jax" not in engines.available():
    pytest.skip("needs jax, which is not installed", allow_module_level=True)

# A program in a process of its own: its result, and JAX's settings.
SCRIPT = """
import sys, jax
sys.path.insert(0, {tests!r})
{before}
from helpers import table
from ganbaru import engines, ops
engine = engines.load("jax", "cpu")
engines.configure_process(engine)
{program}
print(repr(loss), jax.config.jax_compilation_cache_dir, jax.config.jax_enable_x64)
"""
GAME = 'loss = table(engine, width=4).step(0)["d_loss"]'
TINY = """
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # this takes less than 0.1 s
def train_step(at):
    return ops.value_and_grad(lambda p: (ops.sum(ops.tanh(p["x"])), None), at)[0]
loss = float(engine.compile(train_step)({"x": engine.from_numpy(jax.numpy.ones(3))}))
"""


def _played(cache, program: str = TINY, before: str = "") -> list[str]:
    tests = str(Path(__file__).parents[1])
    script = SCRIPT.format(tests=tests, before=before, program=program)
    environment = {**os.environ, "GANBARU_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    "program", [TINY, pytest.param(GAME, marks=pytest.mark.extended)], ids=["function", "game"]
)
def test_programs_are_kept_for_the_next_process(tmp_path, program):
    first = _played(tmp_path, program)
    (folder,) = (tmp_path / "programs" / "jax").iterdir()

    def kept():  # the step; what takes no time to compile is kept if it took some for once
        return sorted(path.name for path in folder.glob("jit_train_step-*-cache"))

    before = kept()
    assert first[1:] == [str(folder), "False"] and before
    assert _played(tmp_path, program) == first
    assert kept() == before


@pytest.mark.compiled
def test_a_folder_of_the_users_own_stays(tmp_path):
    own = tmp_path / "own"
    found = _played(
        tmp_path, before=f"jax.config.update('jax_compilation_cache_dir', {str(own)!r})"
    )
    assert found[1] == str(own)
    assert not (tmp_path / "programs").exists()


@pytest.mark.compiled
def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "programs").write_text("a file where the folder would be")
    assert _played(tmp_path)[1] == "None"
