"""`ganbaru directions`: find, name and list directions of the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganbaru import coerce
from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import RUN_HELP, Parser, add_device, add_trust
from ganbaru.errors import command_line
from ganbaru.formatting import say, say_json


def _parser() -> Parser:
    about = "Find, name and list directions of the latent space; without options: list them."
    parser = Parser("directions", about)
    parser.add_positional("run", RUN_HELP)
    option = parser.option
    most = (0, 64)
    option("--main", "how many of those that change the first layer most", 0, int, within=most)
    option(
        "--components",
        "how many of those that change the last layer's features most",
        0,
        int,
        within=most,
    )
    text = "one for each label that a classifier of the run's data, or of X, gives generated images"
    parser.add_argument("--labels", nargs="?", const=True, default=False, metavar="X", help=text)
    option("--name", "the name of one that is fitted to --answers, or to --plus and --minus")
    option("--answers", "a table of seeds and answers: 7,yes in a line", metavar="FILE")
    seeds: dict[str, Any] = {"default": (), "of": _seeds, "metavar": "N,N"}
    option("--plus", "seeds whose images have what is named", **seeds)
    option("--minus", "seeds whose images lack it", **seeds)
    option("-n --number", "images that --labels judges", 2000, int, within=(50, 100_000))
    option("--label", "the label of the seeds' images; else each in turn")
    text = "delete a direction; may be repeated"
    parser.add_argument("--drop", action="append", default=[], metavar="NAME", help=text)
    option("--checkpoint", CHECKPOINT, "auto", metavar="WHICH")
    option("--json", "print JSON instead of text", of=bool)
    add_device(parser, "the engine that computes")
    add_trust(parser)
    return parser


def directions(arguments: Sequence[str]) -> None:
    """Find directions, store them and print all."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.latents.named import directions as find

    with data.progress_bar() as progress:
        given = {**vars(args), "progress": progress, "which": args.checkpoint}
        print_json = given.pop("json")
        found = find(given.pop("run"), **{k: v for k, v in given.items() if k != "checkpoint"})
    if print_json:
        say_json(found.to_json())
        return
    for name, each in found.directions.items():
        say(f"{name}: {each.line()}")
    say(*(f"note: {note}" for note in found.notes))
    if not found.directions:
        say(f"no directions; to find some: {command_line('directions', args.run, '--main', '8')}")
    elif found.new:
        say(f"{len(found.new)} found: {found.path}, sheets in {found.sheets[0].parent}")


def _seeds(text: str) -> list[int]:
    return [coerce.convert(int, "a seed", one) for one in text.split(",")]
