"""The options of the commands that judge images: whose, how many, against what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from ganbaru.cli import options
from ganbaru.config import parse_size


def add_entrant(parser: options.Parser, *, data: str, number: str) -> None:
    """Let a parser take images to judge; `data` and `number` say what those options mean."""
    parser.add_argument("what", type=str,
                        help="a run's folder, its name below runs/, a checkpoint, or a folder, zip "
                        "or .npz of images")  # fmt: skip
    parser.add_argument("--data", type=str, default=None, metavar="X", help=data)
    parser.add_argument("--data-dir", type=str, default=None, metavar="DIR",
                        help="where named sets are looked for first")  # fmt: skip
    parser.add_argument("--image-size", type=str, default=None, metavar="SIZE",
                        help="side N or HxW, for files of images of different sizes")  # fmt: skip
    parser.add_argument("-n", "--number", type=options.whole("-n"), default=None, metavar="N",
                        help=number)  # fmt: skip
    parser.add_argument("--seed", type=options.whole("--seed"), default=0, metavar="N",
                        help="seed of the first image and of what else is drawn")  # fmt: skip
    parser.add_argument("--checkpoint", type=str, default="newest", metavar="WHICH",
                        help="newest, best, or the number of images it was written at")  # fmt: skip
    parser.add_argument("--engine", type=str, default="numpy", help="what makes a run's images")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, cuda:1 or mps")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def entrant(wanted: Namespace) -> dict[str, Any]:
    """Return what `add_entrant` let a user say, but the first two, as keywords."""
    same = ("number", "seed", "checkpoint", "engine", "device")
    return {
        **{name: wanted[name] for name in same},
        "image_size": parse_size(wanted.image_size) if wanted.image_size else None,
        "data_dir": Path(wanted.data_dir) if wanted.data_dir else None,
    }
