"""Project picture files into a run's latent space, and write what was found."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data
from ganbaru.data import Progress, attributes
from ganbaru.errors import InputError, keywords
from ganbaru.latents import pictures as user_pictures
from ganbaru.latents import projection
from ganbaru.latents.layer_features import Features, by_discriminator
from ganbaru.latents.outputs import by_ending, write_npz
from ganbaru.latents.projection import Projection
from ganbaru.sampling import image_io, interpolation, latent_spaces, video, writers
from ganbaru.sampling.generators import Generator, load, on_engine
from ganbaru.sampling.labels import Inputs, Labels
from ganbaru.sampling.players import Player, load_player

Picture = str | Path | Sequence[str | Path]  # a point of a film: a file, or several: their average

COLUMNS = 8  # of a sheet: pictures side by side, each above the image found
FILMED, FRAMES, HELD, FPS = 16, 32, 12, 16.0  # pictures of a film, frames, those of its end, rate


@dataclass(frozen=True)
class Projected:
    """The result for picture files: `found` has arrays in the order of `names`.

    `pictures` (N, H, W, C) are the files as the generator's images, `note` says what was changed
    for that, and `output` is what was written, None for nothing. `by_features`: the search compared
    features of D too.
    """

    names: tuple[str, ...]
    pictures: image_io.Images
    found: Projection
    generator: Generator
    note: str
    output: Path | None
    by_features: bool = False

    @functools.cached_property
    def average(self) -> tuple[NDArray[np.float32], image_io.Images]:
        """The latent (Z,) between all those found, of their mean norm, and its image (H, W, C).

        Of a generator with labels the image is of the mean of their weights.
        """
        latents, weights = self.means([list(range(len(self.names)))])
        return latents[0], image_io.to_bytes(self.generator.floats(latents, weights))[0]

    def means(
        self, groups: Sequence[Sequence[int]]
    ) -> tuple[NDArray[np.float32], NDArray[np.floating] | None]:
        """Return the latents (K, Z) between those of K groups of pictures, and their mean labels.

        The norm is the mean of a group's. Labels are class weights (K, classes), or attributes.
        """
        labels, space = self.found.labels, latent_spaces.space(self.generator.distribution)
        w, made = space.to_normal(self.found.latents), []
        for group in groups:
            mean, norm = w[group].mean(axis=0), np.linalg.norm(w[group], axis=1).mean()
            made.append(mean * (norm / max(float(np.linalg.norm(mean)), 1e-12)))
        if labels is not None and not self.generator.attributes:
            labels = np.eye(len(self.generator.classes))[labels]
        rows = None if labels is None else np.stack([labels[group].mean(0) for group in groups])
        return space.from_normal(np.stack(made)), rows

    def label(self, i: int) -> str | None:
        """Return the name of the label that a picture got, or its attributes."""
        return label_text(self.generator, self.found.labels, i)

    def to_json(self) -> dict[str, Any]:
        """Return the errors and labels of the pictures."""
        rows = [
            {"picture": name, "error": float(self.found.error[i]), "label": self.label(i)}
            for i, name in enumerate(self.names)
        ]
        mean = float(self.found.error.mean())
        output = None if self.output is None else str(self.output)
        about = {"by_features": self.by_features, "note": self.note, "output": output}
        return {"pictures": rows, "mean_error": mean, **about}


def label_text(generator: Generator, labels: Inputs | None, i: int) -> str | None:
    """Return the name of a label, or attributes as options take them."""
    columns = generator.attributes
    if labels is not None and columns:
        pairs = zip(columns, attributes.unscaled(columns, labels[i]), strict=True)
        return ",".join(f"{column.name}={value:.6g}" for column, value in pairs)
    return None if labels is None else generator.classes[labels[i]]


@keywords(checkpoint="which")
def project(
    run: str | Path,
    pictures: Sequence[str | Path],
    output: str | Path | None = "projection.npz",
    *,
    label: int | str | None = None,
    features: bool = True,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    overwrite: bool = False,
    progress: Progress | bool = True,
) -> Projected:
    """Find the latents, and labels, whose images are nearest to picture files.

    `output` is an .npz with `images` as `generate` writes them, `latents`, `labels` and `error`; a
    .png with the pictures above the images found; a folder with all of that, each image and a film
    from the start of the search to its result; or None. `label` is that of all pictures (None: each
    gets the nearest start's); with `features` the last steps compare those of the run's
    discriminator too, if the file has one, else pixels alone; `run`, `which` and `trust` are as in
    `load`. Raises InputError.
    """
    path = None if output is None else Path(output)
    ways = {".npz": _write_npz, ".png": _write_sheet, "": _write_folder}
    write = by_ending(path, "a projection", ways, overwrite)
    player = load_player(run, which, trust=trust)
    generator = on_engine(player, engine, device)
    judge = by_discriminator(player.path, which, trust) if features else None
    result = by(player, generator, pictures, label, progress, path, features=judge)
    write(result)
    return result


def by(
    player: Player,
    generator: Generator,
    pictures: Sequence[str | Path],
    label: int | str | None,
    progress: Progress | bool,
    path: Path | None = None,
    features: Features | None = None,
) -> Projected:
    """Project picture files by a loaded generator, `player` on an engine; writes nothing."""
    height, width, channels = player.header.data["shape"]
    images, note = user_pictures.read(pictures, (height, width, channels), player.config)
    labels = None if label is None else generator.labels(range(len(images)), label)
    with data.shown(progress) as report:
        found = projection.project(generator, images, labels, report, features=features)
    names = tuple(map(str, pictures))
    return Projected(names, images, found, generator, note, path, features is not None)


def points(
    run: str | Path,
    pictures: Sequence[Picture] | None,
    seeds: Sequence[int] | None,
    labels: Labels,
    **how: Any,
) -> tuple[Generator, dict[str, Any]]:
    """Return a run's generator and the points of a path for `Generator.walk`.

    They are pictures if these are given, else `seeds`; "a.png+b.png", or a list of files in place
    of one, is their average. `how` are further arguments of `load`. Raises InputError for `seeds`
    beside pictures, and then for `labels` that are not one for all.
    """
    if not pictures:
        return load(run, **how), {"seeds": seeds, "labels": labels}
    if seeds is not None:
        raise InputError("--seeds and --pictures both are the points of the film: give one.")
    if labels is not None and not isinstance(labels, (int, str)):
        raise InputError(
            "Beside --pictures give one label for all, or none: each picture then gets its own."
        )
    files = [_files(each) for each in pictures]
    result = project(run, [file for each in files for file in each], None, label=labels, **how)
    ends = np.cumsum([len(each) for each in files])
    groups = [list(range(end - len(each), end)) for each, end in zip(files, ends, strict=True)]
    latents, weights = result.means(groups)
    return result.generator, {"latents": latents, "labels": weights}


def _files(point: Picture) -> list[str | Path]:
    """Return the files of a point of a path: one, or those joined by + if no file has that name."""
    if not isinstance(point, (str, Path)):
        return list(point)
    return [point] if os.path.exists(point) else list(str(point).split("+"))


def _write_npz(path: Path, result: Projected) -> None:
    found = result.found
    arrays: dict[str, Any] = {"images": found.images, "latents": found.latents}
    if found.labels is not None:
        arrays |= writers.labelled(result.generator, found.labels)
    if len(result.names) > 1:
        arrays["average_latent"], arrays["average"] = result.average
    write_npz(path, {**arrays, "error": found.error})


def _write_sheet(path: Path, result: Projected) -> None:
    """Write rows of pictures, each above a row of the images found."""
    image_io.save_png(path, image_io.enlarge(image_io.grid(*sheet(result))))


def sheet(result: Projected) -> tuple[image_io.Images, int]:
    """Return the images of a sheet, row by row, and the number of its columns."""
    pictures, images = result.pictures, result.found.images
    columns = min(COLUMNS, len(pictures))
    rows = []
    for start in range(0, len(pictures), columns):
        for of in (pictures, images):
            row = of[start : start + columns]
            empty = np.full((columns - len(row), *row.shape[1:]), 24, np.uint8)
            rows += [row, empty]
    return np.concatenate(rows), columns


def _write_folder(path: Path, result: Projected) -> None:
    stems = image_io.file_names([Path(name).stem for name in result.names])
    for i, (stem, image) in enumerate(zip(stems, result.found.images, strict=True)):
        image_io.save_png(path / f"{i:03d}-{stem}.png", image)
    _write_npz(path / "projection.npz", result)
    _write_sheet(path / "sheet.png", result)
    if len(result.names) > 1:
        image_io.save_png(path / "average.png", result.average[1])
    frames = (image_io.enlarge(frame, 256) for frame in film_frames(result))
    video.writer(path / "film.gif", FPS)(frames)


def film_frames(result: Projected) -> list[image_io.Images]:
    """Return the frames (H, W, C) of a film from each search's start to its result."""
    found, generator = result.found, result.generator
    space = latent_spaces.space(generator.distribution)
    ends = (found.starts[:FILMED], found.latents[:FILMED])
    points = np.stack([space.to_normal(end) for end in ends])
    times, made = np.linspace(0, 1, FRAMES), []
    for k in range(points.shape[1]):
        latents = space.from_normal(interpolation.line(points[:, k], times))
        labels = None if found.labels is None else np.repeat(found.labels[k][None], FRAMES, axis=0)
        made.append(image_io.to_bytes(generator.floats(latents, labels)))
    columns = min(COLUMNS, len(made))
    frames = [image_io.grid(np.stack(each), columns) for each in zip(*made, strict=True)]
    return frames + frames[-1:] * HELD
