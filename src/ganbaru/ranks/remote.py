"""What ranks in processes of their own share: timeouts, and how the end of one is named."""

from __future__ import annotations

import contextlib
import os
import time
from abc import abstractmethod
from collections.abc import Iterator

from ganbaru.errors import InputError
from ganbaru.ranks import Group, RankError

TIMEOUT = "GANBARU_TIMEOUT"  # seconds that a rank waits for the others
ROLL_CALL = 5.0  # seconds in which a rank that lives reports, after another has ended
JOIN = 60.0  # seconds in which all ranks must have started, at most


def seconds() -> float:
    """Return how long a rank waits for the others; raises InputError for no number."""
    text = os.environ.get(TIMEOUT, "1800")
    if not text.isdecimal() or not int(text):
        raise InputError(f"{TIMEOUT}={text!r}: give whole seconds, such as 1800.")
    return float(text)


def not_started(missing: list[int], size: int, limit: float, variable: str) -> str:
    """Say which ranks have not started in time."""
    return (
        f"{names(missing)} of {size} did not start within {limit:.0f} s: start all of them, or set "
        f"{variable} to their number."
    )


def names(found: list[int]) -> str:
    """Return "Rank 1" or "Ranks 1, 3"."""
    return f"Rank{'s' * (len(found) > 1)} {', '.join(map(str, found))}"


class Remote(Group):
    """One of the ranks that are processes, with a store of keys that all of them see."""

    @abstractmethod
    def report(self, key: str) -> None:
        """Set a key for this rank."""

    @abstractmethod
    def reported(self, key: str) -> set[int]:
        """Return the ranks that have set a key."""

    @abstractmethod
    def close(self) -> None:
        """Leave the group."""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turn the error of an exchange into one that names the ranks that ended.

        Of the others the first says so; the rest end without a message.
        """
        try:
            yield
        except RuntimeError as error:  # of Gloo, NCCL and XLA
            if "RESOURCE_EXHAUSTED" in str(error):  # of this rank's own memory, in a step of JAX
                raise
            missing = self._roll_call()
            speaks = min({*range(self.size)} - {*missing}, default=self.rank) == self.rank
            raise (_lost(missing, self.size, error) if speaks else SystemExit(1)) from error

    def _roll_call(self) -> list[int]:
        """Return the ranks that have ended without a message; ends this one if another has one."""
        try:
            self.report("alive")
            if self.reported("ended"):
                raise SystemExit(1)  # it has printed the reason itself
            return self.missing("alive", ROLL_CALL)
        except RuntimeError:
            return [0]  # which had the store

    def missing(self, key: str, limit: float) -> list[int]:
        """Return the ranks that have not set a key after a time."""
        until = time.monotonic() + limit
        while True:
            missing = sorted({*range(self.size)} - self.reported(key))
            if not missing or time.monotonic() > until:
                return missing
            time.sleep(0.05)

    def leave(self) -> None:
        """Let the others know that this rank ends by an error, which it prints itself."""
        with contextlib.suppress(RuntimeError):
            self.report("ended")


def _lost(missing: list[int], size: int, error: Exception) -> RankError:
    if not missing:
        return RankError(
            f"An exchange between ranks failed, and all of them live: the network broke off, "
            f"or one took longer than {TIMEOUT}={seconds():.0f} s. Resume the run with "
            f"--resume on any number of processes. ({str(error)[:200]})"
        )
    return RankError(
        f"{names(missing)} of {size} ended without a word (killed, out of memory, or its "
        f"host is gone), and the run with it. Resume it with --resume on any number of "
        f"processes. ({str(error)[:200]})"
    )
