"""Kills at file-system events and at random moments, and the same command again.

A child is killed by SIGKILL right before its k-th opening for writing, renaming, making or removing
of a file below its folder, for every k or a seeded choice of them, or after a random share of
its usual time. Then the commands that a user would try follow. A failure: none succeeds, what they
make differs from what an uninterrupted command makes, or files are left over.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import material
from .child import PATIENT, attempt, ganbaru, last_line
from .findings import Finding, Findings
from .material import COMPARE, OFTEN, RUN, SCORED, TINY, TRAIN

Words = tuple[Any, ...]
EVENTS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink",
          "os.truncate", "shutil.rmtree"}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A command to kill, what a user tries after it, and what must be the same in the end."""

    words: Words
    after: tuple[Words, ...]
    result: Callable[[Path, str], Any]  # of the folder and the printed text
    needs: tuple[str, ...] = ("pics.npz", "cache")
    before: Words = ()  # a command that comes first
    straight: Words = ()  # the uninterrupted command, if not this one
    weight: int = 1
    quick: bool = False  # tried where there is time for a few alone


def state(folder: Path, out: str = "") -> dict[str, str]:
    """Return the state of a run without what a clock says, by name."""
    from ganbaru.training import checkpoint

    path = checkpoint.found(folder / "r" / "checkpoints")[-1]
    groups, header = checkpoint.load(path)
    found = {
        f"{group}/{name}": hashlib.sha256(array.tobytes()).hexdigest()
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    found["header"] = repr((header.step, header.images, header.data, header.callbacks))
    log = (folder / "r" / "log.jsonl").read_text().splitlines()
    for number, line in enumerate(log):
        found[f"line {number}"] = repr(timeless(json.loads(line)))
    for path in sorted((folder / "r").rglob("*")):
        if path.suffix in (".png", ".gif") and path.name not in ("losses.png", "scores.png"):
            name = str(path.relative_to(folder))
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def timeless(tree: Any) -> Any:
    """Return JSON without what a clock or a file's place says."""
    clock = ("seconds", "images_per_second", "seconds_per_run", "date", "written")
    if isinstance(tree, dict):
        return {key: timeless(value) for key, value in tree.items() if key not in clock}
    return [timeless(each) for each in tree] if isinstance(tree, list) else tree


def printed(folder: Path, out: str) -> Any:
    """Return the JSON that a command printed."""
    return timeless(json.loads(out))


def content(*names: str) -> Callable[[Path, str], Any]:
    """Return the function that reads files, all below a folder."""

    def read(folder: Path, out: str) -> dict[str, str]:
        paths = [path for name in names for path in sorted(folder.glob(name)) if path.is_file()]
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in paths}  # fmt: skip

    return read


def standings(folder: Path, out: str) -> Any:
    """Return a tournament's results."""
    return timeless(json.loads((folder / "cmp" / "results.json").read_text()))


_START = (*TRAIN, "--steps", 12, "--run", RUN)
_RESUME = ("train", "--run", RUN, "--resume", "--steps", 12)
_OTHER = ("train", "digits", "--data", "pics.npz", *TINY, *OFTEN, "--seed", 5, "--steps", 6,
          "--run", RUN)  # fmt: skip

CASES: dict[str, Case] = {
    "start": Case(_START, (_RESUME, _START, (*_START, "--overwrite")), state, weight=4),
    "resume": Case(_RESUME, (_RESUME,), state, before=(*TRAIN, "--steps", 6, "--run", RUN),
                   straight=_START, weight=4),
    "scored run": Case((*_START, *SCORED), ((*_RESUME, *SCORED), (*_START, *SCORED, "--overwrite")),
                       state, ("pics.npz",), weight=2),
    "overwrite": Case((*_START, "--overwrite"), ((*_START, "--overwrite"),), state, before=_OTHER,
                      straight=_START, weight=4),
    "overwrite, then resume": Case(
        (*_START, "--overwrite"), (_RESUME, _START), lambda folder, out: None, before=_OTHER,
        straight=_START, weight=1),
    "cache of images": Case(("data", "folder", "--image-size", 8, "-o", "sheet.png"),
                            (("data", "folder", "--image-size", 8, "-o", "sheet.png"),),
                            content("sheet.png"), ("folder",), weight=3, quick=True),
    "film": Case(("morph", RUN, "--frames", 6, "-o", "film.gif"),
                 (("morph", RUN, "--frames", 6, "-o", "film.gif"),), content("film.gif"), ("r",)),
    "film of pictures": Case(("morph", RUN, "--frames", 6, "-o", "film"),
                             (("morph", RUN, "--frames", 6, "-o", "film"),
                              ("morph", RUN, "--frames", 6, "-o", "film", "--overwrite")),
                             content("film/*"), ("r",)),
    "images": Case(("generate", RUN, "-n", 8, "-o", "made.npz"),
                   (("generate", RUN, "-n", 8, "-o", "made.npz"),), content("made.npz"),
                   ("r",), quick=True),
    "scoring": Case(("evaluate", RUN, "-n", 50, "--json"), (("evaluate", RUN, "-n", 50, "--json"),),
                    printed, ("r", "pics.npz"), weight=2),
    "authenticity": Case(("authenticity", RUN, "-n", 100, "-o", "out"),
                         (("authenticity", RUN, "-n", 100, "-o", "out"),
                          ("authenticity", RUN, "-n", 100, "-o", "out", "--overwrite")),
                         content("out/*.png"), ("r", "pics.npz")),
    "page": Case(("export", RUN, "-o", "page.html"), (("export", RUN, "-o", "page.html"),),
                 content("page.html"), ("r",), quick=True),
    "shared folder": Case(("export", RUN, "-o", "hub"),
                          (("export", RUN, "-o", "hub"),
                           ("export", RUN, "-o", "hub", "--overwrite")),
                          content("hub/*"), ("r",)),
    "report": Case(("report", RUN), (("report", RUN),), content("r/report.html"), ("r",)),
    "compare": Case(COMPARE, (("compare", "-o", "cmp"), COMPARE), standings, weight=2),
}  # fmt: skip


def fatal(number: int, record: Path | None = None) -> Callable[[], None]:
    """Return a hook that kills its process before the event `number`, from 0.

    With `record` it kills nothing and writes the events, one a line.
    """

    def hook() -> None:
        here, seen = os.getcwd(), [0]
        log = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if record else -1

        def watch(event: str, arguments: tuple) -> None:
            if not _writes(event, arguments, here):
                return
            if log >= 0:
                names = [str(each) for each in arguments[:2] if isinstance(each, (str, Path))]
                os.write(log, f"{event} {' '.join(names)[:200]}\n".encode())
            elif seen[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1

        sys.addaudithook(watch)

    return hook


def _writes(event: str, arguments: tuple, here: str) -> bool:
    if event == "open":
        path, _, flags = arguments
        wanted = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        path, wanted = (arguments[0] if arguments else None), event in EVENTS
    if not wanted or not isinstance(path, (str, bytes, os.PathLike)):
        return False
    return os.path.abspath(os.fsdecode(path)).startswith(here)


def late(seconds: float) -> Callable[[], None]:
    """Return a hook that kills its process after so many seconds."""

    def hook() -> None:
        def kill() -> None:
            time.sleep(seconds)
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()

    return hook


class Trials:
    """The trials of one case: its start, its events, and its uninterrupted result."""

    def __init__(self, name: str, base: Path) -> None:
        self.name, self.one = name, CASES[name]
        self.case, self.start = base.parent / "case", base.parent / f"start {name}"
        material.fresh(base, self.start, *self.one.needs)
        if self.one.before:
            self._must(self.one.before, self.start)
        material.fresh(self.start, self.case)  # in the same place, by which caches go
        if self.one.straight:
            material.fresh(base, self.case, *self.one.needs)
        done = self._must(self.one.straight or self.one.words, self.case)
        self.expected, self.files = self.one.result(self.case, done.out), names(self.case)
        material.fresh(self.start, self.case)
        record, began = base.parent / "events", time.monotonic()
        record.unlink(missing_ok=True)
        attempt(ganbaru(*self.one.words), self.case, fatal(0, record), PATIENT)
        self.seconds = time.monotonic() - began
        self.events = record.read_text().splitlines() if record.exists() else []

    def _must(self, words: Words, folder: Path) -> Any:
        done = attempt(ganbaru(*words), folder, wall=PATIENT)
        if done.code:
            raise RuntimeError(f"{words}: {done.code}\n{done.out}{done.err}")
        return done

    def attempted(self, hook: Callable[[], None], title: str, where: str) -> Finding:
        """Kill once and go on; the finding's note says whether the kill came in time."""
        material.fresh(self.start, self.case)
        killed = attempt(ganbaru(*self.one.words), self.case, hook, PATIENT)
        problem, said = self._recovered()
        note = "killed" if killed.code == -signal.SIGKILL else "ended before the kill"
        return Finding("kills", title, f"{where} | {said}", problem, note=note)

    def _recovered(self) -> tuple[str, str]:
        """Try what a user tries; return what is wrong, and which command succeeded."""
        said = []
        for words in self.one.after:
            done = attempt(ganbaru(*words), self.case, wall=PATIENT)
            if done.problem:
                return done.problem, " ".join(map(str, words))
            if done.code == 0:
                how = " ".join(map(str, words))
                return self._compared(done.out), how
            said.append(f"{done.code}: {last_line(done.err)}")
        if "is complete" in said[0]:  # killed after its last checkpoint: it refuses to resume
            return self._compared(""), "complete already"
        return f"stuck: {said}", ""

    def _compared(self, out: str) -> str:
        left = sorted(names(self.case) - self.files)
        missing = sorted(self.files - names(self.case))
        if self.expected is None:  # either of two runs: only what is neither's
            left, missing = [name for name in left if Path(name).name.startswith(".")], []
        if left or missing:
            return f"left over: {left[:5]}, missing: {missing[:5]}"
        found = self.one.result(self.case, out)
        if found == self.expected:
            return ""
        if isinstance(found, dict) and isinstance(self.expected, dict):
            keys = found.keys() | self.expected.keys()
            other = sorted(key for key in keys if found.get(key) != self.expected.get(key))
            return f"differs: {other[:5]}"
        return "differs"


def names(folder: Path) -> set[str]:
    """Return everything below a folder, without locks and the names of cache entries."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {re.sub(r"[0-9a-f]{20}(-[0-9a-f]{20})?", "#", str(path)) for path in found}


def run(base: Path, findings: Findings, seed: int, count: int, only: str = "") -> None:
    """Kill `count` times, divided among the cases by weight: a quarter of them at random times."""
    total = sum(case.weight for case in CASES.values())
    for name, case in CASES.items():
        if (only and not only.startswith(name)) or (count < total and not case.quick):
            continue
        rng, trials = random.Random(f"{seed} {name}"), Trials(name, base)
        share = max(2, round(count * case.weight / total))
        places = list(range(len(trials.events)))
        by_event = sorted(rng.sample(places, min(len(places), max(1, share * 3 // 4))))
        hooks = [(fatal(at), f"{name}, event {at}", _short(trials.events[at])) for at in by_event]
        for index in range(share - len(hooks)):
            seconds = rng.random() * trials.seconds
            hooks.append((late(seconds), f"{name}, moment {index}", f"after {seconds:.2f} s"))
        for hook, title, where in hooks:
            if only in title and ("kills", title) not in findings.earlier:
                findings.add(trials.attempted(hook, title, where))
        for folder in (trials.start, trials.case):
            shutil.rmtree(folder, ignore_errors=True)


def _short(event: str) -> str:
    words = event.split()
    return " ".join([words[0], *("/".join(Path(word).parts[-2:]) for word in words[1:])])
