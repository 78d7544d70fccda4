"""The command by which engines prove each other right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli import options, tables
from ganbaru.errors import InputError

if TYPE_CHECKING:
    from ganbaru.conformance import CheckPlan


def _parser() -> options.Parser:
    parser = options.Parser(
        "conformance",
        "Check the engines against each other and the NumPy engine against finite differences.",
    )
    parser.add_argument("--engines", type=str, default=None, metavar="E,E",
                        help="which, such as numpy,torch or a dotted path to your own; else all "
                        "that are installed")  # fmt: skip
    parser.add_argument("--preset", type=str, default=None, metavar="NAME",
                        help="only its networks, objective and penalties, in place of all that are "
                        "registered")  # fmt: skip
    parser.add_argument("--run", type=str, default=None, metavar="RUN",
                        help="only those of a run, with the weights of its newest checkpoint (or "
                        "of a checkpoint file)")  # fmt: skip
    parser.add_argument("--device", type=str, default="auto",
                        help="of the engines but numpy: cpu, cuda, cuda:1 or mps")  # fmt: skip
    parser.add_argument("-o", "--output", type=str, default=None, metavar="FILE",
                        help="write every comparison there too, as JSON")  # fmt: skip
    return parser


def conformance(arguments: Sequence[str]) -> int:
    """Check the engines; print a table and each disagreement; return 1 if there is any."""
    wanted = _parser().parse_args(list(arguments))
    if wanted.preset and wanted.run:
        raise InputError("--preset and --run each say what to check: give one of them.")
    from ganbaru import conformance, data, engines
    from ganbaru.conformance import report

    path, plan = _place(wanted.output), _plan(wanted.preset, wanted.run)
    names = engines.available() if wanted.engines is None else _names(wanted.engines)
    loaded = conformance.load(names, wanted.device)
    plan = plan or conformance.registered()
    with data.progress_bar() as progress:
        found = conformance.check(plan, loaded, progress)
    if path:
        report.write(found, path)
    print("\n".join(found.engines.values()))
    tables.show(report.table(found))
    print("\n".join(report.lines(found)))
    if path:
        print(f"report: {path}")
    return 1 if found.faults else 0


def _place(name: str | None) -> Path | None:
    """Return where the report goes; a place that does not exist is refused before the checks."""
    if name is None:
        return None
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"Cannot write {path}: give a file in a folder that exists.")
    return path


def _plan(preset: str | None, run: str | None) -> CheckPlan | None:
    """Return the plan of a preset or a run, if one is given: no engine need be loaded for that."""
    from ganbaru import conformance

    if preset:
        return conformance.of_preset(preset)
    return conformance.of_run(run) if run else None


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--engines names no engine: give names with commas, such as numpy,torch.")
    return names
