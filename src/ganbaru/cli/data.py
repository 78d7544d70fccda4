"""`ganbaru data`: check a data set before training on it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli import options
from ganbaru.cli.evaluation_options import BACKGROUND, DATA_DIR, add_reading
from ganbaru.cli.parser import Parser, add_output
from ganbaru.config import parse_size
from ganbaru.errors import InputError
from ganbaru.formatting import say, say_json

if TYPE_CHECKING:
    from ganbaru.data import Source


def _parser() -> Parser:
    parser = Parser("data", "Check a data set before training on it.")
    what = "a known set or a path; without it, the known sets are listed"
    parser.add_positional("what", what, required=False)
    parser.option("--data-dir", DATA_DIR, metavar="DIR")
    parser.option("--image-size", "resize to a side N or HxW", metavar="SIZE")
    parser.option("--channels", "convert to 1 (grey), 3 (colour) or 4 (with transparency)", of=int)
    parser.option("--background", BACKGROUND, metavar="COLOUR")
    add_reading(parser, "crop")
    parser.option("--split", "auto, train, test, val, none (all) or a folder", "auto")
    labels = "FILE or FILE:COLUMN (A,B: attributes) with labels, folders, or none; else found"
    parser.option("--label-file", labels, metavar="FILE[:COLUMN]")
    key = "which arrays of a file (IMAGES,LABELS), set of a folder (letters) or labels (coarse)"
    parser.option("--key", key, metavar="KEY")
    augment = "show on the sheet what training with this --augment does to the images"
    parser.option("--augment", augment, metavar="AUGMENT")
    parser.option("--json", "print everything as JSON", of=bool)
    add_output(parser, "also write a contact sheet of the images to this .png file", None)
    return parser


def data(arguments: Sequence[str]) -> None:
    """Print what a data set contains, and write a contact sheet of it if one is named."""
    args = _parser().parse_args(arguments)
    if not hasattr(args, "what"):
        sets = options.known("data")
        if args.json:
            say_json({"sets": sets})
            return
        say(f"Known sets: {', '.join(sets)}. Or give a path: a folder, zip, npz or other file.")
        return
    from ganbaru import data as sources
    from ganbaru import files
    from ganbaru.sampling.augmentation_sheet import augmentation_sheet
    from ganbaru.sampling.image_io import contact_sheet

    if args.augment and not args.output:
        raise InputError("--augment shows its transforms on a sheet: give also -o SHEET.png.")
    path = files.output(Path(args.output), args.overwrite) if args.output else None
    source, remark = _source(args)
    found = sources.inspect(source, image_size=args.image_size)
    if path and args.augment:
        remark.append(augmentation_sheet(source, args.augment, path))
    elif path:
        contact_sheet(source, path)
    if args.json:
        content = found.to_json()
        say_json({**content, "notes": [*remark, *content["notes"]]})
        return
    say(*remark, *found.lines())
    if path:
        say(f"contact sheet: {args.output}")


def _source(args: argparse.Namespace) -> tuple[Source, list[str]]:
    """Load the data; pictures of different sizes are resized as the presets for them do."""
    from ganbaru import data as sources

    def load(size: str | None) -> Source:
        return sources.load(
            args.what,
            image_size=parse_size(size) if size else None,
            channels=args.channels,
            background=args.background,
            split=args.split,
            progress=progress,
            data_dir=Path(args.data_dir) if args.data_dir else None,
            fit=args.fit,
            value_range=args.range,
            label_file=args.label_file,
            key=args.key,
        )

    with sources.progress_bar() as progress:
        try:
            return load(args.image_size), []
        except sources.SizesError:
            source = load("64")
    how = {"crop": "cropped and resized", "pad": "padded and resized", "stretch": "stretched"}
    remark = f"The pictures are of different sizes; here they are {how[args.fit]} to 64x64."
    return source, [remark]
