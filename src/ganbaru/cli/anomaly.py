"""`ganbaru anomaly`: pictures scored by how badly a generator reconstructs them."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import latent_options
from ganbaru.cli.parser import RUN_HELP, Parser
from ganbaru.formatting import say, say_json

SHOWN = 10  # pictures that are printed


def _parser() -> Parser:
    parser = Parser("anomaly", "Score pictures by how badly a generator reconstructs them.")
    parser.add_positional("run", RUN_HELP)
    text = "picture files, or folders of them"
    parser.add_argument("pictures", nargs="*", metavar="PATH", help=text)
    normal = "held-out normal pictures to calibrate p on; else the run's test images"
    parser.option("--normal", normal, metavar="X")
    parser.option("--json", "print JSON instead of text", of=bool)
    output = (
        ".png for a sheet with heat maps, .npz for arrays, or a folder with both, a JSON file and "
        "each heat map"
    )
    latent_options.add_options(parser, output, "anomaly.png")
    return parser


def anomaly(arguments: Sequence[str]) -> None:
    """Score pictures, write the result and print the most anomalous ones."""
    args = _parser().parse_args(arguments)
    from ganbaru.latents.anomaly import anomaly as score

    found = latent_options.result(score, args, args.pictures, args.output, normal=args.normal)
    if args.json:
        say_json(found.to_json())
        return
    for i, name in enumerate(found.names[:SHOWN]):
        say(f"{name}: p {found.p[i]:.3f}, score {found.score[i]:+.1f}")
    if len(found.names) > SHOWN:
        say(f"and {len(found.names) - SHOWN:,} less anomalous ones")
    say(*(f"note: {note}" for note in found.notes))
    say(f"{len(found.names):,} pictures, {found.calibrated_on} held out: {found.output}")
