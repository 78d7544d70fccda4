"""`ganbaru lab`: provoke a disease of training, see what the doctor finds, and cure it."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.parser import Parser
from ganbaru.cli.tables import show_rows
from ganbaru.formatting import say, say_json


def lab(arguments: Sequence[str]) -> int:
    """List the labs, or do one; the exit code is 1 if its check did not pass."""
    parser = Parser("lab", "Provoke a disease of training on the digits, examine it, and cure it.")
    parser.add_positional("name", "a lab's name; without one, the labs are listed", required=False)
    output = "the folder of its two runs; else runs/lab-NAME, where those of before are replaced"
    parser.option("-o --output", output, metavar="FOLDER")
    parser.option("--overwrite", "replace runs that are in --output", of=bool)
    parser.option("--seed", "seed of both runs", 0, int)
    parser.option("--json", "print JSON", of=bool)
    args = parser.parse_args(arguments)
    from ganbaru import data, labs

    if not hasattr(args, "name"):
        rows = [(name, each.code, each.cause) for name, each in labs.LABS.items()]
        if args.json:
            say_json({"labs": [row[0] for row in rows]})
        else:
            show_rows(("lab", "finding", "cause"), rows)
        return 0
    with data.progress_bar() as progress:
        how = {"seed": args.seed, "overwrite": args.overwrite}
        found = labs.lab(args.name, args.output, **how, progress=progress)
    if args.json:
        say_json(found.to_json())
    else:
        say(*found.lines())
    return 0 if found.passed else 1
