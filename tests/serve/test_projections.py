"""Pictures that are uploaded: found as by `ganbaru project`, in bounds, beside other requests."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import struct
import threading
import zlib

import httpx
import numpy as np
import pytest
from native_helpers import save
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from serve_helpers import pixels, problem, running

from ganbaru import api, load
from ganbaru.latents import projection
from ganbaru.sampling import directions
from ganbaru.serve import projection_service

PATH = "/api/models/digits"
FIRST = 10**6  # a seed outside the pool of starts


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def own() -> Image.Image:
    """Return an image of the generator, whose search ends soon."""
    return Image.fromarray(load("zoo:digits").sample(1, FIRST)[0, ..., 0])


@pytest.fixture(scope="module")
def service():
    with running("zoo:digits") as (port, _):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(service):
    with httpx.Client(base_url=service, timeout=60, trust_env=False) as client:
        yield client


def test_a_picture_is_found_as_by_project(client, own, tmp_path):
    """One that is larger and in colour; its latent is an image's, and a point of a film."""
    wide = own.convert("RGB").resize((96, 64))
    wide.save(tmp_path / "wide.png")
    answer = client.post(f"{PATH}/projections", json={"picture": encoded(png(wide))})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    expected = api.project("zoo:digits", [tmp_path / "wide.png"], None, progress=False)
    assert_allclose(found["latent"], expected.found.latents[0], atol=1e-6)
    assert found["label"] == expected.found.labels[0] == np.argmax(found["weights"])
    image = pixels(base64.b64decode(found["png"]))
    assert_array_equal(image, expected.found.images[0])
    assert_array_equal(pixels(base64.b64decode(found["picture"])), expected.pictures[0])
    body = {"latents": [found["latent"]], "labels": [found["label"]]}
    assert np.abs(pixels(client.post(f"{PATH}/images", json=body).content) - image).max() <= 1
    ends = {"latents": [found["latent"]] * 2, "labels": [found["label"]] * 2, "size": 16}
    film = client.post(f"{PATH}/morphs", json={**ends, "frames": 2, "format": "apng"})
    assert np.abs(pixels(film.content)[..., :1] - image).max() <= 1


def test_a_given_label_is_kept(client, own):
    body = {"picture": encoded(png(own)), "label": 3}
    answer = client.post(f"{PATH}/projections", json=body)
    assert answer.json()["label"] == 3 and answer.json()["class"] == "3"


def bomb() -> bytes:
    """Return a PNG of 65,535 x 300 pixels in 19 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">2I5B", 65_535, 300, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(300 * 65_536), 9)
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
    return head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def scans() -> bytes:
    """Return a JPEG whose only scan follows 100 empty ones."""
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "JPEG", progressive=True)
    head, mark, rest = stream.getvalue().partition(b"\xff\xda")
    return head + (mark + b"\0\x08\1\1\0\0\0\0") * 100 + mark + rest


def icon() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "ICO")
    return stream.getvalue()


WRONG = {
    "nothing": ({}, "picture"),
    "empty": ({"picture": ""}, "picture"),
    "not base64": ({"picture": "a*b="}, "base64"),
    "not ascii": ({"picture": "é"}, "base64"),
    "a text": ({"picture": encoded(b"some text")}, "PNG, JPEG"),
    "cut": ({"picture": encoded(png(Image.new("L", (64, 64)))[:60])}, "PNG, JPEG"),
    "an icon": ({"picture": encoded(icon())}, "PNG, JPEG"),
    "many pixels": ({"picture": encoded(bomb())}, "8,388,608"),
    "many scans": ({"picture": encoded(scans())}, "scans"),
    "a label": ({"picture": encoded(png(Image.new("L", (9, 9)))), "label": "cat"}, "cat"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_pictures_are_refused(client, case):
    body, said_of = WRONG[case]
    assert said_of in problem(client.post(f"{PATH}/projections", json=body), 422)


def test_films_have_points_of_one_kind(client):
    body = {"seeds": [1, 2], "latents": [[0.0] * 32] * 2}
    assert "latents" in problem(client.post(f"{PATH}/morphs", json=body), 422)
    assert "32" in problem(client.post(f"{PATH}/morphs", json={"latents": [[0.0]] * 2}), 422)


def test_a_search_that_takes_too_long_is_given_up(client, own, monkeypatch):
    """One that has found something by then returns that."""
    body = {"picture": encoded(png(own))}
    whole = client.post(f"{PATH}/projections", json=body).json()
    monkeypatch.setattr(projection_service, "SECONDS", 0.0)
    early = client.post(f"{PATH}/projections", json=body).json()
    assert whole["finished"] and not early["finished"] and early["error"] > whole["error"]
    monkeypatch.setattr(projection_service, "MOST", 0.0)
    assert "ganbaru project" in problem(client.post(f"{PATH}/projections", json=body), 503)


def test_searches_wait_for_each_other_and_nothing_else_for_them(own, monkeypatch):
    search, going, begun = projection.project, threading.Event(), threading.Event()

    def slow(*given: object, **how: object) -> projection.Projection:
        begun.set()
        assert going.wait(30)
        return search(*given, **how)

    monkeypatch.setattr(projection, "project", slow)
    found: list[httpx.Response] = []
    with running("zoo:digits", projections=1) as (port, _):
        home = f"http://127.0.0.1:{port}"
        how = {"json": {"picture": encoded(png(own))}, "trust_env": False, "timeout": 60}

        def post() -> None:
            found.append(httpx.post(f"{home}{PATH}/projections", **how))

        thread = threading.Thread(target=post)
        thread.start()
        assert begun.wait(30)
        refused = httpx.post(f"{home}{PATH}/projections", **how)
        assert "limit of 1" in problem(refused, 429) and int(refused.headers["retry-after"])
        image = httpx.post(f"{home}{PATH}/images", **{**how, "json": {"seed": 1}})
        assert image.status_code == 200 and not found
        going.set()
        thread.join()
    assert found[0].status_code == 200


def test_the_playground_has_the_directions_of_the_run(tmp_path):
    """Those found since it was rendered, too; of a damaged file none."""
    run = save(tmp_path).folder.path
    path, found = run / directions.FILE, []
    one = directions.Direction([1.0] + [0.0] * 7, "answers", "0")
    with running(run) as (port, _):
        for k, content in enumerate((None, {"smiling": one}, "damaged")):
            if isinstance(content, dict):
                directions.write(path, content)
            elif content:
                path.write_text(content)
            os.utime(path if path.exists() else run, (k, k))
            page = httpx.get(f"http://127.0.0.1:{port}/models/run/play", trust_env=False)
            assert page.status_code == 200
            model = re.search('id="model">(.*?)</script>', page.text)
            found.append([each["name"] for each in json.loads(model[1])["named"]])
    assert found == [[], ["smiling"], []]
