"""`ganbaru doctor`: what is wrong with a run's training, and what to try."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.parser import Parser, add_trust
from ganbaru.formatting import say, say_json


def doctor(arguments: Sequence[str]) -> None:
    """Print the findings about a run, finished or in training; exit code 0 with and without any."""
    parser = Parser("doctor", "Examine a run's training: what is wrong, and what to try.")
    parser.add_positional("run", "a run's folder, or its name below runs/")
    parser.option("--json", 'print JSON: {"findings": [...], "notes": [...]}', of=bool)
    add_trust(parser)  # as every command that reads a run; the doctor imports no module
    args = parser.parse_args(arguments)
    from ganbaru.metrics import diagnosis

    found = diagnosis.doctor(args.run)
    if args.json:
        say_json(found.to_json())
        return
    for each in found.findings:
        say(f"{each.code}: {each.text}.")
        say(f"  certainty {each.certainty:.0%}; try {' or '.join(each.remedy)}; see {each.page}")
    if found.judged and not found.findings:
        say("no findings")
    say(*(f"note: {note}" for note in found.notes))
