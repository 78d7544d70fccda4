"""One attempt: an action in a forked child with limits, and everything that it must not do."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbaru.cli import main
from ganbaru.errors import InputError, RunError

SECONDS = 10.0  # of processor time that a refusal may take
MEBIBYTES = 2048.0  # of memory beside the parent's
WALL = 120.0  # seconds in which a child does not want a processor; it is stuck after them
PATIENT = 300.0  # seconds for commands that train
SPACE = 4 << 30  # bytes of address space beside the parent's, so that the machine survives
CRASH = 70  # exit code of an exception that is neither InputError nor RunError
CODES = (0, 1, 2)
MARKER = "ganbaru.bench.marker"  # the event that the hostile module raises when it runs
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_CALLS = ("socket.connect", "socket.getaddrinfo", "webbrowser.open")
WATCHED = frozenset((MARKER, *_STARTS, *_CALLS))

Action = Callable[[], Any]


@dataclass(frozen=True)
class Outcome:
    """How a child ended, what it printed, took, and did that was watched."""

    code: int  # minus the signal that ended it
    seconds: float  # of processor time
    mebibytes: float  # beside the parent's
    out: str
    err: str
    events: tuple[str, ...]

    @property
    def problem(self) -> str:
        """What broke a promise, "" if nothing did."""
        for event in self.events:
            return f"did: {event}"
        if self.code in (-signal.SIGALRM, -signal.SIGXCPU):
            return f"stuck: no end after {self.seconds:.0f} s of processor time"
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        if self.code not in CODES or "Traceback (most recent" in self.err:
            return f"traceback: {last_line(self.err)}"
        if self.seconds > SECONDS:
            return f"slow: {self.seconds:.0f} s"
        if self.mebibytes > MEBIBYTES or "Out of memory" in self.err:
            return f"memory: {self.mebibytes:,.0f} MiB; {last_line(self.err)}"
        return ""


def last_line(text: str) -> str:
    """Return the last line that is not empty, shortened."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def ganbaru(*words: object) -> Action:
    """Return the action of a command."""
    return lambda: main.main([str(word) for word in words])


def attempt(
    action: Action, folder: Path, hook: Action | None = None, wall: float = WALL
) -> Outcome:
    """Run an action in a forked child, in a folder and under limits, `wall` idle seconds at most.

    `hook` runs in the child first, for example to add an audit hook.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sys.stdout.flush(), sys.stderr.flush()
        child = os.fork()
        if not child:
            _child(action, folder, hook, [file.fileno() for file in files])
        status, usage = _ended(child, wall)
        out, err, events = (_text(file) for file in files)
    return Outcome(
        code=os.waitstatus_to_exitcode(status),
        seconds=usage.ru_utime + usage.ru_stime,
        mebibytes=max(0, usage.ru_maxrss - before) / 1024,
        out=out,
        err=err,
        events=tuple(dict.fromkeys(events.splitlines())),
    )


def _ended(child: int, wall: float) -> tuple[int, resource.struct_rusage]:
    """Wait for a child and end it by SIGALRM if it idles; returns its status and what it used.

    Time in which it waits for a processor does not count: with 30 processes on 2 cores, a child
    had 1 s of the processor in 120 s.
    """
    began, pause = time.monotonic(), 0.001
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage
        if time.monotonic() - began - _busy(child) > wall:
            os.kill(child, signal.SIGALRM)
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def _busy(child: int) -> float:
    """Return the seconds in which a child's threads computed or waited for a processor.

    0 where the system does not count them, as Linux does.
    """
    spent = 0
    for path in Path(f"/proc/{child}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # the thread has ended
            spent += sum(map(int, path.read_text().split()[:2]))
    return spent / 1e9


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode("utf-8", "backslashreplace"))


def _child(action: Action, folder: Path, hook: Action | None, files: list[int]) -> None:
    """Run the action and leave; never returns."""
    code = CRASH
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        sys.path.append(str(folder))  # as a script there has it, and `python -m ganbaru`
        _redirect(files)
        _limit()
        if hook:
            hook()
        code = _code(action)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _redirect(files: list[int]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(files[0], 1), os.dup2(files[1], 2)
    how: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace"}
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), **how)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), **how, line_buffering=True)
    log = files[2]

    def watch(event: str, arguments: tuple) -> None:
        if event in WATCHED:
            what = repr(arguments[0])[:80] if arguments else ""
            if "lscpu" in what:  # joblib counts cores
                return
            os.write(log, f"{event} {what}".strip().encode("utf-8", "replace") + b"\n")

    sys.addaudithook(watch)


def _limit() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    spent = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (spent + 2 * int(SECONDS), spent + 3 * int(SECONDS)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (SPACE, SPACE))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPACE, used + SPACE))


def _code(action: Action) -> int:
    """Return the exit code of an action: its own, or that of its error as for a command."""
    try:
        found = action()
    except InputError as error:
        print(f"ganbaru: {error}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"ganbaru: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"Out of memory ({error})", file=sys.stderr)
        return 1
    except SystemExit as stop:
        return int(stop.code or 0)
    return found if isinstance(found, int) else 0


# What commands load, apart from frameworks: once here instead of in every child.
_LOADED = (
    "matplotlib.figure", "matplotlib.backends.backend_agg", "rich.console", "rich.live",
    "rich.progress", "rich.table", "safetensors.numpy", "yaml", "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.PpmImagePlugin",
    "PIL.ImageSequence", "numpy.random", "numpy.ma", "requests", "pooch",
)  # fmt: skip
_FRAMEWORKS = ("native", "engines.torch", "engines.jax", "engines.tensorflow", "engines.cupy",
               "engines.onnx", "__main__")  # fmt: skip
_SLOW = ("serve", "cli.serve", "sklearn.neighbors")  # a second each, for few trials


def preload(full: bool = True) -> None:
    """Import what commands load, so that children start within milliseconds."""
    import ganbaru

    root = Path(str(ganbaru.__file__)).parent
    skipped = _FRAMEWORKS if full else (*_FRAMEWORKS, *_SLOW)
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        if not name.startswith(skipped):
            importlib.import_module(f"ganbaru.{name}".removesuffix(".__init__"))
    for name in (*_LOADED, *_SLOW[2:] * full):
        importlib.import_module(name)
    gc.freeze()  # children's garbage collection would copy the parent's pages
