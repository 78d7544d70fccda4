"""What the service counts: requests by status and time, in Prometheus' text format; access log."""

from __future__ import annotations

import bisect
import logging
import time
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ganbaru.serve.service import Service

ACCESS = logging.getLogger("ganbaru.access")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measures:
    """Counters since the start; event streams count when they end."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()  # by status
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests[status] += 1
        self.buckets[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def text(self, service: Service) -> str:
        """Return all numbers in Prometheus' text format."""
        name, total = "ganbaru_request_seconds", 0
        lines = ["# TYPE ganbaru_requests_total counter"]
        for status, count in sorted(self.requests.items()):
            lines.append(f'ganbaru_requests_total{{status="{status}"}} {count}')
        lines.append(f"# TYPE {name} histogram")
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        lines += [f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]
        gauges = {"queue_images": service.admission.waiting, "event_streams": service.streams}
        for gauge, value in gauges.items():
            lines += [f"# TYPE ganbaru_{gauge} gauge", f"ganbaru_{gauge} {value}"]
        return "\n".join(lines) + "\n"


class Measured:
    """Measures every request, and logs it: client, method, path, status, milliseconds."""

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self.app, self.measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note the status of its response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - began
            self.measures.add(status, seconds)
            if ACCESS.isEnabledFor(logging.INFO):
                client = (scope.get("client") or ("-",))[0]
                what = f"{scope['method']} {scope['path']}"
                ACCESS.info("%s %s %d %.1f ms", client, what, status, 1000 * seconds)
