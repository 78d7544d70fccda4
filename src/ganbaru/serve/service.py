"""The service's parts, which routes reach through one object."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from starlette.responses import Response

from ganbaru.serve.batching import Batcher
from ganbaru.serve.catalog import Catalog, ServedModel
from ganbaru.serve.limits import Admission, Limits
from ganbaru.serve.models import Model
from ganbaru.serve.problems import ProblemError

REFRESH = 3.0  # seconds between searches for newer checkpoints
Render = Callable[[str, Model], Awaitable[Response]]


@dataclass
class Service:
    """The models that are served, what computes their images, and the limits."""

    catalog: Catalog
    limits: Limits
    batcher: Batcher = field(default_factory=Batcher)
    stopping: bool = False
    streams: int = 0  # event streams that are open

    def __post_init__(self) -> None:
        """Build the parts."""
        self.admission = Admission(self.limits)
        self.searches = Admission(replace(self.limits, queue=self.limits.projections))
        self.encoding = ThreadPoolExecutor(1, "films")  # encodes one film after the other
        self.searching = ThreadPoolExecutor(1, "projections")
        self._cache: dict[tuple[str, str], tuple[Model, float, Response]] = {}
        self._rendering = asyncio.Lock()

    async def refresh(self) -> None:
        """Load newer checkpoints as they appear, until it is cancelled."""
        while True:
            for served in self.catalog.values():
                await asyncio.to_thread(served.watch)
            await asyncio.sleep(REFRESH)

    async def cached(
        self, served: ServedModel, what: str, render: Render, stamp: float = 0
    ) -> Response:
        """Return a response that is rendered once for each checkpoint, such as a playground.

        Another `stamp`, the time of a file that it depends on, renders it again.
        """
        model = served.ready()
        async with self._rendering:
            found = self._cache.get((served.name, what))
            if found is None or found[0] is not model or found[1] != stamp:
                made = await render(served.name, model)
                found = self._cache[served.name, what] = (model, stamp, made)
        return found[2]

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count an event stream while it is open; raises ProblemError above the limit."""
        if self.streams >= self.limits.streams:
            detail = f"{self.streams} event streams are open, which is the limit. Try again later."
            raise ProblemError(503, detail, {"Retry-After": "30"})
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    def close(self) -> None:
        """End the threads."""
        self.batcher.close()
        self.encoding.shutdown()
        self.searching.shutdown()
