"""`ganbaru embed`: generated images beside real ones in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import latent_options
from ganbaru.cli.parser import RUN_HELP, Parser
from ganbaru.formatting import say


def _parser() -> Parser:
    parser = Parser("embed", "Map generated images beside real ones in two dimensions.")
    parser.add_positional("run", RUN_HELP)
    parser.option("--by", "pca, or tsne, which keeps neighbours together and is slower", "pca")
    parser.option("-n --number", "images of each kind", 500, int, within=(10, 5000))
    parser.option("--seed", "seed of the first image; the others count up from it", 0, int)
    parser.option("--label", "the label of the generated images; else each in turn")
    output = ".png for dots and pictures, .npz for arrays, or a folder with both"
    latent_options.add_options(parser, output, "embed.png")
    return parser


def embed(arguments: Sequence[str]) -> None:
    """Map images and write the result."""
    args = _parser().parse_args(arguments)
    from ganbaru.latents.embedding import embed as place

    how = {name: getattr(args, name) for name in ("by", "number", "seed", "label")}
    found = latent_options.result(place, args, args.output, **how)
    say(f"{len(found.seeds):,} images by {found.by}: {found.output}")
