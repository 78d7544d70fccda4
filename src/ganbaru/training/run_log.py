"""The log of a run, log.jsonl: one JSON object a line, each the mean of some steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from ganbaru import records
from ganbaru.errors import InputError
from ganbaru.records import Count, Seconds
from ganbaru.training.run_folder import Folder

Line = dict[str, float]
NOT_FINITE = "not_finite"  # of the last line of a run that diverged: how many numbers it lacks


class _Required(TypedDict):
    images: Count
    step: Count
    seconds: Seconds


def parse_line(text: bytes) -> Line:
    """Return a line's numbers; raises InputError for a damaged one."""
    remedy = "It is left out."
    line = records.parse(text, dict[str, float], "a line of the log", remedy)
    records.check(line, _Required, "a line of the log", remedy)
    return line


def read_log(folder: Folder, warn: Callable[[str], object] = lambda text: None) -> list[Line]:
    """Read the valid lines of a run's log.

    Each damaged line is left out, and their numbers are passed to `warn` in one sentence; not that
    of a last line without an end, which is being written, or was cut short by a crash.
    """
    if not folder.log.exists():
        return []
    lines, damaged = [], []
    try:
        *whole, _ = folder.log.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"Cannot read the log {folder.log}: {error.strerror}.") from error
    for number, text in enumerate(whole, 1):
        try:
            lines.append(parse_line(text))
        except InputError:
            damaged.append(number)
    if damaged:
        shown = ", ".join(map(str, damaged[:10])) + ", ..." * (len(damaged) > 10)
        which = f"Line {shown} is" if len(damaged) == 1 else f"Lines {shown} are"
        warn(f"{which} damaged in {folder.log} and left out.")
    return lines
