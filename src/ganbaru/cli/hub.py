"""`ganbaru hub push`: a generator, or its page, on the Hugging Face hub."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import RUN_HELP, Parser, add_credits, add_trust
from ganbaru.errors import pick
from ganbaru.formatting import say

ACTIONS = {"push": None}


def _parser() -> Parser:
    description = "Push a generator with its model card, or its page, to the Hugging Face hub."
    parser = Parser("hub", description)
    parser.add_positional("action", "push")
    parser.add_positional("run", f"{RUN_HELP}, or a folder to share, pushed as it is")
    parser.add_positional("name", "the repository, user/name")
    parser.option("--space", "push the page as a static Space, in place of the model", of=bool)
    parser.option("--private", "make a repository that its owner alone sees", of=bool)
    parser.option("--dry-run", "show what would be pushed, and send nothing", of=bool)
    parser.option("--overwrite", "push also to a repository that is there already", of=bool)
    parser.option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    parser.option("--precision", "of the weights: float32, or float16 (default of a page)")
    add_trust(parser)
    add_credits(parser)
    return parser


def hub(arguments: Sequence[str]) -> None:
    """Push to the hub, and print the address and what was pushed."""
    args = _parser().parse_args(arguments)
    pick("action", args.action, ACTIONS)
    if not sys.stderr.isatty() and "HF_HUB_DISABLE_PROGRESS_BARS" not in os.environ:
        # By its function: the library reads the variable when it is imported, maybe long ago.
        with contextlib.suppress(ImportError):
            importlib.import_module("huggingface_hub.utils").disable_progress_bars()
    from ganbaru.export.hub import push_to_hub
    from ganbaru.metrics import milestones

    pushed = push_to_hub(
        args.run,
        args.name,
        space=args.space,
        private=args.private,
        dry_run=args.dry_run,
        which=args.checkpoint,
        precision=args.precision,
        trust=args.trust,
        overwrite=args.overwrite,
        title=args.title,
        author=args.author,
        licence=args.licence,
    )
    sizes = (f"  {name}: {size / 1000:,.1f} kB" for name, size in pushed.files.items())
    did = "not pushed (--dry-run)" if args.dry_run else "pushed"
    chosen = milestones.chosen(args.run, args.checkpoint)
    say(*chosen, f"{did}: {pushed.address}", *sizes, *pushed.notes)
