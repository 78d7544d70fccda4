"""PyTorch's fast ways: forms of products by shape, recorded steps, bfloat16, images held."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from helpers import NUMPY32, assert_close, assert_engines_agree, normal, table
from numpy.testing import assert_array_equal
from train_helpers import assert_same_state, command, newest, tiny, trained

from ganbaru import engines, nn, ops, registry
from ganbaru.errors import InputError
from ganbaru.gan import penalties, step
from ganbaru.gan.batches import _scaled, to_range
from ganbaru.gan.prefetch import Prefetcher
from ganbaru.nn import normalization
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.sampling.generators import load as load_generator
from ganbaru.training import setup

torch = pytest.importorskip("torch")
from ganbaru.engines.torch import cuda_graph, linear_ops, training_mode  # noqa: E402

TORCH32, TORCH64 = (engines.load("torch", "cpu", kind) for kind in ("float32", "float64"))
BF16 = engines.load("torch", "cpu", "bf16")


# --- products ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize("sides", [(2, 2), (4, 6), (6, 5)])
def test_forms_for_few_channels_are_the_convolution_to_second_order(channels, sides):
    """Of 4x4 kernels at stride 2 and padding 1; images of odd sides have no form of their own."""
    images, kernels = normal(2, channels, *sides), normal(6, channels, 4, 4)
    features = normal(2, 6, sides[0] // 2, sides[1])
    down = functools.partial(ops.conv2d, stride=2, padding=1)
    up = functools.partial(ops.conv_transpose2d, stride=2, padding=1)
    assert_engines_agree(TORCH64, down, images, kernels, relative=1e-12)
    assert_engines_agree(TORCH64, up, features, kernels, relative=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_of_one_place_are_products_to_second_order(stride):
    at, start = normal(3, 4, 5, 2), normal(3, 7, 1, 1)
    down = functools.partial(ops.conv2d, stride=stride)
    up = functools.partial(ops.conv_transpose2d, stride=stride)
    assert_engines_agree(TORCH64, down, at, normal(6, 4, 5, 2), relative=1e-12)
    assert_engines_agree(TORCH64, up, start, normal(7, 3, 5, 2), relative=1e-12)
    image = TORCH32.from_numpy(start), TORCH32.from_numpy(normal(7, 3, 5, 2))
    assert ops.conv_transpose2d(*image).is_contiguous(memory_format=torch.channels_last)


def test_features_of_grey_images_stay_channels_last():
    """A one-channel image has both layouts at once: by its strides PyTorch chooses."""
    x, w = (TORCH32.from_numpy(normal(*shape)) for shape in ((4, 1, 8, 8), (6, 1, 4, 4)))
    found = ops.conv2d(x, w, stride=2, padding=1)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert not found.is_contiguous()


# --- training mode ---------------------------------------------------------------------------


def test_on_a_processor_nothing_is_recorded():
    def train_step(*inputs):
        return inputs

    quick = engines.load("torch", "cpu", "auto", True)
    assert not isinstance(quick.compile(train_step, consumes=True), cuda_graph.Recorder)
    assert quick.precision == "float32" and not quick.runs_async
    assert isinstance(
        training_mode.compile_step(train_step, "cuda:1", "bf16", True), cuda_graph.Recorder
    )
    assert not isinstance(
        training_mode.compile_step(train_step, "cuda", "bf16", False), cuda_graph.Recorder
    )


def test_loose_products_end_with_the_step():
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark)
    inside = cuda_graph.loose(
        lambda: (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark)
    )()
    assert inside == ("high", True)
    after = (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark)
    assert after == before


def test_images_held_by_the_engine_are_those_that_are_copied():
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), np.uint8)
    chosen = np.array([3, 8, 3, 0])
    pick = training_mode.selector(torch.tensor(images))
    found = _scaled(pick(torch.tensor(chosen)))
    assert_array_equal(found.numpy(), to_range(images[chosen]))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert training_mode.device_dataset(images, "cpu") is None


# --- bfloat16 ---------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["rounded in float32", "in bfloat16"])
def has_bf16(request, monkeypatch):
    """Let the processor have bfloat16's instructions or lack them; it computes either way."""
    monkeypatch.setattr(training_mode, "_cpu_has_bf16", lambda: request.param)
    return request.param


def _bits_kept(x: np.ndarray) -> np.ndarray:
    return x.view(np.uint32) & 0xFFFF


@pytest.mark.parametrize("arithmetic", [linear_ops.rounded, linear_ops.in_bf16])
@pytest.mark.parametrize("case", range(6))
def test_products_are_bfloat16s(arithmetic, case):
    """Value and slopes within its rounding (2^-8) of float64's, and rounded to its eight bits."""
    rng = np.random.default_rng(case)
    sides, kernel = (8, 8), (4, 4)
    x, w = rng.standard_normal((3, 8, *sides)), rng.standard_normal((8, 8, *kernel))
    rule = [
        lambda x, w: ops.conv2d(x, w, stride=2, padding=1),
        lambda x, w: ops.conv2d(x, w, stride=1, padding=1),
        lambda x, w: ops.conv2d(x, w[:, :, :1, :1], stride=1),
        lambda x, w: ops.conv_transpose2d(x, w, stride=2, padding=1),
        lambda x, w: ops.conv_transpose2d(x[:, :, :1, :1], w),
        lambda x, w: ops.matmul(x[:, :, 0, 0], w[:, :, 0, 0]),
    ][case]  # fmt: skip

    def loss(p):
        y = rule(p["x"], p["w"])
        return ops.mean(y * y), y

    def run(engine):
        given = {"x": engine.from_numpy(x), "w": engine.from_numpy(w)}
        value, y, slopes = ops.value_and_grad(loss, given)
        return y, value, slopes

    _, value, slopes = run(TORCH64)
    y, found, rough = linear_ops.using(arithmetic)(run)(TORCH32)
    assert found.dtype == torch.float32
    assert_array_equal(_bits_kept(y.float().numpy()), 0)
    assert_close(float(found), float(value), 2e-2)
    for name in slopes:
        assert rough[name].dtype == torch.float32
        assert_close(rough[name].numpy(), slopes[name].numpy(), 2e-2)


BF16_GAMES = [{"penalty": "r1+r2"}, {"penalty": "wgan-gp", "objective": "wgan"},
              {"conditioning": "class-norm", "spectral_norm": "both"},
              {"conditioning": "projection", "minibatch_deviation": True},
              {"network": "patchgan", "shape": (64, 64, 1)},
              {"network": "dcgan-5x5", "objective": "two-class"},
              *({"network": name} for name in ("resnet", "dcgan-linear", "dcgan-mlp"))]  # fmt: skip


@pytest.mark.parametrize("options", BF16_GAMES, ids=str)
def test_a_game_in_bf16_keeps_all_it_has_in_float32(options, has_bf16):
    """And its first losses and gradients are float32's within a few of bfloat16's roundings."""
    exact, rough = (table(e, **{"shape": (16, 16, 1), **options}) for e in (NUMPY32, BF16))
    batches, schedule = rough.draw.step(0), step.step_schedule(rough.gan, 0, 1)
    train_step = BF16.compile(functools.partial(step.train_step, rough.gan), consumes=True)
    rough.state, report = train_step(rough.state, batches, schedule)
    wanted = exact.step(0)
    assert {value.dtype for value in report.values()} == {torch.float32}
    assert float(report["d_loss"]) == pytest.approx(wanted["d_loss"], rel=0.03, abs=0.02)
    found, expected = rough.arrays(), exact.arrays()
    for group, arrays in found.items():
        assert {array.dtype for array in arrays.values()} <= {np.dtype(np.float32)}, group
    slopes, sloped = (np.concatenate([g.ravel() for g in one["discriminator_mean"].values()])
                      for one in (found, expected))  # fmt: skip
    assert np.linalg.norm(slopes - sloped) < 0.3 * np.linalg.norm(sloped)
    assert np.linalg.norm(slopes - sloped) > 1e-4 * np.linalg.norm(sloped)  # bf16 it was


# Each network with each conditioning, with and without spectral norm by turns.
NETWORKS = [
    pytest.param(
        network, conditioning, ("none", "both")[number % 2], id=f"{network}-{conditioning}"
    )
    for number, (network, conditioning) in enumerate(
        itertools.product(registry.names("networks"), ("none", *CONDITIONINGS))
    )
]


@pytest.mark.parametrize("network,conditioning,spectral_norm", NETWORKS)
def test_logits_images_and_losses_are_float32_in_every_network(
    network, conditioning, spectral_norm, monkeypatch
):
    """Whatever its last layer is, and though its products are bfloat16."""
    products = []

    def arithmetic(rule, x, y):
        products.append(linear_ops.in_bf16(rule, x, y))
        return products[-1]

    options = {"network": network, "conditioning": conditioning, "spectral_norm": spectral_norm}
    objective = {"objective": "two-class"} if network == "dcgan-5x5" else {}
    shape = (64, 64, 1) if network == "patchgan" else (16, 16, 1)
    try:
        gan = table(TORCH32, shape, width=2, batch=4, **options, **objective)
    except InputError:
        pytest.skip("this network does not take this conditioning")
    batch = gan.draw.step(0).d[0]
    with linear_ops.using(arithmetic):
        fake, _ = step._generate(gan.gan, *_player(gan, "generator"), batch)
        real = step._score(gan.gan, *_player(gan, "discriminator"), batch.real, batch.real_label)[0]
        false = step._score(gan.gan, *_player(gan, "discriminator"), fake, batch.label)[0]
        losses = gan.gan.d_loss(real, false), gan.gan.g_loss(real, false)
    assert {x.dtype for x in (fake, real, false, *losses)} == {torch.float32}
    assert len(products) > 5 and {x.dtype for x in products} == {torch.bfloat16}


def _player(gan, player: str) -> tuple:
    return gan.state[player], gan.state[f"{player}_buffers"]


@pytest.mark.parametrize("logits", [1, 4, 5, 9])
@pytest.mark.parametrize("side", [4, 6])
def test_logits_of_a_users_network_are_float32(logits, side):
    """A last kernel over the whole image or over parts of it, to however many channels."""
    given = {"weight": TORCH32.from_numpy(normal(logits, 3, 4, 4))}
    x = TORCH32.from_numpy(normal(2, 3, side, side))
    with linear_ops.using(linear_ops.in_bf16):
        rough, _ = nn.apply(
            lambda scope, x: ops.conv2d(x, scope.weight((logits, 3, 4, 4))), given, {}, x,
            training=True,
        )  # fmt: skip
    assert rough.dtype == torch.float32
    assert_array_equal(_bits_kept(rough.numpy()), 0)


@pytest.mark.parametrize("shape,outputs", [((6, 40), 0), ((8, 3, 4, 4), 0), ((8, 3, 4, 4), 1)])
def test_spectral_norm_is_float32s_in_bf16(shape, outputs):
    """To the bit, with its buffer and its gradient."""
    network = normalization.with_spectral_norm(
        lambda scope, x: scope.weight(shape, outputs=outputs) * x
    )
    buffers = {"left": TORCH32.from_numpy(normal(1, shape[outputs]))}

    def loss(p):
        y, after = nn.apply(network, p, buffers, TORCH32.from_numpy(normal(*shape)), training=True)
        return ops.sum(y), (y, after["left"])

    found = []
    for arithmetic in (linear_ops.as_they_are, linear_ops.in_bf16, linear_ops.rounded):
        with linear_ops.using(arithmetic):
            weight = {"weight": TORCH32.from_numpy(normal(*shape, seed=1))}
            _, (y, left), slopes = ops.value_and_grad(loss, weight)
        found.append((y, left, slopes["weight"]))
    for other in found[1:]:
        for x, expected in zip(other, found[0], strict=True):
            assert torch.equal(x, expected)


def test_finite_differences_are_float32s_in_bf16():
    """To the bit, with the gradient: bf16's rounding errors would be larger than the difference."""
    x, noise = (TORCH32.from_numpy(normal(4, 3, 8, 8, seed=seed)) for seed in range(2))

    def loss(p):
        def score(image):
            y = ops.leaky_relu(ops.conv2d(image, p["weight"], stride=2), 0.2)
            return ops.sum(y * y, axis=(1, 2, 3))

        inputs = penalties.PenaltyInputs(score, score, x, x, x, noise)
        return penalties.fd_r1(inputs, part=1.0) + penalties.fd_r2(inputs), None

    found = []
    for arithmetic in (linear_ops.as_they_are, linear_ops.in_bf16, linear_ops.rounded):
        with linear_ops.using(arithmetic):
            weight = {"weight": TORCH32.from_numpy(normal(6, 3, 4, 4, seed=2))}
            value, _, slopes = ops.value_and_grad(loss, weight)
        found.append((value, slopes["weight"]))
    for other in found[1:]:
        assert all(torch.equal(x, expected) for x, expected in zip(other, found[0], strict=True))


def test_a_run_in_bf16_goes_on_bit_for_bit_and_is_sampled_by_numpy(tmp_path):
    options = {"engine": "torch", "precision": "bf16"}
    whole = trained(tmp_path, **options, run=tmp_path / "whole")
    part = trained(tmp_path, **options, run=tmp_path / "part", steps=5)
    assert command("train", "--run", str(part), "--resume", "--steps", "12").code == 0
    assert_same_state(whole, part)
    groups, header = newest(part)
    assert header.config["precision"] == "bf16"
    assert {a.dtype for each in groups.values() for a in each.values()} == {np.dtype("float32")}
    images = [load_generator(part, engine=name).sample(4) for name in ("numpy", "torch")]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1
    said = command("train", "--run", str(part), "--resume", "--steps", "20", "--engine", "numpy")
    assert said.code == 2 and "--precision float32 or float64, or --engine torch" in said.err


def test_a_processor_without_bf16_is_told_of_once(tmp_path, has_bf16):
    config = tiny(tmp_path, engine="torch", precision="bf16", steps=1)
    notes = [note for note in setup.build(config).notes if "bfloat16" in note]
    assert len(notes) == (0 if has_bf16 else 1)


@pytest.mark.parametrize("name", ["numpy", "jax", "tensorflow"])
def test_engines_without_bf16_say_who_has_it(name):
    if name not in engines.available():
        pytest.skip(f"needs {name}, which is not installed")
    with pytest.raises(InputError, match=f"The {name} engine has no --precision bf16 on device"):
        engines.load(name, "cpu", "bf16")


@pytest.mark.parametrize("capability,has", [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_gpus_have_bf16_from_ampere_on(monkeypatch, capability, has):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert (training_mode.lacks_bf16("cuda:0") == "") == has
    for quick in (True, False):
        precision = engines._precision("auto", type(TORCH32), "torch", "cuda:0", quick)
        assert precision == ("bf16" if has and quick else "float32")
    assert training_mode.lacks_bf16("mps")
    assert engines._precision("auto", type(TORCH32), "torch", "mps", True) == "float32"


# --- drawn ahead ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"objective": "rsgan", "conditioning": "planes"}, {"share": "latents"},
                {"d_steps": 3}, {"short_batch": True, "batch": 12}], ids=str
)  # fmt: skip
@pytest.mark.parametrize("holding", [False, True])
def test_batches_drawn_ahead_are_those_drawn_in_turn(options, holding):
    """Through several epochs, after a jump too, with reals copied or picked where they are held."""
    plain = table(TORCH32, **options).draw
    images = torch.tensor(plain.source.images)
    ahead = Prefetcher(
        dataclasses.replace(
            plain, device_dataset=training_mode.selector(images) if holding else None
        )
    )
    for number in (*range(20), 50, 51, 3):
        one, other = plain.step(number), ahead.step(number)
        assert plain.images(number) == ahead.images(number) == other.images
        for mine, theirs in zip([*one.d, one.g], [*other.d, other.g], strict=True):
            for x, y in zip(mine, theirs, strict=True):
                assert (x is None) == (y is None)
                if x is not None:
                    assert_array_equal(x.numpy(), y.numpy())
