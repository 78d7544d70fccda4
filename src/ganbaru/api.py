"""Each command as a Python function of the same name.

    from ganbaru import api

    run = api.train(api.presets()["digits"])
    api.morph(run, "morph.webp")
    api.export(run, "gan.onnx")

The arguments are the command's options. Those whose names are not also packages are in `ganbaru`
itself. Two names differ: `import_weights` (`import` is a keyword) and `push_to_hub`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbaru import callbacks as family
from ganbaru import data as sources
from ganbaru import engines as computing
from ganbaru import files, ranks
from ganbaru import report as reports
from ganbaru.comparison import compare as compare
from ganbaru.config import Config, from_preset
from ganbaru.data import Progress
from ganbaru.data import inspect as data
from ganbaru.errors import InputError, keywords
from ganbaru.export import write as export
from ganbaru.export.hub import push_to_hub as push_to_hub
from ganbaru.export.pytorch_import import weights as import_weights
from ganbaru.gan import recommendation
from ganbaru.labs import lab as lab
from ganbaru.labs.one_step import explain as explain
from ganbaru.latents import projected, selection
from ganbaru.latents.anomaly import anomaly as anomaly
from ganbaru.latents.edits import edit as edit
from ganbaru.latents.embedding import embed as embed
from ganbaru.latents.named import directions as directions
from ganbaru.latents.projected import project as project
from ganbaru.metrics.diagnosis import doctor as doctor
from ganbaru.metrics.evaluation import evaluate as evaluate
from ganbaru.metrics.memorization import authenticity as authenticity
from ganbaru.metrics.utility import utility as utility
from ganbaru.planning.plan import plan as plan
from ganbaru.presets import PRESETS
from ganbaru.ranks import processes
from ganbaru.report import credits
from ganbaru.sampling import generators, image_io, video, writers
from ganbaru.sampling.labels import Labels
from ganbaru.training import distributed as several
from ganbaru.training import recovery, run_folder, signals

if TYPE_CHECKING:  # loaded by the functions that need them
    from ganbaru.callbacks import Callback
    from ganbaru.cli.engines import Found
    from ganbaru.conformance import Findings
    from ganbaru.gan.layer_table import LayerTable

__all__ = [
    "anomaly",
    "authenticity",
    "compare",
    "conformance",
    "data",
    "describe",
    "directions",
    "doctor",
    "edit",
    "embed",
    "engines",
    "evaluate",
    "explain",
    "export",
    "generate",
    "import_weights",
    "lab",
    "morph",
    "plan",
    "presets",
    "project",
    "push_to_hub",
    "report",
    "serve",
    "train",
    "utility",
]


def train(
    config: Config | str | Path,
    callbacks: Sequence[Callback] | None = None,
    *,
    progress: bool = True,
    distributed: bool = False,
    **options: Any,
) -> Path:
    """Train and return the run's folder; Ctrl-C or SIGTERM saves and ends early.

    `config` is a configuration, a preset's name, or a path to pictures, for which all options are
    chosen (`ganbaru.from_pictures`); `options` replace fields of it. `callbacks` replaces the
    default ones: log, checkpoints, sample grids, plots, report. With `progress` a terminal shows a
    bar, and a notebook a bar, the sample grid and the loss curves. Callbacks are set up again when
    the run is rolled back (`on_trouble="rollback"`). With `distributed` this process is one of
    those that `torchrun` has started, and the first has the callbacks; otherwise it trains by
    itself. Raises InputError for a wrong configuration and RunError when the training diverges.
    """
    if distributed and ranks.world().size == 1:
        with processes.joined():
            return train(config, callbacks, progress=progress, **options)
    config = recommendation.configured(config, options)
    leads = ranks.world().leads
    shown = family.live(progress and leads)

    def chosen() -> list[Callback]:
        if not leads:
            return []
        return [*shown, *(family.standard() if callbacks is None else callbacks)]

    with sources.shown(progress and leads) as report:
        run = several.build(config, chosen(), report)
    computing.configure_process(run.engine)
    try:
        with signals.graceful_stop() as interrupted:
            run = recovery.train(run, chosen, interrupted)
    finally:
        for each in shown:
            each.close()
    return run.folder.path


@keywords(checkpoint="which")
def generate(
    run: str | Path,
    output: str | Path = "images.png",
    *,
    number: int = 64,
    seed: int = 0,
    label: int | str | None = None,
    every_label: bool = False,
    best: str | None = None,
    best_by: str = "d",
    truncation: float = 1.0,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    overwrite: bool = False,
    progress: Progress | bool = True,
) -> Path:
    """Write images of seeds counting up from `seed`: a .png grid, an .npz, or a folder of PNGs.

    `label` is that of all images (None: each in turn), `every_label` makes each seed with all of
    them; `best` "16-of-64" writes the best 16 of 64 seeds in place of `number`, by `best_by`: "d",
    D's realness, or the "density" of real images. `run`, `which` and `trust` are as in `load`. For
    arrays: ``load(run).sample(64)``. Returns `output`. Raises InputError.
    """
    path = Path(output)
    write = writers.writer(path, overwrite)
    generator = generators.load(run, which=which, engine=engine, device=device, trust=trust)
    checkpoint = run_folder.find_checkpoint(run, which)
    text = None if label is None else str(label)
    with sources.shown(progress) as report:
        chosen, _ = selection.job(
            generator,
            checkpoint,
            best,
            best_by,
            every_label=every_label,
            n=number,
            seed=seed,
            label=text,
            truncation=truncation,
            trust=trust,
            progress=report,
        )
        write(path, chosen)
    return path


@keywords(checkpoint="which")
def morph(
    run: str | Path,
    output: str | Path = "morph.gif",
    path: str = "slerp",
    seeds: Sequence[int] | None = None,
    labels: Labels = None,
    *,
    pictures: Sequence[projected.Picture] | None = None,
    frames: int = 60,
    fps: float = 20.0,
    close: bool = False,
    bounce: bool = False,
    size: int = 256,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write a film that interpolates between images: .gif, .mp4, .webp, .png, or a folder.

    `path`, `seeds` and `labels` are as in `Generator.walk`; `pictures` are files whose nearest
    images (as by `project`) are the points in place of seeds; a list of files is their average.
    `size` is the least length in pixels of the longer side. Returns `output`. Raises InputError.
    """
    place = Path(output)
    write = video.writer(files.output(place, overwrite) if place.suffix else place, fps)
    how: dict[str, Any] = {"which": which, "engine": engine, "device": device, "trust": trust}
    generator, points = projected.points(run, pictures, seeds, labels, **how)
    made = generator.morph(path, frames=frames, close=close, bounce=bounce, **points)
    write(image_io.enlarge(frame, size) for frame in made)
    return place


def presets() -> dict[str, Config]:
    """Return the configuration of each preset by name."""
    return {name: from_preset(name) for name in PRESETS}


def describe(config: Config) -> list[LayerTable]:
    """Return the layers of both networks with output shapes, parameters and multiply-adds."""
    from ganbaru.gan import layer_table

    return layer_table.layers(config, *layer_table.assumed(config))


def report(
    run: str | Path,
    *,
    title: str | None = None,
    author: str | None = None,
    licence: str | None = None,
) -> Path:
    """Write a run's report again, with the scores computed since; returns its path.

    It shows `title` (else the run's name), `author` and `licence`, which are kept in the run's
    folder for all later pages and cards; "" removes one. Raises InputError.
    """
    folder = run_folder.existing(run)
    credits.given(folder, title, author, licence)
    return reports.write(folder)


def engines() -> list[Found]:
    """Return each engine with its library, version, devices, and why it cannot run, if so."""
    from ganbaru.cli.engines import look

    return [look(name) for name in computing.LIBRARIES]


def conformance(
    engines: Sequence[str] | None = None,
    *,
    preset: str | None = None,
    run: str | Path | None = None,
    device: str = "auto",
    trust: Collection[str] = (),
    progress: Progress | bool = True,
) -> Findings:
    """Check engines (None: all installed) against each other, in all that is registered.

    Or only in what a `preset` or a `run` uses. `faults` of the result are the disagreements.
    Raises InputError.
    """
    from ganbaru import conformance as checks

    if preset and run:
        raise InputError("--preset and --run both choose what to check: give one of them.")
    plan = checks.of_preset(preset) if preset else checks.registered()
    plan = checks.of_run(str(run), trust) if run else plan
    loaded = checks.load(computing.available() if engines is None else engines, device)
    with sources.shown(progress) as shown:
        return checks.check(plan, loaded, shown)


def serve(
    runs: Sequence[str | Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    key: str = "",
    most_images: int = 256,
    queue: int = 1024,
    timeout: float = 30.0,
    trust: Collection[str] = (),
) -> int:
    """Serve runs over HTTP until a signal; needs ganbaru[serve]. Returns the exit code.

    `key`, if given, is required of requests; `most_images` of a request, `queue` images that may
    wait, `timeout` in seconds. Raises InputError for a missing run or an address in use.
    """
    from ganbaru.serve import catalog, server
    from ganbaru.serve.limits import Limits
    from ganbaru.serve.service import Service

    most = server.connections(Limits.connections)
    limits = Limits(most_images, queue=queue, seconds=float(timeout), connections=most)
    service = Service(catalog.load([str(run) for run in runs], trust), limits)
    return server.serve(service, host, port, key)
