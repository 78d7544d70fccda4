"""`ganbaru anomaly`: pictures scored by how badly a generator reconstructs them."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import RUN_HELP, Parser, add_device, add_output, add_trust
from ganbaru.formatting import say, say_json

SHOWN = 10  # pictures that are printed


def _parser() -> Parser:
    parser = Parser("anomaly", "Score pictures by how badly a generator reconstructs them.")
    parser.add_positional("run", RUN_HELP)
    text = "picture files, or folders of them"
    parser.add_argument("pictures", nargs="*", metavar="PATH", help=text)
    normal = "held-out normal pictures to calibrate p on; else the run's test images"
    parser.option("--normal", normal, metavar="X")
    parser.option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    parser.option("--json", "print JSON instead of text", of=bool)
    add_device(parser, "the engine that computes")
    add_trust(parser)
    output = (
        ".png for a sheet with heat maps, .npz for arrays, or a folder with both, a JSON file and "
        "each heat map"
    )
    add_output(parser, output, "anomaly.png")
    return parser


def anomaly(arguments: Sequence[str]) -> None:
    """Score pictures, write the result and print the most anomalous ones."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.latents.anomaly import anomaly as score
    from ganbaru.metrics import milestones

    with data.progress_bar() as progress:
        found = score(
            args.run,
            args.pictures,
            args.output,
            normal=args.normal,
            which=args.checkpoint,
            engine=args.engine,
            device=args.device,
            trust=args.trust,
            overwrite=args.overwrite,
            progress=progress,
        )
    if args.json:
        say_json(found.to_json())
        return
    say(*milestones.chosen(args.run, args.checkpoint))
    for i, name in enumerate(found.names[:SHOWN]):
        say(f"{name}: p {found.p[i]:.3f}, score {found.score[i]:+.1f}")
    if len(found.names) > SHOWN:
        say(f"and {len(found.names) - SHOWN:,} less anomalous ones")
    say(*(f"note: {note}" for note in found.notes))
    say(f"{len(found.names):,} pictures, {found.calibrated_on} held out: {found.output}")
