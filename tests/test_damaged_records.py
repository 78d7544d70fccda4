"""Damaged records: an InputError, or a record left out, for every reader and every mutation."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import json
import math
import os
import random
import shutil
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from train_helpers import needs_torch, run_with, tiny

from ganbaru import InputError, files
from ganbaru.callbacks import Callback, Checkpoints, Log
from ganbaru.comparison import plot, results, tournament
from ganbaru.comparison import training as outcomes
from ganbaru.config import Config, from_fields, load_yaml
from ganbaru.export import pretrained, pytorch_import
from ganbaru.metrics import memorization, milestones, passport
from ganbaru.metrics.copy_rate import Copying
from ganbaru.metrics.passport import Evaluation, Passport, Score
from ganbaru.report import facts, page
from ganbaru.sampling import generators
from ganbaru.serve.run_status import RunWatcher
from ganbaru.training import checkpoint, setup
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import read_log

COUNT = 24  # damaged forms of each file
DEEP: Any = 1
for _ in range(900):
    DEEP = [DEEP]
HOSTILE = [
    None, True, -1, 0, 1.5, 10**9, 10**12, 2**63, 10**400, 1e308, float("nan"), float("inf"), "",
    "x" * 100_000, "\ud800", "\0", "²", "\x1b[2J", "../../etc", [], {}, [[]], ["a", "a"],
    list(range(2000)), {"": None}, DEEP,
]  # fmt: skip

DULL = [each for each in HOSTILE if each not in ("\ud800", DEEP)]  # what YAML can be written of


def paths(found: Any, *place: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to each value of JSON."""
    items = found.items() if isinstance(found, dict) else enumerate(found)
    for key, value in items:
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, *place, key)


def mutated(found: Any, rng: random.Random, hostile: list[Any] = HOSTILE) -> Any:
    """Return JSON with one value replaced, dropped, or one added beside it."""
    found = copy.deepcopy(found)
    *lead, key = rng.choice([*paths(found)])
    inner = found
    for each in lead:
        inner = inner[each]
    kind = rng.randrange(12)
    if kind == 0:
        del inner[key]
    elif kind == 1 and isinstance(inner, dict):
        inner[rng.choice(["", "more", "x" * 200])] = rng.choice(hostile)
    else:
        inner[key] = rng.choice(hostile)
    return found


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return bytes cut short, with a bit flipped, a part overwritten, repeated or left out."""
    kind, place = rng.randrange(5), rng.randrange(len(content))
    end = min(len(content), place + rng.randrange(1, 40))
    if kind == 0:
        return content[:place]
    if kind == 1:
        flipped = content[place] ^ (1 << rng.randrange(8))
        return content[:place] + bytes([flipped]) + content[place + 1 :]
    noise = rng.randbytes(end - place) if kind == 2 else content[place:end] * 2 * (kind == 3)
    return content[:place] + noise + content[end:]


# --- the kinds of files -----------------------------------------------------------------------

PASSPORT = Passport("c 1.1", "f", 0.9, "x", "f", "r", 60, 60, "f", "s", 0, "95 %", "w")
SCORES = {"frechet": 3.0, "precision": 0.5, "recall": 0.25, "density": 0.7, "coverage": 0.1}


def fill(run: Path) -> None:
    """Write the records that a run gets from a report, from scoring and in a tournament."""
    folder = Folder(run)
    data = {**checkpoint.load(checkpoint.found(folder.checkpoints)[-1], ())[1].data, "count": 43}
    versions = dict.fromkeys(("ganbaru", "engine", "python", "numpy", "system"), "1")
    made = {**versions, "cores": 2, "parameters": {"generator": 9, "discriminator": 9}}
    files.write_json(folder.about, {"data": data, "made": made})
    milestones.write(folder, PASSPORT, SCORES)
    scores = {name: Score(x, x - 0.1, x + 0.1, x, None) for name, x in SCORES.items()}
    origin = {"run": "r", "checkpoint": "0000000096", "seed": 0}
    passport.store(run, Evaluation("r", origin, PASSPORT, scores, {"a": (0.5, 0.5)}, ("n",), 1.0))
    copying = Copying(0.1, 0.0, 0.2, 0.5, 0.1, 0.1, 0.3)
    suspect = memorization.Suspect(1, 2, 0.5, 0.1)
    found = memorization.Authenticity(
        "r", origin, "x", "f", 100, 43, 2, ((1, 2),), "t", copying, (suspect,), ("n",)
    )
    (run / memorization.FOLDER).mkdir()
    files.write_json(run / memorization.FOLDER / memorization.RESULT, found.to_json())
    line = {"images": 24, "seconds": 1.0, **SCORES}
    outcome = outcomes.Outcome(
        "", 96, 12, 1.5, SCORES, SCORES, dataclasses.asdict(PASSPORT), [line]
    )
    files.write_json(run / outcomes.FILE, dataclasses.asdict(outcome))
    plan = {
        "one": dataclasses.asdict(tiny(run.parent)),
        "two": dataclasses.asdict(tiny(run.parent, width=5)),
    }
    content = {"format": 1, "seeds": 1, "data": "f", "contestants": plan}
    files.write_json(run / tournament.FILE, json.loads(json.dumps(content)))
    weights = checkpoint.found(folder.checkpoints)[-1].read_bytes()
    (run / pretrained.WEIGHTS).write_bytes(weights)
    config = {"format": 1, "file_sha256": hashlib.sha256(weights).hexdigest()}
    files.write_json(run / pretrained.CONFIG, config)


def report(run: Path) -> None:
    page.page(facts.read(Folder(run)))
    RunWatcher(Folder(run)).status()


def resume(run: Path) -> None:
    resumed = from_fields({**load_yaml(run / "config.yaml"), "run": str(run), "resume": True}, None)
    built = setup.build(dataclasses.replace(resumed, steps=10**6), [Log()])
    built.callbacks[0].start(built)


def sample(run: Path) -> None:
    generators.load(run).sample(1)


def compared(run: Path) -> None:
    found = outcomes.outcome(run)
    plot.curve([found], "images")
    results._conditions({"one": Config(images=9)}, 1, {"one": [found]})


JSON_FILES: dict[str, tuple[Callable[[Path], object], ...]] = {
    "about.json": (report,),
    "milestones.json": (report, lambda run: milestones.passport(Folder(run))),
    "scores.json": (report,),
    "authenticity/result.json": (report,),
    outcomes.FILE: (compared,),
    tournament.FILE: (tournament._read,),
    pretrained.CONFIG: (pretrained.from_pretrained,),
}


# --- every reader, every kind of damage -------------------------------------------------------


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory) -> Path:
    """Return a copy of a run with every kind of record."""
    original = trained_run()
    folder = tmp_path_factory.mktemp("records")
    shutil.copytree(original, folder / "run")
    shutil.copy(original.parent / "pictures.npz", folder)
    fill(folder / "run")
    return folder / "run"


def refused(reader: Callable[[Path], object], run: Path) -> bool:
    """Return whether a reader refuses a run's file; nothing but InputError may be raised."""
    began = time.process_time()
    try:
        reader(run)
    except InputError as error:
        assert len(str(error)) < 1000
        return True
    finally:
        assert time.process_time() - began < 2
    return False


def check(path: Path, contents: Iterable[bytes], run: Path, *readers: Any) -> None:
    """Read each content in the place of a file; some, not all, must be refused."""
    good = path.read_bytes()
    try:
        assert not any(refused(reader, run) for reader in readers)
        found = []
        for content in contents:
            path.write_bytes(content)
            found += [refused(reader, run) for reader in readers]
    finally:
        path.write_bytes(good)
    assert len(found) // 4 < sum(found)


def variants(good: bytes, count: int, seed: str) -> Iterator[bytes]:
    """Yield damaged forms of a JSON file: values replaced, or bytes."""
    rng, found = random.Random(seed), json.loads(good)
    for i in range(count):
        yield damaged(good, rng) if i % 4 == 0 else json.dumps(mutated(found, rng)).encode()


@pytest.mark.parametrize("name", JSON_FILES)
def test_damaged_json_is_refused_by_its_readers(run, name):
    path = run / name
    check(path, variants(path.read_bytes(), COUNT, name), run, *JSON_FILES[name])


def with_header(content: bytes, change: Callable[[Any], Any]) -> bytes:
    """Return a checkpoint with another header of ganbaru's."""
    (length,) = struct.unpack("<Q", content[:8])
    head = json.loads(content[8 : 8 + length])
    about = change(json.loads(head["__metadata__"]["ganbaru"]))
    head["__metadata__"] = {"ganbaru": json.dumps(about)}
    encoded = json.dumps(head).encode()
    return struct.pack("<Q", len(encoded)) + encoded + content[8 + length :]


def test_damaged_checkpoints_are_refused(run):
    path, rng = checkpoint.found(run / "checkpoints")[-1], random.Random(0)
    good = path.read_bytes()
    changed = [with_header(good, lambda about: mutated(about, rng)) for _ in range(COUNT)]
    bytes_ = [damaged(good, rng) for _ in range(COUNT // 2)]
    check(path, [*changed, *bytes_], run, sample, resume)


def test_damaged_configurations_are_refused(run):
    path, rng = run / "config.yaml", random.Random(1)
    good = path.read_bytes()
    fields = yaml.safe_load(good)
    texts = [yaml.safe_dump(mutated(fields, rng, DULL)) for _ in range(COUNT)]
    check(path, [*(text.encode() for text in texts), damaged(good, rng)], run, report)


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefgh"))
YAML = [BOMB, "[" * 5000, "a: " * 5000, "batch: !!bool x", "batch: !!timestamp x", "? [a]\n: 1",
        "batch: 2001-99-99", f"batch: {'9' * 5000}", "batch: !!python/object:os.system x",
        "x" * 200_000, "batch: \xff", "", f"width: 0x{'f' * 5000}", f"batch: 0b{'1' * 9000}",
        f"latent: 1{':59' * 3000}", f"seed: 0{'7' * 6000}"]  # fmt: skip


@pytest.mark.parametrize("text", YAML, ids=range(len(YAML)))
def test_hostile_yaml_is_refused(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text, encoding="latin1")
    assert refused(lambda run: from_fields(load_yaml(run / "config.yaml"), None), tmp_path)


def test_a_damaged_line_of_a_log_loses_only_itself(run):
    rng, said = random.Random(2), []
    folder = Folder(run)
    good = folder.log.read_bytes()
    first, *rest = good.splitlines(keepends=True)
    watcher = RunWatcher(folder)
    try:
        for _ in range(COUNT):
            bad = json.dumps(mutated({"step": 1, "seconds": 0.1, "images": 1}, rng)).encode()
            folder.log.write_bytes(
                first + damaged(bad, rng).replace(b"\n", b"") + b"\n" + b"".join(rest)
            )
            said.clear()
            lines = read_log(folder, said.append)
            assert len(lines) == len(rest) + 2 - len(said) and len(said) <= 1
            assert not said or " 2 " in said[0]
        assert [json.dumps(line) for line in lines] == good.decode().splitlines()
        resume(run)
        assert folder.log.read_bytes() == good
        assert len(watcher.status().lines) == len(rest) + 1
    finally:
        folder.log.write_bytes(good)


# --- checkpoints: what is hashed, and what a file claims ----------------------------------------


@pytest.mark.parametrize("how", ["bit", "nan"])
def test_changed_weights_are_refused_with_their_group(run, tmp_path, how):
    path = checkpoint.found(run / "checkpoints")[-1]
    content = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    begin, end = json.loads(content[8 : 8 + length])["ema/image.conv.weight"]["data_offsets"]
    place = 8 + length + begin
    if how == "bit":
        content[place] ^= 1
    else:
        content[place : place + 4] = np.float32(np.nan).tobytes()
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(content)
    with pytest.raises(InputError, match="ema"):
        checkpoint.load(changed)
    assert checkpoint.load(changed, ("generator",))[0]["generator"]
    if how == "bit":
        assert checkpoint.load(changed, verify=False)[0]["ema"]


def test_checkpoints_without_a_hash_load(run, tmp_path):
    def older(about: dict[str, Any]) -> dict[str, Any]:
        del about["sha256"]
        return about

    path = tmp_path / "old.safetensors"
    path.write_bytes(with_header(checkpoint.found(run / "checkpoints")[-1].read_bytes(), older))
    assert generators.load(path).sample(1).shape == (1, 16, 16, 1)


CLAIMS = {"width": 20_000, "latent": 10**6, "image_size": "512", "network": "r3gan"}


@pytest.mark.parametrize("field", CLAIMS)
def test_sizes_that_a_checkpoint_claims_are_not_allocated(run, tmp_path, field):
    def claiming(about: dict[str, Any]) -> dict[str, Any]:
        about["config"][field] = CLAIMS[field]
        if field == "image_size":
            about["data"]["shape"] = [512, 512, 1]
        return about

    path = tmp_path / "claims.safetensors"
    path.write_bytes(with_header(checkpoint.found(run / "checkpoints")[-1].read_bytes(), claiming))
    tracemalloc.start()
    try:
        assert refused(lambda run: generators.load(path), run)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


class Mine(Callback):
    """A callback whose state holds what JSON of others lacks."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def state(self) -> dict[str, Any]:
        return {"best": math.inf, "random": 2**127}

    def restore(self, state: dict[str, Any]) -> None:
        self.found = state


@pytest.mark.parametrize("kind", [dict[str, Any], dict[str, int]])
def test_the_state_of_a_callback_is_checked_against_its_type(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Mine, "STATE", kind)
    run_with(tiny(tmp_path, steps=1), Mine(), Checkpoints())
    config, mine = tiny(tmp_path, steps=2, resume=True), Mine()
    if kind == dict[str, int]:
        with pytest.raises(InputError, match=r"\$\.callbacks\.Mine\.best"):
            setup.build(config, [mine])
    else:
        setup.build(config, [mine])
        assert mine.found == mine.state()


# --- weights of others ------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("kind", ["zip", "old"])
def test_damaged_files_of_pytorch_are_refused(tmp_path, kind):
    import torch

    rng, path = random.Random(3), tmp_path / "weights.pth"
    state = {f"main.{i}.weight": torch.ones(2, 3) for i in range(2)}
    torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    contents = [damaged(path.read_bytes(), rng) for _ in range(COUNT)]
    check(path, contents, tmp_path, lambda run: pytorch_import.read(path, "generator"))


def _cycle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def _doubled(inner: Any) -> Any:
    return functools.reduce(lambda inner, _: {"a": inner, "b": inner}, range(15), inner)


CLAIMED: dict[str, Callable[[Any], Any]] = {
    "repeated": lambda torch: {"w": torch.zeros(1).expand(10**6, 10**6)},
    "cycle": lambda torch: _cycle(),
    "doubled": lambda torch: _doubled(_doubled({"w": torch.zeros(2)})),
    "sparse": lambda torch: {"w": torch.eye(3).to_sparse()},
    "meta": lambda torch: {"w": torch.zeros(3, device="meta")},
    "nan": lambda torch: {"w": torch.tensor([float("nan")])},
}


@needs_torch
@pytest.mark.parametrize("name", CLAIMED)
def test_files_of_pytorch_that_claim_more_than_they_hold_are_refused(tmp_path, name):
    import torch

    path = tmp_path / "weights.pth"
    torch.save(CLAIMED[name](torch), path)
    assert refused(lambda run: pytorch_import.read(path, "generator"), tmp_path)
    with zipfile.ZipFile(path) as saved, zipfile.ZipFile(tmp_path / "b.pth", "w", 8) as archive:
        for member in saved.namelist():
            archive.writestr(member, saved.read(member) + bytes(10**6))
    assert refused(lambda run: pytorch_import.read(tmp_path / "b.pth", "generator"), tmp_path)


def test_only_regular_files_are_read(tmp_path):
    for path in (tmp_path / "fifo.safetensors", tmp_path / "config.yaml"):
        os.mkfifo(path)
    assert refused(lambda run: checkpoint.load(run / "fifo.safetensors"), tmp_path)
    assert refused(lambda run: load_yaml(run / "config.yaml"), tmp_path)
