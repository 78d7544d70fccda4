"""`ganbaru report`: write a run's report."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.parser import Parser, add_credits, add_trust
from ganbaru.formatting import say


def report(arguments: Sequence[str]) -> None:
    """Write a run's report again, with the scores and nearest neighbours computed since."""
    parser = Parser("report", "Write a run's report: one HTML file, for any browser.")
    parser.add_positional("run", "a run's folder, or its name below runs/")
    add_credits(parser)
    add_trust(parser)  # as every command that reads a run; a report imports no module
    args = parser.parse_args(arguments)
    from ganbaru import report
    from ganbaru.report import credits
    from ganbaru.training import run_folder

    notes: list[str] = []
    folder = run_folder.existing(args.run)
    _, kept = credits.given(folder, args.title, args.author, args.licence)
    path = report.write(folder, notes.append)
    say(f"report: {path}", *kept, *(f"note: {note}" for note in notes))
