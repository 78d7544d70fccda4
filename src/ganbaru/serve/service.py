"""All that a service consists of, in one object that its routes are given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ganbaru.errors import InputError
from ganbaru.serve.batching import Batcher
from ganbaru.serve.catalog import Catalog, Entry
from ganbaru.serve.film_service import FilmMaker
from ganbaru.serve.image_service import Maker
from ganbaru.serve.limits import Admission, Limits
from ganbaru.serve.models import Model
from ganbaru.serve.responses import ProblemError, Reply

REFRESH = 3.0  # seconds between looks for newer checkpoints
Make = Callable[[Entry, Model], Awaitable[Reply]]


@dataclass
class Service:
    """What is served, what makes it, and how much of it there may be."""

    shelf: Catalog
    limits: Limits
    batcher: Batcher = field(default_factory=Batcher)
    stopping: bool = False
    streams: int = 0

    def __post_init__(self) -> None:
        """Make what makes pictures and films."""
        self.admission = Admission(self.limits)
        self._films = ThreadPoolExecutor(1, "films")
        self.maker = Maker(self.batcher, self.admission, self.limits)
        self.films = FilmMaker(self.batcher, self.admission, self.limits, self._films)
        self._kept: dict[tuple[str, str], tuple[Model, Reply]] = {}
        self._making = asyncio.Lock()

    async def refreshing(self) -> None:
        """Look for newer checkpoints for ever."""
        while True:
            for entry in self.shelf.values():
                # Damaged, or deleted while it was read: there is the next look.
                with contextlib.suppress(InputError, OSError):
                    await asyncio.to_thread(entry.refresh)
            await asyncio.sleep(REFRESH)

    async def kept(self, entry: Entry, what: str, make: Make) -> Reply:
        """Return what is made once for each checkpoint, such as a playground."""
        model = entry.ready()
        async with self._making:
            known = self._kept.get((entry.name, what))
            if known is None or known[0] is not model:
                known = self._kept[entry.name, what] = (model, await make(entry, model))
        return known[1]

    def check_streams(self) -> None:
        """Raise ProblemError if no more pages may follow runs."""
        if self.streams >= self.limits.streams:
            raise ProblemError(
                503,
                f"{self.streams} pages follow runs already, and more may not.",
                {"Retry-After": "30"},
            )

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count a page that follows a run."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    def close(self) -> None:
        """Let the threads end."""
        self.batcher.close()
        self._films.shutdown()
