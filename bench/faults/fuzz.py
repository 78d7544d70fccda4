"""Damaged files of every kind, given to everything that reads them.

A failure is an exception other than InputError and RunError, another exit code than 0, 1 and 2,
more than 10 s of processor time or 2 GB, a started process, a connection, an import of the module
`hostile`, or a file that the reader should not have created or changed.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import material, mutations
from .child import attempt
from .findings import Finding, Findings
from .mutations import MODULE, Mutant
from .readers import READERS

Mutator = Callable[[random.Random, bytes, bytes], Mutant]


@dataclass(frozen=True)
class Kind:
    """A kind of file: where it is in the material, how it is damaged, and what reads it."""

    files: tuple[str, ...]  # patterns
    mutate: Mutator
    readers: tuple[str, ...]
    needs: tuple[str, ...]  # what is copied into the case's folder
    weight: int = 1
    target: str = ""  # what the reader is given, if not the damaged file


_RUN = ("r", "pics.npz", "cache")
_IN_RUN = ("generate", "report", "resume", "serve")

KINDS: dict[str, Kind] = {
    "checkpoint": Kind(
        ("r/checkpoints/0000000096.safetensors",), mutations.safetensors_file,
        ("generate", "generate FILE", "generate all", "load", "morph", "export page",
         "export onnx", "export weights", "export folder", "evaluate", "authenticity", "resume",
         "resume", "serve", "watch", "report"), _RUN, 8),
    "best checkpoint": Kind(("r/checkpoints/best.safetensors",), mutations.safetensors_file,
                            ("generate best", "resume", "serve"), _RUN),
    "config.yaml": Kind(("r/config.yaml",), mutations.yaml_file,
                        ("describe", "print", "train config", "resume", "report", "serve",
                         "watch", "generate"), _RUN, 4),
    "log.jsonl": Kind(("r/log.jsonl",), mutations.json_lines,
                      ("report", "serve", "watch", "resume"), _RUN, 3),
    "about, milestones, scores": Kind(
        ("r/about.json", "r/milestones.json", "r/scores.json", "r/authenticity/result.json"),
        mutations.json_file, ("report", "resume", "serve", "watch", "evaluate"), _RUN, 3),
    "directions.json": Kind(
        ("r/directions.json",), mutations.json_file, ("directions", "edit"), _RUN),
    "answers": Kind(("answers.csv",), mutations.damaged, ("answers",), _RUN),
    "run's pictures": Kind(("r/samples/*.png", "r/timelapse.gif", "r/history.png",
                            "r/timelapse/*.gif", "r/losses.png"), mutations.damaged,
                           ("resume", "report", "serve"), _RUN, 2),
    "tournament": Kind(("cmp/tournament.json", "cmp/results.json", "cmp/*/*/result.json"),
                       mutations.json_file, ("compare", "compare again"),
                       ("cmp", "pics.npz", "cache")),
    "tournament's runs": Kind(
        ("cmp/*/*/log.jsonl",), mutations.json_lines, ("compare",), ("cmp", "pics.npz", "cache")),
    "shared config.json": Kind(("hub/config.json",), mutations.json_file,
                               ("from_pretrained",), ("hub",)),
    "shared weights": Kind(("hub/model.safetensors",), mutations.safetensors_file,
                           ("from_pretrained", "generate FILE", "export weights"), ("hub",), 2),
    "weights": Kind(("weights.safetensors",), mutations.safetensors_file,
                    ("generate FILE", "load"), (), 1),
    "safetensors to import": Kind(("gen.safetensors",), mutations.safetensors_file,
                                  ("import",), ("pics.npz", "cache")),
    "npz": Kind(("set.npz", "packed.npz"), mutations.damaged, ("data", "train data"), (), 2),
    "images as npz": Kind(("made.npz",), mutations.damaged, ("evaluate FILE",),
                          ("pics.npz", "cache")),
    "npy": Kind(("set.npy",), mutations.damaged, ("data", "train data"), ()),
    "IDX": Kind(("idx/*",), mutations.damaged, ("data", "train data"), ("idx",), 1, "idx"),
    "IDX file": Kind(("idx/train-images*",), mutations.damaged, ("data",), ()),
    "IDX packed": Kind(("idxgz/*",), mutations.damaged, ("data",), ("idxgz",), 1, "idxgz"),
    "tar": Kind(("set.tar",), mutations.damaged, ("data", "data size"), (), 2),
    "shards": Kind(("shards/*.tar",), mutations.damaged, ("data",), ("shards",), 2,
                   "shards/s-{0..1}.tar"),
    "zip": Kind(("set.zip",), mutations.damaged, ("data", "data size"), (), 2),
    "CIFAR binary": Kind(("cifar-10-batches-bin/*",), mutations.damaged, ("data",),
                         ("cifar-10-batches-bin",), 1, "cifar-10-batches-bin"),
    "CIFAR pickled": Kind(("cifar-10-batches-py/*",), mutations.damaged, ("data",),
                          ("cifar-10-batches-py",), 2, "cifar-10-batches-py"),
    "label tables": Kind(("tables/*/*.csv", "tables/*/*.tsv", "tables/*/*.jsonl"),
                         mutations.damaged, ("labels",), ("tables",), 3),
    "StyleGAN's labels": Kind(("tables/*/dataset.json",), mutations.json_file, ("labels",),
                              ("tables",)),
    "list of labels": Kind(("tables/*/list.txt",), mutations.damaged, ("labels named",),
                           ("tables",)),
    "MATLAB": Kind(("set.mat",), mutations.damaged, ("data",), ()),
    "HDF5": Kind(("set.h5",), mutations.damaged, ("data",), ()),
    "CIFAR packed": Kind(("cifar-10-python.tar.gz",), mutations.damaged, ("data",), ()),
    "pictures": Kind(("folder/*/*",), mutations.damaged, ("data", "data size", "train data"),
                     ("folder",), 8, "folder"),
    "cache of images": Kind(("cache/images/*/*.npy",), mutations.damaged, ("data", "data size"),
                            ("cache", "folder", "set.zip"), 1, "folder"),
    "cache's about": Kind(("cache/images/*/about.json",), mutations.json_file, ("data",),
                          ("cache", "folder"), 1, "folder"),
    "cache of scorers": Kind(("cache/scorers/*",), mutations.damaged, ("evaluate",), _RUN),
    "foreign file": Kind(("page.html", "hub/README.md", "folder/a/*", "pics.npz", "gen.safetensors",
                          "r/config.yaml", f"{MODULE}.py"), mutations.damaged,
                         ("generate FILE", "load", "data", "describe", "evaluate FILE", "import",
                          "train run"), ("pics.npz", "cache"), 2),
    "PyTorch's weights": Kind(("gen.pth", "gen.pt"), mutations.damaged, ("import",),
                              ("pics.npz", "cache"), 2),
}  # fmt: skip


if importlib.util.find_spec("pyarrow"):
    KINDS["Parquet"] = Kind(("set.parquet",), mutations.damaged, ("data",), (), 2)


@dataclass(frozen=True)
class Trial:
    """One damaged file and its reader."""

    kind: str
    index: int
    file: str
    reader: str
    content: bytes
    what: str


def chosen(base: Path, seed: int, kind: str, index: int) -> Trial:
    """Return a trial; the same arguments always give the same one."""
    one = KINDS[kind]
    rng = random.Random(f"{seed} {kind} {index}")
    files = sorted(str(path.relative_to(base)) for each in one.files for path in base.glob(each))
    file = rng.choice(files)
    other = (base / rng.choice(("pics.npz", "set.zip", "r/config.yaml", "set.tar"))).read_bytes()
    content, what = one.mutate(rng, (base / file).read_bytes(), other)
    return Trial(kind, index, file, one.readers[index % len(one.readers)], content, what)


def listing(folder: Path) -> dict[str, tuple]:
    """Return size and time of everything below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        stamp = () if path.is_dir() else (about.st_size, about.st_mtime_ns, about.st_ino)
        found[str(path.relative_to(folder))] = stamp
    return found


def attempted(trial: Trial, base: Path, case: Path) -> Finding:
    """Give the file to the reader, and return what was wrong."""
    one, reader = KINDS[trial.kind], READERS[trial.reader]
    material.fresh(base, case, f"{MODULE}.py", *(one.needs or ("nothing",)))
    path = case / trial.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(trial.content)
    if trial.reader == "watch":
        shutil.copy2(base / trial.file, f"{path}.good")
    _rehash(trial, case)
    before = listing(case)
    outcome = attempt(reader.action(one.target or trial.file), case)
    after = listing(case)
    changed = [name for name in sorted(before.keys() | after.keys())
               if before.get(name) != after.get(name) and not reader.may_write(name)]  # fmt: skip
    return Finding(
        part="fuzz",
        trial=f"{trial.kind} {trial.index}",
        what=f"{trial.file}, {trial.what} | {trial.reader}",
        problem=outcome.problem or (f"changed: {changed[:4]}" if changed else ""),
        detail=outcome.err[-1500:],
    )


def _rehash(trial: Trial, case: Path) -> None:
    """Give config.json of a shared folder the hash of every second damaged file, as forgers do."""
    import hashlib

    config = case / "hub" / "config.json"
    if trial.kind == "shared weights" and trial.index % 2:
        facts = json.loads(config.read_text())
        facts["file_sha256"] = hashlib.sha256(trial.content).hexdigest()
        config.write_text(json.dumps(facts))


def trials(base: Path, count: int) -> Iterator[tuple[str, int]]:
    """Divide a number of trials among the kinds here by weight; PyTorch's last, which loads it."""
    here = {
        name: kind for name, kind in KINDS.items() if any(map(list, map(base.glob, kind.files)))
    }
    total = sum(kind.weight for kind in here.values())
    for name, kind in here.items():
        for index in range(max(1, round(count * kind.weight / total))):
            yield name, index


def run(base: Path, findings: Findings, seed: int, count: int, only: str = "") -> None:
    """Try damaged files of all kinds, or `only` "KIND INDEX", and the handmade ones."""
    case = base.parent / "case"
    for kind, index in trials(base, count):
        done = ("fuzz", f"{kind} {index}") in findings.earlier
        if done or (only and only not in (kind, f"{kind} {index}")):
            continue
        if kind == "PyTorch's weights":
            importlib.import_module("torch")
        findings.add(attempted(chosen(base, seed, kind, index), base, case))
    if only == "handmade" or not only and (base / "hub").exists():
        for finding in handmade(case):
            findings.add(finding)


def handmade(case: Path) -> Iterator[Finding]:
    """Give hostile image sets to `data`."""
    material.fresh(case.parent / "base", case, f"{MODULE}.py")
    for index, (path, what) in enumerate(material.handmade(case)):
        outcome = attempt(READERS["data"].action(path), case)
        problem = outcome.problem
        yield Finding("fuzz", f"handmade {index}", f"{what} | data", problem, outcome.err[-1500:])
