"""The options of `evaluate`, `authenticity` and `utility`: which images, how many, against what."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganbaru.cli.parser import RUN_HELP, Parser, add_device, add_trust
from ganbaru.config import parse_size
from ganbaru.formatting import say, say_json

_WHAT = f"images to score: {RUN_HELP}; or a folder, zip or .npz of images"
DATA_DIR = "the folder where named sets are searched first"
BACKGROUND = "the colour behind transparent parts; else white"
CHECKPOINT = (
    "newest, best, or the number of images it was written at; auto is the best if the run has "
    "scores, else the newest"
)


def add_candidate(parser: Parser, *, data: str, number: str) -> None:
    """Add the images to score; `data` and `number` are the sentences of those options."""
    parser.add_positional("what", _WHAT)
    parser.option("--data", data, metavar="X")
    parser.option("--data-dir", DATA_DIR, metavar="DIR")
    size = "side N or HxW, for image files of different sizes; else the data's"
    parser.option("--image-size", size, metavar="SIZE")
    add_reading(parser, None)
    parser.option("-n --number", number, of=int)
    parser.option("--seed", "seed of the first image and of all random draws", 0, int)
    parser.option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    add_device(parser, "the engine that generates a run's images")
    add_trust(parser)
    parser.option("--json", "print everything as JSON", of=bool)


def add_reading(parser: Parser, fit_default: str | None) -> None:
    """Add --fit and --range, which say how pictures and values are converted."""
    fit = "how images get other proportions: crop, pad (black) or stretch"
    parser.option("--fit", fit, fit_default, metavar="HOW")
    values = (
        "LOW:HIGH, the values that become black and white; auto: the smallest and the largest of "
        "the set; else those of the values' type"
    )
    parser.option("--range", values, metavar="LOW:HIGH")


def show(args: argparse.Namespace, found: Any, lines: Callable[[Any], list[str]]) -> None:
    """Print a result: as JSON if --json is given, else as lines after the checkpoint chosen."""
    from ganbaru.metrics import milestones

    if args.json:
        say_json(found.to_json())
    else:
        say(*milestones.chosen(args.what, args.checkpoint), *lines(found))


def candidate(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments for what `add_candidate` added, except `what` and `data`."""
    same = ("number", "seed", "checkpoint", "engine", "device", "trust")
    return {
        "fit": args.fit,
        "value_range": args.range,
        **{name: getattr(args, name) for name in same},
        "image_size": parse_size(args.image_size) if args.image_size else None,
        "data_dir": Path(args.data_dir) if args.data_dir else None,
    }
