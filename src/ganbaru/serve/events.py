"""Server-sent events: the whole state of each run whenever it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from sse_starlette import EventSourceResponse, JSONServerSentEvent, ServerSentEvent
from starlette.types import Receive, Scope, Send

from ganbaru.serve.catalog import ServedModel
from ganbaru.serve.responses import NOTHING
from ganbaru.serve.run_status import RunStatus
from ganbaru.serve.service import Service

Describe = Callable[[RunStatus], dict[str, Any]]
INTERVAL = 0.5  # seconds between looks at the runs' folders


def follow(
    service: Service, models: Mapping[str, ServedModel], describe: Describe
) -> EventSourceResponse:
    """Return a stream of `models` that have a run.

    A client that reconnects gets every run once more, so the server remembers nothing of clients.
    """
    runs = {name: served for name, served in models.items() if served.watcher}
    policy = {"Content-Security-Policy": NOTHING}
    return Stream(service, _events(service, runs, describe), headers=policy)


class Stream(EventSourceResponse):
    """A stream that has a place for exactly as long as it is sent.

    Raises ProblemError, which is answered, if there is none.
    """

    def __init__(self, service: Service, *content: Any, **options: Any) -> None:
        super().__init__(*content, **options)
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the client or the service ends."""
        with self.service.stream():
            await super().__call__(scope, receive, send)


async def _events(
    service: Service, runs: Mapping[str, ServedModel], describe: Describe
) -> AsyncIterator[ServerSentEvent]:
    sent: dict[str, tuple[str, bool]] = {}
    yield ServerSentEvent(retry=2000)
    while not service.stopping:
        if changed := await asyncio.to_thread(_changed, runs, describe, sent):
            yield JSONServerSentEvent(changed)
        await asyncio.sleep(INTERVAL)


def _changed(
    runs: Mapping[str, ServedModel], describe: Describe, sent: dict[str, tuple[str, bool]]
) -> dict[str, Any]:
    """Describe the runs that have changed since they were `sent`, and update it."""
    found = {}
    for name, served in runs.items():
        status, ready = served.watched().status(), served.model is not None
        if sent.get(name) != (status.version, ready):
            sent[name] = status.version, ready
            found[name] = {**describe(status), "ready": ready}
    return found
