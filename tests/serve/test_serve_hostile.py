"""The service and hostile clients: what a refusal costs, malformed HTTP, floods, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import signal
import socket
import struct
import time

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_helpers import connect, received, running, serving
from train_helpers import needs_posix

from ganbaru.cli import serve as command
from ganbaru.errors import InputError
from ganbaru.serve import (
    bodies,
    catalog,
    events,
    log,
    models,
    protocol,
    run_status,
    schemas,
    server,
)
from ganbaru.serve.limits import Limits
from ganbaru.serve.problems import ProblemError
from ganbaru.serve.service import Service

MB = 2**20
HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"
ALIVE = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /api/models/run/%s HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
IMAGES = POST % b"images"
CHUNKED = IMAGES + b"Transfer-Encoding: chunked\r\n" + CLOSE
GOOD = IMAGES + b"Content-Length: 11\r\n\r\n" + b'{"seed": 1}'


@pytest.fixture(scope="module")
def run(trained_run):
    return trained_run(steps=2)


@pytest.fixture(scope="module")
def served(run):
    with running(run) as found:
        yield found


def statuses(port: int, sent: bytes) -> list[int]:
    """Return the statuses of all responses, up to the end of the connection."""
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):  # refused before it was sent, and answered
            connection.sendall(sent)
        return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", received(connection))]


# --- what a refusal costs -----------------------------------------------------------------------


def filled(before: bytes, item: bytes, after: bytes, size: int = MB) -> bytes:
    return (
        before + item * ((size - len(before + after)) // len(item) - 1) + item.rstrip(b",") + after
    )


BODIES = {
    "seeds -1": filled(b'{"seeds": [', b"-1,", b"]}"),
    "seeds -1, fewer": filled(b'{"seeds": [', b"-1,", b"]}", 3 * bodies.VALUES),
    "seeds 1e999": filled(b'{"seeds": [', b"1e999,", b"]}"),
    "seeds 1, fewer": filled(b'{"seeds": [', b"1,", b"]}", 2 * bodies.VALUES),
    "labels null": filled(b'{"labels": [', b"null,", b"]}", 5 * bodies.VALUES),
    "labels 1": filled(b'{"labels": [', b"1,", b"]}", 2 * bodies.VALUES),
    "latents []": filled(b'{"latents": [', b"[],", b"]}"),
    "latents [], fewer": filled(b'{"latents": [', b"[],", b"]}", 3 * bodies.PARTS),
    "latents of text": filled(b'{"latents": [[', b'"",', b"]]}", 3 * bodies.VALUES),
    "fields": b"{%s}" % b",".join(b'"%x":1' % i for i in range(100_000)),
    "fields, fewer": b"{%s}" % b",".join(b'"%x":1' % i for i in range(bodies.PARTS)),
    "lists in lists": b"[" * MB,
    "objects in objects": b'{"a":' * (MB // 5),
    "digits": b'{"seed": %s}' % (b"9" * (MB - 20)),
    "long numbers": filled(b'{"seeds": [', b"9" * 4300 + b",", b"]}"),
    "a long label": b'{"labels": "%s"}' % (b"x" * (MB - 20)),
    "a long number as label": b'{"labels": "%s"}' % (b"7" * (MB - 20)),
    "a long field": b'{"%s": 1}' % (b"k" * (MB - 20)),
    "a superscript": '{"labels": "\u00b2"}'.encode(),
    "blank": b" " * MB,
    "no UTF-8": b"\xff" * MB,
    "surrogates": filled(b'{"format": "', b"\\ud800", b'"}'),
    "an open text": b'"' * (MB - 1),
}


@pytest.mark.parametrize("what", [b"images", b"morphs"])
@pytest.mark.parametrize("name", BODIES)
def test_a_refusal_of_1_mb_costs_less_than_50_ms(served, name, what):
    """The processor's time of client and service; the best of three, as others use the machine."""
    body = BODIES[name]
    sent = POST % what + b"Content-Length: %d\r\n" % len(body) + CLOSE + body
    costs = []
    for _ in range(3):
        began = time.process_time()
        with connect(served[0], sent) as connection:
            answer = received(connection)
        costs.append(time.process_time() - began)
        head, _, document = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] in (b"413", b"422"), head
        assert len(answer) < 10_000 and json.loads(document)["detail"]
        if costs[-1] < 0.05:
            break
    assert min(costs) < 0.05


ITEMS = st.sampled_from(["-1", "1", "0.5", "1e999", "null", '""', '"a"', "[]", "{}", "[1]", '[""]',
                         '{"a":1}', "[[[]]]", "true", "NaN", '"\\u00e9"', "9" * 40])  # fmt: skip
PLACES = st.sampled_from(["seeds", "latents", "labels", "count", "format", "columns", "other"])


@given(st.lists(ITEMS, min_size=1, max_size=5), PLACES, st.sampled_from(list(schemas.BODIES)))
@settings(max_examples=10)
def test_any_long_list_is_refused_at_once(items, place, what):
    item = ",".join(items).encode() + b","
    for size in (MB, 150_000):
        body = filled(b'{"%s": [' % place.encode(), item, b"]}", size)
        costs = []
        for _ in range(3):
            began = time.process_time()
            try:
                bodies.parsed(body, "application/json", schemas.BODIES[what])
            except ProblemError as error:
                assert len(error.response().body) < 10_000
            costs.append(time.process_time() - began)
        assert min(costs) < 0.05


def test_the_largest_body_of_a_program_is_accepted(served):
    """256 latents of 8 numbers with 17 digits, and a label for each, in a text with a mark."""
    latents = [[i / 7 + k / 3 for k in range(8)] for i in range(256)]
    body = json.dumps({"latents": latents, "labels": ["2"] * 256, "format": "zip"})
    url = f"http://127.0.0.1:{served[0]}/api/models/run/images"
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    for content in (body.encode(), b"\xef\xbb\xbf" + body.encode()):
        assert httpx.post(url, content=content, headers=kind, trust_env=False).status_code == 200
    numbers = json.dumps({"latents": [[0.123] * 512] * 256}, separators=(",", ":"))
    assert len(numbers) < MB
    assert (
        len(bodies.parsed(numbers.encode(), "application/json", schemas.ImageRequest).latents)
        == 256
    )


# --- malformed and large HTTP -------------------------------------------------------------------

LARGE = b"a" * 100_000
HTTP = [
    *((ALIVE + b"X: " + b"a" * size + b"\r\n" + CLOSE, [431]) for size in (66_000, 100_000, MB)),
    (ALIVE + LARGE + b": a\r\n" + CLOSE, [431]),
    (ALIVE + b"X: a\r\n" * 300 + CLOSE, [431]),
    (b"GET /%s HTTP/1.1\r\n" % LARGE + HOST + CLOSE, [431]),
    (CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 300 + b"\r\n", [431]),
    (CHUNKED + b"1\r\n \r\n" * 30_000, [413]),
    (ALIVE + HOST + CLOSE, [400]),
    (b"GET HTTP://LocalHost/health/live HTTP/1.1\r\n" + HOST + CLOSE, [200]),
    *(
        (b"GET %s HTTP/1.1\r\n" % form + HOST + CLOSE, [400])
        for form in (b"http://elsewhere.example/", b"ftp://localhost/", b"http://a@localhost/",
                     b"http://localhost:1/", b"localhost:80", b"*", b"http:/", b"/\xff", b"/\0")
    ),
    (IMAGES + b"Content-Length: 2\r\nContent-Length: 2\r\n" + CLOSE + b"{}", [400]),
    (IMAGES + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"0\r\n\r\n", [400]),
    *(
        (IMAGES + b"Transfer-Encoding: %s\r\n" % coding + CLOSE + b"2\r\n{}\r\n0\r\n\r\n", [400])
        for coding in (b"gzip, chunked", b"chunked, chunked", b"xchunked", b"identity", b"gzip")
    ),
    *(
        (IMAGES + b"Content-Length: %s\r\n" % length + CLOSE + b"{}", [400])
        for length in (b"-2", b"+2", b"0x2", b"2, 2", b"9" * 40, b"2\0")
    ),
    *((CHUNKED + size + b"\r\n{}\r\n0\r\n\r\n", [400]) for size in (b"zz", b"-2", b"f" * 17)),
    (CHUNKED + b"2\r\n{}\r\n0\r\nHost: elsewhere.example\r\n\r\n", [200]),  # no header
    (ALIVE + b"X: a\0b\r\n" + CLOSE, [400]),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    (ALIVE + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", [200]),
    (IMAGES + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}", [400]),
    (GOOD + b"\x01\x02\r\n\r\n", [200, 400]),  # in the order of the requests
    (GOOD + ALIVE + b"X: " + LARGE + b"\r\n" + CLOSE, [200, 431]),
    (GOOD + GOOD + CHUNKED.replace(CLOSE, b"\r\n") + b"zz\r\n", [200, 200, 400]),
    (GOOD * 3 + ALIVE + CLOSE, [200] * 4),
    ((ALIVE + b"\r\n") * 3000, [200] * (protocol.WAITING + 2) + [429]),
]  # fmt: skip


@pytest.mark.parametrize("sent,expected", HTTP, ids=range(len(HTTP)))
def test_every_request_gets_one_answer_in_order(served, sent, expected):
    assert statuses(served[0], sent) == expected


def test_a_late_request_behind_another_gets_408_after_its_answer(run):
    with running(run, arriving=0.3) as (port, _):
        for begun in (ALIVE, IMAGES + b"Content-Length: 9\r\n\r\n{}", b"P"):
            began = time.monotonic()
            assert statuses(port, GOOD + begun) == [200, 408]
            assert time.monotonic() - began < 3


# --- floods -------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [b"", ALIVE + b"\r\n"], ids=["alone", "another behind it"])
def test_streams_opened_at_once_are_limited_and_their_places_come_back(run, monkeypatch, behind):
    monkeypatch.setattr(events.Stream, "DEFAULT_PING_INTERVAL", 0.05)  # finds clients that are gone
    request = b"GET /events HTTP/1.1\r\n" + HOST + b"\r\n" + behind
    with running(run, streams=3) as (port, service):
        for _ in range(2):
            opened = [connect(port, request) for _ in range(12)]
            first = [one.recv(100).split(b" ")[1] for one in opened]
            assert (first.count(b"200"), first.count(b"503"), service.streams) == (3, 9, 3)
            for one in opened:  # half of them with a reset
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            for _ in range(20):  # gone before the response begins
                connect(port, request).close()
            assert statuses(port, ALIVE + CLOSE) == [200]  # so these have been accepted
            deadline = time.monotonic() + 20
            while service.streams and time.monotonic() < deadline:
                time.sleep(0.02)
            assert service.streams == 0


async def _ending_a_reset_connection() -> list[str]:
    """End a connection whose client reset it, before the event loop has noticed."""
    loop, faults = asyncio.get_running_loop(), []
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    accepted = listening.accept()[0]
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
    transport.pause_reading()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    listening.close()
    with pytest.raises(OSError):  # or this would not be the case in question
        accepted.shutdown(socket.SHUT_WR)
    loop.set_exception_handler(lambda loop, context: faults.append(context["message"]))
    packet = protocol.OnePacket(transport, loop)
    packet.write_eof()  # as between its answer's bytes and their end
    packet.close()
    await asyncio.sleep(0)
    return faults


@needs_posix
def test_a_client_that_resets_the_connection_causes_no_error():
    assert asyncio.run(_ending_a_reset_connection()) == []


def test_connections_above_the_limit_get_503(run):
    with running(run, connections=3) as (port, _):
        idle = [connect(port) for _ in range(3)]
        assert statuses(port, ALIVE + CLOSE) == [503]
        for one in idle:
            one.close()
        time.sleep(0.2)
        assert statuses(port, ALIVE + CLOSE) == [200]


@needs_posix
@pytest.mark.parametrize(
    "soft,hard,expected",
    [(256, 256, 1), (1024, 1024, 640), (1024, 2**20, 1024), (1024, -1, 1024), (-1, -1, 1024)],
)
def test_connections_leave_files_for_the_rest(monkeypatch, soft, hard, expected):
    import resource

    changed = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, found: changed.append(found))
    assert server.connections(1024) == expected
    assert all(new <= hard or hard < 0 for new, _ in changed)


def test_the_log_has_a_bounded_number_of_clean_lines(caplog, monkeypatch):
    now = [0.0]
    bounded = log.Bounded(lambda: now[0])
    logger = log.LOGGERS[0]
    monkeypatch.setattr(logger, "filters", [bounded])  # in place of those of running services
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            logger.warning("bad \x1b[31m %s", "\r\u0085\u2028\u202e")
        logger.error("another level")
        assert len(caplog.records) == log.MOST + 1
        now[0] += log.PERIOD
        bounded.report()
        bounded.report()
        assert len(caplog.records) == log.MOST + 2
        assert str(1000 - log.MOST) in caplog.messages[-1]
        logger.warning("again")
    assert caplog.messages[-1] == "again"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", "".join(caplog.messages))


# --- the key's file -----------------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize(
    "mode,warned", [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o620, 1)]
)
def test_a_key_that_others_can_read_is_warned_about_once(tmp_path, capsys, mode, warned):
    file = tmp_path / "key.txt"
    file.write_text("a-key-of-more-than-sixteen\n")
    file.chmod(mode)
    assert command._key(str(file)) == "a-key-of-more-than-sixteen"
    message = capsys.readouterr().err
    assert message.count("\n") == warned and message.count("chmod 600") == warned
    assert "a-key" not in message


# --- damage of one run --------------------------------------------------------------------------

ERRORS = [
    InputError("damaged"),
    KeyError("x"),
    MemoryError(),
    struct.error("short"),
    OSError(5, "io"),
    RecursionError(),
    UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_one_run_stays_its_own(run, monkeypatch, error):
    """Its checkpoint and its files cannot be read; another run's are."""
    entries = catalog.load([str(run), str(run)])
    one, other = entries.values()
    service, load = Service(entries, Limits()), models.load
    before = one.model
    one._tried = other._tried = None  # as if both had a newer checkpoint
    failed = []

    def loaded(path, trust):
        if not failed:
            failed.append(path)
            raise error
        return load(path, trust)

    def read(watcher):
        if watcher is one.watcher:
            raise error
        return status

    status = other.watched().status()
    monkeypatch.setattr(models, "load", loaded)
    monkeypatch.setattr(run_status.RunWatcher, "_read", read)
    monkeypatch.setattr(run_status, "PAUSE", 0.0)
    newer = other.model

    async def watch() -> tuple[httpx.Response, ...]:
        watching = asyncio.create_task(service.refresh())
        while other.model is newer:
            await asyncio.sleep(0.01)
        transport = httpx.ASGITransport(server.app.application(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = [await client.get(path) for path in ("/", f"/runs/{one.name}", "/api/models")]
        assert not watching.done()
        watching.cancel()
        return tuple(found)

    start, page, models_ = asyncio.run(watch())
    service.close()
    assert (one.problem, other.problem, one.model is before) == (True, False, True)
    assert start.status_code == page.status_code == 200
    assert start.text.count('data-state="unreadable"') == 1 and status.state in start.text
    assert 'data-state="unreadable"' in page.text
    assert ["problem" in each for each in models_.json()["models"]] == [True, False]


def test_a_line_that_fits_no_text_makes_its_run_unreadable(run, monkeypatch):
    from ganbaru.report.translations import TRANSLATIONS
    from ganbaru.serve import view_model

    status = run_status.RunWatcher(catalog.load([str(run)])["run"].watched().folder).status()
    monkeypatch.setattr(view_model, "clock", lambda seconds: 1 / 0)
    assert view_model.full(status, TRANSLATIONS["en"])["state"] == "unreadable"


# --- the end ------------------------------------------------------------------------------------


@needs_posix
def test_requests_that_have_arrived_are_answered_after_sigterm(run, tmp_path):
    """All are in the kernel before the service runs again: new connections, kept and pipelined."""
    with serving(run, cwd=tmp_path) as service:
        kept = [connect(service.port, GOOD) for _ in range(15)]
        for one in kept:
            assert b"200 OK" in one.recv(2**16)
        service.process.send_signal(signal.SIGSTOP)
        new = [connect(service.port) for _ in range(15)]
        for one in (*new, *kept):
            one.sendall(GOOD * 3)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        service.process.send_signal(signal.SIGCONT)
        answers = [received(one) for one in (*new, *kept)]
        for one in (*new, *kept):
            one.close()
        _, err = service.process.communicate(timeout=300)
    assert [answer.count(b"HTTP/1.1 200 OK") for answer in answers] == [3] * 30
    assert all(answer.count(b"connection: close") == 1 for answer in answers)
    assert (service.process.returncode, err) == (143, "")
