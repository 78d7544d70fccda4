"""ONNX models of every network: ONNX Runtime against the NumPy engine."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_helpers import save
from numpy.testing import assert_allclose
from train_helpers import command

from ganbaru import InputError, RunError, export, load, native, registry
from ganbaru.export import graph, metadata, onnx_file, precision, verification
from ganbaru.gan import models
from ganbaru.gan.models import SPECTRAL_NORMS
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.sampling import directions, image_io
from ganbaru.sampling.players import load_player

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from export_helpers import apart, content, operations, player, run  # noqa: E402

PLAYERS = ("generator", "discriminator")
NETWORKS = registry.names("networks")


def fits(network: str, conditioning: str) -> bool:
    """Return whether a network supports a conditioning: a single logit, or norms to replace."""
    single = models.logits(network, None) == 1 or conditioning in ("none", "planes")
    return single and not (network == "r3gan" and conditioning == "class-norm")


# --- every network ----------------------------------------------------------------------------

# By default each has a quarter: every conditioning, and spectral norm, with some network.
CASES = [
    pytest.param(
        network,
        kind,
        conditioning,
        spectral_norm,
        marks=[pytest.mark.extended]
        * ((NETWORKS.index(network) + labelled + 2 * normed + 2 * player) % 4 > 0),
    )
    for network in NETWORKS
    for player, kind in enumerate(PLAYERS)
    for labelled, conditioning in enumerate(("none", *CONDITIONINGS))
    if fits(network, conditioning)
    for normed, spectral_norm in enumerate(("none", "both"))
]


@pytest.mark.parametrize(("network", "kind", "conditioning", "spectral_norm"), CASES)
def test_onnx_runtime_agrees_with_the_numpy_engine(network, kind, conditioning, spectral_norm):
    of = player(
        kind, (16, 24, 3), network=network, conditioning=conditioning, spectral_norm=spectral_norm
    )
    single, half = content(of), content(of, "float16")
    for count in (1, 7):
        assert apart(of, single, count) < 1e-5
        assert apart(of, half, count) < precision.bound("float16")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_images_as_bytes_are_those_of_generate(channels, weights):
    of = player("generator", (16, 24, channels))
    given = verification.examples(of, 5)
    found = run(content(of, weights, as_bytes=True), **given)
    wanted = image_io.to_bytes(verification.computed(of, given)).transpose(0, 3, 1, 2)
    assert (found.dtype, found.shape) == (np.uint8, (5, 3, 16, 24))
    assert len(np.unique(wanted)) > 50
    apart = np.abs(found.astype(int) - wanted)
    assert apart.max() <= 1 + 127.5 * precision.bound("float16") * (weights == "float16")
    assert weights == "float16" or (apart > 0).mean() < 1e-3


def test_bytes_are_for_generators_in_onnx_alone(before):
    said = command("export", "a", "-o", "x.onnx", "--pixels", "uint8")
    assert said.code == 0 and "(N, 3, 16, 16) uint8" in said.out and "of 255 at most" in said.out
    left = (before / "x.onnx").read_bytes()
    for words in (["-o", "x.html"], ["-o", "x.onnx", "--player", "discriminator"]):
        said = command("export", "a", *words, "--pixels", "uint8")
        assert said.code == 2 and "--pixels uint8" in said.err
    said = command("export", "a", "-o", "x.onnx", "--pixels", "int8")
    assert said.code == 2 and "float32, uint8" in said.err
    assert (before / "x.onnx").read_bytes() == left and not (before / "x.html").exists()


def test_every_precision_has_an_onnx_type():
    assert onnx_file.KINDS.keys() == precision.PRECISIONS.keys()


def test_every_choice_of_spectral_norm_is_one_of_the_two_players():
    assert SPECTRAL_NORMS.keys() == {"none", "d", "g", "both"}


@pytest.mark.parametrize("network", NETWORKS)
def test_minibatch_deviation_with_every_batch_size(network):
    conditioning = "projection" if fits(network, "projection") else "planes"
    of = player(
        "discriminator", network=network, conditioning=conditioning, minibatch_deviation=True
    )
    found = content(of)
    for count in (1, 2, 3, 4, 5, 6, 7, 8, 12, 64):
        assert apart(of, found, count) < 1e-5


@given(
    sides=st.tuples(*[st.sampled_from([16, 20, 28, 32])] * 2),
    channels=st.sampled_from([1, 3, 4]),
    width=st.integers(1, 9),
    latent=st.integers(1, 20),
    count=st.integers(1, 9),
    network=st.sampled_from(NETWORKS),
    kind=st.sampled_from(PLAYERS),
)
def test_image_and_network_sizes(sides, channels, width, latent, count, network, kind):
    options = {"conditioning": "planes", "width": max(2, width), "latent": latent}
    of = player(kind, (*sides, channels), network=network, **options)
    assert apart(of, content(of), count) < 1e-5


# --- what is in a model -----------------------------------------------------------------------

# What is left of batch norm would be Sub, Mul, Add or Div.
LEFT = {
    ("dcgan", "generator"): {"Reshape": 1, "ConvTranspose": 3, "Relu": 2, "Tanh": 1},
    ("dcgan", "discriminator"): {"Conv": 3, "LeakyRelu": 2, "Reshape": 2},
    ("dcgan-5x5", "generator"):
        {"Gemm": 1, "Reshape": 1, "ConvTranspose": 2, "Relu": 2, "Tanh": 1},
    ("dcgan-mlp", "generator"):
        {"Gemm": 2, "Reshape": 1, "ConvTranspose": 2, "Relu": 3, "Tanh": 1},
    ("dcgan-mlp", "discriminator"): {"Conv": 2, "Gemm": 2, "Reshape": 3, "LeakyRelu": 3},
}  # fmt: skip


@pytest.mark.parametrize(("network", "kind"), LEFT)
def test_batch_norm_and_factors_are_folded_into_the_layers(network, kind):
    found = operations(content(player(kind, network=network, conditioning="none")))
    assert dict(found) == LEFT[network, kind]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", PLAYERS)
def test_no_weight_is_stored_twice(network, kind):
    of = player(kind, network=network, conditioning="none", width=8)
    held = onnx.load_from_string(content(of)).graph.initializer
    weights = sum(int(np.prod(x.dims)) for x in held if x.data_type == onnx.TensorProto.FLOAT)
    arrays = [*of.parameters.values(), *of.buffers.values()]
    biases = sum(int(np.prod(x.dims)) for x in held if x.name.endswith("bias"))
    assert weights <= sum(array.size for array in arrays) + biases


def test_float16_halves_the_size():
    of = player("generator", width=16)
    assert 0.4 < len(content(of, "float16")) / len(content(of)) < 0.6


def test_inputs_and_outputs_have_names_types_and_an_open_batch_size():
    model = onnx.load_from_string(content(player("generator", (16, 20, 3)), "float16"))
    sides = {
        x.name: [side.dim_param or side.dim_value for side in x.type.tensor_type.shape.dim]
        for x in (*model.graph.input, *model.graph.output)
    }
    assert sides == {"latents": ["N", 6], "labels": ["N"], "images": ["N", 3, 16, 20]}
    kinds = [x.type.tensor_type.elem_type for x in (*model.graph.input, *model.graph.output)]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.FLOAT]
    assert (model.opset_import[0].version, model.ir_version) == (13, 7)
    names = {x.name for x in model.graph.initializer}
    assert {"stem.conv.weight", "stem.conv.bias", "image.conv.weight"} <= names
    halves = {x.data_type for x in model.graph.initializer if "conv" in x.name}
    assert halves == {onnx.TensorProto.FLOAT16}


def test_metadata_of_a_model():
    of = player("generator", conditioning="class-norm", distribution="uniform", seed=7)
    props = onnx.load_from_string(content(of, "float16")).metadata_props
    found = {prop.key: prop.value for prop in props}
    assert json.loads(found["classes"]) == ["ape", "bear", "cat"]
    assert json.loads(found["image_shape"]) == [1, 16, 16]
    assert (found["latent"], found["distribution"], found["seed"]) == ("6", "uniform", "7")
    assert (found["images_trained"], found["precision"]) == ("8", "float16")
    assert "CC BY 4.0" in found["licence"] and found["weights_sha256"] == metadata.digest(of)


def test_hash_depends_on_names_and_numbers():
    of, other = player("generator"), player("generator")
    assert metadata.digest(of) == metadata.digest(other) and len(metadata.digest(of)) == 64
    other.parameters["stem.conv.weight"][0, 0, 0, 0] += 1e-6
    assert metadata.digest(of) != metadata.digest(other)


@pytest.mark.parametrize("name", ["generator", "discriminator"])
@pytest.mark.parametrize("label", [3, -1, -3, -(2**63), 2**63 - 1])
def test_label_out_of_range_is_refused_by_the_runtime(name, label):
    of = player(name, conditioning="class-norm")
    inputs = verification.examples(of, 2)
    inputs["labels"][0] = label
    with pytest.raises(Exception, match="out of data bounds"):
        run(content(of), **inputs)


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Return a run of drawn weights, below runs/ of the folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return save(tmp_path, run=tmp_path / "runs" / "a", conditioning="class-norm")


def test_seeds_give_the_same_images_in_the_model(saved, tmp_path):
    said = command("export", "a", "-o", "new/gan.onnx")
    assert (said.code, said.err) == (0, "")
    first, second, third = said.out.splitlines()
    assert first.startswith("new/gan.onnx: 0.0") and first.endswith("ONNX opset 13, float32")
    assert second == ("latents (N, 8) float32, labels (N) int64 -> "
                      "images (N, 1, 16, 16) float32 in [-1, 1]")  # fmt: skip
    assert float(third.split(" by ")[1].split()[0]) < 1e-5
    generator = load("a")
    latents, labels = generator.latents(range(5)), generator.labels(range(5))
    model = (tmp_path / "new" / "gan.onnx").read_bytes()
    images = image_io.to_bytes(run(model, latents=latents, labels=labels))
    assert_allclose(images.astype(int), generator.sample(5).astype(int), rtol=0, atol=1)


@pytest.mark.parametrize("name", native.PLAYERS)
def test_every_player_can_be_exported(saved, name):
    assert command("export", "a", "--player", name, "-o", "x.onnx").code == 0
    with open("x.onnx", "rb") as file:
        model = file.read()
    of = load_player("a", player=name)
    assert apart(of, model, 3) < 1e-5
    props = {prop.key: prop.value for prop in onnx.load_from_string(model).metadata_props}
    assert props["player"] == name


def test_any_checkpoint_can_be_exported(saved, tmp_path):
    folder = tmp_path / "runs" / "a" / "checkpoints"
    (newest,) = folder.iterdir()
    saved.images += 8
    for array in saved.state["ema"].values():
        array *= 0.5
    saved.save()
    saved.save(folder / "best.safetensors")
    hashes = {}
    for which in ("newest", "best", str(int(newest.stem))):
        assert command("export", "a", "--checkpoint", which, "-o", "x.onnx").code == 0
        props = onnx.load("x.onnx").metadata_props
        hashes[which] = {prop.key: prop.value for prop in props}["weights_sha256"]
    assert hashes["newest"] == hashes["best"] != hashes[str(int(newest.stem))]


def test_runs_in_float64_can_be_exported(tmp_path):
    run_ = save(tmp_path, precision="float64")
    lines = export.write(run_.folder.path, tmp_path / "x.onnx")
    assert float(lines[2].split(" by ")[1].split()[0]) < 1e-5


# --- failures ---------------------------------------------------------------------------------


BEFORE = b"\x08\x09\x12\x07ganbaru: an older model"


def untouched(folder) -> bool:
    """Return whether the old file is unchanged and no other was written."""
    return [path.name for path in folder.glob("*x.onnx*")] == ["x.onnx"] and (
        (folder / "x.onnx").read_bytes() == BEFORE
    )


@pytest.fixture
def before(saved, tmp_path):
    (tmp_path / "x.onnx").write_bytes(BEFORE)
    return tmp_path


def test_a_model_that_disagrees_is_not_written(before, monkeypatch):
    monkeypatch.setattr(verification, "computed", lambda of, inputs: np.zeros((3, 1, 16, 16)))
    with pytest.raises(RunError, match=r"differ by .* nothing was written"):
        export.write("a", "x.onnx")
    assert untouched(before)


def test_failed_write_leaves_the_old_file(before, monkeypatch):
    def refuse(one, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    said = command("export", "a", "-o", "x.onnx")
    assert said.code == 1 and "Cannot write x.onnx: No space left on device" in said.err
    assert untouched(before)


def test_without_onnx_runtime_the_model_is_written_unverified(before, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install 'ganbaru[onnx]'" in export.write("a", "x.onnx")[2]
    onnx.checker.check_model("x.onnx", full_check=True)


def test_without_onnx_the_extra_is_named(before, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = command("export", "a", "-o", "x.onnx")
    assert said.code == 2 and "pip install 'ganbaru[onnx]'" in said.err and untouched(before)


def test_weights_too_large_for_float16_are_refused(before, saved):
    saved.state["ema"]["image.conv.weight"][0, 0, 0, 0] = 1e6
    saved.images += 8
    saved.save()
    for name in ("x.onnx", "y.safetensors", "share"):
        said = command("export", "a", "--precision", "float16", "-o", name)
        assert said.code == 2 and "image.conv.weight" in said.err
        assert "1e+06" in said.err and "--precision float32" in said.err
    assert untouched(before) and not (before / "y.safetensors").exists()


def test_models_too_large_for_a_file_are_refused(before, monkeypatch):
    monkeypatch.setattr(graph, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"one ONNX file.* --precision float16"):
        export.write("a", "x.onnx")
    assert untouched(before)


OWN = """
from ganbaru import nn, ops
from ganbaru.networks.dcgan import discriminator

def generator(scope, latent, *, image_size, channels, base_channels):
    half = {expression}
    x = nn.dense(scope.child("all"), latent, image_size[0] * image_size[1])
    return ops.tanh(ops.reshape(x, (-1, 1, *image_size)))
"""


@pytest.mark.parametrize(("name", "expression"), [
    ("modulo", "latent.shape[0] % 2"), ("loop", "list(range(latent.shape[0]))"),
    ("flat", "ops.reshape(latent, (-1,))"), ("doubled", "ops.concat([latent, latent])"),
    ("compared", "1 if latent.shape[0] > 3 else 2"), ("single", "latent.shape[0] == 1"),
])  # fmt: skip
def test_networks_that_need_a_fixed_batch_size_are_refused(tmp_path, monkeypatch, name, expression):
    (tmp_path / f"own_{name}.py").write_text(OWN.format(expression=expression))
    monkeypatch.syspath_prepend(str(tmp_path))
    made = save(tmp_path, network=f"own_{name}", conditioning="none")
    with pytest.raises(InputError, match=rf"open batch size: .*own_{name}"):
        export.write(made.folder.path, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_own_networks_can_be_exported(tmp_path, monkeypatch):
    (tmp_path / "own_plain.py").write_text(OWN.format(expression="latent.shape[0] // 2"))
    monkeypatch.syspath_prepend(str(tmp_path))
    made = save(tmp_path, network="own_plain", conditioning="none")
    of = load_player(made.folder.path)
    assert apart(of, content(of), 5) < 1e-5


# --- directions -------------------------------------------------------------------------------


def _metadata(path) -> dict:
    if path.suffix == ".onnx":
        found = {each.key: each.value for each in onnx.load(path).metadata_props}
        return json.loads(found.get("directions", "{}"))
    return json.loads((path / "config.json").read_text()).get("directions", {})


@pytest.mark.parametrize("name", ["gan.onnx", "shared"])
def test_directions_are_in_the_metadata(before, name):
    vectors = {each: np.eye(8)[k].tolist() for k, each in enumerate(("smiling", "glasses"))}
    found = {each: directions.Direction(x, "answers", "0") for each, x in vectors.items()}
    directions.write(before / "runs" / "a" / directions.FILE, found)
    assert "glasses" in command("export", "a", "-o", name).out
    assert {k: each["vector"] for k, each in _metadata(before / name).items()} == vectors
    command("export", "a", "-o", name, "--directions", "glasses")
    assert list(_metadata(before / name)) == ["glasses"]
    command("export", "a", "-o", name, "--directions", "none")
    assert _metadata(before / name) == {}
    (before / "runs" / "a" / directions.FILE).unlink()


LATENT_OPTIONS = {
    "no direction": (["-o", "not.onnx", "--directions", "a"], ["ganbaru directions"]),
    "another format": (["-o", "not.safetensors", "--directions", "a"], ["--directions", ".html"]),
    "discriminator": (["-o", "not.onnx", "--player", "discriminator", "--directions", "none"],
                      ["--directions", "discriminator"]),
    "a map elsewhere": (["-o", "not.onnx", "--map", "pca"], ["--map", ".html"]),
    "a map by nothing": (["-o", "not.html", "--map", "umap"], ["umap", "tsne"]),
}  # fmt: skip


@pytest.mark.parametrize("case", LATENT_OPTIONS)
def test_directions_and_maps_that_cannot_be_are_one_message(before, case):
    words, said_of = LATENT_OPTIONS[case]
    said = command("export", "a", *words)
    assert said.code == 2 and all(word in said.err for word in said_of), said.err
    assert not list(before.glob("not.*"))
