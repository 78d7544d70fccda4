"""Numbers and durations as text, the same in tables, reports and pages."""

from __future__ import annotations


def number(value: float, form: str = ".4g") -> str:
    """Return a number with four significant digits, or whole with commas from 1,000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else format(value, form)


def clock(seconds: float) -> str:
    """Return a duration as M:SS or H:MM:SS."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Return a duration in words, such as 1 h 2 min, 2 min 3 s or 4.5 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
