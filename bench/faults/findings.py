"""Findings of the campaign: each trial's promise, what it was, and what was wrong."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

PROMISES = {
    "trust": "a file imports and calls no code that was not named with --trust",
    "fuzz": "a damaged file gives one message or is skipped; nothing hangs, starts or changes",
    "kills": "a killed command is repeated or resumed to the same bits, without leftovers",
    "outputs": "-o replaces only files that ganbaru wrote, and keeps links",
    "terminal": "text from files has no control characters or markup when it is shown",
}
EVERY = {"kills": 10}  # trials from one line of progress to the next
USUAL = 100


@dataclass(frozen=True)
class Finding:
    """One trial; `problem` is "" where the promise was kept."""

    part: str
    trial: str
    what: str
    problem: str
    detail: str = ""
    note: str = ""  # how the trial went, if not all go alike


@dataclass
class Findings:
    """All trials of a campaign, printed as they fail, their progress on stderr.

    Trials that kept their promise are lines of `journal`, at once: a campaign that was cut off and
    starts again with the same journal counts them and does not try them again.
    """

    quiet: bool = False
    journal: Path | None = None
    counts: Counter = field(default_factory=Counter)
    notes: Counter = field(default_factory=Counter)
    failures: list[Finding] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    earlier: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.journal or not self.journal.exists():
            return
        for part, trial, note in map(json.loads, self.journal.read_text().splitlines()):
            self._count(part, note)
            self.earlier.add((part, trial))

    def _count(self, part: str, note: str) -> None:
        self.counts[part] += 1
        if note:
            self.notes[note] += 1

    def add(self, finding: Finding) -> None:
        """Count a trial, and print it if it failed."""
        part = finding.part
        if (part, finding.trial) in self.earlier and not finding.problem:
            return
        self._count(part, finding.note)
        if finding.problem:
            self.failures.append(finding)
            if not self.quiet:
                print(f"{part} | {finding.trial} | {finding.what} | {finding.problem}", flush=True)
        elif self.journal:
            with self.journal.open("a") as file:
                file.write(json.dumps([part, finding.trial, finding.note]) + "\n")
        if not self.quiet and self.counts[part] % EVERY.get(part, USUAL) == 0:
            spent = f"{time.monotonic() - self.began:,.0f} s"
            counted = f"{self.counts[part]:,} trials, {self.failed(part)} failures, {spent}"
            print(f"{part}: {counted}", file=sys.stderr, flush=True)

    def failed(self, part: str) -> int:
        """Return the number of failed trials of a part."""
        return sum(finding.part == part for finding in self.failures)

    def table(self) -> str:
        """Return the promises, trials and failures as Markdown."""
        rows = [
            f"| {promise} | {self.counts[part]:,} | {self.failed(part):,} |"
            for part, promise in PROMISES.items()
            if self.counts[part]
        ]
        return "\n".join(["| promise | trials | failures |", "|---|---|---|", *rows])

    def write(self, path: Path, about: dict) -> None:
        """Write everything as JSON."""
        content = {
            "about": about,
            "seconds": round(time.monotonic() - self.began),
            "trials": dict(self.counts),
            "failed": {part: self.failed(part) for part in self.counts},
            "notes": dict(self.notes),
            "failures": [asdict(finding) for finding in self.failures],
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
