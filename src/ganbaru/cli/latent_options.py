"""Options that the commands of a run's latent space share, and the call of their functions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import Parser, add_device, add_output, add_trust
from ganbaru.formatting import say

Found = TypeVar("Found")


def add_options(parser: Parser, output: str, default: str) -> None:
    """Add the options of the checkpoint, the engine, trust and the output."""
    parser.option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    add_device(parser, "the engine that computes")
    add_trust(parser)
    add_output(parser, output, default)


def result(
    function: Callable[..., Found], args: argparse.Namespace, *given: object, **options: object
) -> Found:
    """Call a command's function with its own arguments and the shared ones.

    Shows its progress, and says which checkpoint was taken, unless JSON is printed.
    """
    from ganbaru import data
    from ganbaru.metrics import milestones

    shared = {name: getattr(args, name) for name in ("engine", "device", "trust", "overwrite")}
    with data.progress_bar() as progress:
        found = function(
            args.run, *given, **options, **shared, which=args.checkpoint, progress=progress
        )
    if not getattr(args, "json", False):
        say(*milestones.chosen(args.run, args.checkpoint))
    return found
