"""Results as Markdown and JSON, with a description of the machine."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ganbaru.engines import LIBRARIES
from ganbaru.engines.requirements import version

from .interleaved import Row, Table
from .roofline import core_count
from .worker import ROOT


def about(libraries: Sequence[str], command: str) -> dict[str, Any]:
    """Describe machine, versions, command and date."""
    memory = _proc_value("/proc/meminfo", "MemTotal").split()
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "command": command,
        "commit": commit(),
        "processor": _proc_value("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": core_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "memory": f"{int(memory[0]) / 2**20:.1f} GiB" if memory else "",
        "system": platform.platform(),
        "versions": {"Python": platform.python_version(),
                     **{name: version(LIBRARIES[name]) for name in libraries}},
    }  # fmt: skip


def _proc_value(path: str, name: str) -> str:
    """Return a value of a table in /proc, such as the CPU model; empty if there is none."""
    table = Path(path)
    lines = table.read_text().splitlines() if table.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def commit() -> str:
    """Return the commit, marked if files differ from it; empty outside a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


# --- Markdown ---------------------------------------------------------------------------------


def spread(values: Sequence[float], kind: str = ".3g") -> str:
    """Return the median with minimum and maximum, the only value, or nothing if there is none."""
    if not values:
        return ""
    middle, least, most = (f"{f(values):{kind}}" for f in (statistics.median, min, max))
    return middle if len(values) == 1 else f"{middle} [{least}, {most}]"


def number(x: float) -> str:
    """Format a number with three digits, or all those before the point."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def ratios(each: dict[str, float]) -> str:
    """Format ratios of medians with what they are relative to."""
    return "; ".join(f"{x:.2f} of {rival}" for rival, x in each.items())


WRITERS: dict[type, Callable[[Any], str]] = {
    float: number,
    list: lambda quartiles: " to ".join(map(number, quartiles)),
    dict: ratios,
}


def cell(value: Any) -> str:
    """Format a value by its type."""
    return WRITERS.get(type(value), str)(value)


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return cells as a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table; columns that a row lacks are empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return grid(columns, ([cell(row.get(name, "")) for name in columns] for row in rows))


def section(table: Table) -> str:
    """Return a table with its title and notes."""
    notes = "".join(f"\n\n{note}" for note in table.notes)
    return f"## {table.title}\n\n{markdown(table.rows)}{notes}\n"


def heading(facts: dict[str, Any]) -> str:
    """Return the first lines of a page of results."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    machine = f"{facts['processor']}, {facts['cores']} cores, {facts['memory']}, {facts['system']}"
    machine += f", load {facts['load']} before"
    return (
        f"# Measurements\n\n`{facts['command']}`, {facts['date']}, commit {facts['commit']}.\n\n"
        f"{machine}. {versions}.\n\nTimes are medians, with quartiles; a ratio below 1 is faster "
        f"than its reference; a share is of the ceiling measured in the same turns.\n"
    )


def page(facts: dict[str, Any], tables: Sequence[Table]) -> str:
    """Return all results as Markdown."""
    return "\n".join([heading(facts), *map(section, tables)])


def as_json(facts: dict[str, Any], tables: Sequence[Table]) -> str:
    """Return all results as JSON."""
    return json.dumps({"about": facts, "tables": list(map(dataclasses.asdict, tables))}, indent=1)
