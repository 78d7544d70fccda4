"""What a resumed run shares with its checkpoint: the same data; settings that changed are noted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ganbaru.coerce import shown
from ganbaru.config import Config, flag, from_file, typed
from ganbaru.data import Source
from ganbaru.errors import InputError
from ganbaru.training.checkpoint import Change, Header
from ganbaru.training.run import Run, describe_data

_PLACE = {
    "preset",
    "run",
    "resume",
    "overwrite",
    "devices",
}  # fields that do not change what is trained


def check_classes(header: Header, source: Source) -> None:
    """Raise InputError if the data have other classes than the run's; names those that differ."""
    before, now = header.data["classes"], list(source.classes)
    if before == now:
        return
    found = [
        f"{', '.join(map(repr, names[:5]))}{' and more' * (len(names) > 5)} "
        f"{'is' if len(names) == 1 else 'are'} {what}"
        for names, what in (
            ([each for each in now if each not in before], "new"),
            ([each for each in before if each not in now], "gone"),
        )
        if names
    ]
    raise InputError(
        f"The data has {len(now):,} classes now, the run {len(before):,}: "
        f"{'; '.join(found) or 'they are in another order'}. Give the run's own data, or start "
        f"another --run."
    )


def check_data(path: Path, header: Header, source: Source) -> None:
    """Raise InputError if the data are not those of a checkpoint; their name does not count."""
    now = describe_data(source)
    if {"attributes": [], **header.data, "name": source.name} != now:
        raise InputError(
            f"The data has changed since {path} was written: it was {_described(header.data)}, now "
            f"it is {_described(now)}. Put the old data back, or start another --run."
        )


def _described(about: dict[str, Any]) -> str:
    return f"{about['name']} {about['shape']} ({str(about['fingerprint'])[:12]})"


def note_changes(run: Run, path: Path, header: Header) -> None:
    """Add the settings that differ from a checkpoint's to the run's history, and a note of them."""
    fields = {name: typed(name, value) for name, value in header.config.items()}
    before = from_file(fields, path)
    run.history = [*header.history]
    if settings := _changes(before, run.config):
        change = Change(images=run.images, settings=settings)
        run.history.append(change)
        run.notes.append(described([change])[0])


def _changes(before: Config, now: Config) -> dict[str, list[str]]:
    pairs = {
        each.name: [shown(getattr(config, each.name)) for config in (before, now)]
        for each in dataclasses.fields(Config)
        if each.name not in _PLACE
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def described(history: Iterable[Change]) -> list[str]:
    """Return a sentence for each change of a run's settings, such as for its report."""
    return [
        f"Settings changed at {change['images']:,} images: {', '.join(_pairs(change))}."
        for change in history
    ]


def _pairs(change: Change) -> list[str]:
    return [f"{flag(name)} {old} -> {new}" for name, (old, new) in change["settings"].items()]
