"""What a shared page may say of a run: nothing of it is a path of this machine."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from ganbaru import registry
from ganbaru.config import Config

T = TypeVar("T")
# Fields of a configuration that hold paths; of a path only its last part is shared.
PLACES = ("data", "label_file", "run", "start_from")
_HUB = re.compile(r"(?!runs/)[\w-][\w.-]*/[\w.-]+")  # user/model
# Folders at the start of a path that begins at the root, a drive, a home or the current folder.
_FOLDERS = re.compile(
    r"(?<![\w.<:/\\])(?:~[\w-]*|\.{1,2}|[A-Za-z]:)?[\\/](?=[\w.~-])"
    r"(?:[^\s\\/'\"<>|;,()]+[\\/])*"
)


def public(config: Config) -> Config:
    """Return a configuration without paths: of those that it needs the last parts."""
    found: dict[str, Any] = {name: _last(getattr(config, name)) for name in PLACES}
    start = config.start_from
    if start and _HUB.fullmatch(start) and not Path(start).exists():
        found["start_from"] = start
    return dataclasses.replace(config, **found, data_dir=None)


def _last(value: str | None) -> str | None:
    if value is None or value in registry.names("data"):
        return value
    return re.split(r"[\\/]", value.rstrip("\\/"))[-1]


def cleaned(value: T, places: Collection[str]) -> T:
    """Return strings, lists, dictionaries or a dataclass without folders in its texts.

    `places` are this machine's folders that any text may contain, also with spaces in their names.
    """
    found: Any = value
    if isinstance(value, str):
        for place in places:
            found = re.sub(rf"(?<!\w){re.escape(place)}", "", found)
        whole = _FOLDERS.match(found) if found[:1] in "/\\~." or found[1:2] == ":" else None
        found = _last(found) if whole else _FOLDERS.sub("", found)
    elif isinstance(value, dict):
        found = {key: cleaned(each, places) for key, each in value.items()}
    elif isinstance(value, (list, tuple)):
        found = type(value)(cleaned(each, places) for each in value)
    elif dataclasses.is_dataclass(value):
        texts = {f.name: cleaned(getattr(value, f.name), places) for f in dataclasses.fields(value)}
        found = dataclasses.replace(found, **texts)
    return found  # type: ignore[no-any-return]


def places(folder: Path, config: Config) -> list[str]:
    """Return the folders of a run, of its data and of the user, the longest first."""
    named = [config.data, config.label_file, config.run, config.start_from]
    paths = [folder.resolve(), Path.cwd(), Path.home() / "x"]
    paths += [Path(each) for each in named if each]
    found = {str(each.parent) for each in paths} | {str(Path.cwd()), config.data_dir or "."}
    texts = {place.rstrip("/\\") for place in found} - {"", "."}
    return sorted((f"{place}{sep}" for place in texts for sep in "/\\"), key=len, reverse=True)
