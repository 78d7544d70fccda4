"""Runs that are killed at any file-system call: the next command works, and nothing is left."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from train_helpers import assert_same_state, needs_posix, newest, tiny

from ganbaru import InputError, RunError, callbacks, files, train
from ganbaru.config import load_yaml
from ganbaru.engines.numpy import parallel
from ganbaru.sampling import generators
from ganbaru.training import run_folder

pytestmark = needs_posix
KILLED, WRONG, FAILED = 77, 2, 1
CALLS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "fcntl.flock")


def apart(work: Callable[[], object], kill: tuple[Path, int] | None = None) -> int:
    """Do `work` in a process of its own, killed before the given call below a folder."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        for cached in (parallel.thread_count, parallel._helpers, files._sweep):
            cached.cache_clear()
        os.environ["GANBARU_THREADS"] = "1"
        if kill:
            sys.addaudithook(killer(*kill))
        work()
        code = 0
    except (InputError, RunError) as error:
        code = WRONG if isinstance(error, InputError) else FAILED
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def killer(folder: Path, number: int) -> Callable[[str, tuple], None]:
    left = number

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        below = event == "fcntl.flock" or str(arguments[:1]).find(str(folder)) >= 0
        if (writes or event in CALLS) and below:
            left -= 1
            if left < 0:
                os._exit(KILLED)

    return hook


def trained(folder: Path, *, every: bool = False, **options) -> None:
    used = [callbacks.Log(), callbacks.Checkpoints()]
    train(tiny(folder, **options), callbacks.standard() if every else used)


def leftovers(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob(".ganbaru*")]


OLD = {"steps": 2}
CASES = {
    "start": ({}, {"steps": 2}),
    "resume": (OLD, {"steps": 4, "resume": True}),
    "overwrite": (OLD, {"steps": 2, "seed": 1, "overwrite": True}),
}


def check(tmp_path: Path, case: str, every: bool) -> None:
    before, options = CASES[case]
    for name in ("old", "whole") if before else ():
        trained(tmp_path, run=tmp_path / name, every=every, **before)
    trained(tmp_path, run=tmp_path / "whole", every=every, **options)
    run, number = tmp_path / "runs" / "run", 0

    def go(**more) -> int:
        return apart(lambda: trained(tmp_path, run=run, every=every, **{**options, **more}))

    while True:
        shutil.rmtree(run.parent, ignore_errors=True)
        if before:
            shutil.copytree(tmp_path / "old", run)
        ended = apart(
            lambda: trained(tmp_path, run=run, every=every, **options), (run.parent, number)
        )
        if not ended:
            break
        assert ended == KILLED
        assert apart(lambda: read(run, tmp_path / "old")) in (0, WRONG), number
        again = [{}, {"overwrite": False, "resume": True}, {"resume": False, "overwrite": True}]
        codes = [go(**more) for more in (again if number % 2 else [again[0], *again[:0:-1]])]
        assert set(codes) <= {0, WRONG} and 0 in codes, (number, codes)
        assert_same_state(run, tmp_path / "whole")
        assert leftovers(tmp_path) == [], number
        number += 1
    assert number > 10  # kills


def read(run: Path, old: Path) -> None:
    """Generate an image; while the configuration is the old one, so are the weights."""
    path = run_folder.find_checkpoint(run)
    generators.load(path).sample(1)
    if old.exists() and "resume" not in str(run) and load_yaml(run / "config.yaml")["seed"] == 0:
        assert newest(run)[1].images >= newest(old)[1].images


@pytest.mark.parametrize("case", CASES)
def test_killed_at_any_call(tmp_path, case):
    check(tmp_path, case, every=False)
