"""`ganbaru project`: the latents whose images are nearest to pictures."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import latent_options
from ganbaru.cli.parser import RUN_HELP, Parser
from ganbaru.formatting import say, say_json

SHOWN = 10  # pictures that are printed


def _parser() -> Parser:
    parser = Parser("project", "Find the latents whose images are nearest to your pictures.")
    parser.add_positional("run", RUN_HELP)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="picture files")
    label = "the label of all pictures: number, name, index:1 or name:1; else the nearest start's"
    parser.option("--label", label)
    pixels = "compare pixels alone, not features of the run's discriminator too"
    parser.option("--pixels", pixels, of=bool)
    parser.option("--json", "print JSON instead of text", of=bool)
    output = (
        ".npz for images, latents, labels and errors, .png for a sheet of both, or a folder with "
        "all of it and a film"
    )
    latent_options.add_options(parser, output, "projection.npz")
    return parser


def project(arguments: Sequence[str]) -> None:
    """Project pictures, write the result and print the errors."""
    args = _parser().parse_args(arguments)
    from ganbaru.latents.projected import project as find

    how = {"label": args.label, "features": not args.pixels}
    result = latent_options.result(find, args, args.pictures, args.output, **how)
    if args.json:
        say_json(result.to_json())
        return
    for i, name in enumerate(result.names[:SHOWN]):
        label = result.label(i)
        kind = "" if label is None else f", label {label}"
        say(f"{name}: {255 * result.found.error[i]:.1f} levels of 255 apart{kind}")
    if len(result.names) > SHOWN:
        say(f"and {len(result.names) - SHOWN:,} more; mean {255 * result.found.error.mean():.1f}")
    if result.note:
        say(f"note: {result.note}")
    compared = "pixels and features" if result.by_features else "pixels"
    say(f"{len(result.names):,} pictures, by {compared}: {result.output}")
