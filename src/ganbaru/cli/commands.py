"""What each command does, from its arguments to what it prints."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli import options
from ganbaru.cli.tables import show
from ganbaru.coerce import shown
from ganbaru.config import TOTALS, Config, flag, from_preset, parse_size, preset_fields
from ganbaru.errors import InputError
from ganbaru.presets import PRESETS

if TYPE_CHECKING:
    from ganbaru.data import Source
    from ganbaru.training.loop import Run


def train(arguments: Sequence[str]) -> int:
    """Train, showing progress, and say where everything is; returns the exit code."""
    config = options.config(
        "train", "Train a GAN; everything lands in the run's folder.", arguments
    )
    from ganbaru import callbacks, data
    from ganbaru.training import loop, setup, signals

    with data.progress_bar() as progress:
        run = setup.build(config, progress)
    print(_opening(run), flush=True)
    bar = callbacks.Display()
    try:
        with signals.watched() as interrupted:
            loop.loop(run, callbacks.standard(bar), interrupted)
    finally:
        bar.close()
    print(_closing(run))
    return 0 if run.finished else interrupted.exit_code


def import_weights(arguments: Sequence[str]) -> None:
    """Begin a run with the weights of files; say what went where."""
    config, files = options.importing(
        "Begin a run with the weights of a plain PyTorch DCGAN.", arguments
    )
    from ganbaru import data
    from ganbaru.export import pytorch_import

    with data.progress_bar() as progress:
        made = pytorch_import.weights(config, **files, progress=progress)
    for player in ("generator", "discriminator"):
        print(f"{player:13}  {files.get(player, 'not given: it starts anew')}")
        for match in made.matches.get(player, []):
            shapes = (f"{name} {'x'.join(map(str, x))}" for name, x in match.tensors.items())
            print(f"  {match.source:12} -> {match.target:12} {', '.join(shapes)}")
    print(_opening(made.run))
    path = shlex.quote(str(made.run.folder.path))
    print(f"Images:  ganbaru generate {path} -n 64 -o images.png")
    print(f"Go on:   ganbaru train --run {path} --resume")


def _opening(run: Run) -> str:
    from ganbaru import nn

    config, (height, width, channels) = run.config, run.source.images.shape[1:]
    labels = f", {len(run.classes)} classes" if run.classes else ""
    counts = [nn.parameter_count(run.state[player]) for player in ("generator", "discriminator")]
    begun = f"going on from {run.images:,} images" if run.images else "from the start"
    lines = [
        f"data      {run.source.name}: {len(run.source.images):,} images "
        f"{height}x{width}x{channels}{labels}",
        *(f"          {note}" for note in run.notes),
        f"networks  {config.network}, width {config.width}: generator {counts[0]:,} and "
        f"discriminator {counts[1]:,} parameters",
        f"playing   {config.objective}, penalty {config.penalty}, batch {config.batch}",
        f"engine    {run.engine.describe()}, {run.engine.precision}",
        f"run       {run.folder.path}, {begun} until {_length(config)}",
    ]
    return "\n".join(lines)


def _length(config: Config) -> str:
    """Say how long a run lasts, such as "20 epochs or 5 minutes"."""
    totals = {name: getattr(config, name) for name in TOTALS}
    return " or ".join(f"{total:,g} {name}" for name, total in totals.items() if total)


def _closing(run: Run) -> str:
    folder, path = run.folder, shlex.quote(str(run.folder.path))
    speed = f"{run.images:,} images, {run.step:,} steps in {run.seconds:.0f} s"
    if run.finished:
        first = f"Done: {speed}." + (f"\n{run.stopped}" if run.stopped else "")
    else:
        first = (
            f"Stopped early and saved: {speed}. Go on with:\n  ganbaru train --run {path} --resume"
        )
    rows = [
        ("report", folder.report),
        ("sample grid", folder.sample(run.images)),
        ("time-lapse", folder.timelapse),
        *([("by class", folder.class_timelapses)] if folder.class_timelapses.exists() else []),
        ("history", folder.history),
        ("loss plot", folder.losses),
        *([("score plot", folder.scores)] if folder.scores.exists() else []),
        ("log", folder.log),
        *([("TensorBoard", folder.tensorboard)] if run.config.tensorboard else []),
        ("checkpoint", folder.checkpoint(run.images)),
        *([("best", folder.best)] if folder.best.exists() else []),
    ]
    files = "\n".join(f"  {name:12}{path}" for name, path in rows)
    return f"{first}\n{files}\nMore images: ganbaru generate {path} -n 64 -o images.png"


def presets(arguments: Sequence[str]) -> None:
    """List the presets, or tell all about one."""
    parser = options.Parser("presets", "List the presets, or tell all about one.")
    parser.add_argument("preset", type=str, nargs="?", default=None, help="which one")
    wanted = parser.parse_args(list(arguments))
    if wanted.preset:
        preset_fields(wanted.preset)  # or an error with the near matches
        print(_told(wanted.preset))
        return
    from rich.table import Table

    columns = ("preset", "what it is", "system", "data", "size", "measured")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for name, preset in PRESETS.items():
        config = from_preset(name)
        data, size = config.data or "--data", config.image_size or "as it is"
        table.add_row(name, preset.summary, preset.system, data, size, preset.measured)
    show(table)


def _told(name: str) -> str:
    """Say all about a preset: whose it is, where it deviates, what it reached and its flags."""
    preset = PRESETS[name]
    flags = " ".join(
        flag(field) if value is True else f"{flag(field)} {shown(value)}"
        for field, value in preset.options.items()
        if value != ""
    )
    rows = {
        "preset": name,
        "is": preset.summary,
        "system": preset.system,
        "deviates": preset.deviations,
        "measured": preset.measured,
        "sets": flags,
        "ends": _length(from_preset(name)),
    }
    told = (textwrap.wrap(text, 86, break_on_hyphens=False) for text in rows.values())
    lines = [
        f"{heading if i == 0 else '':10}{line}"
        for heading, wrapped in zip(rows, told, strict=True)
        for i, line in enumerate(wrapped)
    ]
    return "\n".join(lines)


# The fields that shape the networks.
_SHAPING = (
    "data",
    "data_dir",
    "image_size",
    "channels",
    "network",
    "width",
    "latent",
    "conditioning",
    "spectral_norm",
    "minibatch_deviation",
)


def describe(arguments: Sequence[str]) -> None:
    """Show a preset's networks: every layer with its output, parameters and multiply-adds."""
    config = options.config(
        "describe", "Show a preset's networks, layer by layer.", arguments, _SHAPING
    )
    from rich.table import Table

    from ganbaru.gan import layer_table

    players = layer_table.layers(config, *layer_table.assumed(config))
    if config.preset:  # none in the configuration of a run that Python made by hand
        print(_told(config.preset), flush=True)
    for player in players:
        table = Table("layer", "operation", "output", "parameters", "multiply-adds",
                      title=f"{player.title}, for one image")  # fmt: skip
        for column in table.columns[3:]:
            column.justify = "right"
        for row in player.rows:
            numbers = (f"{number:,}" if number else "" for number in (row.parameters, row.macs))
            table.add_row(row.layer, row.operation, "x".join(map(str, row.shape)), *numbers)
        table.add_section()
        table.add_row("total", "", "", f"{player.parameters:,}", f"{player.macs:,}")
        show(table)


def data(arguments: Sequence[str]) -> None:
    """Tell what is in a data set, and draw a contact sheet of it."""
    parser = options.Parser("data", "Look at a data set before training on it.")
    parser.add_argument(
        "what",
        type=str,
        nargs="?",
        default="",
        metavar="WHAT",
        help="a known set or a path; without it, the known sets are listed",
    )
    parser.add_argument("--data-dir", type=str, default=None, metavar="DIR",
                        help="where named sets are looked for first")  # fmt: skip
    parser.add_argument("--image-size", type=str, default=None, metavar="SIZE",
                        help="resize to a side N or HxW")  # fmt: skip
    parser.add_argument("--split", type=str, default="train", help="train or test")
    parser.add_argument("-o", "--output", type=str, default="contact-sheet.png", metavar="PATH",
                        help="where the contact sheet goes")  # fmt: skip
    wanted = parser.parse_args(list(arguments))
    if not wanted.what:
        sets = ", ".join(options.known("data"))
        print(f"Known sets: {sets}. Or give a path: a folder, zip, npz or other file.")
        return
    from ganbaru import data as sources

    source = _source(wanted.what, wanted.image_size, wanted.split, wanted.data_dir)
    print("\n".join(sources.inspect(source).lines()))
    sources.contact_sheet(source, Path(wanted.output))
    print(f"contact sheet: {wanted.output}")


def _source(what: str, size: str | None, split: str, data_dir: str | None) -> Source:
    """Load data to look at; pictures of different sizes are looked at as the presets take them."""
    from ganbaru import data as sources

    def load(side: str | None) -> Source:
        return sources.load(
            what, image_size=parse_size(side) if side else None, split=split, progress=progress,
            data_dir=Path(data_dir) if data_dir else None,
        )  # fmt: skip

    with sources.progress_bar() as progress:
        try:
            return load(size)
        except InputError:
            if size or not Path(what).exists():
                raise
        source = load("64")
    print("The pictures are of different sizes; here they are cropped and resized to 64x64.")
    return source
