"""`ganbaru conformance`: check the engines against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbaru import files
from ganbaru.cli.parser import Parser, add_output, add_trust
from ganbaru.cli.tables import show
from ganbaru.errors import InputError
from ganbaru.formatting import say


def _parser() -> Parser:
    description = (
        "Check the engines against each other and the NumPy engine against finite differences."
    )
    parser = Parser("conformance", description)
    engines = (
        "the engines, such as numpy,torch or a dotted path to your own; else all that are installed"
    )
    parser.option("--engines", engines, metavar="E,E")
    preset = "only its networks, objective and penalties, in place of all that are registered"
    parser.option("--preset", preset, metavar="NAME")
    run = "only those of a run, with the weights of its newest checkpoint (or of a checkpoint file)"
    parser.option("--run", run)
    parser.option("--device", "of the engines other than numpy: cpu, cuda, cuda:1 or mps", "auto")
    add_trust(parser)
    output = "also write every comparison to this file, as JSON"
    add_output(parser, output, None, "FILE")
    return parser


def conformance(arguments: Sequence[str]) -> int:
    """Check the engines; print a table and each disagreement; return 1 if there is any."""
    args = _parser().parse_args(arguments)
    if args.preset and args.run:
        raise InputError("--preset and --run both choose what to check: give one of them.")
    from ganbaru import conformance, data, engines
    from ganbaru.conformance import report

    path, plan = _output(args.output, args.overwrite), None
    if args.preset:
        plan = conformance.of_preset(args.preset)
    elif args.run:
        plan = conformance.of_run(args.run, args.trust)
    names = engines.available() if args.engines is None else _names(args.engines)
    loaded = conformance.load(names, args.device)
    plan = plan or conformance.registered()
    with data.progress_bar() as progress:
        found = conformance.check(plan, loaded, progress)
    if path:
        report.write(found, path)
    say(*found.engines.values())
    show(report.table(found))
    say(*report.lines(found))
    if path:
        say(f"report: {path}")
    return 1 if found.faults else 0


def _output(name: str | None, overwrite: bool) -> Path | None:
    """Return the report's path; checked before the checks run, which take minutes."""
    if name is None:
        return None
    path = files.output(Path(name), overwrite)
    if not path.parent.is_dir():
        raise InputError(f"Cannot write {path}: give a file in a folder that exists.")
    return path


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"--engines {text!r} names no engine: give names such as numpy,torch.")
    return names
