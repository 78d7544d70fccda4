"""Races: contestants and the machine's ceilings take turns, and what comes of it as rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .counting import Cost
from .scale import Scale
from .worker import Answer, UnableError, Worker

Row = dict[str, Any]
Settings = dict[str, Any]

# Seconds between two turns: so long the threads of BLAS and OpenMP wait for more by turning in
# circles, and would take a core from the next contestant.
REST = 0.05
# The ceilings, and which part of a cost each limits.
GEMM, COPY = "GEMM", "copy"
LIMITED = {GEMM: "flops", COPY: "bytes"}


@dataclass(frozen=True)
class Table:
    """What a case found: rows by the names of columns, and sentences about them.

    A case that goes `over` something, such as the batch, has a plot of its rows' seconds over it.
    """

    title: str
    rows: list[Row]
    notes: tuple[str, ...] = ()
    over: str = ""


class Spread(NamedTuple):
    """The quartiles of some numbers."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Find the quartiles; a single number is all three."""
        several = list(values) * (1 + (len(values) == 1))
        return cls(*statistics.quantiles(several, n=4, method="inclusive"))


@dataclass(frozen=True)
class Contestant:
    """Who takes part: what it needs installed, what makes it, and whom it is measured against."""

    library: str
    function: str
    options: Settings = field(default_factory=dict)
    rivals: tuple[str, ...] = ()
    shared: bool = False  # its G learns from the fakes that D has judged: a pass of G less
    compiled: bool = False  # for a minute before its first turn


@dataclass(frozen=True)
class Entry:
    """A contestant's part in a race: its settings, and what one turn costs and makes."""

    contestant: Contestant
    settings: Settings
    cost: Cost | None = None
    images: int = 0


@dataclass(frozen=True)
class Race:
    """What entrants told in each round, their peak memory in MiB, and who could not take part."""

    entries: Mapping[str, Entry]
    told: dict[str, list[Answer]]
    unable: dict[str, str]
    peaks: dict[str, float] = field(default_factory=dict)

    def spread(self, name: str, what: str = "seconds") -> Spread:
        """Return the quartiles of what an entrant told."""
        return Spread.of([answer[what] for answer in self.told[name]])

    def rate(self, name: str, what: str) -> float:
        """Return how many operations or bytes an entrant did in a second of its median turn."""
        cost = self.entries[name].cost
        assert cost is not None
        return getattr(cost, what) / self.spread(name).middle

    def rows(self) -> list[Row]:
        """Return a row for each but the ceilings: times, ratios of medians, shares of ceilings."""
        return [self._row(name) for name in self.told if name not in LIMITED]

    def _row(self, name: str) -> Row:
        entry, spread = self.entries[name], self.spread(name)
        row: Row = {"": name, "seconds": spread.middle, "quartiles": [spread.low, spread.high]}
        if entry.images:
            row["images/s"] = entry.images / spread.middle
        rivals = [rival for rival in entry.contestant.rivals if rival in self.told]
        row["ratio"] = {rival: spread.middle / self.spread(rival).middle for rival in rivals}
        if entry.cost:
            row["GFLOP/s"] = self.rate(name, "flops") / 1e9
            row |= {f"of {limit}": self.rate(name, what) / self.rate(limit, what)
                    for limit, what in LIMITED.items() if limit in self.told}  # fmt: skip
        return row | ({"MiB": self.peaks[name]} if name in self.peaks else {})

    def absent(self) -> tuple[str, ...]:
        """Say who could not take part, and why."""
        return tuple(f"Without {name}: {reason}." for name, reason in self.unable.items())


@dataclass
class Bench:
    """What the cases of one call have in common: sizes, libraries, ceilings and idle processes."""

    scale: Scale
    libraries: Sequence[str]
    limits: dict[str, Entry] = field(default_factory=dict)
    _idle: dict[tuple[str, str, int], Worker] = field(default_factory=dict)

    def entrants(self, contestants: Mapping[str, Contestant]) -> dict[str, Contestant]:
        """Return those whose library is wanted, without those that compile if time is short."""
        return {
            name: one
            for name, one in contestants.items()
            if one.library in self.libraries and (self.scale.compiled or not one.compiled)
        }

    @property
    def ours(self) -> Sequence[str]:
        """Our engines in cases that the scale holds to a few."""
        return [name for name in self.libraries if name in self.scale.ours] or self.libraries

    def race(self, entries: Mapping[str, Entry], cores: int = 0, fresh: bool = False) -> Race:
        """Let all take turns, and the ceilings too if there is work that they limit.

        Processes are kept for later races, unless `fresh`: then each is new, and its peak memory is
        told.
        """
        counted = any(entry.cost for entry in entries.values())
        everyone = {**entries, **(self.limits if counted else {})}
        new = {name: Worker(cores) for name in entries if fresh}
        kept = {name: self._kept(entry.contestant, cores)
                for name, entry in everyone.items() if name not in new}  # fmt: skip
        race = run({**new, **kept}, everyone, self.scale)
        race.peaks.update(peaks(new))
        return race

    def _kept(self, contestant: Contestant, cores: int) -> Worker:
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
    """Make every contestant ready, then let them take turns."""
    for name, worker in workers.items():  # all at once: most of it is importing, on one core
        one = entries[name].contestant
        worker.make(one.function, {**entries[name].settings, **one.options})
    race = Race(entries, {}, {})
    for name, worker in workers.items():
        try:
            worker.receive()
            race.told[name] = []
        except UnableError as reason:
            race.unable[name] = str(reason)
    for turn in range(scale.warm + scale.rounds):
        for name, told in race.told.items():
            answer = workers[name].turn()
            told += [answer] if turn >= scale.warm else []
            time.sleep(REST)
    return race
