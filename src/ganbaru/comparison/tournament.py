"""A tournament from end to end: plan it or read it from its folder, run it, publish results."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

from ganbaru import __version__, callbacks, config, data, files, records
from ganbaru.comparison import contestants, results, scheduling, training
from ganbaru.comparison.contestants import Budget
from ganbaru.comparison.results import Result
from ganbaru.config import Config
from ganbaru.data import Progress, kernel
from ganbaru.errors import InputError, command_line, keywords
from ganbaru.formatting import say
from ganbaru.training import run_folder, signals

FILE = "tournament.json"
FORMAT = 1
# Five support no claim; a difference of 3 deviations is found in 28 % of cases by 6, in 78 % by 8.
SEEDS = 8

Entrants = Sequence[str | Mapping[str, Any]] | Mapping[str, Config]


@dataclass(frozen=True)
class Plan:
    """The plan of a tournament: contestants by name, seeds of each, folder."""

    configs: dict[str, Config]
    seeds: int
    folder: Path
    data: str  # the fingerprint of the training images


@keywords(output="folder")
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
    progress: Progress | bool = True,
    tell: Callable[[str], None] | None = None,
    trust: Collection[str] = (),
    **options: Any,
) -> Result | None:
    """Run a tournament, or continue the one in `folder`; None if Ctrl-C stopped it, all saved.

    `entrants` are presets' names, or fields of `Config` with a preset's name under "preset", each
    combined with each value to `vary`, and `options` for all; or whole configurations by name.
    All get the same budget, in `images` or in `seconds` of training, and the same `seeds` (0, 1,
    ...; 5 by default). Every run is an ordinary run's folder below `folder`. More than one of
    `workers` are spawned processes, so a script that uses them must be guarded by
    ``if __name__ == "__main__"``. `trust` names the modules that names in the folder's file may
    import. `progress` shows the runs in a terminal or a notebook, or is a function as in
    `data.load`; `tell` is given a line for each run. Raises InputError for contestants that cannot
    be compared.
    """
    budget = Budget(images, seconds, evaluate_every, evaluate_images)
    with data.shown(progress) as report:
        plan = plan_tournament(entrants, vary or {}, options, budget, seeds, folder, report, trust)
    live = callbacks.live(progress is True)
    say_one = kernel.Area().show if kernel.active() else say
    how: dict[str, Any] = {"progress": progress} if callable(progress) else {}
    how["tell"] = tell or (say_one if live else lambda text: None)
    how["display"] = (lambda: live[0]) if live and workers == 1 else None
    with signals.graceful_stop() as interrupted:
        return run(plan, interrupted, workers=workers, **how)


def plan_tournament(
    entrants: Entrants,
    vary: Mapping[str, Sequence[Any]],
    options: Mapping[str, Any],
    budget: Budget,
    seeds: int | None = None,
    folder: str | Path | None = None,
    progress: Progress = data.silent,
    trust: Collection[str] = (),
) -> Plan:
    """Plan a tournament as `compare` does, and write the plan into its folder."""
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds {seeds} is out of range: give a whole number from 1.")
    if not entrants and folder is not None:
        return _stored(Path(folder), seeds, trust)
    made = contestants.with_equal_budget(_configs(entrants, vary, options), budget)
    source = contestants.check_and_load(made, progress)
    folders = [contestants.folder_name(name) for name in made]
    for name, one in zip(made, folders, strict=True):
        if folders.count(one) > 1:
            raise InputError(f"Two contestants would share the folder {one!r}: rename {name!r}.")
    place = _claimed("compare") if folder is None else Path(folder)
    plan = Plan(made, seeds or SEEDS, place, source.fingerprint)
    _check_same(plan)
    _write(plan)
    return plan


def run(
    plan: Plan,
    interrupted: Callable[[], bool],
    *,
    workers: int = 1,
    tell: Callable[[str], None] = lambda text: None,
    display: Callable[[], callbacks.Live] | None = None,
    progress: Progress = data.silent,
) -> Result | None:
    """Run what is left of a tournament and publish its result; None if interrupted."""
    todo = scheduling.schedule(plan.configs, plan.seeds, plan.folder)
    scheduling.run_all(todo, workers, interrupted, tell, display, progress)
    if any(training.outcome(entry.folder) is None for entry in todo):
        return None
    return results.publish(todo, plan.configs, plan.seeds, plan.folder)


def _configs(
    entrants: Entrants, vary: Mapping[str, Sequence[Any]], options: Mapping[str, Any]
) -> dict[str, Config]:
    if isinstance(entrants, Mapping):
        return {name: dataclasses.replace(one, **options) for name, one in entrants.items()}
    entries = [{"preset": one} if isinstance(one, str) else one for one in entrants]
    return {
        name: config.from_fields(
            {**config.preset_fields(fields["preset"]), **options, **fields}, None
        )
        for name, fields in contestants.expand(entries, vary).items()
    }


# --- the tournament's folder ------------------------------------------------------------------


class Stored(TypedDict):
    """The content of tournament.json."""

    seeds: Annotated[int, records.Range(1, 10_000)]
    data: str
    contestants: dict[str, dict[str, Any]]


def _read(folder: Path, trust: Collection[str] = ()) -> Plan:
    remedy, file = (
        "There is no tournament to continue: name contestants to start one there.",
        folder / FILE,
    )
    found = records.read(file, Stored, remedy)
    stored = found["contestants"]
    configs = {name: config.from_file(one, file, trust) for name, one in stored.items()}
    return Plan(configs, found["seeds"], folder, found["data"])


def _stored(folder: Path, seeds: int | None, trust: Collection[str]) -> Plan:
    plan = _read(folder, trust)
    if seeds is not None and seeds < plan.seeds:
        raise InputError(
            f"The tournament in {folder} has {plan.seeds} seeds: give as many with --seeds, or "
            f"more."
        )
    plan = dataclasses.replace(plan, seeds=seeds or plan.seeds)
    _write(plan)
    return plan


def _claimed(name: str) -> Path:
    """Make a new folder, which no other process has made."""
    for path in run_folder.unused(name):
        with files.writing(path), contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError


def _check_same(plan: Plan) -> None:
    """Raise InputError for a folder with another tournament or other files."""
    if not plan.folder.exists() or not any(plan.folder.iterdir()):
        return
    if not (plan.folder / FILE).exists():
        raise InputError(f"{plan.folder} has other files than a tournament's: choose another -o.")
    if difference := _difference(_read(plan.folder), plan):
        raise InputError(
            f"{plan.folder} has another tournament ({difference}). Choose another -o, or continue "
            f"it with: {command_line('compare', '-o', plan.folder)}"
        )


def _difference(stored: Plan, plan: Plan) -> str:
    """Return how the stored plan differs from another; empty if only in fewer seeds."""
    if list(stored.configs) != list(plan.configs):
        return f"of {', '.join(stored.configs)}"
    for name, one in plan.configs.items():
        for field in dataclasses.fields(Config):
            old, new = getattr(stored.configs[name], field.name), getattr(one, field.name)
            if old != new:
                return f"{name}: {config.flag(field.name)} {old}, not {new}"
    if stored.data != plan.data:
        return "on other images"
    return f"{stored.seeds} seeds, not fewer" if stored.seeds > plan.seeds else ""


def _write(plan: Plan) -> None:
    with files.writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "ganbaru": __version__,
        "seeds": plan.seeds,
        "data": plan.data,
        "contestants": {name: dataclasses.asdict(one) for name, one in plan.configs.items()},
    }
    files.write_json(plan.folder / FILE, content)
