"""A service in a process of its own, and its clients."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image
from train_helpers import background, until

for needed in ("fastapi", "uvicorn", "httptools", "sse_starlette"):
    pytest.importorskip(needed)


class Service(NamedTuple):
    """A serving process, its port and its output at the start."""

    process: subprocess.Popen
    port: int
    output: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)

    def end(self, signal: int) -> tuple[int, str, str]:
        """Send a signal; return the exit code and the output since the start."""
        self.process.send_signal(signal)
        out, err = self.process.communicate(timeout=300)
        return self.process.returncode, out, err


@contextlib.contextmanager
def serving(
    *runs: Path, options: tuple = (), cwd: Path, key: str = "", path: Path | None = None
) -> Iterator[Service]:
    """Serve runs at a free port; modules in the folder `path` take the place of installed ones."""
    environment = {**os.environ, "GANBARU_KEY": key, "OMP_NUM_THREADS": "1"}
    paths = [str(path or ""), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with background("serve", *runs, "--port", 0, *options, cwd=cwd, env=environment) as process:
        assert process.stdout
        first = process.stdout.readline()
        found = re.search(r":(\d+)/", first)
        assert found, (first, process.communicate())
        output = first + "".join(process.stdout.readline() for _ in runs)
        service = Service(process, int(found.group(1)), output)
        with service.client() as client:
            until(lambda: _ready(client), process)
        yield service


@contextlib.contextmanager
def running(*runs: Path, **limits: Any) -> Iterator[tuple[int, Any]]:
    """Serve runs in a thread of this process; yields the port and the service."""
    from ganbaru.serve import catalog, server
    from ganbaru.serve.limits import Limits
    from ganbaru.serve.service import Service

    service = Service(catalog.load([str(run) for run in runs]), Limits(**limits))
    listening, interrupted = server.listen("127.0.0.1", 0), threading.Event()
    port = listening.getsockname()[1]
    application = server.app.application(service)
    own = server.Server(service, application, interrupted.is_set)
    thread = threading.Thread(target=own.run, args=([listening],))
    thread.start()
    try:
        yield port, service
    finally:
        interrupted.set()
        thread.join()


def connect(port: int, *sent: bytes, pause: float = 0.0) -> socket.socket:
    """Open a connection and send pieces."""
    found = socket.create_connection(("127.0.0.1", port), timeout=30)
    for piece in sent:
        found.sendall(piece)
        time.sleep(pause)
    return found


def received(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    while part := connection.recv(2**16):
        parts.append(part)
    return b"".join(parts)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def pixels(content: bytes) -> np.ndarray:
    """Return an image (H, W, C) as integers."""
    with Image.open(io.BytesIO(content)) as picture:
        array = np.asarray(picture).astype(int)
    return array if array.ndim == 3 else array[:, :, None]


def problem(answer: httpx.Response, status: int) -> str:
    """Check that a response is a problem document of a status; return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status and found["title"] and found["type"] == "about:blank"
    assert "Traceback" not in answer.text
    return found["detail"]
