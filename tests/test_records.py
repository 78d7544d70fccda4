"""Damaged records: an InputError, or a record left out, for every reader and every mutation."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from train_helpers import tiny

from ganbaru import files
from ganbaru.callbacks import Log
from ganbaru.comparison import results, tournament
from ganbaru.comparison import training as outcomes
from ganbaru.comparison.scheduling import ScheduledRun
from ganbaru.config import Config, from_fields, load_yaml
from ganbaru.export import pretrained
from ganbaru.metrics import memorization, milestones, passport
from ganbaru.metrics.copy_rate import Copying
from ganbaru.metrics.passport import Evaluation, Passport, Score
from ganbaru.report import facts, page
from ganbaru.sampling import generators
from ganbaru.serve.run_status import RunWatcher
from ganbaru.training import checkpoint, setup
from ganbaru.training.run_folder import Folder

DEEP: Any = 1
for _ in range(900):
    DEEP = [DEEP]
HOSTILE = [
    None, True, -1, 0, 1.5, 10**9, 10**12, 2**63, 10**400, 1e308, float("nan"), float("inf"), "",
    "x" * 100_000, "\ud800", "\0", "²", "\x1b[2J", "../../etc", [], {}, [[]], ["a", "a"],
    list(range(2000)), {"": None}, DEEP,
]  # fmt: skip


def paths(found: Any, *place: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to each value of JSON."""
    items = found.items() if isinstance(found, dict) else enumerate(found)
    for key, value in items:
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, *place, key)


def mutated(found: Any, rng: random.Random, place: tuple[Any, ...] | None = None) -> Any:
    """Return JSON with one value replaced, dropped, or one added beside it."""
    found = copy.deepcopy(found)
    *lead, key = place or rng.choice([*paths(found)])
    inner = found
    for each in lead:
        inner = inner[each]
    kind = rng.randrange(12)
    if kind == 0:
        del inner[key]
    elif kind == 1 and isinstance(inner, dict):
        inner[rng.choice(["", "more", "\ud800", "x" * 200])] = rng.choice(HOSTILE)
    else:
        inner[key] = rng.choice(HOSTILE)
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
    plan = {"one": vars(tiny(run.parent)), "two": vars(tiny(run.parent, width=5))}
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
    resumed = from_fields({**load_yaml(run / "config.yaml"), "run": str(run), "resume": True})
    built = setup.build(dataclasses.replace(resumed, steps=10**6), [Log()])
    built.callbacks[0].start(built)


def sample(run: Path) -> None:
    generators.load(run).sample(1)


def compared(run: Path) -> None:
    outcome = outcomes.outcome(run)
    results.publish([ScheduledRun("one", Config(run=str(run)))], {"one": Config(images=9)}, 1, run)
    assert outcome


JSON_FILES: dict[str, tuple[Callable[[Path], object], ...]] = {
    "about.json": (report,),
    "milestones.json": (report, lambda run: milestones.passport(Folder(run))),
    "scores.json": (report,),
    "authenticity/result.json": (report,),
    outcomes.FILE: (compared,),
    tournament.FILE: (tournament._read,),
    pretrained.CONFIG: (pretrained.from_pretrained,),
}
CHECKPOINT = (sample, resume)
