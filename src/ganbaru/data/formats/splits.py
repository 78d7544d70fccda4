"""Which of the folders beside each other are splits, and what has none."""

from __future__ import annotations

from pathlib import Path

from ganbaru.data.source import SplitError

SPLIT_FOLDERS = frozenset(("train", "test", "val", "valid", "validation"))


def split_folder(path: Path, split: str) -> Path:
    """Return the sub-folder of a split; `path` itself, only for training, if it has no splits."""
    inside = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    folders = {name for name in inside if (path / name).is_dir()}
    if "train" in folders and folders <= SPLIT_FOLDERS:
        if split in folders:
            return path / split
        raise SplitError(f"{path} has no {split!r} folder beside {', '.join(sorted(folders))}.")
    require_train(path, split)
    return path


def require_train(path: Path, split: str) -> None:
    """Raise SplitError for another split than training of data that have no splits."""
    if split != "train":
        raise SplitError(
            f"{path} is not divided into training and test images, so it has no {split!r} split. "
            f"A folder with 'train' and 'test' sub-folders has both."
        )
