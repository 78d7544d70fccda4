"""DCGAN: parameter counts of known systems, every size that it allows, names, labels, gradients."""

from __future__ import annotations

import dataclasses
import functools
import math
from itertools import pairwise

import numpy as np
import pytest
from helpers import NUMPY64, assert_engines_agree, network_as_function, normal, outcomes
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from ganbaru import nn, ops, registry
from ganbaru.config import Config
from ganbaru.errors import InputError
from ganbaru.gan import models
from ganbaru.networks import dcgan, dcgan_filtered
from ganbaru.nn import conditioning, initializers, normalization
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.nn.initializers import Initialisation

DCGAN, HE = (initializers.INITIALISATIONS[name] for name in ("dcgan", "he"))

SIDES = st.integers(4, 64).map(lambda n: 4 * n)


def _networks(size=(16, 16), channels=1, classes=0, conditioning="none", **options):
    config = Config(**{"width": 8, "latent": 6, "conditioning": conditioning, **options})
    shape = (*size, channels)
    return models.networks(config, shape, classes), models.input_shapes(config, shape, classes)


def _counts(*where, **how) -> list[int]:
    """Count the parameters of G and of D by tracing."""
    counts = []
    for network, shapes in zip(*_networks(*where, **how), strict=True):
        sizes: list[int] = []

        def count(name, shape, kind, fan_in, sizes=sizes):
            sizes.append(int(np.prod(shape)))

        nn.trace(network, *shapes, parameter=count)
        counts.append(sum(sizes))
    return counts


# The systems whose networks these are, and what their authors' code counts.
KNOWN = {
    "64x64 grey": ({"channels": 1}, [3_574_656, 2_763_520]),
    "64x64 colour": ({"channels": 3}, [3_576_704, 2_765_568]),
    "64x64 grey, 10 classes": (
        {"channels": 1, "classes": 10, "conditioning": "planes"},
        [3_656_576, 2_773_760],
    ),
    "64x64 colour, 10 classes": (
        {"channels": 3, "classes": 10, "conditioning": "planes"},
        [3_658_624, 2_775_808],
    ),
    "the small NumPy system": ({"channels": 3, "width": 32}, [1_100_224, 694_656]),
    "linear first and last layers": (
        {"network": "dcgan-linear", "channels": 3},
        [3_583_872, 2_765_569],
    ),
    "28x28 with linear layers": (
        {"network": "dcgan-mlp", "size": (28, 28), "latent": 62},
        [6_640_193, 6_559_169],
    ),
    "28x28 with linear layers, 10 classes": (
        {
            "network": "dcgan-mlp",
            "size": (28, 28),
            "latent": 62,
            "classes": 10,
            "conditioning": "planes",
        },
        [6_650_433, 6_569_409],
    ),
    "28x28 with 5x5 kernels and two logits": (
        {"network": "dcgan-5x5", "size": (28, 28), "latent": 64},
        [608_001, 219_138],
    ),
    "PatchGAN, grey": ({"network": "patchgan"}, [3_574_656, 2_762_688]),
    "PatchGAN, colour": ({"network": "patchgan", "channels": 3}, [3_576_704, 2_764_736]),
    "PatchGAN, grey, 10 classes": (
        {"network": "patchgan", "classes": 10, "conditioning": "planes"},
        [3_656_576, 2_772_928],
    ),
    "PatchGAN, colour, 10 classes": (
        {"network": "patchgan", "channels": 3, "classes": 10, "conditioning": "planes"},
        [3_658_624, 2_774_976],
    ),
}


@pytest.mark.parametrize("how,expected", KNOWN.values(), ids=KNOWN)
def test_parameter_counts_of_known_systems(how, expected):
    assert _counts(**{"size": (64, 64), "width": 64, "latent": 100, **how}) == expected


@given(height=SIDES, width=SIDES, channels=st.sampled_from([1, 3]), classes=st.sampled_from([0, 3]))
def test_every_size_is_built(height, width, channels, classes):
    """Both sides a multiple of 4 from 16 to 256, square or not: by tracing, so in no time."""
    for way in ("projection", "planes") if classes else ("none",):
        (generator, discriminator), (latents, images) = _networks(
            (height, width), channels, classes, way
        )
        assert nn.trace(generator, *latents)[0] == (2, channels, height, width)
        assert nn.trace(discriminator, *images)[0] == (2,)


@given(height=SIDES, width=SIDES, rule=st.sampled_from([dcgan.rounding_up, dcgan.exactly]))
def test_halving_continues_as_long_as_possible(height, width, rule):
    sizes, maps = planned = dcgan.plan((height, width), 8, rule)
    assert sizes[0] == (height, width)
    for before, after in pairwise(sizes):
        assert after == tuple(math.ceil(side / 2) for side in before)
    assert min(planned.inner) >= 4
    assert not rule(planned.inner)
    assert maps == [min(8 * 2**i, 64) for i in range(len(sizes) - 1)]


@pytest.mark.parametrize(
    ("size", "through", "kernels"),
    [
        ((28, 28), [(28, 28), (14, 14), (7, 7), (4, 4)], [(4, 4), (4, 4), (3, 3)]),
        ((20, 36), [(20, 36), (10, 18), (5, 9)], [(4, 4), (4, 4)]),
        ((28, 64), [(28, 64), (14, 32), (7, 16), (4, 8)], [(4, 4), (4, 4), (3, 4)]),
    ],
)
def test_odd_sides_round_up(size, through, kernels):
    planned = dcgan.plan(size, 8)
    assert planned.sizes == through
    assert planned.kernels == kernels


def test_resnet_sizes_stop_at_odd_sides():
    assert dcgan.plan((28, 28), 8, dcgan.exactly).inner == (7, 7)


@pytest.mark.parametrize("size", [(28, 28), (20, 36), (16, 24), (60, 16)])
def test_traced_shapes_are_true(size, any_engine32):
    (generator, discriminator), (latents, images) = _networks(size, 3)
    for network, shapes in ((generator, latents), (discriminator, images)):
        first = nn.initialise(network, *shapes, seed=0, initialisation=DCGAN)
        tensors = ({n: any_engine32.from_numpy(a) for n, a in group.items()} for group in first)
        inputs = [any_engine32.from_numpy(normal(*shape)) for shape in shapes]
        y, _ = nn.apply(network, *tensors, *inputs, training=True)
        assert tuple(y.shape) == nn.trace(network, *shapes)[0]


@pytest.mark.parametrize("size", [(30, 32), (32, 30), (12, 16), (16, 260), (0, 16), (1000, 7)])
def test_a_size_it_cannot_build_is_refused_with_one_it_can(size):
    with pytest.raises(InputError, match="multiple of 4 from 16 to 256") as caught:
        dcgan.plan(size, 8)
    assert f"{size[0]}x{size[1]}" in str(caught.value)
    suggested = str(caught.value).rpartition("--image-size ")[2].rstrip(".")
    height, width = map(int, suggested.split("x"))
    assert dcgan.plan((height, width), 8)
    assert all(
        abs(a - b) <= 2 or b in (16, 256) for a, b in zip(size, (height, width), strict=True)
    )


def test_an_unknown_conditioning_is_refused():
    match = "'projektion'.*Did you mean 'projection'.*class-norm, embedding, none, planes"
    with pytest.raises(InputError, match=match):
        _networks(classes=3, conditioning="projektion")


# Checkpoints are keyed by these: to rename one is to lose the users' runs.
GENERATOR = [
    "stem.conv.weight",
    "stem.norm.weight",
    "stem.norm.bias",
    "up1.conv.weight",
    "up1.norm.weight",
    "up1.norm.bias",
    "image.conv.weight",
]
DISCRIMINATOR = [
    "down1.conv.weight",
    "down2.conv.weight",
    "down2.norm.weight",
    "down2.norm.bias",
    "score.conv.weight",
]


def _first(network, shapes):
    return nn.initialise(network, *shapes, seed=0, initialisation=DCGAN)


def test_names_of_parameters_and_buffers():
    (generator, discriminator), (latents, images) = _networks(
        (16, 16), classes=3, conditioning="projection"
    )
    parameters, buffers = _first(generator, latents)
    assert list(parameters) == GENERATOR
    statistics = ("running_mean", "running_var")
    assert list(buffers) == [f"{n}.norm.{s}" for n in ("stem", "up1") for s in statistics]
    parameters, buffers = _first(discriminator, images)
    assert list(parameters) == [*DISCRIMINATOR, "label.conv.weight"]
    assert list(buffers) == [f"down2.norm.{s}" for s in statistics]


# --- labels -----------------------------------------------------------------------------------


def _run(network, shapes, *inputs) -> np.ndarray:
    parameters, buffers = _first(network, shapes)
    return nn.apply(network, parameters, buffers, *inputs, training=False)[0]


@pytest.mark.parametrize("way", CONDITIONINGS)
def test_labels_reach_both_players(way):
    (generator, discriminator), (latents, images) = _networks(classes=3, conditioning=way)
    labels = [np.full(2, label) for label in range(3)]
    pictures = [_run(generator, latents, normal(2, 6).astype(np.float32), y) for y in labels]
    scores = [_run(discriminator, images, normal(2, 1, 16, 16), y) for y in labels]
    for found in (pictures, scores):
        assert all((found[0] != other).all() for other in found[1:])


def test_projection_adds_the_product_of_embedding_and_features():
    """Miyato and Koyama 2018, eq. 5: score(x, y) = <v + embedding(y), features(x)>."""
    how = {"image_size": (16, 16), "channels": 1, "base_channels": 8}
    conditional = conditioning.projection(functools.partial(dcgan.discriminator, **how), 3)
    x, labels = normal(4, 1, 16, 16), np.array([2, 0, 1, 2])
    parameters, buffers = _first(conditional, [x.shape, labels.shape])
    embedding = parameters["label.conv.weight"]
    found = nn.apply(conditional, parameters, buffers, x, labels, training=False)[0]
    plain = functools.partial(dcgan.discriminator, **how)
    for i, label in enumerate(labels):
        score = parameters["score.conv.weight"] + embedding[label : label + 1]
        joined = {**parameters, "score.conv.weight": score}
        expected = nn.apply(plain, joined, buffers, x[i : i + 1], training=False)[0]
        assert_allclose(found[i : i + 1], expected, atol=1e-7)


@pytest.mark.parametrize("network", ["dcgan", "patchgan", "r3gan"])
def test_embedding_scores_by_the_product_with_the_label_alone(network):
    """<embedding(label), last layer of 64> / 8: there is no part that all labels have alike."""
    how = {"image_size": (16, 16), "channels": 1, "base_channels": 4}
    plain = functools.partial(registry.module("networks", network, None).discriminator, **how)
    conditional = conditioning.embedding_score(plain, 3)
    x, labels = normal(4, 1, 16, 16), np.array([2, 0, 1, 2])
    parameters, buffers = _first(conditional, [x.shape, labels.shape])
    embedding = parameters.pop("embedding.weight")
    last = next(name for name in parameters if name.startswith("score."))
    kernels = parameters[last]
    assert embedding.shape == (64, 3) and len(kernels) == 64
    expected = 0.0
    for kernel, row in zip(np.split(kernels, 64), embedding, strict=True):
        one = nn.apply(plain, {**parameters, last: kernel}, buffers, x, training=False)[0]
        expected = expected + one.reshape(4, -1) * row[labels][:, None] / 8
    given = {**parameters, "embedding.weight": embedding}
    found = nn.apply(conditional, given, buffers, x, labels, training=False)[0]
    assert_allclose(found.reshape(4, -1), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("size", [0.1, 3.0, 1e4])
@pytest.mark.parametrize("network", ["dcgan", "patchgan"])
def test_softmax_adds_the_log_probability_of_the_label(network, classes, size):
    """Ibid., eq. 3: what is added is log softmax of all products, plus log K; never overflows."""
    how = {"image_size": (16, 16), "channels": 1, "base_channels": 8}
    plain = functools.partial(registry.module("networks", network, None).discriminator, **how)
    conditional = conditioning.softmax_projection(plain, classes)
    x, labels = normal(4, 1, 16, 16), np.arange(4) % classes
    parameters, buffers = _first(conditional, [x.shape, labels.shape])
    parameters["label.conv.weight"] *= size / 0.1

    def scored(of, parameters, *inputs):
        return nn.apply(of, parameters, buffers, *inputs, training=False)[0].reshape(4, -1)

    score = parameters["score.conv.weight"]
    base = scored(plain, parameters, x)
    products = np.stack(
        [
            scored(plain, {**parameters, "score.conv.weight": score + embedding}, x) - base
            for embedding in np.split(parameters["label.conv.weight"], classes)
        ],
        axis=1,
    )
    gain = log_softmax(products, axis=1)[np.arange(4), labels] + np.log(classes)
    found = scored(conditional, parameters, x, labels)
    assert_allclose(found, base + gain, rtol=1e-6, atol=1e-6 * max(1, np.abs(products).max()))


def test_planes_join_the_label_to_the_image():
    """As if the image had a channel for each class, one of them filled with ones."""
    how = {"image_size": (16, 16), "base_channels": 8}
    grey = functools.partial(dcgan.discriminator, channels=1, **how)
    conditional = conditioning.planes(grey, 3)
    x, labels = normal(4, 1, 16, 16), np.array([2, 0, 1, 2])
    parameters, buffers = _first(conditional, [x.shape, labels.shape])
    found = nn.apply(conditional, parameters, buffers, x, labels, training=False)[0]
    planes = np.zeros((4, 3, 16, 16))
    planes[np.arange(4), labels] = 1
    plain = functools.partial(dcgan.discriminator, channels=4, **how)
    joined = np.concatenate([x, planes], axis=1)
    expected = nn.apply(plain, parameters, buffers, joined, training=False)[0]
    assert_array_equal(found, expected)


# --- gradients --------------------------------------------------------------------------------


# N(0, 0.02) would make scores so small that rounding shows in them.
SPREAD = Initialisation(
    "far from zero",
    weight=initializers.normal(0, 0.1),
    bias=initializers.normal(0, 0.2),
    scale=initializers.normal(1, 0.2),
    offset=initializers.normal(0, 0.2),
)
PLAYERS = [
    (player, conditioning)
    for player in ("generator", "discriminator")
    for conditioning in ("none", *CONDITIONINGS)
]


def _player(player: str, conditioning: str) -> tuple:
    """Return a player as a function of its parameters and inputs, and arrays to try it on."""
    classes = 0 if conditioning == "none" else 3
    networks, shapes = _networks((16, 24), 3, classes, conditioning)
    which = ("generator", "discriminator").index(player)
    x = normal(4, *shapes[which][0][1:])
    inputs = [x, np.array([2, 0, 1, 2])] if classes else [x]
    return network_as_function(networks[which], *inputs, initialisation=SPREAD)


@pytest.mark.parametrize("player,conditioning", PLAYERS)
def test_slopes_equal_differences_along_random_directions(player, conditioning):
    """The whole network at once, first and second order; leaky ReLU's kinks allow 1e-4."""
    function, *arrays = _player(player, conditioning)
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    found = outcomes(NUMPY64, function, arrays)
    for order in (1, 2):
        for seed in range(2):
            directions = {i: normal(*arrays[i].shape, seed=seed + 7) for i in floats}
            moved = [
                [
                    a + sign * 1e-6 * directions[i] if i in directions else a
                    for i, a in enumerate(arrays)
                ]
                for sign in (1, -1)
            ]
            ends = [outcomes(NUMPY64, function, m, orders=order - 1)[-1] for m in moved]
            output = normal(*ends[0].shape, seed=ends[0].ndim + 1)
            slope = np.sum((ends[0] - ends[1]) * output) / 2e-6
            along = np.concatenate([directions[i].ravel() for i in floats])
            assert_allclose(found[order] @ along, slope, rtol=1e-4)


@pytest.mark.parametrize("player,conditioning", PLAYERS)
def test_engines_agree_in_float64(player, conditioning, other_engine):
    assert_engines_agree(other_engine, *_player(player, conditioning), relative=1e-10)


@pytest.mark.parametrize("player,conditioning", PLAYERS)
def test_engines_agree_in_float32(player, conditioning, other_engine32):
    assert_engines_agree(other_engine32, *_player(player, conditioning), relative=1e-4, orders=1)


def test_images_are_between_minus_one_and_one():
    function, *arrays = _player("generator", "none")
    (pictures,) = outcomes(NUMPY64, function, arrays, orders=0)
    assert -1 <= pictures.min() < -0.1 < 0.1 < pictures.max() <= 1


def test_r3gan_clips_images_in_inference_alone():
    (generator, _), (latents, _) = _networks(network="r3gan", initialisation="he")
    start = initializers.INITIALISATIONS["he"]
    first = nn.initialise(generator, *latents, seed=0, initialisation=start)
    free, clipped = (
        nn.apply(generator, *first, normal(8, 6), training=training)[0]
        for training in (True, False)
    )
    assert np.abs(free).max() > 1
    assert_array_equal(clipped, np.clip(free, -1, 1))


# --- what is refused, and the hooks that options choose ----------------------------------------


def test_class_norm_without_normalisation_is_refused():
    (generator, _), (latents, _) = _networks(classes=3, conditioning="class-norm", network="r3gan")
    with pytest.raises(InputError, match="has none: take --conditioning projection"):
        nn.trace(generator, *latents)


@pytest.mark.parametrize("choice,players", [("none", 0), ("d", 1), ("g", 1), ("both", 2)])
def test_spectral_norm_is_applied_to_the_chosen_players(choice, players):
    networks, shapes = _networks(spectral_norm=choice)
    reached = 0
    for network, inputs in zip(networks, shapes, strict=True):
        _, buffers = _first(network, inputs)
        reached += any(name.endswith(".left") for name in buffers)
    assert reached == players


@pytest.mark.parametrize("network", registry.names("networks"))
def test_what_is_joined_to_the_features_is_not_just_added_to_the_score(network):
    """As the minibatch deviation is: of two images it changes one score more than the other."""
    (_, plain), (_, (shape, *_)) = _networks(network=network)

    def joined(value):
        def features(x):
            one = ops.slice(x, (0,) * len(x.shape), (x.shape[0], 1, *x.shape[2:]))
            return ops.concat([x, one * 0.0 + value], axis=1)

        return lambda scope, x: plain(scope.using(features=features), x)

    start = dataclasses.replace(HE, zero=HE.weight)
    parameters, buffers = nn.initialise(joined(0.0), shape, seed=0, initialisation=start)
    images = normal(6, *shape[1:])
    scores = [nn.apply(joined(s), parameters, buffers, images, training=False)[0] for s in (0, 1)]
    gain = np.reshape(scores[1] - scores[0], (6, -1))
    assert np.ptp(gain, axis=0).max() > 0.01 * np.abs(gain).max() > 0


@pytest.mark.parametrize("option", ["minibatch_deviation", "norm"])
def test_a_network_without_a_place_for_a_hook_is_refused(option):
    def bare(scope, x):
        return nn.scores(scope, ops.reshape(x, (x.shape[0], -1)), nn.dense)

    wrap = {
        "minibatch_deviation": normalization.with_minibatch_deviation,
        "norm": lambda network: normalization.with_norm(network, "layer"),
    }
    with pytest.raises(InputError, match=option.replace("_", "-")):
        nn.trace(wrap[option](bare), (2, 1, 8, 8))


@pytest.mark.parametrize("option", ["spectral_norm", "initialisation", "norm"])
def test_unknown_choices_are_refused(option):
    config = Config(**{option: "nonsense"})
    with pytest.raises(InputError, match="'nonsense'"):
        models.initial_parameters(config, (16, 16, 1), 0)


INITIAL = {
    "dcgan": (0.02, np.inf),
    "pytorch": (1 / np.sqrt(3 * 48), 1 / np.sqrt(48)),
    "truncated": (0.02 * 0.8796, 0.04),
    "he": (np.sqrt(2 / 48), np.inf),
    "lecun": (np.sqrt(1 / 48), np.inf),
    "glorot": (np.sqrt(2 / 96), np.sqrt(6 / 96)),
    "orthogonal": (np.sqrt(1 / 500), np.inf),  # 48 orthonormal columns of 500
}


def test_every_initialisation_is_tested():
    assert INITIAL.keys() == initializers.INITIALISATIONS.keys()


@pytest.mark.parametrize("name", INITIAL)
def test_initialisations_have_their_deviation_and_bound(name):
    """The deviation of N(0, 1) cut off at two is 0.8796; that of a uniform number a / sqrt(3)."""
    deviation, bound = INITIAL[name]
    values = initializers.INITIALISATIONS[name].values(0, "w", "weight", (500, 3, 4, 4), 48)
    assert values.std() == pytest.approx(deviation, rel=0.02)
    assert abs(values.mean()) < 0.05 * deviation
    assert np.abs(values).max() <= bound


@pytest.mark.parametrize("name", INITIAL)
def test_first_values_of_norms_and_biases(name):
    """Scales at 1, offsets at 0 (DCGAN's code spreads scales by 0.02); as PyTorch's modules do."""
    start = initializers.INITIALISATIONS[name]
    assert start.values(0, "n", "scale", (900,)) == pytest.approx(1, abs=0.1)
    assert not start.values(0, "n", "offset", (900,)).any()
    bias = start.values(0, "b", "bias", (900,), 48)
    if name == "pytorch":
        assert bias.std() == pytest.approx(1 / np.sqrt(3 * 48), rel=0.1)
    else:
        assert not bias.any()


@pytest.mark.parametrize("network", ["dcgan", "dcgan-linear", "dcgan-mlp"])
def test_the_initialisation_pytorch_is_that_of_its_modules(network):
    """Bounds of each parameter of G, against modules of the same shapes."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    (generator, _), (latents, _) = _networks(network=network, width=16)
    start = initializers.INITIALISATIONS["pytorch"]
    made, _ = nn.initialise(generator, *latents, seed=0, initialisation=start)
    for name, array in made.items():
        layer, _, part = name.rpartition(".")
        weight = made[f"{layer}.weight"]
        if layer.endswith("norm"):
            theirs = torch.nn.BatchNorm1d(len(array))
        elif layer.endswith("dense"):
            theirs = torch.nn.Linear(weight.shape[1], weight.shape[0])
        else:
            theirs = torch.nn.ConvTranspose2d(*weight.shape[:2], weight.shape[2:])
        expected = getattr(theirs, part).detach().numpy()
        assert array.shape == expected.shape
        if array.size >= 16:  # the largest of so many comes near to the bound
            assert np.abs(array).max() == pytest.approx(np.abs(expected).max(), rel=0.3), name


@given(u=st.floats(0, math.pi), v=st.floats(0, math.pi))
def test_the_filter_of_images_takes_the_checkerboard_out_alone(u, v):
    """The response to a wave is 1 - (1 - cos u)(1 - cos v) / 4, with no effect of the border."""
    rows, columns = np.arange(10).reshape(-1, 1), np.arange(14).reshape(1, -1)
    wave = (np.cos(u * rows) * np.cos(v * columns)).reshape(1, 1, 10, 14)
    found = dcgan_filtered.without_checkerboard(wave)
    response = 1 - (1 - math.cos(u)) * (1 - math.cos(v)) / 4
    assert_allclose(found, wave[..., 1:-1, 1:-1] * response, atol=1e-12)
