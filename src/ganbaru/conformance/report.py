"""What the checks found, for people and for programs: a table, a line for each fault, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbaru import __version__, files
from ganbaru.conformance import Report
from ganbaru.conformance.checks import Outcome

if TYPE_CHECKING:
    from rich.table import Table

MOST_LINES = 30  # a fault in one operation shows in every network, which need not all be read


def _sections(report: Report) -> list[str]:
    return list(dict.fromkeys(outcome.section for outcome in report.outcomes))


def _of(report: Report, section: str, engine: str) -> list[Outcome]:
    return [o for o in report.outcomes if (o.section, o.engine) == (section, engine)]


def table(report: Report) -> Table:
    """Lay out the worst relative error of each engine in each section, and where it is."""
    from rich.table import Table

    laid = Table("checked", *report.engines, padding=(0, 2, 0, 0), show_lines=True, box=None)
    for section in _sections(report):
        found = {engine: _of(report, section, engine) for engine in report.engines}
        count = max(len(outcomes) for outcomes in found.values())
        cells = (_cell(outcomes) for outcomes in found.values())
        laid.add_row(f"{section}\n{count}, within {_tolerances(report, section)}", *cells)
    return laid


def _tolerances(report: Report, section: str) -> str:
    return f"{max(o.tolerance for o in report.outcomes if o.section == section):.0e}"


def _cell(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "-\n"
    wrong = sum(bool(outcome.fault) for outcome in outcomes)
    worst = max(outcomes, key=lambda outcome: outcome.worst[0])
    head = f"{worst.worst[0]:.1e}" + (f", {wrong} WRONG" if wrong else "")
    return f"{head}\n{worst.where}: {worst.worst[1]}"


def lines(report: Report) -> list[str]:
    """Return a sentence for each disagreement, single operations first, and a last one on all."""
    faults = report.faults
    told = [_line(outcome) for outcome in faults[:MOST_LINES]]
    if len(faults) > MOST_LINES:
        told.append(f"... and {len(faults) - MOST_LINES} more, which -o FILE lists.")
    if report.faults:
        return [*told, f"{len(faults)} of {len(report.outcomes)} comparisons disagree."]
    return [f"All {len(report.outcomes):,} comparisons agree."]


def _line(outcome: Outcome) -> str:
    """Name the engine, the layer, and the quantity that is wrong first."""
    error = outcome.errors[outcome.fault]
    against = {"": "", outcome.engine: ""}.get(outcome.against, f" from {outcome.against}")
    size = f"is off{against} by {error:.1e} of its scale"
    if math.isinf(error):
        size = f"cannot be compared ({outcome.failure or 'there is none'})"
    return (
        f"{outcome.engine}: {outcome.section}: {outcome.where}: {outcome.fault} {size}; allowed "
        f"{outcome.tolerance:.0e}"
    )


# --- JSON -------------------------------------------------------------------------------------


def _number(error: float) -> float | None:
    return error if math.isfinite(error) else None  # JSON has no infinity


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "section": outcome.section,
        "where": outcome.where,
        "engine": outcome.engine,
        "against": outcome.against or None,
        "tolerance": outcome.tolerance,
        "errors": {name: _number(error) for name, error in outcome.errors.items()},
        "fault": outcome.fault or None,
        "failure": outcome.failure or None,
    }


def _summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    worst = max(outcomes, key=lambda outcome: outcome.worst[0])
    error, quantity = worst.worst
    return {"error": _number(error), "where": worst.where, "quantity": quantity}


def write(report: Report, path: Path) -> None:
    """Write everything as JSON; an error that is no finite number is null."""
    content = {
        "ganbaru": __version__,
        "engines": report.engines,
        "reference": report.reference,
        "agree": not report.faults,
        "worst": {
            section: {
                engine: _summary(outcomes)
                for engine in report.engines
                if (outcomes := _of(report, section, engine))
            }
            for section in _sections(report)
        },
        "comparisons": [_told(outcome) for outcome in report.outcomes],
    }
    files.write_text(path, json.dumps(content, indent=1) + "\n")
