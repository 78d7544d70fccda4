"""The command that writes a run's report."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import options


def report(arguments: Sequence[str]) -> None:
    """Write a run's report anew, with the scores and the neighbours that there are by now."""
    parser = options.Parser("report", "Write a run's report: one HTML file, for any browser.")
    parser.add_argument("run", type=str, help="a run's folder, or its name below runs/")
    wanted = parser.parse_args(list(arguments))
    from ganbaru import report
    from ganbaru.training import run_folder

    print(f"report: {report.write(run_folder.existing(wanted.run))}")
