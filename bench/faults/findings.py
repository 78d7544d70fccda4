"""Findings of the campaign: each trial's promise, what it was, and what was wrong."""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class Finding:
    """One trial; `problem` is "" where the promise was kept."""

    part: str
    trial: str
    what: str
    problem: str
    detail: str = ""


@dataclass
class Findings:
    """All trials of a campaign, printed as they fail."""

    quiet: bool = False
    counts: Counter = field(default_factory=Counter)
    notes: Counter = field(default_factory=Counter)  # by part: how a kept promise was kept
    failures: list[Finding] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, finding: Finding) -> None:
        """Count a trial, and print it if it failed."""
        self.counts[finding.part] += 1
        if finding.problem:
            self.failures.append(finding)
            if not self.quiet:
                print(f"{finding.part} | {finding.trial} | {finding.what} | {finding.problem}",
                      flush=True)  # fmt: skip

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
