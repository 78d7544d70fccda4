"""`ganbaru export`: a trained network as an ONNX model, a web page, weights or a folder."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import RUN_HELP, Parser, add_credits, add_output, add_trust
from ganbaru.formatting import say


def _parser() -> Parser:
    parser = Parser("export", "Export a trained network for use without Ganbaru.")
    parser.add_positional("run", RUN_HELP)
    player = (
        "generator (the EMA generator, a running average), unaveraged-generator or discriminator"
    )
    parser.option("--player", player, "generator")
    parser.option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    precision = "of the weights: float32, or float16 for half the size, as a page always has"
    parser.option("--precision", precision)
    pixels = "of a generator in .onnx: float32 in [-1, 1], or uint8, RGB bytes for torch-fidelity"
    parser.option("--pixels", pixels, "float32")
    text = "of `ganbaru directions`, named sliders of a page, metadata of others; or none [all]"
    parser.option("--directions", text, metavar="NAME,NAME")
    text = "adds a map of seeds beside real images to a page: pca, or tsne (`ganbaru embed`)"
    parser.option("--map", text, metavar="BY")
    add_trust(parser)
    output = (
        ".onnx for a model that any runtime takes, .html for a page that generates images in any "
        "browser, .safetensors for weights alone, or a folder to share"
    )
    add_output(parser, output, "gan.onnx")
    add_credits(parser)
    return parser


def export(arguments: Sequence[str]) -> None:
    """Write a trained network as a file, or a folder to share, and print what it contains."""
    args = _parser().parse_args(arguments)
    from ganbaru import data, export
    from ganbaru.latents.embedding import Embedding, embed
    from ganbaru.metrics import milestones
    from ganbaru.sampling import directions

    how = {"which": args.checkpoint, "trust": args.trust}

    def placed() -> Embedding:
        with data.progress_bar() as progress:
            return embed(args.run, None, by=args.map, **how, progress=progress)

    lines = export.write(
        args.run,
        args.output,
        player=args.player,
        precision=args.precision,
        pixels=args.pixels,
        **how,
        overwrite=args.overwrite,
        title=args.title,
        author=args.author,
        licence=args.licence,
        directions=directions.parsed(args.directions),
        seed_map=placed if args.map else None,
    )
    say(*milestones.chosen(args.run, args.checkpoint), *lines)
