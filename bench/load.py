"""Load test of the service: python -m bench.load, on loopback, clients in another process.

Keep-alive connections request one image at a time. Printed are errors, latencies, images a second
beside those of `ganbaru generate` in-process (batches of as many images as connections), and the
service's memory over time. On a shared machine, compare processor time rather than images a second.

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


# --- clients, in a process of their own ---------------------------------------------------------


class Client(asyncio.Protocol):
    """A connection that requests the next seed after each response.

    Without a client library, which would use more processor time than the service.
    """

    def __init__(self, name: str, first: int, results: dict[str, Any]) -> None:
        self.name, self.seed, self.results = name, first, results
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        place = self.received.find(b"content-length: ") + 16
        length = int(self.received[place : self.received.find(b"\r", place)])
        if len(self.received) < head + 4 + length:
            return
        right = self.received.startswith(b"HTTP/1.1 200") and b"\x89PNG" in self.received
        self.results["seconds" if right else "errors"].append(time.perf_counter() - self.sent)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.results["done"]:
            self.results["errors"].append(0.0)

    def _send(self) -> None:
        self.received, self.seed = b"", self.seed + 1
        body = b'{"seed": %d}' % self.seed
        self.sent = time.perf_counter()
        self.transport.write(
            b"POST /api/models/%s/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            b"application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (self.name.encode(), len(body), body)
        )


async def load(port: int, name: str, connections: int, seconds: float) -> dict[str, Any]:
    """Request images for `seconds`, after a second of warm-up; return the results."""
    results: dict[str, Any] = {"seconds": [], "errors": [], "done": False}
    loop = asyncio.get_running_loop()
    for i in range(connections):
        await loop.create_connection(
            lambda i=i: Client(name, i * 10**6, results), "127.0.0.1", port
        )
    await asyncio.sleep(1)
    warm, began, own = len(results["seconds"]), time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    took = results["seconds"][warm:]
    elapsed = time.perf_counter() - began
    results["done"] = True
    return {
        "requests": len(took),
        "errors": len(results["errors"]),
        "images/s": len(took) / elapsed,
        "p50": float(np.percentile(took, 50)),
        "p99": float(np.percentile(took, 99)),
        "worst": max(took),
        "processor µs, load": (time.process_time() - own) / len(took) * 1e6,
    }


# --- the service, and generation in-process ----------------------------------------------------


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
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{service.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmRSS")


def processor(service: subprocess.Popen[str]) -> float:
    """Return the processor time of a process in seconds."""
    fields = Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_process(run: str, batch: int, seconds: float) -> dict[str, float]:
    """Return images a second of generation in this process, in memory and as PNG files.

    Also the processor time for an image in memory.
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
        images = each_seed(generator, batch, first, None, truncation=1.0, progress=lambda *_: None)
        writer(folder)(folder, images)

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "images"
        own = time.process_time()
        in_memory = rate(lambda first: generator.sample(batch, first))
        own = (time.process_time() - own) / (in_memory * seconds)
        return {
            "in memory": in_memory,
            "as PNG files": rate(written),
            "processor µs, in memory": own * 1e6,
        }


def measure(run: str, connections: int, seconds: float) -> dict[str, Any]:
    """Load the service, between two measurements of generation in-process."""
    before = in_process(run, connections, seconds / 12)
    memory = []
    with serving(run) as (service, port, name):
        command = [
            sys.executable,
            "-m",
            "bench.load",
            "--port",
            str(port),
            "--name",
            name,
            "--connections",
            str(connections),
            "--seconds",
            str(seconds),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            own, began = processor(service), time.perf_counter()
            while clients.poll() is None:
                memory.append(resident(service))
                time.sleep(min(1.0, seconds / 10))
            own = (processor(service) - own) / (time.perf_counter() - began)
            assert clients.stdout
            found = json.loads(clients.stdout.read())
    after = in_process(run, connections, seconds / 12)
    rates = {key: (before[key] + after[key]) / 2 for key in before}
    settled = memory[len(memory) // 6 :]  # without the start
    shares = {
        f"share of {key}": found["images/s"] / rates[key] for key in ("in memory", "as PNG files")
    }
    return {
        **found,
        **rates,
        **shares,
        "processor µs, service": own / found["images/s"] * 1e6,
        "MiB": memory[-1],
        "MiB least": min(settled),
        "MiB most": max(settled),
    }


def main() -> None:
    """Measure, or run the clients."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.load", None, __doc__, formatter_class=plain)
    parser.add_argument("run", nargs="?", help="a run or a checkpoint")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.port:
        found = asyncio.run(load(given.port, given.name, given.connections, given.seconds))
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or str(untrained(SIZE, Path(folder)))
        for name, value in measure(run, given.connections, given.seconds).items():
            print(f"{name:24} {value:,.4g}")


if __name__ == "__main__":
    main()
