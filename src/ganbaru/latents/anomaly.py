"""Score pictures as anomalies of a run, and write a sheet with heat maps, arrays or a folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ganbaru import data, files
from ganbaru.data import Progress
from ganbaru.data.formats.names import SUFFIXES
from ganbaru.errors import InputError, keywords
from ganbaru.latents import pictures as user_pictures
from ganbaru.latents import sheets
from ganbaru.latents.detector import PARTS, detector
from ganbaru.latents.outputs import by_ending, write_npz
from ganbaru.sampling import image_io
from ganbaru.sampling.image_io import Images

SHOWN = 96  # pictures of a sheet
BLUR = 1.0  # pixels: the standard deviation of a heat map's smoothing
HOT = 96  # levels of 255 that a heat map shows as white


@dataclass(frozen=True)
class Anomalies:
    """Pictures, the most anomalous first.

    `score` (N,) is in standard deviations of held-out reals, `p` (N,) the share of these with a
    score as high, `errors` (N, 3) those of pixels, features and D; `images` (N, H, W, C) are the
    reconstructions and `heat` (N, H, W, 3) shows where they differ.
    """

    names: tuple[str, ...]
    pictures: Images
    images: Images
    score: NDArray[np.float64]
    p: NDArray[np.float64]
    errors: NDArray[np.float64]
    calibrated_on: int
    notes: tuple[str, ...]
    output: Path | None

    @property
    def heat(self) -> Images:
        """Where each picture differs from its reconstruction: black, red, yellow, white."""
        return np.stack([_heat(*pair) for pair in zip(self.pictures, self.images, strict=True)])

    def to_json(self) -> dict[str, Any]:
        """Return the pictures in order, with scores, p-values and errors."""
        rows = [
            {"picture": name, "score": float(self.score[i]), "p": float(self.p[i])}
            | dict(zip(PARTS, map(float, self.errors[i]), strict=True))
            for i, name in enumerate(self.names)
        ]
        output = None if self.output is None else str(self.output)
        about = {"calibrated_on": self.calibrated_on, "notes": list(self.notes), "output": output}
        return {"pictures": rows, **about}


@keywords(checkpoint="which")
def anomaly(
    run: str | Path,
    pictures: Sequence[str | Path],
    output: str | Path | None = "anomaly.png",
    *,
    normal: str | Path | None = None,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    overwrite: bool = False,
    progress: Progress | bool = True,
) -> Anomalies:
    """Score picture files, and those of folders, by how badly the run's generator makes them.

    `output` is a .png sheet (picture, reconstruction, heat map), an .npz with all arrays, a folder
    with both and the heat maps, or None. `normal` are held-out normal pictures that p is calibrated
    on (None: the run's test images); `run`, `which` and `trust` are as in `load`. Raises
    InputError.
    """
    path = None if output is None else Path(output)
    ways = {".png": _write_sheet, ".npz": _write_npz, "": _write_folder}
    write = by_ending(path, "anomaly scores", ways, overwrite)
    names = expanded(pictures)
    with data.shown(progress) as report:
        how: dict[str, Any] = {"engine": engine, "device": device, "progress": report}
        found, player, notes = detector(run, normal, which=which, trust=trust, **how)
        height, width, channels = player.header.data["shape"]
        given, note = user_pictures.read(names, (height, width, channels), player.config)
        result = found.reconstructed(given, report)
    errors = found.errors(given, result)
    score, p = found.scores(errors)
    order = np.argsort(-score, kind="stable")
    made = Anomalies(
        tuple(names[i] for i in order),
        given[order],
        result.images[order],
        score[order],
        p[order],
        errors[order],
        len(found.held_out),
        (*notes, *([note] if note else [])),
        path,
    )
    write(made)
    return made


def expanded(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """Return picture files, with those below a folder in its place, sorted."""
    names: list[str] = []
    for path in map(Path, paths):
        inner = sorted(path.rglob("*")) if path.is_dir() else [path]
        kept = [each for each in inner if each == path or each.suffix.lower() in SUFFIXES]
        if not kept:
            raise InputError(f"The folder {path} has no pictures ({', '.join(sorted(SUFFIXES))}).")
        names += map(str, kept)
    return tuple(names)


def _heat(picture: Images, image: Images) -> Images:
    difference = np.abs(picture.astype(np.int16) - image).max(axis=2).astype(np.uint8)
    blurred = Image.fromarray(difference).filter(ImageFilter.GaussianBlur(BLUR))
    level = 3 * np.asarray(blurred, np.float64) / HOT
    shown = np.stack([np.clip(level - k, 0, 1) for k in range(3)], axis=2)
    return np.rint(255 * shown).astype(np.uint8)


def _write_sheet(path: Path, found: Anomalies) -> None:
    """Write rows of picture, reconstruction and heat map, four side by side."""
    heat = found.heat[:SHOWN]
    rows = [
        (f"p {found.p[i]:.3f}  {Path(name).name[-18:]}", [found.pictures[i], found.images[i], h])
        for i, (name, h) in enumerate(zip(found.names, heat, strict=False))
    ]
    left_out = len(found.names) - len(rows)
    also = f"; {left_out:,} less anomalous ones are left out" if left_out else ""
    heading = [f"picture, reconstruction, difference: the most anomalous first{also}"]
    sheets.save(path, heading, rows, columns=4)


def _write_npz(path: Path, found: Anomalies) -> None:
    arrays = {name: getattr(found, name) for name in ("pictures", "images", "heat", "score", "p")}
    write_npz(path, {**arrays, "names": np.array(found.names), "errors": found.errors})


def _write_folder(path: Path, found: Anomalies) -> None:
    stems = image_io.file_names([Path(name).stem for name in found.names])
    for i, (stem, heat) in enumerate(zip(stems, found.heat, strict=True)):
        image_io.save_png(path / f"{i:03d}-{stem}-heat.png", heat)
    files.write_json(path / "anomaly.json", {"ganbaru": "anomaly", **found.to_json()})
    _write_sheet(path / "sheet.png", found)
    _write_npz(path / "anomaly.npz", found)
