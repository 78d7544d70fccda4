"""`ganbaru embed`: generated images beside real ones in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import RUN_HELP, Parser, add_device, add_output, add_trust
from ganbaru.formatting import say


def _parser() -> Parser:
    parser = Parser("embed", "Map generated images beside real ones in two dimensions.")
    parser.add_positional("run", RUN_HELP)
    parser.option("--by", "pca, or tsne, which keeps neighbours together and is slower", "pca")
    parser.option("-n --number", "images of each kind", 500, int, within=(10, 5000))
    parser.option("--seed", "seed of the first image; the others count up from it", 0, int)
    parser.option("--label", "the label of the generated images; else each in turn")
    parser.option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    add_device(parser, "the engine that computes")
    add_trust(parser)
    output = ".png for dots and pictures, .npz for arrays, or a folder with both"
    add_output(parser, output, "embed.png")
    return parser


def embed(arguments: Sequence[str]) -> None:
    """Map images and write the result."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.latents.embedding import embed as place

    with data.progress_bar() as progress:
        found = place(
            args.run,
            args.output,
            by=args.by,
            number=args.number,
            seed=args.seed,
            label=args.label,
            which=args.checkpoint,
            engine=args.engine,
            device=args.device,
            trust=args.trust,
            overwrite=args.overwrite,
            progress=progress,
        )
    say(f"{len(found.seeds):,} images by {found.by}: {found.output}")
