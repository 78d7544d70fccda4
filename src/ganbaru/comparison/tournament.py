"""A tournament from end to end: set up, or go on with the one in a folder; play; publish."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbaru import __version__, callbacks, config, data, files
from ganbaru.comparison import contestants, results, scheduling
from ganbaru.comparison.results import Result
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.training import run_folder, signals

FILE = "tournament.json"
FORMAT = 1
SEEDS = 5


@dataclass(frozen=True)
class Plan:
    """What is played: contestants by name, how many seeds each, where."""

    configs: dict[str, Config]
    seeds: int
    folder: Path


def compare(
    entrants: Sequence[str | Mapping[str, Any]] | Mapping[str, Config] = (),
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    seeds: int | None = None,
    images: int | None = None,
    seconds: float | None = None,
    folder: str | Path | None = None,
    workers: int = 1,
    evaluate_every: int | None = None,
    evaluate_images: int = 2000,
    progress: Progress = data.silent,
    tell: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Result | None:
    """Hold a tournament, or go on with the one in `folder`; None if Ctrl-C stopped it, all saved.

    `entrants` are presets' names, or fields of `Config` with a preset's name under "preset", each
    combined with each value to `vary`, and `options` for all; or whole configurations by name.
    All get the same budget, in `images` or in `seconds` of training, and the same `seeds` (0, 1,
    ...; 5 if not given). Every run is an ordinary run's folder below `folder`. More `workers` than
    one are processes that are spawned, so a script that asks for them must be guarded by
    ``if __name__ == "__main__"``. Raises InputError for contestants that cannot be compared.
    """
    plan = planned(
        entrants, vary=vary, seeds=seeds, images=images, seconds=seconds, folder=folder,
        evaluate_every=evaluate_every, evaluate_images=evaluate_images, progress=progress,
        **options,
    )  # fmt: skip
    with signals.graceful_stop() as interrupted:
        return train_step(plan, interrupted, workers=workers, tell=tell, progress=progress)


def planned(
    entrants: Sequence[str | Mapping[str, Any]] | Mapping[str, Config] = (),
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    seeds: int | None = None,
    images: int | None = None,
    seconds: float | None = None,
    folder: str | Path | None = None,
    evaluate_every: int | None = None,
    evaluate_images: int = 2000,
    progress: Progress = data.silent,
    **options: Any,
) -> Plan:
    """Set a tournament up as `compare` would, and write into its folder what is played."""
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds {seeds} is out of range: give a whole number from 1.")
    if not entrants and folder is not None:
        return _stored(Path(folder), seeds)
    made = contestants.equal(
        _configs(entrants, vary or {}, options), images, seconds, evaluate_every, evaluate_images
    )
    source = contestants.checked(made, progress)
    slugs = [contestants.slug(name) for name in made]
    for name, one in zip(made, slugs, strict=True):
        if slugs.count(one) > 1:
            raise InputError(f"Two contestants would share the folder {one!r}: rename {name!r}.")
    plan = Plan(made, seeds or SEEDS, _new() if folder is None else Path(folder))
    _check_same(plan, source.fingerprint)
    _write(plan, source.fingerprint)
    return plan


def train_step(
    plan: Plan,
    interrupted: Callable[[], bool],
    *,
    workers: int = 1,
    tell: Callable[[str], None] = lambda text: None,
    display: Callable[[], callbacks.Display] | None = None,
    progress: Progress = data.silent,
) -> Result | None:
    """Play what is left of a tournament and publish its result; None if it was interrupted."""
    todo = scheduling.entries(plan.configs, plan.seeds, plan.folder)
    scheduling.play_all(todo, workers, interrupted, tell, display, progress)
    if results.unfinished(todo):
        return None
    return results.publish(todo, plan.configs, plan.seeds, plan.folder)


def _configs(
    entrants: Sequence[str | Mapping[str, Any]] | Mapping[str, Config],
    vary: Mapping[str, Sequence[Any]],
    options: Mapping[str, Any],
) -> dict[str, Config]:
    if isinstance(entrants, Mapping):
        return {name: dataclasses.replace(one, **options) for name, one in entrants.items()}
    entries = [{"preset": one} if isinstance(one, str) else one for one in entrants]
    return {
        name: config.from_fields({**config.preset_fields(fields["preset"]), **options, **fields})
        for name, fields in contestants.named(entries, vary).items()
    }


def _new() -> Path:
    today, number = datetime.date.today().isoformat(), 1
    while (path := run_folder.RUNS / f"compare-{today}-{number}").exists():
        number += 1
    return path


# --- what a folder holds ----------------------------------------------------------------------


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        each = found["contestants"].items()
        return {**found, "contestants": {name: config.from_fields(one) for name, one in each}}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"There is no tournament to go on with in {folder} ({FILE} is missing or damaged). "
            f"Name the contestants to begin one there."
        ) from error


def _stored(folder: Path, seeds: int | None) -> Plan:
    found = _read(folder)
    if seeds is not None and seeds < found["seeds"]:
        raise InputError(
            f"The tournament in {folder} has {found['seeds']} seeds; it may get more, not fewer."
        )
    plan = Plan(found["contestants"], seeds or found["seeds"], folder)
    _write(plan, found["data"])
    return plan


def _check_same(plan: Plan, fingerprint: str) -> None:
    """Refuse a folder that holds another tournament, or anything else."""
    if not plan.folder.exists() or not any(plan.folder.iterdir()):
        return
    if not (plan.folder / FILE).exists():
        raise InputError(f"{plan.folder} holds other things than a tournament: choose another -o.")
    found = _read(plan.folder)
    if apart := _apart(plan, fingerprint, found):
        raise InputError(
            f"{plan.folder} holds another tournament ({apart}). Go on with that one by ganbaru "
            f"compare -o {plan.folder}, or choose another -o."
        )


def _apart(plan: Plan, fingerprint: str, found: Mapping[str, Any]) -> str:
    """Say in what a tournament differs from the one found; nothing if only in more seeds."""
    there: dict[str, Config] = found["contestants"]
    if list(there) != list(plan.configs):
        return f"of {', '.join(there)}"
    for name, one in plan.configs.items():
        for field in dataclasses.fields(Config):
            old, new = getattr(there[name], field.name), getattr(one, field.name)
            if old != new:
                return f"{name}: {config.flag(field.name)} {old}, not {new}"
    if found["data"] != fingerprint:
        return "on other images"
    return f"{found['seeds']} seeds, not fewer" if found["seeds"] > plan.seeds else ""


def _write(plan: Plan, fingerprint: str) -> None:
    with files.writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    told = {
        "format": FORMAT, "ganbaru": __version__, "seeds": plan.seeds, "data": fingerprint,
        "contestants": {name: dataclasses.asdict(one) for name, one in plan.configs.items()},
    }  # fmt: skip
    files.write_text(plan.folder / FILE, json.dumps(told, indent=1, ensure_ascii=False))
