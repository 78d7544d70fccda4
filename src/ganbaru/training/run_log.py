"""The log of a run, log.jsonl: one JSON object a line, each the mean of some steps."""

from __future__ import annotations

import json

from ganbaru.training.run_folder import Folder

Line = dict[str, float]


def read_log(folder: Folder) -> list[Line]:
    """Read a run's log, up to a last line that a crash cut short."""
    lines: list[Line] = []
    if folder.log.exists():
        for text in folder.log.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
    return lines
