"""Server-sent events: what a page shows of its runs, whole, whenever one of them has changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from ganbaru.serve.catalog import Entry

Tell = Callable[[Entry], dict[str, Any]]
EVERY, ALIVE = 0.5, 15.0  # seconds between looks, and between signs of life


async def stream(
    entries: Mapping[str, Entry], tell: Tell, stopping: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield an event with every run first, then one with those that changed, until it stops.

    A page that comes back after a break is told all anew, so nothing is kept for it.
    """
    told: dict[str, tuple[str, bool]] = {}
    yield b"retry: 2000\n\n"
    last = time.monotonic()
    while not stopping():
        changed = await asyncio.to_thread(_changed, entries, tell, told)
        if changed:
            yield b"data: " + json.dumps(changed, ensure_ascii=False).encode() + b"\n\n"
            last = time.monotonic()
        elif time.monotonic() - last > ALIVE:
            yield b": still here\n\n"
            last = time.monotonic()
        await asyncio.sleep(EVERY)


def _changed(
    entries: Mapping[str, Entry], tell: Tell, told: dict[str, tuple[str, bool]]
) -> dict[str, Any]:
    found = {}
    for name, entry in entries.items():
        if entry.watch is None:
            continue
        mark = entry.watch.seen().version, entry.model is not None
        if told.get(name) != mark:
            told[name] = mark
            found[name] = {**tell(entry), "ready": entry.model is not None}
    return found
