"""What each command does, from its arguments to what it prints."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ganbaru import options, runs
from ganbaru.config import PRESETS, Config, from_preset, load_yaml
from ganbaru.errors import InputError


def train(arguments: Sequence[str]) -> None:
    """Train, showing progress, and say where everything is."""
    from ganbaru import callbacks, data, interrupt, training

    config = options.config("train", "Train a GAN.", arguments)
    with data.progress_bar() as progress:
        run = training.build(config, progress)
    print(_opening(run), flush=True)
    display = callbacks.Display()
    try:
        with interrupt.watched() as interrupted:
            training.loop(run, callbacks.standard(display), interrupted)
    finally:
        display.close()
    print(_closing(run))


def _opening(run: "training.Run") -> str:  # noqa: F821
    from ganbaru import nn

    config, (height, width, channels) = run.config, run.source.images.shape[1:]
    labels = f", {len(run.classes)} classes" if run.classes else ""
    counts = [nn.parameter_count(run.state[player]) for player in ("generator", "discriminator")]
    begun = f"going on from {run.images:,} images" if run.images else "from the start"
    lines = [
        f"data      {run.source.name}: {len(run.source.images):,} images {height}x{width}x{channels}"
        f"{labels}",
        *(f"          {note}" for note in run.notes),
        f"networks  {config.network}, width {config.width}: generator {counts[0]:,} and "
        f"discriminator {counts[1]:,} parameters",
        f"playing   {config.objective}, penalty {config.penalty}, batch {config.batch}",
        f"engine    {run.engine.describe()}, {config.precision}",
        f"run       {run.folder.path}, {begun}",
    ]
    return "\n".join(lines)


def _closing(run: "training.Run") -> str:  # noqa: F821
    folder = run.folder
    speed = f"{run.images:,} images, {run.step:,} steps in {run.seconds:.0f} s"
    if run.share >= 1:
        first = f"Done: {speed}."
    else:
        first = f"Stopped early and saved: {speed}. Go on with:\n  ganbaru train --run {folder.path} --resume"
    rows = [
        ("sample grid", folder.sample(run.images)),
        ("time-lapse", folder.timelapse),
        ("loss plot", folder.losses),
        ("log", folder.log),
        ("checkpoint", folder.checkpoint(run.images)),
    ]
    files = "\n".join(f"  {name:12}{path}" for name, path in rows)
    return f"{first}\n{files}\nMore images: ganbaru generate {folder.path} -n 64 -o images.png"


def generate(arguments: Sequence[str]) -> None:
    """Make images with a trained generator."""
    from ganbaru import output, sample

    parser = options.parser("generate", "Make images with a trained generator.")
    parser.add_argument("run", type=str, help="a run's folder, its name below runs/, or a checkpoint")
    parser.add_argument("-n", "--number", type=int, default=64, help="how many images")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first; seeds count up")
    parser.add_argument("--label", type=str, default=None, help="a label for all: number or name")
    parser.add_argument("--checkpoint", type=str, default="newest",
                        help="newest, or the number of images a checkpoint was written at")
    parser.add_argument("--engine", type=str, default="numpy", help="what computes")
    parser.add_argument("--device", type=str, default="auto", help="where: cpu, cuda, mps")
    parser.add_argument("-o", "--output", type=str, default="images.png",
                        help=".png for a grid, .npz, or a folder for a PNG each")
    wanted = parser.parse_args(list(arguments))
    if wanted.number < 1 or not 0 <= wanted.seed < 2**63 - wanted.number:
        raise InputError(
            f"Cannot make {wanted.number} images from seed {wanted.seed}: give -n from 1 and a seed "
            f"from 0."
        )
    write = output.writer(Path(wanted.output))
    generator = sample.load(wanted.run, which=wanted.checkpoint, engine=wanted.engine,
                            device=wanted.device)
    generator.labels([wanted.seed], wanted.label)  # a wrong label is told before anything is made
    write(generator, wanted.number, wanted.seed, wanted.label)
    print(f"{wanted.number} images from seed {wanted.seed} on: {wanted.output}")


def presets(arguments: Sequence[str]) -> None:
    """List the presets."""
    options.parser("presets", "List the presets.").parse_args(list(arguments))
    table = Table("preset", "trains on", "size", "what it is")
    for name, preset in PRESETS.items():
        config = from_preset(name)
        table.add_row(name, config.data or "your pictures", config.image_size or "native",
                      preset.summary)
    Console().print(table)


def describe(arguments: Sequence[str]) -> None:
    """Show a preset's networks: every layer with its output, parameters and multiply-adds."""
    from ganbaru import describing

    config = options.config("describe", "Show networks layer by layer.", arguments)
    shape, classes = describing.assumed(config)
    for player in describing.layers(config, shape, classes):
        table = Table("layer", "operation", "output (N, ...)", "parameters", "MACs", title=player.title)
        for column in table.columns[3:]:
            column.justify = "right"
        for row in player.rows:
            table.add_row(row.layer, row.operation, "x".join(map(str, row.shape)),
                          f"{row.parameters:,}" if row.parameters else "",
                          f"{row.macs:,}" if row.macs else "")
        table.add_section()
        table.add_row("total", "", "", f"{player.parameters:,}", f"{player.macs:,}")
        Console().print(table)


def data(arguments: Sequence[str]) -> None:
    """Tell what is in a data set, and draw a contact sheet of it."""
    from ganbaru import data as sources
    from ganbaru import registry

    parser = options.parser("data", "Look at a data set before training on it.")
    parser.add_argument("what", type=str, nargs="?", default="", help="a known set or a path")
    parser.add_argument("--data-dir", type=str, default=None, help="where named sets are looked for")
    parser.add_argument("--image-size", type=str, default=None, help="resize to a side N or HxW")
    parser.add_argument("--split", type=str, default="train", help="train or test")
    parser.add_argument("-o", "--output", type=str, default="contact-sheet.png",
                        help="where the contact sheet goes")
    wanted = parser.parse_args(list(arguments))
    if not wanted.what:
        print(f"Known sets: {', '.join(registry.names('data'))}. Or give a folder, zip, npz or file.")
        return
    from ganbaru.config import parse_size

    size = parse_size(wanted.image_size) if wanted.image_size else None
    with sources.progress_bar() as progress:
        source = sources.load(
            wanted.what, image_size=size, split=wanted.split, progress=progress,
            data_dir=Path(wanted.data_dir) if wanted.data_dir else None,
        )  # fmt: skip
    print("\n".join(sources.inspect(source).lines()))
    sources.contact_sheet(source, Path(wanted.output))
    print(f"contact sheet: {wanted.output}")
