"""`ganbaru conformance`: check the engines against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli.parser import Parser
from ganbaru.cli.tables import show
from ganbaru.errors import InputError

if TYPE_CHECKING:
    from ganbaru.conformance import CheckPlan


def _parser() -> Parser:
    description = (
        "Check the engines against each other and the NumPy engine against finite differences."
    )
    parser = Parser("conformance", description)
    add = parser.add_argument
    engines = (
        "the engines, such as numpy,torch or a dotted path to your own; else all that are installed"
    )
    add("--engines", metavar="E,E", help=engines)
    preset = "only its networks, objective and penalties, in place of all that are registered"
    add("--preset", metavar="NAME", help=preset)
    run = "only those of a run, with the weights of its newest checkpoint (or of a checkpoint file)"
    add("--run", metavar="RUN", help=run)
    device = "of the engines other than numpy: cpu, cuda, cuda:1 or mps"
    add("--device", default="auto", help=device)
    output = "also write every comparison to this file, as JSON"
    add("-o", "--output", metavar="FILE", help=output)
    return parser


def conformance(arguments: Sequence[str]) -> int:
    """Check the engines; print a table and each disagreement; return 1 if there is any."""
    args = _parser().parse_args(arguments)
    if args.preset and args.run:
        raise InputError("--preset and --run both choose what to check: give one of them.")
    from ganbaru import conformance, data, engines
    from ganbaru.conformance import report

    path, plan = _output(args.output), _plan(args.preset, args.run)
    names = engines.available() if args.engines is None else _names(args.engines)
    loaded = conformance.load(names, args.device)
    plan = plan or conformance.registered()
    with data.progress_bar() as progress:
        found = conformance.check(plan, loaded, progress)
    if path:
        report.write(found, path)
    print("\n".join(found.engines.values()))
    show(report.table(found))
    print("\n".join(report.lines(found)))
    if path:
        print(f"report: {path}")
    return 1 if found.faults else 0


def _output(name: str | None) -> Path | None:
    """Return the report's path; checked before the checks run, which take minutes."""
    if name is None:
        return None
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"Cannot write {path}: give a file in a folder that exists.")
    return path


def _plan(preset: str | None, run: str | None) -> CheckPlan | None:
    """Return the plan of a preset or a run, if one is given; this loads no engine."""
    from ganbaru import conformance

    if preset:
        return conformance.of_preset(preset)
    return conformance.of_run(run) if run else None


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"--engines {text!r} names no engine: give names such as numpy,torch.")
    return names
