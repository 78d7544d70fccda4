"""Weights files and folders to share: contents, loading them again, and the hub."""

from __future__ import annotations

import functools
import http.server
import inspect
import json
import os
import shutil
import sys
import threading
import types
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from native_helpers import save
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors import safe_open
from train_helpers import command, needs_torch

import ganbaru
from ganbaru import InputError, export, load, native
from ganbaru.export import model_card
from ganbaru.export import precision as precisions
from ganbaru.metrics.passport import Evaluation, Passport, Score, store
from ganbaru.sampling import image_io
from ganbaru.sampling.players import load_player
from ganbaru.training import checkpoint, hub


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run of drawn weights, three classes."""
    return save(tmp_path_factory.mktemp("shared"), run="runs/a")


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("place"))
    yield
    os.chdir(before)


@pytest.fixture
def shared(run, tmp_path) -> Path:
    return ganbaru.save_pretrained(run.folder.path, tmp_path / "my-gan")


# --- weights alone ----------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "apart"), [("float32", 0), ("float16", 1)])
def test_exported_weights_give_the_images_of_the_run(run, tmp_path, precision, apart):
    path = tmp_path / "new" / "gan.safetensors"
    said = command("export", str(run.folder.path), "-o", str(path), "--precision", precision)
    assert (said.code, said.err) == (0, "") and f"numbers, {precision}" in said.out
    groups, header = checkpoint.load(path)
    assert groups.keys() == {"ema", "ema_buffers"} and header.images == run.images
    for name, array in run.state["ema"].items():
        assert groups["ema"][name].dtype == precision
        assert_allclose(groups["ema"][name], array, rtol=1e-3 * apart, atol=1e-6 * apart)
    images, expected = (load(x).sample(9).astype(int) for x in (path, run.folder.path))
    assert np.abs(images - expected).max() <= apart
    whole = run.folder.checkpoint(run.images).stat().st_size
    assert path.stat().st_size < whole / 3


@pytest.mark.parametrize("player", native.PLAYERS)
@pytest.mark.parametrize("precision", precisions.PRECISIONS)
def test_weights_of_every_player_load_as_native_modules(run, tmp_path, player, precision):
    export.write(run.folder.path, tmp_path / "x.safetensors", player=player, precision=precision)
    found, whole = (load_player(x, player=player)
                    for x in (tmp_path / "x.safetensors", run.folder.path))  # fmt: skip
    out = command("export", str(run.folder.path), "--player", player, "-o", "x.safetensors").out
    assert ("generate, morph" in out) == (player == "generator")
    for one, other in ((found.parameters, whole.parameters), (found.buffers, whole.buffers)):
        assert one.keys() == other.keys()
        for name, array in one.items():
            assert array.dtype == np.float32
            assert_allclose(array, other[name], rtol=1e-3 * (precision == "float16"), atol=1e-6)


@needs_torch
def test_float16_weights_load_as_float32_in_a_framework(run, tmp_path):
    import torch

    from ganbaru.native import torch as shells

    export.write(run.folder.path, tmp_path / "x.safetensors", precision="float16")
    module, whole = (shells.module(x) for x in (tmp_path / "x.safetensors", run.folder.path))
    latents, labels = torch.randn(2, 8), torch.tensor([0, 2])
    assert_allclose(module(latents, labels).detach(), whole(latents, labels).detach(), atol=1e-2)


@pytest.mark.parametrize("out", ["x.safetensors", "share"])
def test_exports_contain_no_private_paths(run, tmp_path, out):
    export.write(run.folder.path, tmp_path / out)
    texts = [path.read_bytes() for path in (tmp_path / out).glob("*")] or [
        (tmp_path / out).read_bytes()
    ]
    for private in (str(run.folder.path.resolve().parent), run.config.data, 'data_dir": "/'):
        assert all(private.encode() not in text for text in texts), private
    path = tmp_path / out / "model.safetensors" if out == "share" else tmp_path / out
    config = checkpoint.load(path)[1].config
    assert (config["run"], config["data"], config["engine"]) == (None, "pictures", "auto")


def test_export_of_an_export_is_identical(run, tmp_path):
    export.write(run.folder.path, tmp_path / "a.safetensors")
    export.write(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@given(
    st.lists(st.floats(-65504, 65504, width=32), min_size=1),
    st.sampled_from(["float32", "float16"]),
)
def test_rounding_is_to_the_nearest(numbers, precision):
    array = np.array(numbers, np.float32)
    found = precisions.rounded(array, "x", precision)
    with np.errstate(over="ignore"):  # after the largest half comes infinity
        step = np.spacing(np.abs(found)).astype(np.float64)
    assert found.dtype == precision and (np.abs(found.astype(np.float64) - array) <= step / 2).all()


# --- folders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", precisions.PRECISIONS)
def test_folder_can_be_loaded(run, tmp_path, precision):
    said = command(
        "export", str(run.folder.path), "-o", str(tmp_path / "gan"), "--precision", precision
    )
    assert (said.code, said.err) == (0, "") and "ganbaru.from_pretrained(" in said.out
    names = sorted(path.name for path in (tmp_path / "gan").iterdir())
    assert names == ["README.md", "config.json", "model.safetensors", "samples.png"]
    found, whole = ganbaru.from_pretrained(tmp_path / "gan"), load(run.folder.path)
    assert (found.classes, found.latent) == (whole.classes, whole.latent)
    apart = int(precision == "float16")
    assert np.abs(found.sample(5).astype(int) - whole.sample(5).astype(int)).max() <= apart
    with Image.open(tmp_path / "gan" / "samples.png") as picture:
        assert_array_equal(np.asarray(picture), image_io.grid(found.sample(24), 6)[..., 0])


def test_config_describes_the_model(shared, run):
    said = json.loads((shared / "config.json").read_text(encoding="utf-8"))
    assert (said["format"], said["network"], said["latent"]) == (1, "dcgan", 8)
    assert (said["classes"], said["image_shape"]) == (["0", "1", "2"], [1, 16, 16])
    with safe_open(shared / "model.safetensors", framework="numpy") as file:
        assert all(name.startswith("ema") for name in file.keys())  # noqa: SIM118


def test_other_files_in_the_folder_stay(shared, run):
    (shared / ".git").mkdir()
    (shared / "notes.txt").write_text("mine")
    (shared / "README.md").write_text("old")
    with pytest.raises(ganbaru.InputError, match="README.md"):
        ganbaru.save_pretrained(run.folder.path, shared)
    assert (shared / "README.md").read_text() == "old"
    ganbaru.save_pretrained(run.folder.path, shared, overwrite=True)
    assert (shared / "notes.txt").read_text() == "mine" and (shared / ".git").is_dir()
    assert "# my-gan" in (shared / "README.md").read_text(encoding="utf-8")
    assert not list(shared.glob(".*.tmp"))


def test_card_has_front_matter_and_usage(shared):
    text = (shared / "README.md").read_text(encoding="utf-8")
    _, top, rest = text.split("---\n", 2)
    fields = yaml.safe_load(top)
    assert (fields["library_name"], fields["license"]) == ("ganbaru", "other")
    assert "gan" in fields["tags"]
    for part in ("# my-gan", "(samples.png)", 'from_pretrained("my-gan")', "not for", "| licence |",
                 "3 classes: 0, 1, 2", "was not measured", "0 images shown, seed 0"):  # fmt: skip
        assert part in rest, part
    assert "## Scores" not in rest


def test_card_has_the_scores_of_its_own_checkpoint(tmp_path):
    made = save(tmp_path, run=tmp_path / "runs" / "a")
    passport = Passport("classifier 1", "0123456789abcdef", 0.9, "digits", "f", "halves", 700, 800,
                        "test", "none", 0, "subsamples", "none")  # fmt: skip
    for which, value in ((f"{made.images:010d}", 1.234), ("0000099999", 5.678)):
        origin = {"run": "a", "checkpoint": which, "seed": 0}
        scores = {"frechet": Score(value, 1.0, 2.0, 0.5)}
        store(made.folder.path, Evaluation("a", origin, passport, scores, {}))
    text = model_card.text(load_player(made.folder.path), "x", "samples.png")
    assert "| Fréchet distance, lower is better | 1.234 | 1 to 2 | 0.5 |" in text
    assert "5.678" not in text and "800 images against 700 real ones" in text


WRONG = {
    "absent": (lambda x: shutil.rmtree(x), "no shared model at"),
    "no weights": (lambda x: (x / "model.safetensors").unlink(), "There is no model.safetensors"),
    "no config": (lambda x: (x / "config.json").unlink(), "it has no config.json"),
    "no JSON": (lambda x: (x / "config.json").write_text("{"), "does not describe a model"),
    "a list": (lambda x: (x / "config.json").write_text("[]"), "does not describe a model"),
    "another": (lambda x: (x / "config.json").write_text('{"model_type": "bert"}'),
                "does not describe a model of ganbaru"),
    "bytes": (lambda x: (x / "config.json").write_bytes(b"\xff\xfe"), "does not describe"),
    "newer": (lambda x: (x / "config.json").write_text('{"format": 2, "file_sha256": ""}'),
              "pip install -U ganbaru"),
    "cut": (lambda x: (x / "model.safetensors").write_bytes(b"short"), "does not have the hash"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_damaged_folder_is_refused(shared, name):
    damage, message = WRONG[name]
    damage(shared)
    with pytest.raises(InputError, match=message):
        ganbaru.from_pretrained(shared)


@pytest.mark.parametrize("player", ["discriminator", "unaveraged-generator"])
def test_folder_of_another_player_is_refused(run, tmp_path, player):
    with pytest.raises(InputError, match=f"not the {player}: give a name ending in"):
        export.write(run.folder.path, tmp_path / "x", player=player)
    assert not (tmp_path / "x").exists()


# --- the hub ----------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        """Print nothing."""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve a folder as the hub does, with a stand-in for its library; return the folder."""
    root = tmp_path / "served"
    handler = functools.partial(Quiet, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def hf_hub_download(repo_id: str, filename: str, *, revision: str | None = None) -> str:
        address = f"http://127.0.0.1:{server.server_port}/{repo_id}/{revision or 'main'}/{filename}"
        cached = tmp_path / "cached" / filename
        cached.parent.mkdir(exist_ok=True)
        with urllib.request.urlopen(address) as answer:
            cached.write_bytes(answer.read())
        return str(cached)

    library = types.ModuleType("huggingface_hub")
    library.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    yield root
    server.shutdown()
    server.server_close()
    thread.join()


def test_model_on_the_hub_is_downloaded(run, served):
    ganbaru.save_pretrained(run.folder.path, served / "user" / "my-gan" / "main")
    ganbaru.save_pretrained(run.folder.path, served / "user" / "my-gan" / "v1", precision="float16")
    whole = load(run.folder.path).sample(4)
    assert_array_equal(ganbaru.from_pretrained("user/my-gan").sample(4), whole)
    half = ganbaru.from_pretrained("user/my-gan", revision="v1")
    weights = checkpoint.load(served.parent / "cached" / "model.safetensors")[0]["ema"]
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float16)}
    assert half.sample(4).shape == whole.shape


def test_local_folder_takes_precedence_over_the_hub(run, served, monkeypatch):
    ganbaru.save_pretrained(run.folder.path, served / "user" / "here")
    monkeypatch.chdir(served)
    assert ganbaru.from_pretrained("user/here").classes == ("0", "1", "2")


def test_model_missing_on_the_hub_is_refused(served):
    with pytest.raises(InputError, match=r"config.json of 'user/absent' .*HTTPError.*404"):
        ganbaru.from_pretrained("user/absent")


def test_incomplete_upload_is_refused(run, served):
    place = served / "user" / "x" / "main"
    ganbaru.save_pretrained(run.folder.path, place)
    weights = place / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(InputError, match="does not have the hash"):
        ganbaru.from_pretrained("user/x")


def test_module_named_by_a_model_on_the_hub_is_not_imported(served, tmp_path, monkeypatch):
    (tmp_path / "own_net.py").write_text("from ganbaru.networks.dcgan import *\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = save(tmp_path, network="own_net")
    ganbaru.save_pretrained(made.folder.path, served / "user" / "own" / "main")
    assert ganbaru.from_pretrained(served / "user" / "own" / "main").latent == 8
    del sys.modules["own_net"]
    with pytest.raises(InputError, match="'own_net'.*--trust own_net"):
        ganbaru.from_pretrained("user/own")
    assert "own_net" not in sys.modules


def test_local_folders_load_without_the_hub_library(shared, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert ganbaru.from_pretrained(shared).latent == 8
    with pytest.raises(InputError, match=r"There is no folder user/x, .*'ganbaru\[hub\]'"):
        ganbaru.from_pretrained("user/x")


@pytest.mark.parametrize(("text", "expected"), [
    ("user/name", True), ("a.b/c-d_1", True), ("name", False), ("./user/name", False),
    ("/user/name", False), ("../name", False), ("a/b/c", False), ("a/..", False), ("", False),
])  # fmt: skip
def test_names_on_the_hub(text, expected):
    assert hub.is_name(text) == expected


def test_hub_library_accepts_the_arguments():
    library = pytest.importorskip("huggingface_hub")
    inspect.signature(library.hf_hub_download).bind("user/name", "config.json", revision=None)


def test_format_is_chosen_by_the_ending(run, tmp_path):
    assert list(export.FORMATS) == [".onnx", ".html", ".safetensors", ""]
    with pytest.raises(InputError, match=r"x\.pb: give a name ending in \.onnx"):
        export.write(run.folder.path, tmp_path / "x.pb")
    export.write(run.folder.path, tmp_path / "X.SAFETENSORS")
    assert checkpoint.load(tmp_path / "X.SAFETENSORS")[1].images == run.images
