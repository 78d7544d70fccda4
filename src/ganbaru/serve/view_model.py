"""What the pages show of a run: texts in the reader's language, curves, and sample grids."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ganbaru.formatting import clock
from ganbaru.report import chart
from ganbaru.report.curves import curves
from ganbaru.report.findings import findings
from ganbaru.report.markup import joined
from ganbaru.report.translations import Translation
from ganbaru.serve import log
from ganbaru.serve.run_status import UNREADABLE, RunStatus

View = Callable[[RunStatus, Translation], dict[str, Any]]


def _guarded(view: View) -> View:
    """Return a view that shows a run as unreadable where values of its files fit no text."""

    @functools.wraps(view)
    def shown(status: RunStatus, text: Translation) -> dict[str, Any]:
        try:
            return view(status, text)
        except Exception as error:  # of any kind: other runs share the page
            log.problem("A run's page", error)
            return view(UNREADABLE, text)

    return shown


@_guarded
def brief(status: RunStatus, text: Translation) -> dict[str, Any]:
    """Return what the card of a run shows."""
    return {
        "version": status.version,
        "state": status.state,
        "state_text": text[status.state],
        "share": round(status.progress, 4),
        "summary": " · ".join(_summary(status, text)),
        "grids": status.grids[-1:],
        "film": status.has_timelapse,
        "report": status.has_report,
    }


@_guarded
def full(status: RunStatus, text: Translation) -> dict[str, Any]:
    """Return what the page of a run shows."""
    charts = curves(status.lines, status.baselines, text).values()
    return {
        **brief(status, text),
        "grids": status.grids,
        "facts": facts(status, text),
        "findings": findings(status.lines, status.config, text) if status.config else [],
        "charts": joined(*map(chart.svg, charts)),
    }


def _summary(status: RunStatus, text: Translation) -> list[str]:
    if status is UNREADABLE:
        return [text["problem"]]
    if not status.lines:
        return []
    last = status.lines[-1]
    parts = [text["images_seen"].format(f"{last['images']:,.0f}")]
    if status.state == "training":
        parts.append(text["per_second"].format(f"{last.get('images_per_second', 0):,.0f}"))
        if status.seconds_left is not None:
            parts.append(text["time_left"].format(clock(status.seconds_left)))
    return parts


def facts(status: RunStatus, text: Translation) -> list[tuple[str, str]]:
    """Return the names and values of a run's newest numbers."""
    if not status.lines:
        return []
    last = status.lines[-1]
    counts = [f"{count:,.0f}" for count in (last["images"], status.total_images) if count]
    rows = [(text["images"], text["number_of" if counts[1:] else "number"].format(*counts))]
    if "images_per_second" in last:
        rows.append(
            (text["speed"], text["speed_value"].format(f"{last['images_per_second']:,.0f}"))
        )
    rows.append((text["elapsed"], clock(last["seconds"])))
    if status.state == "training" and status.seconds_left is not None:
        rows.append((text["left"], clock(status.seconds_left)))
    rows += [(text[name], f"{last[name]:.3f}") for name in ("d_loss", "g_loss") if name in last]
    scores = [line["frechet"] for line in status.lines if "frechet" in line]
    return [*rows, *[(text["frechet"], f"{score:.4g}") for score in scores[-1:]]]
