"""Interleaved timing: contestants and the machine's ceilings run in turns, reported as rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .flops import Cost
from .scale import Scale
from .worker import Answer, UnableError, Worker

Row = dict[str, Any]
Settings = dict[str, Any]

# Seconds between two turns: the threads of BLAS and OpenMP spin-wait that long after their work,
# and would take a core from the next contestant.
REST = 0.05
# The ceilings, and the part of a cost that each limits.
GEMM, COPY = "GEMM", "copy"
LIMITED = {GEMM: "flops", COPY: "bytes"}


@dataclass(frozen=True)
class Table:
    """The results of a case: rows by the names of columns, and notes.

    A case that varies something, such as the batch, names it in `over` and gets a plot.
    """

    title: str
    rows: list[Row]
    notes: tuple[str, ...] = ()
    over: str = ""


class Spread(NamedTuple):
    """The quartiles of several numbers."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the quartiles; a single number is all three."""
        several = list(values) * (1 + (len(values) == 1))
        return cls(*statistics.quantiles(several, n=4, method="inclusive"))


@dataclass(frozen=True)
class Contestant:
    """A program to time: the library it needs, its factory, and the rivals it is compared with."""

    library: str
    function: str
    options: Settings = field(default_factory=dict)
    rivals: tuple[str, ...] = ()
    shared: bool = False  # G's update reuses the fakes of D's update: one pass of G less
    compiled: bool = False  # compiles for a minute before its first turn


@dataclass(frozen=True)
class Entry:
    """A contestant in a race: its settings, and the cost and number of images of one turn."""

    contestant: Contestant
    settings: Settings
    cost: Cost | None = None
    images: int = 0


@dataclass(frozen=True)
class Race:
    """The answers of each turn, peak memory in MiB, and contestants that could not run."""

    entries: Mapping[str, Entry]
    answers: dict[str, list[Answer]]
    unable: dict[str, str]
    peaks: dict[str, float] = field(default_factory=dict)

    def spread(self, name: str, what: str = "seconds") -> Spread:
        """Return the quartiles of a measurement of one contestant."""
        return Spread.of([answer[what] for answer in self.answers[name]])

    def rate(self, name: str, what: str) -> float:
        """Return the operations or bytes per second of a contestant's median turn."""
        cost = self.entries[name].cost
        assert cost is not None
        return getattr(cost, what) / self.spread(name).middle

    def rows(self) -> list[Row]:
        """Return a row for each contestant: times, ratios of medians, fractions of the ceilings."""
        return [self._row(name) for name in self.answers if name not in LIMITED]

    def _row(self, name: str) -> Row:
        entry, spread = self.entries[name], self.spread(name)
        row: Row = {"": name, "seconds": spread.middle, "quartiles": [spread.low, spread.high]}
        if entry.images:
            row["images/s"] = entry.images / spread.middle
        rivals = [rival for rival in entry.contestant.rivals if rival in self.answers]
        row["ratio"] = {rival: spread.middle / self.spread(rival).middle for rival in rivals}
        if entry.cost:
            row["GFLOP/s"] = self.rate(name, "flops") / 1e9
            row |= {f"of {limit}": self.rate(name, what) / self.rate(limit, what)
                    for limit, what in LIMITED.items() if limit in self.answers}  # fmt: skip
        return row | ({"MiB": self.peaks[name]} if name in self.peaks else {})

    def absent(self) -> tuple[str, ...]:
        """Return which contestants could not run, and why."""
        return tuple(f"Without {name}: {reason}." for name, reason in self.unable.items())


@dataclass
class Bench:
    """The state that the cases of one call share: sizes, libraries, ceilings, idle processes."""

    scale: Scale
    libraries: Sequence[str]
    limits: dict[str, Entry] = field(default_factory=dict)
    _idle: dict[tuple[str, str, int], Worker] = field(default_factory=dict)

    def entrants(self, contestants: Mapping[str, Contestant]) -> dict[str, Contestant]:
        """Return those of the chosen libraries, without those that compile at a quick scale."""
        return {
            name: one
            for name, one in contestants.items()
            if one.library in self.libraries and (self.scale.compiled or not one.compiled)
        }

    @property
    def ours(self) -> Sequence[str]:
        """Our engines in cases that the scale limits to a few."""
        return [name for name in self.libraries if name in self.scale.ours] or self.libraries

    def race(self, entries: Mapping[str, Entry], cores: int = 0, fresh: bool = False) -> Race:
        """Time all in turns, with the ceilings if there are costs to compare with them.

        Processes are reused in later races, unless `fresh`: then each is new, and its peak memory
        is measured.
        """
        counted = any(entry.cost for entry in entries.values())
        everyone = {**entries, **(self.limits if counted else {})}
        new = {name: Worker(cores) for name in entries if fresh}
        reused = {name: self._reused(entry.contestant, cores)
                for name, entry in everyone.items() if name not in new}  # fmt: skip
        race = run({**new, **reused}, everyone, self.scale)
        race.peaks.update(peaks(new))
        return race

    def _reused(self, contestant: Contestant, cores: int) -> Worker:
        key = (contestant.library, str(contestant.options), cores)
        if key not in self._idle:
            self._idle[key] = Worker(cores)
        return self._idle[key]

    def close(self) -> None:
        """End all processes."""
        peaks(self._idle)
        self._idle.clear()


def peaks(workers: Mapping[Any, Worker]) -> dict[Any, float]:
    """End processes and return the peak memory of each in MiB."""
    return {name: worker.close() for name, worker in workers.items()}


def run(workers: Mapping[str, Worker], entries: Mapping[str, Entry], scale: Scale) -> Race:
    """Start every contestant, then time them in turns."""
    for name, worker in workers.items():  # in parallel: most of it is importing, on one core
        one = entries[name].contestant
        worker.make(one.function, {**entries[name].settings, **one.options})
    race = Race(entries, {}, {})
    for name, worker in workers.items():
        try:
            worker.receive()
            race.answers[name] = []
        except UnableError as reason:
            race.unable[name] = str(reason)
    for turn in range(scale.warm + scale.rounds):
        for name, answers in race.answers.items():
            answer = workers[name].turn()
            answers += [answer] if turn >= scale.warm else []
            time.sleep(REST)
    return race
