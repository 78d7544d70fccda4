"""`ganbaru data`: check a data set before training on it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli import options
from ganbaru.cli.evaluation_options import DATA_DIR
from ganbaru.cli.parser import Parser, add_output
from ganbaru.config import parse_size
from ganbaru.errors import InputError
from ganbaru.formatting import say

if TYPE_CHECKING:
    from ganbaru.data import Source


def _parser() -> Parser:
    parser = Parser("data", "Check a data set before training on it.")
    what = "a known set or a path; without it, the known sets are listed"
    parser.add_positional("what", what, required=False)
    parser.option("--data-dir", DATA_DIR, metavar="DIR")
    parser.option("--image-size", "resize to a side N or HxW", metavar="SIZE")
    parser.option("--split", "train or test", "train")
    augment = "show on the sheet what training with this --augment does to the images"
    parser.option("--augment", augment, metavar="AUGMENT")
    output = "where the contact sheet is written"
    add_output(parser, output, "contact-sheet.png")
    return parser


def data(arguments: Sequence[str]) -> None:
    """Print what a data set contains, and write a contact sheet of it."""
    args = _parser().parse_args(arguments)
    if not hasattr(args, "what"):
        sets = ", ".join(options.known("data"))
        say(f"Known sets: {sets}. Or give a path: a folder, zip, npz or other file.")
        return
    from ganbaru import data as sources
    from ganbaru import files
    from ganbaru.sampling.augmentation_sheet import augmentation_sheet
    from ganbaru.sampling.image_io import contact_sheet

    path = files.output(Path(args.output), args.overwrite)
    source = _source(args)
    say(*sources.inspect(source).lines())
    if args.augment:
        say(augmentation_sheet(source, args.augment, path))
    else:
        contact_sheet(source, path)
    say(f"contact sheet: {args.output}")


def _source(args: argparse.Namespace) -> Source:
    """Load the data; pictures of different sizes are resized as the presets for them do."""
    from ganbaru import data as sources

    def load(size: str | None) -> Source:
        return sources.load(
            args.what,
            image_size=parse_size(size) if size else None,
            split=args.split,
            progress=progress,
            data_dir=Path(args.data_dir) if args.data_dir else None,
        )

    with sources.progress_bar() as progress:
        try:
            return load(args.image_size)
        except InputError:
            if args.image_size or not Path(args.what).exists():
                raise
        source = load("64")
    say("The pictures are of different sizes; here they are cropped and resized to 64x64.")
    return source
