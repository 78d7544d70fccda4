"""The options that `evaluate` and `authenticity` share: which images, how many, against what."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ganbaru.cli.parser import RUN_HELP, Parser, add_device, whole
from ganbaru.config import parse_size

_WHAT = f"images to judge: {RUN_HELP}; or a folder, zip or .npz of images"
DATA_DIR = "the folder where named sets are searched first"
CHECKPOINT = "newest, best, or the number of images it was written at"


def add_candidate(parser: Parser, *, data: str, number: str) -> None:
    """Add the images to judge; `data` and `number` are the sentences of those options."""
    parser.add_positional("what", _WHAT)
    add = parser.add_argument
    add("--data", metavar="X", help=data)
    add("--data-dir", metavar="DIR", help=DATA_DIR)
    size = "side N or HxW, for image files of different sizes"
    add("--image-size", metavar="SIZE", help=size)
    add("-n", "--number", type=whole("-n"), metavar="N", help=number)
    seed = "seed of the first image and of all random draws"
    add("--seed", type=whole("--seed"), default=0, metavar="N", help=seed)
    add("--checkpoint", default="newest", metavar="WHICH", help=CHECKPOINT)
    add_device(parser, "the engine that generates a run's images")
    add("--json", action="store_true", help="print everything as JSON")


def candidate(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments for what `add_candidate` added, except `what` and `data`."""
    same = ("number", "seed", "checkpoint", "engine", "device")
    return {
        **{name: getattr(args, name) for name in same},
        "image_size": parse_size(args.image_size) if args.image_size else None,
        "data_dir": Path(args.data_dir) if args.data_dir else None,
    }
