"""Sets that may not be passed on, or have no lasting address: found where the user put them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganbaru.data.formats import open_path
from ganbaru.data.locations import data_folders
from ganbaru.data.source import Original, Progress
from ganbaru.errors import InputError


@dataclass(frozen=True)
class LocalFiles:
    """Finds a set's files in the folders for data; called as the `original` of a `Dataset`."""

    name: str
    candidates: tuple[str, ...]  # files or folders in a folder for data
    advice: str  # how to get them

    def __call__(self, split: str, data_dir: Path | None, progress: Progress) -> Original:
        """Return the images of the first candidate there is."""
        folders = data_folders(data_dir)
        paths = (folder / candidate for folder in folders for candidate in self.candidates)
        found = next((path for path in paths if path.exists()), None)
        if found is None:
            raise InputError(
                f"The set {self.name} is not here and cannot be downloaded. {self.advice} Then "
                f"give it as --data, or put it into one of {', '.join(map(str, folders))} as "
                f"{self.candidates[0]}."
            )
        return open_path(found, split)
