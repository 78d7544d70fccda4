"""The parts of the page: WebAssembly, encoding, random numbers, operations and policy."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.server
import io
import json
import re
import threading
from importlib import resources

import numpy as np
import pytest
from browser_helpers import needs_chromium
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from native_helpers import save
from page_helpers import browsing
from PIL import Image, ImageSequence
from train_helpers import command

from ganbaru import InputError, export, ops, randomness
from ganbaru.engines.onnx import Tensor
from ganbaru.export import page
from ganbaru.export.folding import simplified
from ganbaru.export.page import directions, html, packing, plan
from ganbaru.sampling import image_io, latent_spaces
from ganbaru.sampling.players import load_player

PARTS = resources.files("ganbaru.export.page")


def source(*names: str) -> str:
    return "\n".join(PARTS.joinpath(name).read_text(encoding="utf-8") for name in names)


@pytest.fixture(scope="module")
def blank():
    """Return an empty browser page for computations."""
    with browsing() as browser:
        yield browser.new_page()


def evaluate(blank, script: str, given: object = None) -> object:
    """Evaluate an expression with the definitions of the page's workers."""
    return blank.evaluate(f"given => {{ {source(*html.WORKER[:-1])}; return {script}; }}", given)


# --- the kernel -------------------------------------------------------------------------------


def test_webassembly_is_assembled_from_its_text():
    wasmtime = pytest.importorskip("wasmtime", reason="needs wasmtime, which is not installed")
    assembled = bytes(wasmtime.wat2wasm(source("multiply.wat")))
    module = html.webassembly()
    names = assembled.removeprefix(module)  # what is left: the custom section (0) of names
    assert names != assembled and names[:1] == b"\0" and b"\4name" in names[:10]


@needs_chromium
@pytest.mark.parametrize("sizes", [(4, 1, 8), (4, 7, 24), (12, 64, 16), (64, 33, 8)])
def test_both_matrix_products_agree_with_numpy(blank, sizes):
    rows, depth, columns = sizes
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal(x).astype("f4") for x in ((rows, depth), (depth, columns)))
    code = base64.b64encode(html.webassembly()).decode()
    slabs = [left.reshape(-1, 4, depth).transpose(0, 2, 1),
             right.reshape(depth, -1, 8).transpose(1, 0, 2)]  # fmt: skip
    script = """[given.code, ""].map((code) => {
      const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
      const [rows, depth, columns] = given.sizes;
      const { name, buffer, multiply } = arithmetic(bytes, 1 << 16);
      const left = new Float32Array(buffer, 0, rows * depth);
      const right = new Float32Array(buffer, left.byteLength, depth * columns);
      const product = new Float32Array(buffer, left.byteLength + right.byteLength, rows * columns);
      left.set(given.slabs[0]);
      right.set(given.slabs[1]);
      multiply(left, right, product, rows, depth, columns);
      return [name, [...product]];
    })"""
    given = {"code": code, "sizes": sizes, "slabs": [x.ravel().tolist() for x in slabs]}
    found = dict(evaluate(blank, script, given))
    assert set(found) == {"WebAssembly", "JavaScript"}
    for product in found.values():
        np.testing.assert_allclose(
            np.reshape(product, (rows, columns)), left @ right, rtol=1e-5, atol=1e-5
        )


# --- random numbers ---------------------------------------------------------------------------

BIG = "given.map((x) => typeof x === 'string' && /^\\d+$/.test(x) ? BigInt(x) : x)"


@needs_chromium
@pytest.mark.parametrize("call", [
    (0, "sample", 0, 6), (1, "sample", 0, 4), (2**63 - 1, "mix", 2**32, 4),
    (7, "latents of D", 2, 5),
])  # fmt: skip
def test_random_numbers_agree_with_python(blank, call):
    seed, purpose, index, count = call
    given = [str(seed), purpose, str(index), count]
    words = evaluate(blank, f"words(...{BIG}).map(String)", given)
    assert [int(word) for word in words] == randomness.words(*call).tolist()
    assert evaluate(blank, f"uniform(...{BIG})", given) == randomness.uniform(*call).tolist()
    normal = evaluate(blank, f"[...normal(...{BIG})]", given)
    np.testing.assert_allclose(normal, randomness.normal(*call), rtol=1e-6, atol=1e-6)


@needs_chromium
@pytest.mark.parametrize("distribution", latent_spaces.SPACES)
def test_latent_spaces_agree_with_python(blank, distribution):
    drawn = randomness.distribution(distribution)(5, "sample", 0, 200).astype(np.float64)
    drawn[:2] = latent_spaces.space(distribution).from_normal(np.array([-8.0, 8.0]))
    there = evaluate(
        blank, "given[1].map(SPACES[given[0]].toNormal)", [distribution, drawn.tolist()]
    )
    back = evaluate(blank, "given[1].map(SPACES[given[0]].fromNormal)", [distribution, there])
    np.testing.assert_allclose(
        there, latent_spaces.space(distribution).to_normal(drawn), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(back, drawn, rtol=1e-12, atol=1e-12)


# --- films ------------------------------------------------------------------------------------


def decoded(blank, frames: np.ndarray, delays: list[int]) -> tuple[np.ndarray, list[int]]:
    """Write frames (N, H, W, 3) as a GIF in the browser; return what Pillow reads in it."""
    opaque = np.concatenate([frames, np.full((*frames.shape[:3], 1), 255)], axis=3)
    given = {"frames": opaque.reshape(len(frames), -1).tolist(), "delays": delays,
            "height": frames.shape[1], "width": frames.shape[2]}  # fmt: skip
    found = evaluate(blank, "[...gif(given.frames, given)]", given)
    with Image.open(io.BytesIO(bytes(found))) as film:
        read = [
            (np.array(x.convert("RGB")), x.info["duration"]) for x in ImageSequence.Iterator(film)
        ]
    return np.stack([frame for frame, _ in read]), [duration for _, duration in read]


@needs_chromium
@pytest.mark.parametrize("side", [1, 2, 15, 16, 23, 97, 128])
def test_gif_of_few_colours_is_lossless(blank, side):
    """Noise fills and restarts the string table; a single pixel has no string."""
    grey = np.random.default_rng(side).integers(0, 256, (2, side, side, 1))
    frames = np.broadcast_to(grey, (2, side, side, 3))
    found, durations = decoded(blank, frames, [4, 7])
    np.testing.assert_array_equal(found, frames)
    assert durations == [40, 70]


@needs_chromium
@pytest.mark.parametrize("colours", [0, 3, 400])
def test_gif_has_transparency(blank, colours):
    """What is less than half opaque is transparent, also in a frame that shows nothing."""
    rng = np.random.default_rng(colours)
    palette = rng.integers(0, 256, (max(1, colours), 3))
    pixels = palette[rng.integers(0, len(palette), (2, 30, 20))]
    alpha = rng.choice([0, 127, 128, 255], (2, 30, 20, 1)) if colours else np.zeros((2, 30, 20, 1))
    given = {"frames": np.concatenate([pixels, alpha], axis=3).reshape(2, -1).tolist(),
             "delays": [4, 4], "height": 30, "width": 20}  # fmt: skip
    content = evaluate(blank, "[...gif(given.frames, given)]", given)
    with Image.open(io.BytesIO(bytes(content))) as film:
        found = np.stack([np.array(x.convert("RGBA")) for x in ImageSequence.Iterator(film)])
    seen = alpha[..., 0] >= 128
    np.testing.assert_array_equal(found[..., 3], 255 * seen)
    assert np.abs(found[seen, :3] - pixels[seen]).max(initial=0) <= (0 if colours < 256 else 60)


@needs_chromium
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_are_those_of_python(blank, channels):
    images = np.random.default_rng(0).uniform(-1.2, 1.2, (1, channels, 5, 6))
    given = {"picture": images.ravel().tolist(), "shape": [channels, 5, 6]}
    found = evaluate(blank, "[...toPixels(given.picture, given.shape)]", given)
    made = np.array(found).reshape(5, 6, 4)
    expected = image_io.to_bytes(images)[0]
    np.testing.assert_array_equal(made[..., 3:], expected[..., 3:] if channels == 4 else 255)
    np.testing.assert_array_equal(made[..., :3], expected[..., :3] + np.zeros(3, np.uint8))


@needs_chromium
def test_gif_of_many_colours_is_quantised(blank):
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    frame = np.stack([4 * across, 4 * down, 128 + 2 * (across - down) // 2], axis=2)[None]
    found, _ = decoded(blank, frame, [5])
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 256
    assert np.abs(found.astype(int) - frame).mean() < 5


# --- operations -------------------------------------------------------------------------------

OTHERS = {
    "Transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "Pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3))),
    "ReduceSum": lambda x: ops.sum(x, axis=2),
    "ReduceMean": lambda x: ops.mean(x, axis=(1, 2), keepdims=True),
    "LeakyRelu": lambda x: ops.leaky_relu(x, 0.2),
    "Pow": lambda x: x**2.0,
    "Div": lambda x: x / (x * x + 1.0),
}


@needs_chromium
@pytest.mark.parametrize("name", OTHERS)
def test_operations_that_no_registered_generator_uses(blank, name):
    """Own generators may use all operations: these agree with NumPy."""
    traced = OTHERS[name](Tensor("Input", (), {}, (1, 3, 4), name="latents"))
    packer = packing.Packer("float32")
    nodes = plan.plan(simplified(traced), packer)
    assert name in {node["op"] for node in nodes}
    x = np.random.default_rng(0).standard_normal((1, 3, 4))
    content = base64.b64encode(packer.content).decode()
    script = """(() => {
      const bytes = Uint8Array.from(atob(given.content), (letter) => letter.charCodeAt(0)).buffer;
      return [...network({ nodes: given.nodes }, bytes, new Uint8Array()).draw(given.x, [])];
    })()"""
    found = evaluate(blank, script, {"nodes": nodes, "content": content, "x": x.ravel().tolist()})
    expected = EXPECTED[name](x)
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, rtol=1e-5, atol=1e-6)


EXPECTED = {
    "Transpose": lambda x: x.transpose(0, 2, 1),
    "Pad": lambda x: np.pad(x, ((0, 0), (1, 2), (0, 3))),
    "ReduceSum": lambda x: x.sum(axis=2),
    "ReduceMean": lambda x: x.mean(axis=(1, 2), keepdims=True),
    "LeakyRelu": lambda x: np.where(x > 0, x, 0.2 * x),
    "Pow": lambda x: x**2,
    "Div": lambda x: x / (x * x + 1),
}


@needs_chromium
def test_page_implements_every_operation_of_a_plan(blank):
    script = "[...Object.keys(OPERATIONS), ...Object.keys(LAYERS), 'Input'].sort()"
    assert evaluate(blank, script) == sorted(plan.NEEDS)


# --- numbers ----------------------------------------------------------------------------------

MATRICES = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 7)),
                  elements=st.floats(-1e3, 1e3, width=32))  # fmt: skip


@given(MATRICES)
def test_error_of_16_bits_is_at_most_half_a_step_of_the_row(matrix):
    numbers, scales = packing.scaled(matrix)
    assert numbers.dtype == np.int16 and np.abs(numbers.astype(int)).max() <= 2**15 - 1
    wrong = np.abs(numbers * scales[:, None].astype(np.float64) - matrix).max(axis=1)
    assert (wrong <= np.abs(matrix).max(axis=1) * 2.0**-16 * 1.001 + 1e-44).all()


def test_arrays_are_aligned_to_four_bytes():
    packer = packing.Packer("float16")
    places = [packer.matrix(np.ones((3, 3)), "w"), packer.array(np.ones(3), "b")]
    assert [place["at"] for place in places] == [0, 32] and places[0]["scales"] == 20
    assert len(packer.content) == 44


def test_directions_are_the_principal_components_of_the_first_layer(tmp_path):
    run = save(tmp_path, network="dcgan-mlp", conditioning="planes")
    of = load_player(run.folder.path)
    found = directions.main(plan.traced(of), 8)
    gram = found.vectors @ found.vectors.T
    np.testing.assert_allclose(gram, np.eye(8), atol=1e-9)
    assert (np.diff(found.shares) <= 0).all() and found.shares.sum() == pytest.approx(1)
    other = directions.main(plan.traced(of), 8)
    np.testing.assert_array_equal(found.vectors, other.vectors)


def test_no_directions_without_a_layer_of_latents():
    found = directions.main(Tensor("Tanh", (Tensor("Input", name="latents"),)), 8)
    assert found.vectors.shape == (0, 8) and found.shares.shape == (0,)


# --- the file ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save(tmp_path, run=tmp_path / "runs" / "a")


def test_command_writes_one_file_without_requests(saved, tmp_path):
    said = command("export", "a", "-o", "new/page.html")
    assert (said.code, said.err) == (0, "")
    assert "weights in 16 bits" in said.out and "no network" in said.out
    text = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import|<link(?! rel=\"icon\")|src=", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        content = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = hashlib.sha256(content[0].encode()).digest()
        assert len(content) == 1 and f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    kernel_ = re.findall(r'id="code">([^<]+)<', text)[0]
    assert base64.b64decode(kernel_) == html.webassembly()
    assert str(tmp_path) not in text
    assert html.code_bytes() < 400_000


def test_float32_weights_on_request(saved):
    of = load_player("a")
    whole, halved = (len(page.text(of, each)) for each in ("float32", "float16"))
    assert (whole - html.code_bytes()) / (halved - html.code_bytes()) > 1.5


def test_class_names_are_escaped(saved):
    of = load_player("a")
    evil = ("</script><b>", "{{style}}", "\u2028")
    text = page.text(dataclasses.replace(of, classes=evil))
    (model,) = re.findall(r'id="model">(.*?)</script>', text, re.DOTALL)
    assert json.loads(model)["classes"] == list(evil)


def test_discriminator_is_refused(saved):
    said = command("export", "a", "--player", "discriminator", "-o", "page.html")
    assert said.code == 2 and "discriminator" in said.err and ".onnx" in said.err


def test_model_too_large_is_refused(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MAX_BYTES", 1000)
    said = command("export", "a", "-o", "page.html")
    assert said.code == 2 and not (tmp_path / "page.html").exists()
    assert re.search(r"would have \d+ MB \([\d,]+ weights in 16 bits\)", said.err)
    assert ".onnx" in said.err and "--width" in said.err


def test_weights_that_are_not_finite_are_refused(saved):
    of = load_player("a")
    of.parameters["image.conv.weight"][0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"image\.conv\.weight has numbers that are not finite"):
        page.text(of)


OWN = """
from ganbaru import nn, ops
from ganbaru.networks.dcgan import discriminator

def generator(scope, latent, *, image_size, channels, base_channels):
    x = nn.dense(scope.child("all"), latent, image_size[0] * image_size[1])
    x = ops.matmul(ops.matmul(x, ops.transpose(x, (1, 0))), x)
    return ops.tanh(ops.reshape(x, (-1, 1, *image_size)))
"""


def test_weights_that_depend_on_latents_are_refused(tmp_path, monkeypatch):
    (tmp_path / "odd_network.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    run = save(tmp_path, network="odd_network", conditioning="none")
    with pytest.raises(InputError, match=r"weights that depend on latents: .* \.onnx"):
        export.write(run.folder.path, tmp_path / "page.html")


ASKING = """async (address) => {
  const image = new Image();
  image.src = address + "image";
  const script = document.createElement("script");
  script.src = address + "script";
  document.head.append(image, script);
  navigator.sendBeacon(address + "beacon");
  await fetch(address + "fetch", { mode: "no-cors" }).catch(() => {});
  await new Promise((done) => setTimeout(done, 300));
}"""


@needs_chromium
@pytest.mark.parametrize("ruled", [True, False])
def test_policy_blocks_every_request(blank, saved, tmp_path, ruled):
    export.write("a", "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    rule = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    (tmp_path / "page.html").write_text(text if ruled else rule.sub("", text), encoding="utf-8")
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            requests.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        visited = blank.context.browser.new_page()
        visited.goto((tmp_path / "page.html").as_uri())
        visited.evaluate(ASKING, f"http://127.0.0.1:{server.server_port}/")
        visited.close()
        server.shutdown()
    assert set(requests) == (set() if ruled else {"/image", "/script", "/beacon", "/fetch"})
