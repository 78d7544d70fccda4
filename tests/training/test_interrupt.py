"""Ctrl-C and SIGTERM: the first stops a run gracefully, the second at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from train_helpers import (
    background,
    last_images,
    log,
    needs_posix,
    newest,
    tiny,
    trained,
    until,
)

from ganbaru import train
from ganbaru.config import to_yaml
from ganbaru.training import signals

pytestmark = needs_posix
NUMBERS = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]


@pytest.fixture(autouse=True)
def handlers():
    """Start as a program in the foreground does, whatever started the tests."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# --- in this process --------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
def test_first_signal_requests_a_stop(number):
    with signals.graceful_stop() as requested:
        assert not requested() and requested.exit_code == 0
        os.kill(os.getpid(), number)
        assert requested() and requested.exit_code == 128 + number


def test_second_ctrl_c_interrupts():
    with signals.graceful_stop() as requested:
        os.kill(os.getpid(), signal.SIGTERM)
        assert requested()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_signal_handlers_are_restored():
    before = [signal.getsignal(number) for number in NUMBERS]
    with signals.graceful_stop():
        assert all(signal.getsignal(number) not in before for number in NUMBERS)
    assert [signal.getsignal(number) for number in NUMBERS] == before
    with pytest.raises(ZeroDivisionError), signals.graceful_stop():
        1 / 0  # noqa: B018
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_ignored_signal_stays_ignored():
    """As under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.graceful_stop() as requested:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not requested()


def test_other_threads_train_without_signals(tmp_path):
    results = []
    config = tiny(tmp_path, steps=2)
    thread = threading.Thread(target=lambda: results.append(train(config, [])))
    thread.start()
    thread.join(60)
    assert results == [tmp_path / "run"]


def test_run_ends_after_the_step_in_which_a_stop_was_requested(tmp_path):
    class PressesCtrlC:
        """Presses Ctrl-C in step 4."""

        def start(self, run): ...

        def step(self, run, report):
            if run.step == 4:
                os.kill(os.getpid(), signal.SIGINT)

        def end(self, run):
            run.save()

    run = train(tiny(tmp_path), [PressesCtrlC()])
    assert newest(run)[1].step == 4


# --- real processes ---------------------------------------------------------------------------


def long_run(folder, **options):
    config = tiny(folder, steps=10**6, log_every=40, sample_every=10**6, **options)
    (folder / "config.yaml").write_text(to_yaml(config))
    return folder / "run", ["train", "--config", folder / "config.yaml"]


# The end of a run, made to take longer than the tests wait.
SLOW_END = """
import sys, time
from ganbaru import callbacks
from ganbaru.cli.main import main
callbacks.LossPlot.end = lambda self, run: time.sleep(600)
sys.exit(main(sys.argv[1:]))
"""


def test_second_ctrl_c_ends_a_process_at_once_with_the_checkpoint_saved(tmp_path):
    run, arguments = long_run(tmp_path)
    code = [sys.executable, "-c", SLOW_END, *map(str, arguments)]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    back = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    with subprocess.Popen(code, **quiet, preexec_fn=back) as process:
        try:
            until(lambda: last_images(run) > 0, process)
            process.send_signal(signal.SIGINT)
            until(lambda: (run / "history.png").exists(), process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130 and err == "ganbaru: Stopped at once.\n"
    assert "Stopping and saving; press Ctrl-C again to end at once." in out
    header = newest(run)[1]
    assert header.images == log(run)[-1]["images"]
    trained(tmp_path, steps=header.step + 1, resume=True)
    assert newest(run)[1].step == header.step + 1


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.extended)]
)
def test_run_that_a_signal_ends_is_saved(tmp_path, number):
    run, arguments = long_run(tmp_path)
    with background(*arguments, cwd=tmp_path) as process:
        until(lambda: last_images(run) > 0, process)
        process.send_signal(number)
        process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert newest(run)[1].images >= 40


def test_ctrl_c_before_the_first_step_leaves_no_run(tmp_path):
    """While data load there is nothing to save."""
    hang = "import time\ndef original(*args):\n    print('here', flush=True)\n    time.sleep(600)\n"
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "data.py").write_text(hang)
    with background("train", "--data", "slow.data", "--run", "r", cwd=tmp_path) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "ganbaru: Stopped at once.\n")
    assert not (tmp_path / "runs").exists()
