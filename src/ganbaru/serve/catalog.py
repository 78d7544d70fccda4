"""What is served: runs by name, each with its folder, its newest model and what its log tells.

Names are made here, and requests are looked up among them: nothing of a request is ever a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbaru.errors import InputError, did_you_mean
from ganbaru.serve import models
from ganbaru.serve.models import Model
from ganbaru.serve.responses import ProblemError
from ganbaru.serve.run_status import RunWatcher
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.run_folder import Folder


@dataclass(eq=False)
class Entry:
    """A run, or a single checkpoint, which has no folder and so nothing to watch."""

    name: str
    checkpoint: Path | None
    watch: RunWatcher | None
    model: Model | None = None

    def refresh(self) -> None:
        """Load the newest checkpoint unless it is there already; a damaged one is passed over.

        Raises InputError only for the first.
        """
        newest = self._newest()
        if newest is None or newest == self.checkpoint and self.model:
            return
        try:
            self.model = models.load(newest)
        except InputError:
            if self.model is None:
                raise
        self.checkpoint = newest

    def _newest(self) -> Path | None:
        if self.watch is None:
            return self.checkpoint
        found = checkpoint.found(self.watch.folder.checkpoints)
        return found[-1] if found else None

    def ready(self) -> Model:
        """Return the model; raises ProblemError before a run's first checkpoint."""
        if self.model is None:
            raise ProblemError(
                503,
                f"The run {self.name} has no checkpoint yet: it is still learning. Its page shows "
                f"how far it is; ask again later.",
                {"Retry-After": "30"},
            )
        return self.model

    def watched(self) -> RunWatcher:
        """Return what watches the run; raises ProblemError for a single checkpoint."""
        if self.watch is None:
            raise ProblemError(404, f"{self.name} is a checkpoint alone: no run is known of it.")
        return self.watch


Catalog = Mapping[str, Entry]


def fill(given: Sequence[str]) -> dict[str, Entry]:
    """Find and load runs, by folder or name, and checkpoints.

    Raises InputError for what is missing or damaged; a run needs no checkpoint yet.
    """
    shelf: dict[str, Entry] = {}
    for one in given:
        entry = _entry(one, shelf)
        entry.refresh()
        shelf[entry.name] = entry
    return shelf


def _entry(given: str, taken: Catalog) -> Entry:
    if Path(given).suffix == ".safetensors":
        return Entry(_name(Path(given).stem, taken), Path(given), None)
    folder = Folder(run_folder.existing(given).path.resolve())
    return Entry(_name(folder.path.name, taken), None, RunWatcher(folder))


def _name(text: str, taken: Catalog) -> str:
    """Return a name that may stand in an address, and that no other has."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "run"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    return name


def find(shelf: Catalog, name: str) -> Entry:
    """Return the entry of a name that came with a request."""
    if name not in shelf:
        near = did_you_mean(name, shelf)
        raise ProblemError(
            404, f"There is no model {name!r} here.{near} Known: {', '.join(shelf)}."
        )
    return shelf[name]
