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
    from ganbaru import export
    from ganbaru.metrics import milestones

    lines = export.write(
        args.run,
        args.output,
        player=args.player,
        which=args.checkpoint,
        precision=args.precision,
        pixels=args.pixels,
        trust=args.trust,
        overwrite=args.overwrite,
        title=args.title,
        author=args.author,
        licence=args.licence,
    )
    say(*milestones.chosen(args.run, args.checkpoint), *lines)
