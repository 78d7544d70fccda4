"""Set up a run: a new one from its configuration, or one resumed from its newest checkpoint."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ganbaru import data, engines, files, ranks, registry
from ganbaru.config import TOTALS, Config, flag, to_yaml
from ganbaru.data import Progress, Source
from ganbaru.engines import Engine
from ganbaru.errors import InputError, in_terms
from ganbaru.formatting import LOG
from ganbaru.gan import augmentation, auto_augmentation, balance, batch_notes, models, step
from ganbaru.gan import build as gan_build
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.dataset import label_names, load_data
from ganbaru.gan.prefetch import prefetched
from ganbaru.gan.step import State
from ganbaru.training import checkpoint, checks, resuming, run_folder, starting_point
from ganbaru.training.lock import InUseError
from ganbaru.training.run import Callback, Run, as_callback, describe_data


def build(
    config: Config, callbacks: Sequence[Callback] = (), progress: Progress = data.silent
) -> Run:
    """Set up a new run with its callbacks, or resume one, and write its config.yaml.

    Raises InputError for what does not fit, before anything is written or deleted.
    """
    checks.check_options(config)
    engine = _engine(config)
    source = _numbered_as_before(config, load_data(config, progress))
    choice = auto_augmentation.resolve(config, source, progress)
    config = dataclasses.replace(config, augment=choice.spec)
    checks.check_batch(config, _training_count(config, source))
    run = _new_run(config, source, engine)
    run.notes += [choice.reason] * bool(choice.reason)
    try:
        _begin(run, config, callbacks, progress)
    except BaseException:
        run.close()
        raise
    if run.lock and run.lock.note:
        run.notes.append(run.lock.note)
    for note in run.notes:
        LOG.info("%s", in_terms(note))
    LOG.info("run: %s", run.folder.path)
    return run


def follow(
    config: Config,
    built: Config,
    about: dict[str, Any],
    groups: checkpoint.Groups,
    counters: tuple[Any, ...],
) -> Run:
    """Set up the run of rank 0, `built`, on another rank, without callbacks and files of its own.

    `about` describes its data (`describe_data`), `groups` is its state, `counters` its steps,
    images, seconds and the augmentation's strength. Raises InputError if this rank has other data.
    """
    config = dataclasses.replace(built, device=config.device, data_dir=config.data_dir)
    engine = _engine(config)
    source = data.in_order(load_data(config), about["classes"])
    if {**describe_data(source), "name": ""} != {**about, "name": ""}:
        raise InputError(
            f"The data {config.data} of rank {ranks.world().rank} are other images or labels than "
            f"rank 0's: copy them from there."
        )
    run = _new_run(config, source, engine)
    run.state = to_engine(engine, groups)
    run.step, run.images, run.seconds, run.strength = counters
    return run


def _engine(config: Config) -> Engine:
    """Load a configuration's engine; raises InputError for one that cannot train on ranks."""
    how = config.device, config.precision, config.fast
    engine = engines.load(config.engine, *how, trust=config.trust)
    group = ranks.world()
    if group.size > 1 and not (engine.MESH if group.mesh else engine.RANKS):
        fix = "jax" if group.mesh else "torch or numpy"
        raise InputError(
            f"The {engine.name} engine does not train on {group.size} processes started like this: "
            f"take --engine {fix}, or start one process. JAX is started with "
            f"JAX_COORDINATOR_ADDRESS, PyTorch and NumPy without it, by torchrun."
        )
    return engine.over(config.devices)


def _training_count(config: Config, source: Source) -> int:
    """Return how many images are trained on: all but those held out to measure D."""
    return len(augmentation.split(augmentation.parse(config.augment), len(source.images))[0])


def _numbered_as_before(config: Config, source: Source) -> Source:
    """Return the data with the class numbers of the run that is resumed."""
    if not config.resume:
        return source
    present = checkpoint.found(run_folder.existing(config.run or "").checkpoints)
    if not present:
        return source
    return data.in_order(source, checkpoint.load(present[-1], ())[1].data["classes"])


def _begin(run: Run, config: Config, callbacks: Sequence[Callback], progress: Progress) -> None:
    """Load the state and the callbacks, then make the folder, or the resumed one's config.yaml."""
    if config.resume:
        run.lock = run_folder.opened(run.folder)
    run.callbacks = _checked([*callbacks, *_named_callbacks(config.callbacks)])
    states: dict[str, dict[str, Any]] = {}
    if config.resume and checkpoint.found(run.folder.checkpoints):
        shape = run.source.images.shape[1:]
        states = _resume(run, models.tensor_shapes(config, shape, len(run.inputs)))
    else:
        if config.resume:
            run.notes.append("The run had no checkpoint yet: it starts from its beginning.")
        first = _first_weights(run, config)
        run.state = step.start(run.gan, to_engine(run.engine, first))
    for callback in run.callbacks:
        callback.setup(run, progress)
        if callback.name in states:
            state = states[callback.name]
            callback.restore(
                checkpoint.state(run.folder.path, callback.name, state, callback.STATE)
            )
    if config.resume:
        with files.writing(run.folder.path):
            run_folder.make_folders(run.folder)
        files.write_text(run.folder.config, to_yaml(run.config))
    else:
        _create_folder(run, config)
    if config.start_from and not checkpoint.found(run.folder.checkpoints):
        # So that the run can be resumed without the model.
        dataclasses.replace(run, callbacks=()).save()


def _first_weights(run: Run, config: Config) -> checkpoint.Groups:
    """Return both players' first weights: new ones, or those of the model to start from."""
    if not config.start_from:
        return models.initial_parameters(config, run.source.images.shape[1:], len(run.inputs))
    start = starting_point.load(config.start_from, config, run.source, run.inputs)
    run.notes.append(start.note)
    return start.weights


def _create_folder(run: Run, config: Config) -> None:
    """Make a new run's folder; one without a name takes the next if another has taken this one."""
    run_folder.check_data_outside(config, run.folder)
    for folder in run_folder.candidates(config):
        run.folder, run.config = folder, dataclasses.replace(run.config, run=str(folder.path))
        try:
            replaces = config.overwrite and bool(config.run)
            run.lock = run_folder.create(folder, to_yaml(run.config), replaces)
            return
        except (InUseError, run_folder.TakenError):
            if config.run:
                raise


def _new_run(config: Config, source: Source, engine: Engine) -> Run:
    """Return a run at step 0, without a state yet."""
    inputs = label_names(config, source)
    classes = models.class_names(config, source.classes)
    planned = _planned_images(config, source)
    config = dataclasses.replace(config, burn_in=gan_build.burn_in(config, planned))
    exact = dataclasses.replace(config, precision=engine.precision)
    gan = gan_build.gan(exact, source.images.shape[1:], len(inputs))
    resumed = run_folder.existing(config.run or "") if config.resume else None
    folder = resumed or next(run_folder.candidates(config))
    sampler = BatchSampler(config, source, engine, gan, len(inputs), part=ranks.world().part)
    spec = gan_build.ending(config.schedule, planned)
    resolved = dataclasses.replace(
        config,
        engine=engine.name,  # a resumed run uses the same one: another gives other bits
        precision=engine.precision,
        range=source.black_white or None,  # those of `auto`, also for test images
        run=str(folder.path),
        schedule=spec,
        resume=False,
        overwrite=False,
    )
    schedule = gan_build.schedule(spec)
    run = Run(resolved, folder, source, engine, gan, {}, prefetched(sampler), schedule, classes)
    run.notes += [*_data_notes(config, source), *engine.notes()]
    run.notes += batch_notes.notes(config, source.images.shape[1:], len(inputs))
    run.notes += batch_notes.ghosts(gan, config, source.images.shape[1:], len(inputs))
    return run


def _named_callbacks(names: str) -> list[Any]:
    """Return trackers, or callbacks that installed packages register; + is between names."""
    chosen = [name for name in names.split("+") if name != "none"]
    table = {name: functools.partial(_tracker, name) for name in TRACKERS}
    return [registry.member("callbacks", "callback", name, table, "none")() for name in chosen]


TRACKERS = ("mlflow", "trackio", "wandb")


def _tracker(name: str) -> Any:
    found = importlib.import_module("ganbaru.callbacks.trackers")  # of an extra
    return found.TRACKERS[name]()


def _checked(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return callbacks ready for a run; raises InputError if two would save under one name."""
    ready = [as_callback(each) for each in callbacks]
    names = Counter(each.name for each in ready if type(each).state is not Callback.state)
    for name, count in names.items():
        if count > 1:
            raise InputError(
                f"{count} callbacks have the name {name!r}, under which checkpoints hold their "
                f"state: give each a `name` of its own."
            )
    return ready


def to_engine(engine: Engine, groups: checkpoint.Groups) -> State:
    """Bring groups of arrays to an engine."""
    return {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in groups.items()
    }


def _resume(run: Run, networks: models.TensorShapes) -> dict[str, dict[str, Any]]:
    """Load a run's newest checkpoint into it; return the callbacks' states."""
    path = run_folder.find_checkpoint(run.folder.path)
    groups, header = checkpoint.load(path)
    if run.config.start_from != (began := header.config.get("start_from")):
        raise InputError(
            f"The run {run.folder.path} began with --start-from {began or 'nothing'}, not "
            f"{run.config.start_from}: leave it out to resume the run, or choose another --run."
        )
    resuming.check_classes(header, run.source)
    checkpoint.check_fits(path, groups, networks)
    first = step.start(run.gan, {group: groups.get(group, {}) for group in networks})
    checkpoint.check_fits(path, groups, checkpoint.shapes(first))
    resuming.check_data(path, header, run.source)
    run.state = to_engine(run.engine, groups)
    run.step, run.images, run.seconds = header.step, header.images, header.seconds
    if run.share >= 1 and run.lock and run.lock.stale:
        run.notes.append("The run was complete when it was killed: its last files are made again.")
    elif run.share >= 1:
        raise InputError(
            f"The run {run.folder.path} is complete: {run.images:,} images, {run.step:,} steps, "
            f"{run.seconds / 60:.1f} minutes. To go on, resume it with a larger total, for example "
            f"{_larger_totals(run)}."
        )
    resuming.note_changes(run, path, header)
    return header.callbacks


def _larger_totals(run: Run) -> str:
    """Return the flags that let a finished run go on for as long again."""
    reached = {
        "steps": run.step,
        "images": run.images,
        "epochs": run.images / len(run.source.images),
        "minutes": run.seconds / 60,
    }
    given = [name for name in TOTALS if getattr(run.config, name)]
    return " ".join(f"{flag(name)} {math.ceil(2 * reached[name])}" for name in given)


def _planned_images(config: Config, source: Source) -> float | None:
    """Return the number of images at which the run's totals end it; None if only the clock does."""
    each = {"images": 1, "steps": config.batch * config.d_steps, "epochs": len(source.images)}
    given = [getattr(config, name) * n for name, n in each.items() if getattr(config, name)]
    return min(given, default=None)


def _data_notes(config: Config, source: Source) -> list[str]:
    lines = data.opening_lines(source)
    if config.balance:
        return [*lines, balance.note(source)]
    left = _training_count(config, source) % config.batch
    if not left or config.replacement or config.short_batch:
        return lines
    dropped = f"The last {left} images of each pass make no full batch and are left out of it."
    return [*lines, dropped]
