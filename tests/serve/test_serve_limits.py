"""The service under overload, with slow clients, without the key, and at shutdown."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time

import httpx
import pytest
from serve_helpers import connect, problem, received, running, serving
from train_helpers import needs_posix, trained

from ganbaru.sampling import generators
from ganbaru.serve import batching, catalog, limits, server
from ganbaru.serve.problems import ProblemError
from ganbaru.serve.service import Service

IMAGES = "/api/models/run/images"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    trained(folder, steps=2)
    return folder


# --- too much -----------------------------------------------------------------------------------


def test_requests_over_the_queue_limit_get_429_and_accepted_ones_finish(home):
    body = {"count": 32, "format": "json"}

    async def flood(url: str) -> list[httpx.Response]:
        pool = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=url, timeout=60, trust_env=False, limits=pool
        ) as client:
            return await asyncio.gather(*(client.post(IMAGES, json=body) for _ in range(40)))

    with serving(home / "run", cwd=home, options=("--queue", 128)) as service:
        answers = asyncio.run(flood(service.url))
        accepted = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(accepted) >= 4 and len(refused) >= 10 and len(accepted) + len(refused) == 40
        assert all(len(answer.json()["images"]) == 32 for answer in accepted)
        for answer in refused:
            assert "128" in problem(answer, 429)
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        with service.client() as client:  # and the queue is free again
            assert client.post(IMAGES, json=body).status_code == 200


def test_places_in_the_queue_are_released_after_errors():
    admission = limits.Admission(limits.Limits(queue=10))
    with admission.place(25):  # larger than the queue, but nothing else waits
        assert admission.waiting == 25
        with pytest.raises(ProblemError) as refused, admission.place(1):
            pass
        assert refused.value.status_code == 429
    with pytest.raises(ZeroDivisionError), admission.place(4):
        _ = 1 / 0
    assert admission.waiting == 0


def test_retry_after_follows_from_the_rate_of_working(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    admission = limits.Admission(limits.Limits(queue=1000))
    for begun in (100.0, 900.0):  # idle for long in between
        now[0] = begun
        with admission.place(800):
            with admission.place(50):
                now[0] += 0.5  # 100 images a second
            assert admission.seconds_left() == 8


def test_requests_are_batched_by_model_and_late_ones_refused(home):
    entries = catalog.load([str(home / "run"), str(home / "run")])
    assert list(entries) == ["run", "run-2"]
    models = [entry.ready() for entry in entries.values()]
    given = models[0].generator.latents(range(3))
    batches = []

    async def request(batcher: batching.Batcher) -> list:
        compute = batcher._compute

        def watched(jobs, loop):
            batches.append([(models.index(job.model), len(job.latents)) for job in jobs])
            compute(jobs, loop)

        batcher._compute = watched
        soon, late = time.monotonic() + 30, 0.0
        requests = [(0, 3, soon), (1, 2, soon), (0, 1, late), (0, 30, soon), (0, 29, soon)]
        jobs = (
            batcher.make(
                models[which],
                given[:1].repeat(count, axis=0),
                models[which].weights(models[which].generator.labels(range(count)), count),
                until,
            )
            for which, count, until in requests
        )
        return await asyncio.gather(*jobs, return_exceptions=True)

    batcher = batching.Batcher()
    found = asyncio.run(request(batcher))
    batcher.close()
    assert batches == [[(0, 3), (0, 29)], [(1, 2)], [(0, 30)]]
    assert [len(images) for i, images in enumerate(found) if i != 2] == [3, 2, 30, 29]
    assert isinstance(found[2], ProblemError) and found[2].status_code == 503


def test_an_error_in_the_thread_reaches_its_request_and_the_next_succeeds(home):
    (model,) = (entry.ready() for entry in catalog.load([str(home / "run")]).values())
    latents, weights = model.generator.latents([0]), model.weights(None, 1)[:, :0]

    async def request() -> list:
        batcher = batching.Batcher()
        until = time.monotonic() + 30
        wrong = await asyncio.gather(
            batcher.make(model, latents[:, :2], weights, until), return_exceptions=True
        )
        right = model.weights(model.generator.labels([0]), 1)
        accepted = await batcher.make(model, latents, right, until)
        batcher.close()
        return [*wrong, accepted]

    wrong, accepted = asyncio.run(request())
    assert isinstance(wrong, Exception)
    assert abs(accepted.astype(int) - generators.load(home / "run").sample(1)).max() <= 1


def test_an_internal_error_is_a_problem_document(short_deadlines, monkeypatch):
    port, service = short_deadlines

    async def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(service.batcher, "make", fail)
    address = f"http://127.0.0.1:{port}{IMAGES}"
    assert "log" in problem(httpx.post(address, json={}, trust_env=False), 500)
    assert service.admission.waiting == 0


# --- too slow -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_deadlines(home):
    """Serve in a thread, with short deadlines."""
    with running(home / "run", arriving=0.5, seconds=2.0, head=4096, streams=2) as found:
        yield found


HEAD = (
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % IMAGES.encode()
)


@pytest.mark.parametrize(
    "sent", [b"", b"POST", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{}"], ids=len
)
def test_a_slow_sender_gets_408(short_deadlines, sent):
    began = time.monotonic()
    with connect(short_deadlines[0], sent) as connection:
        answer = received(connection)
    assert 0.4 < time.monotonic() - began < 5
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ") and b"connection: close" in head
    assert b"x-content-type-options: nosniff" in head.lower()
    assert "0.5 seconds" in json.loads(body)["detail"]


def test_a_trickle_does_not_extend_the_deadline(short_deadlines):
    began = time.monotonic()
    with connect(short_deadlines[0], *(HEAD[i : i + 1] for i in range(4)), pause=0.1) as connection:
        assert received(connection).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 0.85  # from the first byte, not from the last


def test_long_headers_are_refused(short_deadlines):
    with connect(short_deadlines[0], HEAD + b"X-Long: " + b"x" * 5000) as connection:
        assert received(connection).startswith(b"HTTP/1.1 431 ")


def test_a_client_that_reads_nothing_is_disconnected(short_deadlines):
    port, service = short_deadlines
    body = json.dumps({"count": 256, "format": "json"}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall((HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) * 60)
        deadline = time.monotonic() + 30
        with pytest.raises((ConnectionError, TimeoutError)):
            while time.monotonic() < deadline:
                time.sleep(0.2)
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert time.monotonic() < deadline
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.get("/health/ready").status_code == 200
    assert service.admission.waiting == 0


def test_malformed_http_is_refused(short_deadlines):
    with connect(short_deadlines[0], b"\x16\x03\x01 nonsense\r\n\r\n") as connection:
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"nosniff" in answer.lower()


@pytest.mark.parametrize(
    "line,hosts,status",
    [
        (b"/health/live", [b"localhost"], 200),
        (b"http://localhost:8000/health/live", [b"localhost:8000"], 200),
        (b"/health/live", [], 400),
        (b"/health/live", [b"localhost", b"localhost"], 400),
        (b"http://elsewhere.example/health/live", [b"localhost"], 400),
        (b"http://localhost", [b"localhost"], 400),
        (b"*", [b"localhost"], 400),
        (b"/health/live", [b"elsewhere.example"], 421),
        (b"http://elsewhere.example/health/live", [b"elsewhere.example"], 421),
        (b"/health/live", [b"[::1]:80"], 200),
        (b"/health/live", [b"[::1"], 421),
    ],
)
def test_a_request_has_one_host_which_is_this_computer(short_deadlines, line, hosts, status):
    head = b"".join(b"Host: %s\r\n" % host for host in hosts)
    with connect(
        short_deadlines[0], b"GET %s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (line, head)
    ) as found:
        answer = received(found)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert status == 200 or json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status


def test_event_streams_are_limited(short_deadlines):
    port, service = short_deadlines
    request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    open_ones = [connect(port, request) for _ in range(2)]
    try:
        for one in open_ones:
            assert b"HTTP/1.1 200" in one.recv(2**16)
        third = httpx.get(f"http://127.0.0.1:{port}/events", trust_env=False)
        assert "2 event streams" in problem(third, 503)
    finally:
        for one in open_ones:
            one.close()
    deadline = time.monotonic() + 20
    while service.streams and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.streams == 0


# --- the key ----------------------------------------------------------------------------------

KEY = "a-key-of-more-than-sixteen"


def test_the_key_is_required_in_either_scheme(home):
    with serving(home / "run", cwd=home, key=KEY) as service, service.client() as client:
        for path in ("/", "/api/models", "/openapi.json", "/static/live.js", "/events"):
            answer = client.get(path)
            assert "KEY" in problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Basic ")
        for body in (b"{}", b"{", b" " * 2**21):  # the key is checked before the body
            headers = {"Content-Type": "application/json"}
            assert problem(client.post(IMAGES, content=body, headers=headers), 401)
        assert problem(client.get("/nowhere"), 401)
        for wrong in ("Bearer wrong", f"Bearer {KEY}x", "Basic ###", f"Digest {KEY}", "Bearer é"):
            assert problem(
                client.get("/api/models", headers={"Authorization": wrong.encode()}), 401
            )
        bearer = {"Authorization": f"Bearer {KEY}"}
        assert client.post(IMAGES, json={}, headers=bearer).status_code == 200
        assert client.get("/", auth=("anybody", KEY)).status_code == 200
        assert client.get("/health/live").status_code == 200
        code, _, err = service.end(signal.SIGTERM)
    assert KEY not in service.output + err


@pytest.mark.parametrize("key,message", [("", "GANBARU_KEY"), (KEY, "TLS")])
def test_listening_on_all_addresses_is_warned_about(home, key, message):
    entries = catalog.load([str(home / "run")])
    service = Service(entries, limits.Limits())
    with server.listen("0.0.0.0", 0) as open_to_all, server.listen("127.0.0.1", 0) as own:
        assert message in server.opening(service, open_to_all, "0.0.0.0", key)
        assert message not in server.opening(service, own, "127.0.0.1", key)
        assert not server.is_loopback(open_to_all) and server.is_loopback(own)
    service.close()


# --- the end ------------------------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize(
    "number,code",
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.extended)],
)
def test_a_signal_lets_accepted_requests_finish(home, number, code):
    body = json.dumps({"frames": 240, "size": 256}).encode()
    head = HEAD.replace(b"/images", b"/morphs")
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with serving(home / "run", cwd=home) as service:
        with connect(service.port, request) as film, connect(service.port) as page:
            page.sendall(b"GET /runs/run/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            seen = b""
            while b"retry" not in seen:
                seen += page.recv(2**16)
            time.sleep(0.2)
            service.process.send_signal(number)
            answer = received(film)
            received(page)
        out, err = service.process.communicate(timeout=300)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b";")  # a GIF's trailer
    assert len(answer) > 100_000
    assert (service.process.returncode, err) == (code, "")
    assert out.startswith("Stopped.") and out.count("\n") == 1
    with pytest.raises(ConnectionRefusedError):
        connect(service.port)
