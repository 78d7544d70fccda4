"""Where generated images go: one grid, a folder of PNGs, or an npz file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ganbaru import media
from ganbaru.errors import InputError
from ganbaru.sample import Generator

Writer = Callable[[Generator, int, int, "str | None"], None]

MOST_IN_GRID = 4096


def writer(path: Path) -> Writer:
    """Choose by the name's ending: .png a grid, .npz arrays, no ending a folder."""
    endings: dict[str, Callable[..., None]] = {".png": _grid, ".npz": _npz, "": _folder}
    if path.suffix.lower() not in endings:
        raise InputError(
            f"Cannot write images to {path}: give a name ending in .png (one grid) or .npz, or a "
            f"folder's name without an ending (a PNG for each)."
        )
    write = endings[path.suffix.lower()]

    def checked(generator: Generator, n: int, seed: int, label: str | None) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, generator, n, seed, label)
        except OSError as error:
            raise InputError(
                f"Cannot write {path}: {error.strerror}. Choose another -o, where you may write."
            ) from error

    return checked


def _grid(path: Path, generator: Generator, n: int, seed: int, label: str | None) -> None:
    if n > MOST_IN_GRID:
        raise InputError(
            f"A grid of {n:,} images would be too large to look at (at most {MOST_IN_GRID:,}): "
            f"write them to a folder or an .npz file."
        )
    images = np.concatenate([batch for batch, _ in generator.batches(n, seed, label)])
    columns = len(generator.classes) if label is None and 2 <= len(generator.classes) <= 16 else None
    media.save_png(path, media.grid(images, columns if columns and n >= columns else None))


def _folder(path: Path, generator: Generator, n: int, seed: int, label: str | None) -> None:
    path.mkdir(exist_ok=True)
    number = seed
    for images, labels in generator.batches(n, seed, label):
        for i, image in enumerate(images):
            of = "" if labels is None else f"-label{labels[i]}"
            media.save_png(path / f"seed{number:08d}{of}.png", image)
            number += 1


def _npz(path: Path, generator: Generator, n: int, seed: int, label: str | None) -> None:
    batches = list(generator.batches(n, seed, label))
    arrays = {"images": np.concatenate([images for images, _ in batches])}
    if generator.classes:
        arrays["labels"] = np.concatenate([labels for _, labels in batches if labels is not None])
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)
