"""The findings as a table, a line for each fault, and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbaru import __version__, files
from ganbaru.conformance import Findings
from ganbaru.conformance.checks import Comparison

if TYPE_CHECKING:
    from rich.table import Table

MOST_LINES = 30  # a fault in one operation shows in every network


def _sections(report: Findings) -> list[str]:
    return list(dict.fromkeys(comparison.section for comparison in report.comparisons))


def _of(report: Findings, section: str, engine: str) -> list[Comparison]:
    return [o for o in report.comparisons if (o.section, o.engine) == (section, engine)]


def table(report: Findings) -> Table:
    """Return the worst relative error of each engine in each section, and its place."""
    from rich.table import Table

    laid = Table("checked", *report.engines, padding=(0, 2, 0, 0), show_lines=True, box=None)
    for section in _sections(report):
        found = {engine: _of(report, section, engine) for engine in report.engines}
        count = max(len(comparisons) for comparisons in found.values())
        cells = (_cell(comparisons) for comparisons in found.values())
        laid.add_row(f"{section}\n{count}, within {_tolerances(report, section)}", *cells)
    return laid


def _tolerances(report: Findings, section: str) -> str:
    return f"{max(o.tolerance for o in report.comparisons if o.section == section):.0e}"


def _cell(comparisons: list[Comparison]) -> str:
    if not comparisons:
        return "-\n"
    wrong = sum(bool(comparison.fault) for comparison in comparisons)
    worst = max(comparisons, key=lambda comparison: comparison.worst[0])
    head = f"{worst.worst[0]:.1e}" + (f", {wrong} WRONG" if wrong else "")
    return f"{head}\n{worst.where}: {worst.worst[1]}"


def lines(report: Findings) -> list[str]:
    """Return a line for each disagreement, single operations first, and a summary."""
    faults = report.faults
    found = [_line(comparison) for comparison in faults[:MOST_LINES]]
    if len(faults) > MOST_LINES:
        found.append(f"... and {len(faults) - MOST_LINES} more, which -o FILE lists.")
    if report.faults:
        return [*found, f"{len(faults)} of {len(report.comparisons)} comparisons disagree."]
    return [f"All {len(report.comparisons):,} comparisons agree."]


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


# --- JSON -------------------------------------------------------------------------------------


def _number(error: float) -> float | None:
    return error if math.isfinite(error) else None  # JSON has no infinity


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "section": comparison.section,
        "where": comparison.where,
        "engine": comparison.engine,
        "against": comparison.against or None,
        "tolerance": comparison.tolerance,
        "errors": {name: _number(error) for name, error in comparison.errors.items()},
        "fault": comparison.fault or None,
        "failure": comparison.failure or None,
    }


def _summary(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    worst = max(comparisons, key=lambda comparison: comparison.worst[0])
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
            section: {
                engine: _summary(comparisons)
                for engine in report.engines
                if (comparisons := _of(report, section, engine))
            }
            for section in _sections(report)
        },
        "comparisons": [_as_json(comparison) for comparison in report.comparisons],
    }
    files.write_text(path, json.dumps(content, indent=1) + "\n")
