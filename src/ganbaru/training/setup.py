"""Building a run from its configuration, or the one to go on with; what does not fit is refused."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from ganbaru import data, engines, files
from ganbaru.callbacks import periodic_evaluation, tensorboard, validation
from ganbaru.callbacks.validation import HeldOut
from ganbaru.config import TOTALS, Config, flag, to_yaml
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.errors import InputError, RunError
from ganbaru.gan import build as rules
from ganbaru.gan import models, step
from ganbaru.gan.batches import BatchSampler, Prefetcher
from ganbaru.gan.step import GAN, State
from ganbaru.randomness import distribution
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.loop import Run, about


def build(config: Config, progress: data.Progress | None = None) -> Run:
    """Build a new run, or the one to go on with, from its configuration."""
    _check_asked(config)
    if config.tensorboard:
        tensorboard.check()
    engine = engines.load(config.engine, config.device, config.precision, config.fast)
    source = load_data(config, progress)
    _check_batch(config, source)
    classes = label_names(config, source)
    test, lacking = _held_out(config, source, bool(classes), progress)
    shape = source.images.shape[1:]
    gan = rules.gan(config, shape, len(classes))
    first = models.initial_parameters(config, shape, len(classes))
    draw = _draw(config, source, engine, gan, len(classes))
    folder = run_folder.existing(config.run or "") if config.resume else run_folder.planned(config)
    spec = rules.ending(config.schedule, _planned_images(config, source))
    # The engine that was found stays the run's: another one would go on with other bits.
    kept = dataclasses.replace(
        config, engine=engine.name, precision=engine.precision, run=str(folder.path),
        schedule=spec, resume=False, overwrite=False,
    )  # fmt: skip
    run = Run(
        kept, folder, source, engine, gan, {}, draw, rules.schedule(spec), classes,
        notes=(*_notes(config, source), *lacking, *engine.notes()), held_out=test,
    )  # fmt: skip
    if config.resume:
        _go_on(run, first)
    else:
        run.state = step.start(gan, to_engine(engine, first))
    run.examiner = periodic_evaluation.load(run, progress or data.silent)
    if not config.resume:
        run_folder.prepare(folder, config.overwrite)  # the last that may refuse: it deletes
    files.write_text(folder.config, to_yaml(kept))
    return run


def _draw(
    config: Config, source: Source, engine: Engine, gan: GAN, classes: int
) -> BatchSampler | Prefetcher:
    drawing = BatchSampler(
        source, engine, seed=config.seed, batch=config.batch, latent=config.latent,
        classes=classes, relativistic=gan.relativistic, d_steps=config.d_steps,
        replacement=config.replacement, short=config.short_batch,
        same=rules.SHARES[config.share].latents, latents=distribution(config.distribution),
        held=engine.device_dataset(source.images),
    )  # fmt: skip
    return Prefetcher(drawing) if engine.runs_async else drawing


def _held_out(
    config: Config, source: Source, conditional: bool, progress: data.Progress | None
) -> tuple[HeldOut | None, tuple[str, ...]]:
    """Return the test images, or none and a note if they could not be downloaded."""
    try:
        return validation.load(config, source, conditional, progress), ()
    except RunError as error:
        return None, (f"Without losses on test images, which could not be had: {error}",)


def _go_on(run: Run, first: checkpoint.Groups) -> None:
    """Bring a run to where its newest checkpoint is."""
    path = run_folder.find_checkpoint(run.folder.path)
    groups, header = checkpoint.load(path)
    checkpoint.check_fits(path, groups, step.start(run.gan, first))
    now = about(run.source)
    if {**header.data, "name": run.source.name} != now:
        raise InputError(
            f"The data has changed since {path} was written: it was {_say(header.data)}, now it is "
            f"{_say(now)}. Put the old data back, or start another --run."
        )
    run.state, run.reports = to_engine(run.engine, groups), list(header.reports)
    run.step, run.images, run.seconds = header.step, header.images, header.seconds
    if run.share >= 1:
        raise InputError(
            f"The run {run.folder.path} is complete: {run.images:,} images, {run.step:,} steps, "
            f"{run.seconds / 60:.1f} minutes. To go on, resume it with a larger total, for example "
            f"{_larger(run)}."
        )


def _larger(run: Run) -> str:
    """Say which flag with which number would let a finished run go on for as long again."""
    reached = {
        "steps": run.step,
        "images": run.images,
        "epochs": run.images / len(run.source.images),
        "minutes": run.seconds / 60,
    }
    asked = [name for name in TOTALS if getattr(run.config, name)]
    return " ".join(f"{flag(name)} {math.ceil(2 * reached[name])}" for name in asked)


def _planned_images(config: Config, source: Source) -> float | None:
    """Return after how many images the run's totals end it, or None if only the clock does."""
    totals = {
        "images": 1,
        "steps": config.batch * config.d_steps,
        "epochs": len(source.images),
    }
    asked = [getattr(config, name) * each for name, each in totals.items() if getattr(config, name)]
    return min(asked, default=None)


def to_engine(engine: Engine, groups: checkpoint.Groups) -> State:
    """Bring groups of arrays to an engine."""
    return {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in groups.items()
    }


def _say(about: dict[str, object]) -> str:
    return f"{about['name']} {about['shape']} ({str(about['fingerprint'])[:12]})"


def _check_asked(config: Config) -> None:
    if not config.data:
        raise InputError(
            f"The preset {config.preset!r} trains on your own pictures: say where they are with "
            f"--data, a folder, zip or npz file (or a known set, see: ganbaru data)."
        )
    if not (config.steps or config.images or config.epochs or config.minutes):
        raise InputError("Say how long to train: --steps, --images, --epochs or --minutes.")
    if config.patience and not config.evaluate_every:
        raise InputError("--patience counts scorings: say how often with --evaluate-every N.")
    if config.resume and not config.run:
        raise InputError("--resume needs --run, the folder of the run to go on with.")


def load_data(config: Config, progress: data.Progress | None = None) -> Source:
    """Load the images that a configuration names."""
    return data.load(
        config.data, image_size=config.size, channels=config.channels,
        data_dir=Path(config.data_dir) if config.data_dir else None, progress=progress,
    )  # fmt: skip


def _check_batch(config: Config, source: Source) -> None:
    count = len(source.images)
    if count < config.batch and not config.replacement:
        raise InputError(
            f"A batch of {config.batch} is larger than the data ({count} images). "
            f"Take --batch {max(2, count)} or less, or draw with --replacement."
        )
    if config.short_batch and not config.replacement and count % config.batch == 1:
        raise InputError(
            f"--short-batch would leave one image by itself in each pass ({count} images in "
            f"batches of {config.batch}), and batch norm needs two. Take another --batch, or leave "
            f"--short-batch out."
        )


def label_names(config: Config, source: Source) -> tuple[str, ...]:
    """Return the names of the labels that the networks take; raises InputError for lack of any."""
    if config.conditioning == "none":
        return ()
    if source.labels is None:
        raise InputError(
            f"--conditioning {config.conditioning} needs labels, and {source.name} has none. Put "
            f"each class in a sub-folder of its own, or take --conditioning none."
        )
    return models.class_names(config, source.classes)


def _notes(config: Config, source: Source) -> tuple[str, ...]:
    """Say what the user should know about the data in this run."""
    keeps = config.replacement or config.short_batch
    left = 0 if keeps else len(source.images) % config.batch
    dropped = f"The last {left} images of each pass make no full batch and are left out of it."
    return (*source.notes, dropped) if left else source.notes
