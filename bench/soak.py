"""Soak test of the service: python -m bench.soak, good clients beside hostile ones.

The good ones compare every answer, byte for byte, with the first one for its seed and that with
`Generator.sample` (within 1/255). The hostile ones each play one of `ATTACKS` after the other, in
an order that the seed determines. Printed are wrong answers, the good ones' latencies, the
service's memory over time and what it logged; the exit code is 1 if an answer was wrong.

python -m bench.soak                         1 minute, 20 good and 12 hostile connections
python -m bench.soak RUN --minutes 10        another model or time
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ganbaru.sampling import generators

from .load import SIZE, processor, resident, serving
from .sampling import untrained

HOST = b"Host: localhost\r\n"
MB = 2**20
SEEDS = 64  # that the good clients request


def get(path: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    """Return a request without a body."""
    return b"".join([method, b" ", path, b" HTTP/1.1\r\n", HOST, *lines, b"\r\n"])


def post(name: str, body: bytes, *lines: bytes, length: int | None = None) -> bytes:
    """Return a request for images; `length` is a false Content-Length."""
    size = len(body) if length is None else length
    return b"".join(
        [
            b"POST /api/models/%s/images HTTP/1.1\r\n" % name.encode(),
            HOST,
            b"Content-Type: application/json\r\nContent-Length: %d\r\n" % size,
            *lines,
            b"\r\n",
            body,
        ]
    )


def filled(before: bytes, item: bytes, after: bytes) -> bytes:
    """Return a body of nearly 1 MB."""
    return before + item * ((MB - 100) // len(item)) + item.rstrip(b",") + after


def attacks(name: str) -> dict[str, bytes]:
    """Return what a hostile client sends, by what it is."""
    chunked = post(name, b"", b"Transfer-Encoding: chunked\r\n").replace(
        b"Content-Length: 0\r\n", b""
    )
    good, alive = post(name, b'{"seed": 1}'), get(b"/health/live")
    bodies = {
        "wrong seeds": filled(b'{"seeds": [', b"-1,", b"]}"),
        "infinite seeds": filled(b'{"seeds": [', b"1e999,", b"]}"),
        "wrong labels": filled(b'{"labels": [', b"null,", b"]}"),
        "wrong latents": filled(b'{"latents": [[', b'"",', b"]]}"),
        "empty latents": filled(b'{"latents": [', b"[],", b"]}"),
        "unknown fields": b"{%s}" % b",".join(b'"%x":1' % i for i in range(100_000)),
        "nested lists": b"[" * MB,
        "nested objects": b'{"a":' * (MB // 5),
        "many digits": b'{"seed": %s}' % (b"9" * (MB - 100)),
        "a long label": b'{"labels": "%s"}' % (b"x" * (MB - 100)),
        "no UTF-8": b"\xff" * MB,
        "NULs": b"\0" * 1000,
    }
    return {
        **{f"body: {what}": post(name, body) for what, body in bodies.items()},
        "two hosts": get(b"/health/live", HOST),
        "absolute form": get(b"http://elsewhere.example/"),
        "another host": get(b"/").replace(HOST, b"Host: elsewhere.example\r\n"),
        "two lengths": post(name, b"{}", b"Content-Length: 200\r\n"),
        "length and chunks": post(name, b"{}", b"Transfer-Encoding: chunked\r\n"),
        "chunk size": chunked + b"zz\r\n{}\r\n0\r\n\r\n",
        "small chunks": chunked + b"1\r\n \r\n" * 200_000,
        "endless body": chunked + b"100000\r\n%s\r\n" % (b" " * MB) * 20,
        "trailers": chunked + b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 50_000,
        "one large header": get(b"/", b"X: %s\r\n" % (b"a" * 200_000)),
        "many headers": get(b"/", b"X: a\r\n" * 30_000),
        "long path": get(b"/" + b"a" * 200_000),
        "NUL in a header": get(b"/", b"X: a\0b\r\n"),
        "control characters": b"\x1b[31m\x07\r\n\r\n",
        "WebSocket": get(b"/events", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01" + b"a" * 300,
        "paths": get(b"/static/../../etc/passwd") + get(b"/runs/%2e%2e%2f%00") + get(b"//x"),
        "methods": b"".join(get(b"/", method=each) for each in (b"HEAD", b"OPTIONS", b"TRACE")),
        "keys": get(b"/", b"Authorization: Basic \xff\xff\r\n") * 3,
        "pipeline": (good + alive) * 40,
        "packets of requests": alive * 3000,
        "good and wrong": good + b"\x01\x02\r\n\r\n",
        "half a head": good[:40],
        "half a body": good[:-3],
        "streams": get(b"/events"),
    }


async def attack(port: int, content: bytes, rng: random.Random) -> None:
    """Send an attack as a whole or slowly, then read, leave, reset, or stay half open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    manner = rng.choice(["read", "leave", "reset", "half open", "slow", "silent"])
    try:
        if manner == "slow":
            for i in range(0, min(len(content), 100), 10):
                writer.write(content[i : i + 10])
                await asyncio.sleep(0.1)
        writer.write(content)
        if manner == "half open" and writer.can_write_eof():
            writer.write_eof()
        wait = {"leave": 0.0, "reset": 0.01}.get(manner, 2.0)
        if manner == "silent":
            await asyncio.sleep(2)
        else:
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(), wait)
        if manner == "reset":
            writer.transport.abort()
    finally:
        writer.close()


async def hostile(port: int, chosen: dict[str, bytes], seed: int, counts: Counter[str]) -> None:
    """Attack until cancelled; a refusal or a reset is what a hostile client may expect."""
    rng = random.Random(seed)
    while True:
        what = rng.choice(list(chosen))
        with contextlib.suppress(OSError):
            await attack(port, chosen[what], rng)
        counts[what] += 1


class Good:
    """Clients that know what they should get."""

    def __init__(self, port: int, name: str, run: str) -> None:
        self.port, self.name = port, name
        self.images = generators.load(run).sample(SEEDS)
        self.known: dict[int, bytes] = {}
        self.seconds: list[float] = []
        self.wrong: list[str] = []

    async def client(self, seed: int) -> None:
        """Request one image after the other, and sometimes connect anew, until cancelled."""
        rng = random.Random(seed)
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                for _ in range(rng.randrange(1, 200)):
                    await self._one(reader, writer, rng.randrange(SEEDS))
            except (OSError, EOFError, ValueError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}"[:200])
            finally:
                writer.close()

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seed: int
    ) -> None:
        began = time.perf_counter()
        writer.write(post(self.name, b'{"seed": %d}' % seed))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await reader.readexactly(length)
        self.seconds.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 200 "):
            self.wrong.append(f"seed {seed}: {head[:40]!r} {body[:100]!r}")
        elif self.known.setdefault(seed, body) != body or not self._same(seed, body):
            self.wrong.append(f"seed {seed}: another image")

    def _same(self, seed: int, body: bytes) -> bool:
        if self.known[seed] is not body:  # compared when it was the first
            return True
        with Image.open(io.BytesIO(body)) as picture:
            found = np.asarray(picture).astype(int).reshape(self.images[seed].shape)
        return int(np.abs(found - self.images[seed]).max()) <= 1


async def soak(
    service: subprocess.Popen[str], good: Good, numbers: tuple[int, int], seconds: float, seed: int
) -> tuple[list[float], Counter[str]]:
    """Run the clients; return the service's memory each second, in MiB, and the attacks."""
    chosen, counts, memory = attacks(good.name), Counter[str](), []
    tasks = [asyncio.create_task(good.client(seed + i)) for i in range(numbers[0])]
    for i in range(numbers[1]):
        tasks.append(asyncio.create_task(hostile(good.port, chosen, seed + 1000 + i, counts)))
    end = time.monotonic() + seconds
    while time.monotonic() < end and service.poll() is None:
        await asyncio.sleep(1)
        memory.append(resident(service))
        for task in tasks:
            if task.done():
                task.result()  # raises what ended a client
    pending = set(tasks)
    while pending:  # in Python 3.11 `wait_for` may lose a cancellation
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)
    return memory, counts


@contextlib.contextmanager
def log() -> Iterator[io.BufferedRandom]:
    """Send stderr, which the service inherits, to a file."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def report(good: Good, memory: list[float], counts: Counter[str], used: float, text: str) -> None:
    """Print the results."""
    settled = memory[len(memory) // 6 :]
    slope = np.polyfit(np.arange(len(settled)) / 60, settled, 1)[0]
    print(f"good answers             {len(good.seconds):,}, wrong {len(good.wrong)}")
    for each in good.wrong[:5]:
        print(f"  {each}")
    for share in (50, 99, 99.9):
        print(f"p{share:<23} {np.percentile(good.seconds, share) * 1e3:.0f} ms")
    print(f"longest                  {max(good.seconds) * 1e3:.0f} ms")
    print(f"attacks                  {sum(counts.values()):,} of {len(counts)} kinds")
    print(f"MiB, start, end, most    {memory[0]:.1f} {memory[-1]:.1f} {max(memory):.1f}")
    print(f"MiB a minute             {slope:+.2f}, without the first sixth of the time")
    print(f"processor, cores         {used:.2f}; load of the machine {os.getloadavg()[0]:.1f}")
    lines, tracebacks = text.count("\n"), text.count("Traceback")
    print(f"log                      {lines} lines, {tracebacks} tracebacks")
    if tracebacks:
        first = re.split(r"\n(?=\S)", text[text.index("Traceback") :])[:2]
        print("\n".join(first)[-1_500:])


def main() -> int:
    """Run the soak test; return the exit code."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.soak", None, __doc__, formatter_class=plain)
    parser.add_argument("run", nargs="?", help="a run or a checkpoint")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--good", type=int, default=20)
    parser.add_argument("--hostile", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, log() as file:
        run = given.run or str(untrained(SIZE, Path(folder)))
        with serving(run) as (service, port, name):
            good, own, began = Good(port, name, run), processor(service), time.monotonic()
            numbers = given.good, given.hostile
            work = soak(service, good, numbers, given.minutes * 60, given.seed)
            memory, counts = asyncio.run(work)
            used = (processor(service) - own) / (time.monotonic() - began)
        file.seek(0)
        text = file.read().decode(errors="replace")
    report(good, memory, counts, used, text)
    return 1 if good.wrong or "Traceback" in text else 0


if __name__ == "__main__":
    sys.exit(main())
