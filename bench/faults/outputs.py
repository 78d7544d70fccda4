"""Places where -o may point: other people's files, our own, links, pipes and folders."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import material
from .child import Outcome, attempt, ganbaru
from .findings import Finding, Findings
from .material import RUN, TINY

FOREIGN = b"My thesis, of which there is no other copy.\n"

# Each output: its name and the command that writes it.
WRITERS: dict[str, tuple] = {
    "a.png": ("generate", RUN, "-n", 4),
    "a.npz": ("generate", RUN, "-n", 4),
    "a.gif": ("morph", RUN, "--frames", 4),
    "film.png": ("morph", RUN, "--frames", 4),
    "a.webp": ("morph", RUN, "--frames", 4),
    "a.apng": ("morph", RUN, "--frames", 4),
    "a.html": ("export", RUN),
    "a.onnx": ("export", RUN),
    "a.safetensors": ("export", RUN),
    "sheet.png": ("data", "pics.npz"),
    "checks.json": ("conformance", "--run", RUN, "--engines", "numpy"),
}
FOLDERS: dict[str, tuple[str, tuple]] = {
    "export": ("README.md", ("export", RUN)),
    "export's config": ("config.json", ("export", RUN)),
    "export's picture": ("samples.png", ("export", RUN)),
    "authenticity": ("result.json", ("authenticity", RUN, "-n", 100)),
    "generate": ("00000.png", ("generate", RUN, "-n", 4)),
    "morph": ("00000.png", ("morph", RUN, "--frames", 4)),
    "compare": ("results.md", ("compare", "digits", "digits --lr 0.002", "--data", "pics.npz",
                               *TINY, "--seeds", 1, "--images", 96)),
    "evaluate": ("scores.json", ("evaluate", "made.npz", "--data", "pics.npz", "-n", 50)),
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """What is at the output's place, and what must hold afterwards."""

    prepare: Callable[[Path, Path], None]  # of the path, and of one of our own files for it
    judge: Callable[[Path, Outcome], str]


def _put(path: Path, ours: Path) -> None:
    path.write_bytes(FOREIGN)


def _kept(path: Path, done: Outcome) -> str:
    if path.read_bytes() != FOREIGN:
        return "replaced a file that ganbaru did not write"
    return "" if done.code == 2 else f"exit code {done.code} instead of 2"


def _copied(path: Path, ours: Path) -> None:
    path.write_bytes(ours.read_bytes())
    os.utime(path, (1, 1))


def _replaced(path: Path, done: Outcome) -> str:
    if done.code:
        return f"refused its own file: {done.err[-200:]}"
    return "" if path.stat().st_mtime > 2 else "did not write"


def _link(to_ours: bool | None) -> Callable[[Path, Path], None]:
    def prepare(path: Path, ours: Path) -> None:
        target = path.with_name(f"target-{path.name}")
        if to_ours is not None:
            target.write_bytes(ours.read_bytes() if to_ours else FOREIGN)
            os.utime(target, (1, 1))
        path.symlink_to(target.name)

    return prepare


def _linked(path: Path, done: Outcome) -> str:
    target = path.with_name(f"target-{path.name}")
    if not path.is_symlink():
        return "replaced the link"
    if done.code:
        return f"exit code {done.code}: {done.err[-200:]}"
    return "" if target.exists() and target.stat().st_mtime > 2 else "did not write the target"


def _link_kept(path: Path, done: Outcome) -> str:
    target = path.with_name(f"target-{path.name}")
    return _kept(target, done) if path.is_symlink() else "replaced the link"


def _unharmed(kind: Callable[[Path], bool]) -> Callable[[Path, Outcome], str]:
    return lambda path, done: "" if kind(path) else "replaced it"


STATES: dict[str, State] = {
    "foreign file": State(_put, _kept),
    "own file": State(_copied, _replaced),
    "link to a foreign file": State(_link(False), _link_kept),
    "link to an own file": State(_link(True), _linked),
    "link to nothing": State(_link(None), _linked),
    "folder": State(lambda path, ours: path.mkdir(), _unharmed(Path.is_dir)),
    "pipe": State(lambda path, ours: os.mkfifo(path), _unharmed(Path.is_fifo)),
}


def trials() -> Iterator[tuple[str, str]]:
    """Yield names of outputs and states, every state of the first output first."""
    for name in WRITERS:
        for state in STATES:
            yield name, state


def run(base: Path, findings: Findings, seed: int, count: int, only: str = "") -> None:
    """Try all outputs and states, or a seeded choice of `count`."""
    case, made = base.parent / "case", base.parent / "made"
    chosen = list(trials())
    if count < len(chosen):
        chosen = random.Random(seed).sample(chosen, count)
    material.fresh(base, made, "r", "pics.npz", "cache")
    for name, state in chosen:
        if only and only != f"{name}, {state}":
            continue
        ours = made / name
        if not ours.exists():
            attempt(ganbaru(*WRITERS[name], "-o", name), made)
        material.fresh(base, case, "r", "pics.npz", "cache")
        if ours.exists():
            findings.add(_attempted(case, name, state, ours))
    if count >= len(chosen) and not only:
        for finding in _folders(base, case):
            findings.add(finding)


def _attempted(case: Path, name: str, state: str, ours: Path) -> Finding:
    path, one = case / name, STATES[state]
    one.prepare(path, ours)
    done = attempt(ganbaru(*WRITERS[name], "-o", name), case)
    problem = done.problem or one.judge(path, done) or _left(case)
    return Finding(
        "outputs", f"{name}, {state}", f"exit code {done.code}", problem, done.err[-500:]
    )


def _left(case: Path) -> str:
    found = [path.name for path in case.rglob(".*")]
    return f"left over: {found}" if found else ""


def _folders(base: Path, case: Path) -> Iterator[Finding]:
    """Point -o at a folder with a file of another's under a name that the command writes."""
    for title, (name, words) in FOLDERS.items():
        material.fresh(base, case, "r", "pics.npz", "cache", "made.npz")
        folder = case / {"evaluate": "."}.get(title, "mine")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(FOREIGN)
        before = hashlib.sha256(FOREIGN).hexdigest()
        place = {"evaluate": ()}.get(title, ("-o", "mine"))
        done = attempt(ganbaru(*words, *place), case)
        kept = hashlib.sha256((folder / name).read_bytes()).hexdigest() == before
        problem = done.problem or ("" if kept else f"replaced {name}") or _left(case)
        yield Finding("outputs", f"folder of {title} with {name}", f"exit code {done.code}",
                      problem, done.err[-500:])  # fmt: skip
