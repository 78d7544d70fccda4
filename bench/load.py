"""The service under load: python -m bench.load, on loopback, the load from another process.

Connections that stay open ask for a single image each, again and again. Told are errors, how long
an answer takes, images a second beside what `ganbaru generate` reaches in-process in batches of as
many images as there are connections, and the service's memory over time. Where other work shares
the machine, the processor's time for an image says more than images a second do.

python -m bench.load                      60 seconds, 32 connections, an untrained 28x28 model
python -m bench.load RUN --seconds 10     another model, or less time
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru.sampling import generators
from ganbaru.sampling.writers import each_seed, writer

from .sampling import untrained
from .scale import Size

SIZE = Size(size=28, channels=1, width=32, batch=32)


# --- the load, in a process of its own ----------------------------------------------------------


class Asker(asyncio.Protocol):
    """A connection that asks for the next seed as soon as it has an answer.

    Written by hand: a client library would take more of the machine than the service does.
    """

    def __init__(self, name: str, first: int, seen: dict[str, Any]) -> None:
        self.name, self.seed, self.seen = name, first, seen
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head = self.answer.find(b"\r\n\r\n")
        if head < 0:
            return
        place = self.answer.find(b"content-length: ") + 16
        length = int(self.answer[place : self.answer.find(b"\r", place)])
        if len(self.answer) < head + 4 + length:
            return
        right = self.answer.startswith(b"HTTP/1.1 200") and b"\x89PNG" in self.answer
        self.seen["seconds" if right else "errors"].append(time.perf_counter() - self.asked)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.seen["done"]:
            self.seen["errors"].append(0.0)

    def _ask(self) -> None:
        self.answer, self.seed = b"", self.seed + 1
        body = b'{"seed": %d}' % self.seed
        self.asked = time.perf_counter()
        self.transport.write(
            b"POST /api/models/%s/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            b"application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (self.name.encode(), len(body), body)
        )


async def load(port: int, name: str, connections: int, seconds: float) -> dict[str, Any]:
    """Ask for so long, after a second to get going, and tell what was seen."""
    seen: dict[str, Any] = {"seconds": [], "errors": [], "done": False}
    loop = asyncio.get_running_loop()
    for i in range(connections):
        await loop.create_connection(lambda i=i: Asker(name, i * 10**6, seen), "127.0.0.1", port)
    await asyncio.sleep(1)
    warm, began, own = len(seen["seconds"]), time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    took = seen["seconds"][warm:]
    elapsed = time.perf_counter() - began
    seen["done"] = True
    return {
        "requests": len(took), "errors": len(seen["errors"]), "images/s": len(took) / elapsed,
        "p50": float(np.percentile(took, 50)), "p99": float(np.percentile(took, 99)),
        "worst": max(took), "processor µs, load": (time.process_time() - own) / len(took) * 1e6,
    }  # fmt: skip


# --- the service, and what it is held against ---------------------------------------------------


@contextlib.contextmanager
def serving(run: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """Serve a run; yield the process, its port and the model's name."""
    command = [sys.executable, "-m", "ganbaru", "serve", run, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        try:
            port = int(service.stdout.readline().split(":")[2].split("/")[0])
            yield service, port, service.stdout.readline().split(":")[0].strip()
        finally:
            service.terminate()


def resident(service: subprocess.Popen[str]) -> float:
    """Return the memory that a process holds, in MiB."""
    for line in Path(f"/proc/{service.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmRSS")


def processor(service: subprocess.Popen[str]) -> float:
    """Return the seconds of the processor that a process has taken."""
    fields = Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_process(run: str, batch: int, seconds: float) -> dict[str, float]:
    """Return the images a second that are made in this process, in memory and as PNG files.

    And the processor's time for an image in memory.
    """
    generator = generators.load(run)
    generator.sample(batch)

    def rate(make: Any) -> float:
        made, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            make(made)
            made += batch
        return made / (time.perf_counter() - began)

    def written(first: int) -> None:
        wanted = each_seed(generator, batch, first, None, truncation=1.0,
                           progress=lambda *told: None)  # fmt: skip
        writer(folder)(folder, wanted)

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "images"
        own = time.process_time()
        in_memory = rate(lambda first: generator.sample(batch, first))
        own = (time.process_time() - own) / (in_memory * seconds)
        return {"in memory": in_memory, "as PNG files": rate(written),
                "processor µs, in memory": own * 1e6}  # fmt: skip


def measure(run: str, connections: int, seconds: float) -> dict[str, Any]:
    """Load the service, between two measurements of what it is held against."""
    before = in_process(run, connections, seconds / 12)
    memory = []
    with serving(run) as (service, port, name):
        order = [sys.executable, "-m", "bench.load", "--port", str(port), "--name", name,
                 "--connections", str(connections), "--seconds", str(seconds)]  # fmt: skip
        with subprocess.Popen(order, stdout=subprocess.PIPE, text=True) as asking:
            own, began = processor(service), time.perf_counter()
            while asking.poll() is None:
                memory.append(resident(service))
                time.sleep(min(1.0, seconds / 10))
            own = (processor(service) - own) / (time.perf_counter() - began)
            assert asking.stdout
            found = json.loads(asking.stdout.read())
    after = in_process(run, connections, seconds / 12)
    rates = {key: (before[key] + after[key]) / 2 for key in before}
    settled = memory[len(memory) // 6 :]  # what comes before is the start
    shares = {f"share of {key}": found["images/s"] / rates[key]
              for key in ("in memory", "as PNG files")}  # fmt: skip
    return {
        **found, **rates, **shares, "processor µs, service": own / found["images/s"] * 1e6,
        "MiB": memory[-1], "MiB least": min(settled), "MiB most": max(settled),
    }  # fmt: skip


def main() -> None:
    """Measure, or be the load."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.load", None, __doc__, formatter_class=plain)
    parser.add_argument("run", nargs="?", help="a run or a checkpoint")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.port:
        found = asyncio.run(load(wanted.port, wanted.name, wanted.connections, wanted.seconds))
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        run = wanted.run or str(untrained(SIZE, Path(folder)))
        for name, value in measure(run, wanted.connections, wanted.seconds).items():
            print(f"{name:24} {value:,.4g}")


if __name__ == "__main__":
    main()
