"""`ganbaru edit`: images moved along named directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganbaru.cli import latent_options
from ganbaru.cli.parser import RUN_HELP, Parser
from ganbaru.formatting import say


def _parser() -> Parser:
    parser = Parser("edit", "Move images along named directions of the latent space.")
    parser.add_positional("run", RUN_HELP)
    text = "a direction and a step in standard deviations, such as smiling=+1.5; may be repeated"
    repeated: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--along", metavar="NAME=X", help=text, **repeated)
    text = "a direction along which nothing moves; may be repeated"
    parser.add_argument("--keep", metavar="NAME", help=text, **repeated)
    parser.option("--seed", "seed of the first image; the others count up from it", 0, int)
    parser.option("-n --number", "how many seeds", 1, int, within=(1, 1000))
    text = "your pictures in place of seeds, each as `ganbaru project` finds it"
    parser.add_argument("--pictures", nargs="+", default=(), metavar="FILE", help=text)
    parser.option("--label", "the label of all images; else each in turn")
    output = ".png for before and after, .npz for arrays, or a folder with both and each image"
    latent_options.add_options(parser, output, "edit.png")
    return parser


def edit(arguments: Sequence[str]) -> None:
    """Move images along directions and write them."""
    args = _parser().parse_args(arguments)
    from ganbaru.latents.edits import edit as move

    found = latent_options.result(
        move,
        args,
        args.along,
        args.output,
        seed=args.seed,
        number=args.number,
        label=args.label,
        pictures=args.pictures,
        keep=args.keep,
    )
    say(*(f"note: {note}" for note in found.notes))
    steps = ", ".join(f"{name} {step:+g}" for name, step in found.steps.items())
    say(f"{len(found.names):,} images, {steps}: {found.output}")
