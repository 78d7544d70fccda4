"""The catalog of served models: each a run's folder, or a single checkpoint, under a name.

Requests are looked up among names that are made here: no part of a request is ever a path.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbaru.data import Progress
from ganbaru.errors import did_you_mean
from ganbaru.latents.embedding import Embedding, embed
from ganbaru.serve import log, models
from ganbaru.serve.models import Model
from ganbaru.serve.problems import ProblemError
from ganbaru.serve.run_status import RunWatcher
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.run_folder import Folder


@dataclass(eq=False)
class ServedModel:
    """A run, or a single checkpoint, which has no folder to watch."""

    name: str
    checkpoint: Path | None
    watcher: RunWatcher | None
    trust: Collection[str] = ()
    model: Model | None = None
    problem: bool = False  # whether the newest checkpoint cannot be loaded
    _map: tuple[Model, Embedding] | None = None
    _tried: tuple[Path, int] | None = None  # the checkpoint last loaded, and when it was written

    def refresh(self) -> None:
        """Load the newest checkpoint, once; raises InputError for a damaged one."""
        newest = self._newest()
        if newest is None:
            return
        found = newest, newest.stat().st_mtime_ns if newest.exists() else 0
        if found == self._tried:
            return
        self._tried = found
        self.model = models.load(newest, self.trust)
        self.problem = False

    def watch(self) -> None:
        """Refresh; an error becomes this run's problem until the file changes."""
        try:
            self.refresh()
        except Exception as error:  # of any kind: the other runs' checkpoints are still awaited
            self.problem = True
            log.problem(self.name, error)

    def _newest(self) -> Path | None:
        if self.watcher is None:
            return self.checkpoint
        found = checkpoint.found(self.watcher.folder.checkpoints)
        return found[-1] if found else None

    def place_seeds(self, by: str, progress: Progress) -> None:
        """Map seeds beside real images, `by` pca or tsne; raises InputError without the data."""
        if self.model:
            path = self.model.player.path
            self._map = self.model, embed(path, None, by=by, trust=self.trust, progress=progress)

    def seed_map(self, model: Model) -> Embedding | None:
        """Return the map of a model, None without one: a newer checkpoint has other images."""
        return self._map[1] if self._map and self._map[0] is model else None

    def ready(self) -> Model:
        """Return the model; raises ProblemError before a run's first checkpoint."""
        if self.model is None:
            raise ProblemError(
                503,
                f"The run {self.name} has no checkpoint yet. Its page shows the progress of the "
                f"training; try again later.",
                {"Retry-After": "30"},
            )
        return self.model

    def watched(self) -> RunWatcher:
        """Return the watcher of the run; raises ProblemError for a single checkpoint."""
        if self.watcher is None:
            raise ProblemError(404, f"{self.name} is a single checkpoint, without a run's pages.")
        return self.watcher


Catalog = Mapping[str, ServedModel]


def load(paths: Sequence[str], trust: Collection[str] = ()) -> dict[str, ServedModel]:
    """Find and load runs, by folder or name, and checkpoints.

    `trust` is as in `ganbaru.load`. Raises InputError for a missing or damaged one; a run needs no
    checkpoint yet.
    """
    catalog: dict[str, ServedModel] = {}
    for path in paths:
        served = _served(path, catalog, trust)
        served.refresh()
        catalog[served.name] = served
    return catalog


def _served(path: str, taken: Catalog, trust: Collection[str]) -> ServedModel:
    if file := run_folder.single_file(path):
        return ServedModel(_name(file.stem, taken), file, None, trust)
    folder = Folder(run_folder.existing(path).path.resolve())
    return ServedModel(_name(folder.path.name, taken), None, RunWatcher(folder), trust)


def _name(text: str, taken: Catalog) -> str:
    """Return a unique name that may stand in an address."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "run"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    return name


def find(catalog: Catalog, name: str) -> ServedModel:
    """Return the model of a name in a request; raises ProblemError for an unknown one."""
    if name not in catalog:
        near = did_you_mean(name, catalog)
        raise ProblemError(404, f"Unknown model {name!r}.{near} Known: {', '.join(catalog)}.")
    return catalog[name]
