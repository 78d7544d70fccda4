"""A tournament from end to end: plan it or read it from its folder, run it, publish results."""

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
from ganbaru.comparison.contestants import Budget
from ganbaru.comparison.results import Result
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.training import run_folder, signals

FILE = "tournament.json"
FORMAT = 1
SEEDS = 5

Entrants = Sequence[str | Mapping[str, Any]] | Mapping[str, Config]


@dataclass(frozen=True)
class Plan:
    """The plan of a tournament: contestants by name, seeds of each, folder."""

    configs: dict[str, Config]
    seeds: int
    folder: Path


def compare(
    entrants: Entrants = (),
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
    """Run a tournament, or continue the one in `folder`; None if Ctrl-C stopped it, all saved.

    `entrants` are presets' names, or fields of `Config` with a preset's name under "preset", each
    combined with each value to `vary`, and `options` for all; or whole configurations by name.
    All get the same budget, in `images` or in `seconds` of training, and the same `seeds` (0, 1,
    ...; 5 by default). Every run is an ordinary run's folder below `folder`. More than one of
    `workers` are spawned processes, so a script that uses them must be guarded by
    ``if __name__ == "__main__"``. Raises InputError for contestants that cannot be compared.
    """
    budget = Budget(images, seconds, evaluate_every, evaluate_images)
    plan = plan_tournament(entrants, vary or {}, options, budget, seeds, folder, progress)
    with signals.graceful_stop() as interrupted:
        return run(plan, interrupted, workers=workers, tell=tell, progress=progress)


def plan_tournament(
    entrants: Entrants,
    vary: Mapping[str, Sequence[Any]],
    options: Mapping[str, Any],
    budget: Budget,
    seeds: int | None = None,
    folder: str | Path | None = None,
    progress: Progress = data.silent,
) -> Plan:
    """Plan a tournament as `compare` does, and write the plan into its folder."""
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds {seeds} is out of range: give a whole number from 1.")
    if not entrants and folder is not None:
        return _stored(Path(folder), seeds)
    made = contestants.with_equal_budget(_configs(entrants, vary, options), budget)
    source = contestants.check_and_load(made, progress)
    folders = [contestants.folder_name(name) for name in made]
    for name, one in zip(made, folders, strict=True):
        if folders.count(one) > 1:
            raise InputError(f"Two contestants would share the folder {one!r}: rename {name!r}.")
    plan = Plan(made, seeds or SEEDS, _new() if folder is None else Path(folder))
    _check_same(plan, source.fingerprint)
    _write(plan, source.fingerprint)
    return plan


def run(
    plan: Plan,
    interrupted: Callable[[], bool],
    *,
    workers: int = 1,
    tell: Callable[[str], None] = lambda text: None,
    display: Callable[[], callbacks.Display] | None = None,
    progress: Progress = data.silent,
) -> Result | None:
    """Run what is left of a tournament and publish its result; None if interrupted."""
    todo = scheduling.schedule(plan.configs, plan.seeds, plan.folder)
    scheduling.run_all(todo, workers, interrupted, tell, display, progress)
    if results.unfinished(todo):
        return None
    return results.publish(todo, plan.configs, plan.seeds, plan.folder)


def _configs(
    entrants: Entrants, vary: Mapping[str, Sequence[Any]], options: Mapping[str, Any]
) -> dict[str, Config]:
    if isinstance(entrants, Mapping):
        return {name: dataclasses.replace(one, **options) for name, one in entrants.items()}
    entries = [{"preset": one} if isinstance(one, str) else one for one in entrants]
    return {
        name: config.from_fields({**config.preset_fields(fields["preset"]), **options, **fields})
        for name, fields in contestants.expand(entries, vary).items()
    }


def _new() -> Path:
    today, number = datetime.date.today().isoformat(), 1
    while (path := run_folder.RUNS / f"compare-{today}-{number}").exists():
        number += 1
    return path


# --- the tournament's folder ------------------------------------------------------------------


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        each = found["contestants"].items()
        return {**found, "contestants": {name: config.from_fields(one) for name, one in each}}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"There is no tournament to continue in {folder} ({FILE} is missing or damaged). Name "
            f"contestants to start one there."
        ) from error


def _stored(folder: Path, seeds: int | None) -> Plan:
    found = _read(folder)
    if seeds is not None and seeds < found["seeds"]:
        raise InputError(
            f"The tournament in {folder} has {found['seeds']} seeds: give as many with --seeds, or "
            f"more."
        )
    plan = Plan(found["contestants"], seeds or found["seeds"], folder)
    _write(plan, found["data"])
    return plan


def _check_same(plan: Plan, fingerprint: str) -> None:
    """Raise InputError for a folder with another tournament or other files."""
    if not plan.folder.exists() or not any(plan.folder.iterdir()):
        return
    if not (plan.folder / FILE).exists():
        raise InputError(f"{plan.folder} has other files than a tournament's: choose another -o.")
    found = _read(plan.folder)
    if difference := _difference(plan, fingerprint, found):
        raise InputError(
            f"{plan.folder} has another tournament ({difference}). Continue it with ganbaru "
            f"compare -o {plan.folder}, or choose another -o."
        )


def _difference(plan: Plan, fingerprint: str, found: Mapping[str, Any]) -> str:
    """Return how the tournament found differs from the plan; empty if only in fewer seeds."""
    before: dict[str, Config] = found["contestants"]
    if list(before) != list(plan.configs):
        return f"of {', '.join(before)}"
    for name, one in plan.configs.items():
        for field in dataclasses.fields(Config):
            old, new = getattr(before[name], field.name), getattr(one, field.name)
            if old != new:
                return f"{name}: {config.flag(field.name)} {old}, not {new}"
    if found["data"] != fingerprint:
        return "on other images"
    return f"{found['seeds']} seeds, not fewer" if found["seeds"] > plan.seeds else ""


def _write(plan: Plan, fingerprint: str) -> None:
    with files.writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "ganbaru": __version__,
        "seeds": plan.seeds,
        "data": fingerprint,
        "contestants": {name: dataclasses.asdict(one) for name, one in plan.configs.items()},
    }
    files.write_text(plan.folder / FILE, json.dumps(content, indent=1, ensure_ascii=False))
