"""The service over HTTP: images and films like those of `generate`, and refusals."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shlex
import shutil
import socket
import zipfile

import httpx
import numpy as np
import pytest
from serve_helpers import pixels, problem, running, serving
from train_helpers import command, frames, needs_torch, process, trained

from ganbaru.data import silent
from ganbaru.export.page.html import mapped
from ganbaru.latents import embedding
from ganbaru.sampling import generators, image_io
from ganbaru.serve import models

API = "/api/models/run"
NAMES = ("run", "plain", "uniform")
LACKS = ["sklearn", "scipy", "matplotlib", "pooch", "requests"]  # of the service under test


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a run of three classes and an unconditional one."""
    folder = tmp_path_factory.mktemp("serve")
    trained(folder)
    trained(folder, run=folder / "plain", conditioning="none", steps=2)
    trained(folder, run=folder / "uniform", distribution="uniform", steps=2)
    return folder


@pytest.fixture(scope="module")
def service(home, tmp_path_factory):
    """A service where what a server of images has no use for is not installed."""
    absent = tmp_path_factory.mktemp("absent")
    (absent / "sitecustomize.py").write_text(f"import sys\nsys.modules |= dict.fromkeys({LACKS})\n")
    with serving(*(home / name for name in NAMES), cwd=home, path=absent) as found:
        yield found


@pytest.fixture(scope="module")
def client(service):
    with service.client() as found:
        yield found


@pytest.fixture(scope="module")
def generator(home):
    return generators.load(home / "run")


def post(client, what="images", model="run", **body):
    return client.post(f"/api/models/{model}/{what}", json=body)


def difference(found, expected) -> int:
    assert found.shape == expected.shape
    return int(np.abs(found - expected.astype(int)).max())


# --- images -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_a_seed_gives_the_image_of_generate(client, generator, seed):
    answer = post(client, seed=seed)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["ganbaru-images-trained"] == "96"
    assert difference(pixels(answer.content), generator.sample(1, seed)[0]) <= 1


def test_several_images_are_a_grid(client, generator):
    answer = post(client, count=5, seed=3, columns=2, truncation=0.5)
    images = generator.sample(5, 3, truncation=0.5)
    assert difference(pixels(answer.content), image_io.grid(images, 2)) <= 1
    alone = post(client, seed=3, format="grid")
    assert difference(pixels(alone.content), image_io.grid(generator.sample(1, 3))) <= 1


def test_more_images_than_a_batch_are_the_same(client, generator):
    answer = post(client, count=70, format="grid", columns=10)
    assert difference(pixels(answer.content), image_io.grid(generator.sample(70), 10)) <= 1


@pytest.mark.parametrize("labels,expected", [(2, [2, 2]), ("1", [1, 1]), ([0, "2"], [0, 2])])
def test_json_has_seeds_labels_and_base64(client, generator, labels, expected):
    answer = post(client, seeds=[9, 4], labels=labels, format="json")
    found = answer.json()
    assert (found["model"], found["images_trained"]) == ("run", 96)
    for image, seed, label in zip(found["images"], [9, 4], expected, strict=True):
        assert (image["seed"], image["label"], image["class"]) == (seed, label, str(label))
        wanted = generator.sample(1, seed, labels=label)[0]
        assert difference(pixels(base64.b64decode(image["png"])), wanted) <= 1


def test_a_zip_has_a_png_for_each_image(client, generator):
    answer = post(client, seeds=[5, 5, 6], format="zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [
            "0000-seed5-label2.png",
            "0001-seed5-label2.png",
            "0002-seed6-label0.png",
        ]
        found = pixels(archive.read("0002-seed6-label0.png"))
    assert difference(found, generator.sample(1, 6)[0]) <= 1


def test_given_latents(client, generator):
    latents = generator.latents([3, 8])
    answer = post(client, latents=latents.tolist(), labels=[1, 0], format="json")
    images = image_io.to_bytes(generator.floats(latents, np.array([1, 0])))
    for found, image in zip(answer.json()["images"], images, strict=True):
        assert found["seed"] is None
        assert difference(pixels(base64.b64decode(found["png"])), image) <= 1


def test_an_unconditional_model(client, home):
    answer = post(client, model="plain", count=3, format="json")
    assert [(x["seed"], x["label"], x["class"]) for x in answer.json()["images"]] == [
        (0, None, None),
        (1, None, None),
        (2, None, None),
    ]
    image = generators.load(home / "plain").sample(3)[2]
    assert difference(pixels(base64.b64decode(answer.json()["images"][2]["png"])), image) <= 1


@pytest.mark.parametrize("path", ["slerp", "classes"])
def test_a_film_is_like_that_of_morph(client, generator, path):
    answer = post(client, "morphs", path=path, frames=7, size=32, fps=10)
    assert answer.headers["content-type"] == "image/gif"
    wanted = [image_io.enlarge(frame, 32) for frame in generator.morph(path, frames=7)]
    found = frames(answer.content)
    assert len(found) == 7
    for one, other in zip(found, wanted, strict=True):
        assert difference(one.astype(int), np.broadcast_to(other, (32, 32, 3))) <= 1


def test_uniform_latents_interpolate_without_scipy(client, home):
    answer = post(client, "morphs", "uniform", frames=3, size=16)
    wanted = list(generators.load(home / "uniform").morph(frames=3))
    assert difference(frames(answer.content)[1][..., :1].astype(int), wanted[1]) <= 1


def test_the_service_describes_itself_without_help_from_elsewhere(client):
    """/docs has every operation and field, its commands are right, and it loads nothing else."""
    document, page = client.get("/openapi.json").json(), client.get("/docs")
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert "'unsafe" not in page.headers["content-security-policy"]
    text = html.unescape(re.sub(r"<[^>]*>", " ", page.text))
    for path, methods in document["paths"].items():
        assert all(f"{method.upper()} {path}" in text for method in methods)
    for schema in ("ImageRequest", "FilmRequest"):
        fields = document["components"]["schemas"][schema]["properties"]
        assert all(f" {name} " in text for name in fields)
    assert all(
        link.startswith(("/", "data:")) for link in re.findall(r'(?:href|src)="([^"]*)"', page.text)
    )
    ((example,),) = [re.findall(r"-d ('.*?\"seed\": 7.*?')\n", text)]
    assert post(client, **json.loads(shlex.split(example)[0])).status_code == 200


@pytest.mark.parametrize("kind,begin", [("apng", b"\x89PNG"), ("webp", b"RIFF")])
def test_other_film_formats(client, kind, begin):
    answer = post(client, "morphs", format=kind, frames=4, close=True)
    assert answer.headers["content-type"] == f"image/{kind}"
    assert answer.content.startswith(begin) and len(frames(answer.content)) == 4


# --- models and headers---------------------------------------------------------------------------


def test_models_and_their_cards(client):
    models = client.get("/api/models").json()["models"]
    assert [(m["name"], m["state"], m["classes"]) for m in models] == [
        ("run", "ready", ["0", "1", "2"]),
        ("plain", "ready", []),
        ("uniform", "ready", list("012")),
    ]
    card = client.get(API).json()
    assert (card["latent"], card["image_shape"], card["images_trained"]) == (8, [1, 16, 16], 96)
    assert card["links"]["images"] == f"{API}/images" and "MIT" in card["licence"]
    assert client.get("/health/live").json() == {"status": "alive"}
    ready = client.get("/health/ready").json()
    assert ready == {"status": "ready", "models": dict.fromkeys(NAMES, "ready")}


def test_metrics_count_requests_by_status_and_time(client):
    def numbers():
        lines = client.get("/metrics").text.splitlines()
        return {
            key: float(x) for key, x in (line.rsplit(" ", 1) for line in lines) if key[0] != "#"
        }

    before = numbers()
    assert client.get("/nothing").status_code == 404 and client.get(API).status_code == 200
    after = numbers()
    new = {key: after[key] - before.get(key, 0) for key in after}
    assert new['ganbaru_requests_total{status="404"}'] == 1
    assert new['ganbaru_requests_total{status="200"}'] == 2  # with that of /metrics itself
    assert new["ganbaru_request_seconds_count"] == 3 > 0 < new["ganbaru_request_seconds_sum"]
    buckets = [value for key, value in after.items() if "_bucket" in key]
    assert buckets == sorted(buckets) and buckets[-1] == after["ganbaru_request_seconds_count"]
    assert after["ganbaru_queue_images"] == 0


def test_cards_and_pages_have_no_path_of_this_computer(client, home):
    for path in ("/api/models", API, "/", "/runs/run"):
        assert str(home) not in client.get(path).text


def test_the_examples_in_the_openapi_document_work(client):
    api = client.get("/openapi.json").json()
    posts = [path for path, kinds in api["paths"].items() if "post" in kinds]
    assert posts == [f"/api/models/{{name}}/{each}" for each in ("images", "morphs", "projections")]
    for path in posts:
        body = api["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        schema = api["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
        assert len(schema["examples"]) >= 2
        for example in schema["examples"]:
            answer = client.post(path.replace("{name}", "run"), json=example)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/", "/api/models", "/static/live.js", "/nowhere", "/runs/x"])
def test_every_response_has_security_headers(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY" and "server" not in headers


# --- refusals ----------------------------------------------------------------------------------

WRONG = [
    ({"count": 0}, "count"),
    ({"count": 257}, "at most 256"),
    ({"count": 10**30}, "too many"),
    ({"count": 2, "seeds": [1, 2]}, "one of count and seeds"),
    ({"seed": -1}, "seed"),
    ({"seeds": []}, "seeds"),
    ({"seeds": list(range(257))}, "at most 256"),
    ({"seed": 2**63 - 1, "count": 2}, "Cannot make 2 images"),
    ({"labels": 3}, "Label '3' is out of range"),
    ({"labels": [0, 1]}, "2 labels for 1 images"),
    ({"truncation": 0}, "truncation"),
    ({"latents": [[0.0] * 7]}, "8 numbers"),
    ({"latents": [[0.0] * 7 + [1e300]]}, "float32"),
    ({"latents": [0.0]}, "latents.0"),
    ({"latents": [[0.0] * 8], "truncation": 0.5}, "truncation is for seeds"),
    ({"format": "jpeg"}, "'png', 'grid', 'zip' or 'json'"),
    ({"sed": 1}, "Did you mean 'seed'"),
]


@pytest.mark.parametrize("body,message", WRONG, ids=[json.dumps(body)[:40] for body, _ in WRONG])
def test_wrong_image_requests(client, body, message):
    assert message in problem(post(client, **body), 422)


FILMS = [
    ({"path": "slurp"}, "Did you mean 'slerp'?"),
    ({"seeds": [1]}, "at least 2 seeds"),
    ({"frames": 1000}, "240"),
    ({"size": 5000}, "512"),
    ({"fps": 100}, "0.1 to 50"),
    ({"seeds": list(range(60)), "frames": 45}, "60 seeds do not fit into 45 frames"),
]


@pytest.mark.parametrize("body,message", FILMS, ids=[json.dumps(body)[:40] for body, _ in FILMS])
def test_wrong_film_requests(client, body, message):
    assert message in problem(post(client, "morphs", **body), 422)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'{"seed": 1e400}', b"[" * 5000])
def test_malformed_json(client, body):
    answer = client.post(
        f"{API}/images", content=body, headers={"Content-Type": "application/json"}
    )
    assert "body" in problem(answer, 422) or "seed" in problem(answer, 422)


def test_content_and_hosts_of_other_sites_are_refused(client):
    assert "application/json" in problem(client.post(f"{API}/images", content=b"{}"), 415)
    answer = client.post(f"{API}/images", json={}, headers={"Host": "elsewhere.example"})
    assert "localhost" in problem(answer, 421)


def test_bodies_that_are_too_large(client):
    answer = post(client, latents=[[0.123456789] * 8] * 40_000)
    assert "1,048,576 bytes" in problem(answer, 413)

    def endless():
        for _ in range(40):
            yield b" " * 2**16

    headers = {"Content-Type": "application/json"}
    assert problem(client.post(f"{API}/images", content=endless(), headers=headers), 413)
    assert post(client).status_code == 200  # by the same or a new connection


@pytest.mark.parametrize("name", ["rum", "%2e%2e", "%2e%2e%2fetc", "run%00", "run%2f..%2frun"])
def test_unknown_models(client, name):
    for answer in (
        client.get(f"/api/models/{name}"),
        client.get(f"/runs/{name}"),
        client.post(f"/api/models/{name}/images", json={}),
    ):
        assert answer.status_code == 404
    assert "Did you mean 'run'?" in problem(client.get("/api/models/rum"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/runs/run/grids/..%2f..%2fconfig.yaml",
        "/runs/run/grids/5.png",
        "/runs/run/grids/-1.png",
        "/config.yaml",
    ],
)
def test_no_path_of_a_request_reaches_files(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and "batch" not in answer.text


def test_browsers_get_error_pages(client):
    answer = client.get("/runs/rum", headers={"Accept": "text/html", "Accept-Language": "ja"})
    assert answer.status_code == 404
    assert "rum" in answer.text and "のことでしょうか" in answer.text, answer.text
    assert 'lang="ja"' in answer.text


def test_a_map_is_in_the_playground_until_a_newer_checkpoint(tmp_path):
    run = trained(tmp_path, steps=2)
    with running(run) as (port, service):
        served = service.catalog[run.name]
        served.place_seeds("pca", silent)

        def shown():
            text = httpx.get(
                f"http://127.0.0.1:{port}/models/{run.name}/play", trust_env=False
            ).text
            return json.loads(re.search('id="model">(.*?)</script>', text)[1])["map"]

        assert shown() == mapped(embedding.embed(run, None, progress=False))
        trained(tmp_path, run=run, resume=True, steps=4)
        served.refresh()
        assert shown() is None


# --- the command --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments,message",
    [
        ([], "RUN"),
        (["nothing"], "There is no run at runs/nothing"),
        (["run", "--port", "70000"], "--port 70000 is out of range"),
        (["run", "--host", "203.0.113.7"], "Cannot listen"),
        (["run", "--queue", "0"], "--queue 0 is out of range"),
        (["run", "--map", "umap"], "tsne"),
        (["run", "--key-file", "absent"], "Cannot read the key"),
        (["run", "--key-file", "short.txt"], "16 letters"),
    ],
)
def test_wrong_commands(home, monkeypatch, arguments, message):
    monkeypatch.chdir(home)
    (home / "short.txt").write_text("secret\n")
    found = command("serve", *arguments, *(["--port", 0] if "--port" not in arguments else []))
    assert (found.code, found.out) == (2, "") and message in found.err
    assert found.err.count("\n") == 1


def test_a_port_in_use(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = process("serve", "run", "--port", port, cwd=home)
    assert found.code == 2 and f"Port {port} of 127.0.0.1 is in use" in found.err


def test_damaged_and_missing_weights(home, tmp_path):
    shutil.copytree(home / "run", tmp_path / "run")
    (path,) = sorted((tmp_path / "run" / "checkpoints").glob("*"))[-1:]
    path.write_bytes(path.read_bytes()[:-100])
    found = process("serve", "run", cwd=tmp_path)
    assert found.code == 2 and "damaged or cut short" in found.err
    found = process("serve", "absent.safetensors", cwd=tmp_path)
    assert found.code == 2 and "There is no checkpoint at absent.safetensors" in found.err


def test_without_the_extra_a_message_says_how_to_install_it(home, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fastapi" else found(name)
    )
    result = command("serve", home / "run")
    assert (result.code, result.out) == (2, "")
    assert "fastapi" in result.err and "pip install 'ganbaru[serve]'" in result.err


def test_without_onnx_the_numpy_engine_is_used(home, monkeypatch):
    import importlib.util

    from ganbaru.serve import models
    from ganbaru.training import checkpoint

    (path,) = checkpoint.found(home / "run" / "checkpoints")[-1:]
    by_onnx = models.load(path)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else found(name)
    )
    by_numpy = models.load(path)
    assert "NumPy" in by_numpy.computes
    latents = by_numpy.generator.latents(range(6))
    for labels in (np.arange(6) % 3, None):
        weights = (
            by_numpy.weights(labels, 6) if labels is not None else np.full((6, 3), 1 / 3, "f4")
        )
        found_images = by_onnx.images(latents, weights).astype(int)
        assert difference(found_images, by_numpy.images(latents, weights)) <= 1


def test_a_network_that_onnx_cannot_express_uses_the_numpy_engine(tmp_path, monkeypatch):
    from ganbaru.serve import models
    from ganbaru.training import checkpoint

    (tmp_path / "own_even.py").write_text(
        "from ganbaru import ops\nfrom ganbaru.networks import dcgan\n"
        "discriminator = dcgan.discriminator\n"
        "def generator(scope, latent, **how):\n"
        "    return dcgan.generator(scope, latent * (1 + latent.shape[0] % 2), **how)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    run = trained(tmp_path, network="own_even", conditioning="none", steps=2)
    model = models.load(checkpoint.found(run / "checkpoints")[-1])
    assert "NumPy" in model.computes
    latents = model.generator.latents(range(2))
    found = model.images(latents, model.weights(None, 2))
    np.testing.assert_array_equal(found, generators.load(run).sample(2))


@needs_torch
def test_a_run_in_a_precision_of_another_engine_is_served(trained_run):
    """Its weights are float32; bf16 is that of PyTorch's products in training alone."""
    run = trained_run(engine="torch", precision="bf16", steps=2)
    (path,) = (run / "checkpoints").glob("*[0-9].safetensors")
    served, ours = models.load(path).generator, generators.load(run, which="newest")
    np.testing.assert_array_equal(served.sample(4), ours.sample(4))
