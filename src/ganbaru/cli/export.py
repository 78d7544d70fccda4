"""The command that takes a trained network elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import options


def export(arguments: Sequence[str]) -> None:
    """Write a trained network as a file, or a folder to share, and say what is in it."""
    parser = options.Parser("export", "Take a trained network elsewhere.")
    parser.add_argument(
        "run", type=str, help="a run's folder, its name below runs/, or a checkpoint"
    )
    parser.add_argument("--player", type=str, default="generator", metavar="PLAYER",
                        help="generator (the running average, which is sampled), "
                        "unaveraged-generator or discriminator")  # fmt: skip
    parser.add_argument("--checkpoint", type=str, default="newest", metavar="WHICH",
                        help="newest, best, or the number of images it was written at")  # fmt: skip
    parser.add_argument("--precision", type=str, default=None, metavar="PRECISION",
                        help="of its numbers: float32, or float16 for half the size, which a page "
                        "has anyway")  # fmt: skip
    parser.add_argument("-o", "--output", type=str, default="gan.onnx", metavar="PATH",
                        help=".onnx for a model that any runtime takes, .html for a page that "
                        "draws pictures in any browser, .safetensors for weights alone, or a "
                        "folder to share")  # fmt: skip
    wanted = parser.parse_args(list(arguments))
    from ganbaru import export

    lines = export.write(
        wanted.run, wanted.output, player=wanted.player, which=wanted.checkpoint,
        precision=wanted.precision,
    )  # fmt: skip
    print("\n".join(lines))
