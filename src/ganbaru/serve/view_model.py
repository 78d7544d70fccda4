"""What the pages tell of a run at a moment, in a language: texts, curves, and which pictures."""

from __future__ import annotations

from typing import Any

from ganbaru.report import chart
from ganbaru.report.curves import curves
from ganbaru.report.markup import Markup, joined
from ganbaru.serve.run_status import RunStatus
from ganbaru.serve.translations import Words, duration


def brief(seen: RunStatus, words: Words) -> dict[str, Any]:
    """Return what the card of a run shows."""
    return {
        "version": seen.version,
        "state": seen.state,
        "state_text": words[seen.state],
        "share": round(seen.share, 4),
        "summary": " · ".join(_summary(seen, words)),
        "grids": seen.grids[-1:],
        "film": seen.film,
        "report": seen.report,
    }


def full(seen: RunStatus, words: Words) -> dict[str, Any]:
    """Return what the page of a run shows."""
    return {
        **brief(seen, words),
        "grids": seen.grids,
        "facts": facts(seen, words),
        "charts": joined(*charts(seen, words)),
    }


def _summary(seen: RunStatus, words: Words) -> list[str]:
    if not seen.lines:
        return []
    last = seen.lines[-1]
    parts = [f"{last['images']:,.0f} {words['images']}"]
    if seen.state == "training":
        parts.append(f"{last.get('images_per_second', 0):,.0f} {words['speed']}")
        if seen.left is not None:
            parts.append(f"{words['left']} {duration(seen.left)}" if words["language"] == "ja"
                         else f"{duration(seen.left)} {words['left']}")  # fmt: skip
    return parts


def facts(seen: RunStatus, words: Words) -> list[tuple[str, str]]:
    """Return names and values of a run's newest numbers."""
    if not seen.lines:
        return []
    last = seen.lines[-1]
    total = f" {words['of']} {seen.wanted:,.0f}" if seen.wanted else ""
    rows = [(words["images"], f"{last['images']:,.0f}{total}")]
    if "images_per_second" in last:
        rows.append((words["speed"], f"{last['images_per_second']:,.0f}"))
    rows.append((words["elapsed"], duration(last["seconds"])))
    if seen.state == "training" and seen.left is not None:
        rows.append((words["left"], duration(seen.left)))
    rows += [(words[name], f"{last[name]:.3f}") for name in ("d_loss", "g_loss") if name in last]
    scored = [line["frechet"] for line in seen.lines if "frechet" in line]
    rows += [(words["frechet"], f"{scored[-1]:.4g}")] if scored else []
    return rows


def charts(seen: RunStatus, words: Words) -> list[Markup]:
    """Return the curves of a log as SVG: losses, logits, and scores if it has any."""
    return [chart.svg(one) for one in curves(seen.lines, seen.floors, words).values()]
