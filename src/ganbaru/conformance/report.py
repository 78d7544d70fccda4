"""The findings as a table, a line for each fault, and JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich.table import Table

from ganbaru import __version__, files
from ganbaru.conformance import Findings
from ganbaru.conformance.checks import Comparison

MOST_LINES = 30  # a fault in one operation shows in every network


def _sections(report: Findings) -> dict[str, dict[str, list[Comparison]]]:
    """Return the comparisons by section and engine; an engine may have none in a section."""
    found: dict[str, dict[str, list[Comparison]]] = {}
    for one in report.comparisons:
        by_engine = found.setdefault(one.section, {name: [] for name in report.engines})
        by_engine[one.engine].append(one)
    return found


def _worst(comparisons: list[Comparison]) -> Comparison:
    return max(comparisons, key=lambda comparison: comparison.worst[0])


def table(report: Findings) -> Table:
    """Return the worst relative error of each engine in each section, and its place."""
    laid = Table("checked", *report.engines, padding=(0, 2, 0, 0), show_lines=True, box=None)
    for section, by_engine in _sections(report).items():
        count = max(map(len, by_engine.values()))
        tolerance = max(one.tolerance for found in by_engine.values() for one in found)
        cells = map(_cell, by_engine.values())
        laid.add_row(f"{section}\n{count}, within {tolerance:.0e}", *cells)
    return laid


def _cell(comparisons: list[Comparison]) -> str:
    if not comparisons:
        return "-\n"
    wrong = sum(bool(comparison.fault) for comparison in comparisons)
    worst = _worst(comparisons)
    error, quantity = worst.worst
    return f"{error:.1e}{f', {wrong} WRONG' if wrong else ''}\n{worst.where}: {quantity}"


def lines(report: Findings) -> list[str]:
    """Return a line for each disagreement, single operations first, and a summary."""
    faults, count = report.faults, len(report.comparisons)
    if not faults:
        return [f"All {count:,} comparisons agree."]
    found = [_line(comparison) for comparison in faults[:MOST_LINES]]
    if len(faults) > MOST_LINES:
        found.append(f"... and {len(faults) - MOST_LINES} more, which -o FILE lists.")
    return [*found, f"{len(faults)} of {count} comparisons disagree."]


def _line(comparison: Comparison) -> str:
    """Name the engine, the layer, and the quantity that is wrong first."""
    error = comparison.errors[comparison.fault]
    against = {"": "", comparison.engine: ""}.get(comparison.against, f" from {comparison.against}")
    size = f"is off{against} by {error:.1e} of its scale"
    if math.isinf(error):
        size = f"cannot be compared ({comparison.failure or 'there is none'})"
    return (
        f"{comparison.engine}: {comparison.section}: {comparison.where}: {comparison.fault} "
        f"{size}; allowed {comparison.tolerance:.0e}"
    )


def _number(error: float) -> float | None:
    return error if math.isfinite(error) else None  # JSON has no infinity


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        **vars(comparison),
        "against": comparison.against or None,
        "errors": {name: _number(error) for name, error in comparison.errors.items()},
        "fault": comparison.fault or None,
        "failure": comparison.failure or None,
    }


def _summary(comparisons: list[Comparison]) -> dict[str, Any]:
    worst = _worst(comparisons)
    error, quantity = worst.worst
    return {"error": _number(error), "where": worst.where, "quantity": quantity}


def write(report: Findings, path: Path) -> None:
    """Write everything as JSON; an error that is no finite number is null."""
    content = {
        "ganbaru": __version__,
        "engines": report.engines,
        "reference": report.reference,
        "agree": not report.faults,
        "worst": {
            section: {engine: _summary(found) for engine, found in by_engine.items() if found}
            for section, by_engine in _sections(report).items()
        },
        "comparisons": [_as_json(comparison) for comparison in report.comparisons],
    }
    files.write_text(path, json.dumps(content, indent=1) + "\n")
