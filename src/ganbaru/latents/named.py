"""Find and list a run's directions, with a sheet of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, files
from ganbaru.data import Progress
from ganbaru.errors import InputError, keywords, pick
from ganbaru.gan.dataset import load_data
from ganbaru.latents import finding, sheets
from ganbaru.metrics import scorer
from ganbaru.sampling import directions as known_directions
from ganbaru.sampling import image_io, latent_spaces
from ganbaru.sampling.directions import Array, Direction, Directions
from ganbaru.sampling.generators import Generator, on_engine
from ganbaru.sampling.image_io import Images
from ganbaru.sampling.labels import Inputs
from ganbaru.sampling.players import Player, load_player

MEASURED, SHOWN = 32, 5  # seeds that a direction's change is measured on, and those of its sheet
STEPS = np.arange(-3.0, 4.0)  # of a sheet, in standard deviations
FEW = 10  # images of a label, and without it, that a direction needs


@dataclass(frozen=True)
class Named:
    """A run's directions by name: `new` were found now; `path` is their file, None if not there."""

    directions: Directions
    new: tuple[str, ...]
    sheets: tuple[Path, ...]
    notes: tuple[str, ...]
    path: Path | None

    def to_json(self) -> dict[str, Any]:
        """Return the directions as in their file, and what was written."""
        found = {name: asdict(each) for name, each in self.directions.items()}
        made = {"new": list(self.new), "sheets": [str(each) for each in self.sheets]}
        path = None if self.path is None else str(self.path)
        return {"directions": found, **made, "notes": list(self.notes), "output": path}


@keywords(checkpoint="which")
def directions(
    run: str | Path,
    *,
    main: int = 0,
    components: int = 0,
    labels: str | Path | bool = False,
    name: str | None = None,
    answers: str | Path | None = None,
    plus: Sequence[int] = (),
    minus: Sequence[int] = (),
    drop: Sequence[str] = (),
    number: int = 2000,
    label: int | str | None = None,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    progress: Progress | bool = True,
) -> Named:
    """Find directions of a run's latent space, and store them in its ``directions.json``.

    `main` of them change the first layer most (SeFa), `components` the last layer's features.
    `labels` fits one to each label that a classifier of the run's data (True), or of other labelled
    images, gives `number` generated images. `name` is fitted to `answers`, a table of seeds and yes
    or no, or to the seeds `plus` and `minus`, whose images have `label` (None: seed mod classes).
    Each new one gets a sheet. `drop` deletes some; without all of these they are listed. The rest
    is as in `load`. Raises InputError.
    """
    player = load_player(run, which, trust=trust)
    generator = on_engine(player, engine, device)
    path = known_directions.place(player)
    known, notes = known_directions.read(path, generator.latent), list[str]()
    checkpoint = checkpoint_of(player)
    for each in drop:
        pick("direction", each, known)
    found: dict[str, Direction] = {}
    if main:
        found |= finding.main(player, main, checkpoint)
    if components:
        found |= finding.components(player, generator, components, checkpoint)
    with data.shown(progress) as report:
        if labels is not False:
            found |= _by_labels(player, generator, labels, number, notes, report)
    if answers or plus or minus or name:
        found |= _by_answers(generator, name, answers, plus, minus, label, checkpoint)
    kept = {each: x for each, x in known.items() if each not in drop}
    if not found and not drop:
        return Named(kept, (), (), tuple(notes), path if path.exists() else None)
    every = _measured(generator, kept, found)
    known_directions.write(path, every)
    folder = path.with_suffix("")
    with files.writing(folder):
        folder.mkdir(exist_ok=True)
        for each in drop:
            (folder / f"{each}.png").unlink(missing_ok=True)
    made = tuple(folder / f"{each}.png" for each in found)
    for each, place in zip(found, made, strict=True):
        _sheet(place, generator, each, every[each])
    return Named(every, tuple(found), made, tuple(notes), path)


def checkpoint_of(player: Player) -> str:
    """Return the images that a checkpoint has been trained on, as text."""
    return str(player.header.images)


def _by_answers(
    generator: Generator,
    name: str | None,
    answers: str | Path | None,
    plus: Sequence[int],
    minus: Sequence[int],
    label: int | str | None,
    checkpoint: str,
) -> dict[str, Direction]:
    """Return the direction of answers in a file, or of two sets of seeds."""
    if not name or bool(answers) == bool(plus or minus):
        raise InputError(
            "A direction of your own needs a name and examples: give --name smiling with --answers "
            "FILE, or with --plus 3,7 --minus 1,4."
        )
    known_directions.named(name)
    generator.labels([0], label)
    if answers:
        seeds, yes = finding.read_answers(Path(answers))
    else:
        seeds, yes = finding.examples(plus, minus)
    w, way = normal(generator, generator.latents(seeds)), "answers" if answers else "examples"
    return {name: finding.fitted(w, yes, way, checkpoint)}


def _by_labels(
    player: Player,
    generator: Generator,
    labels: str | Path | bool,
    number: int,
    notes: list[str],
    progress: Progress,
) -> dict[str, Direction]:
    """Return a direction for each label that a classifier gives images of `number` seeds."""
    if labels is True and generator.classes:
        raise InputError(
            "This generator takes the labels of its data, so no direction chooses one: give "
            "--label to `ganbaru edit`, or other labelled images with --labels X."
        )
    height, width, channels = player.header.data["shape"]
    how: dict[str, Any] = {"image_size": (height, width), "channels": channels}
    config = player.config
    source = (
        load_data(config, progress)
        if labels is True
        else data.load(str(labels), fit=config.fit, progress=progress, **how)
    )
    judge = scorer.classifier_scorer(source, progress)
    given = judge.extract(generator.sample(number), progress).labels
    assert given is not None
    w = normal(generator, generator.latents(generator.seeds(number)))
    found, names = {}, image_io.file_names(source.classes)
    for k, each in enumerate(names):
        yes = given == k
        if min(yes.sum(), (~yes).sum()) < FEW:
            few = f"{int(yes.sum()):,} of {number:,} images have the label {source.classes[k]}"
            notes.append(f"{few}: no direction")
            continue
        name = known_directions.named(f"label-{each.encode('ascii', 'ignore').decode() or k}"[:40])
        found[name] = finding.fitted(w, yes, "labels", checkpoint_of(player))
    return found


def normal(generator: Generator, latents: NDArray[np.float32]) -> Array:
    """Return latents (N, Z) as normal numbers."""
    return latent_spaces.space(generator.distribution).to_normal(latents)


def images(generator: Generator, w: Array, labels: Inputs | None) -> Images:
    """Return the images (N, H, W, C) of normal numbers (N, Z)."""
    latents = latent_spaces.space(generator.distribution).from_normal(w)
    return image_io.to_bytes(generator.floats(latents, labels))


def _measured(generator: Generator, kept: Directions, found: Directions) -> dict[str, Direction]:
    """Return all directions with the change of pixels by new ones, and what each moves also."""
    seeds = generator.seeds(MEASURED)
    w, labels = normal(generator, generator.latents(seeds)), generator.labels(seeds)
    every = dict(kept)
    for name, each in found.items():
        ends = (images(generator, w + sign * np.array(each.vector), labels) for sign in (1, -1))
        change = np.abs(np.subtract(*(end.astype(np.float64) for end in ends))).mean() / 2
        every[name] = replace(each, pixels=float(change))
    vectors = {name: np.array(each.vector) for name, each in every.items()}
    return {
        name: replace(
            each,
            also={
                other: float(np.clip(vectors[name] @ v, -1, 1))
                for other, v in vectors.items()
                if other != name
            },
        )
        for name, each in every.items()
    }


def _sheet(path: Path, generator: Generator, name: str, direction: Direction) -> None:
    """Write the images of some seeds from 3 steps back to 3 on, and what is known of it."""
    seeds = generator.seeds(SHOWN)
    w, labels = normal(generator, generator.latents(seeds)), generator.labels(seeds)
    rows = []
    for i, seed in enumerate(seeds):
        line = w[i] + STEPS[:, None] * np.array(direction.vector)
        of = None if labels is None else np.repeat(labels[i : i + 1], len(STEPS), axis=0)
        rows.append((f"seed {seed}", list(images(generator, line, of))))
    heading = [
        f"{name}: {', '.join(f'{step:+g}' for step in STEPS)}",
        *direction.line().split("; "),
    ]
    sheets.save(path, heading, rows)
