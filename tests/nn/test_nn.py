"""Every layer: gradients twice, engines against each other; batch norm; scopes and first values."""

from __future__ import annotations

import inspect
import zlib

import numpy as np
import pytest
from helpers import (
    NUMPY32,
    NUMPY64,
    assert_close,
    assert_engines_agree,
    check_gradients,
    network_as_function,
    normal,
    outcomes,
    positive,
)
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import InputError, nn, ops, randomness
from ganbaru.nn import attention, initializers, layers, normalization
from ganbaru.nn.initializers import Initialisation

DCGAN = initializers.INITIALISATIONS["dcgan"]

SPREAD = Initialisation(
    "wide",
    weight=initializers.normal(0, 1),
    bias=initializers.normal(0, 0.5),
    scale=initializers.normal(1, 0.3),
    offset=initializers.normal(0, 0.5),
    zero=initializers.normal(1, 0.5),
)


def as_function(network: nn.Network, *inputs: np.ndarray, training: bool = True) -> tuple:
    return network_as_function(network, *inputs, initialisation=SPREAD, training=training)


def _conv(*how):
    return lambda scope, x: nn.conv(scope, x, *how)


def _up_conv(*how):
    return lambda scope, x: nn.up_conv(scope, x, *how)


# For each layer: cases of (network, inputs) as for the operations.
LAYERS = {
    "dense": [
        as_function(lambda scope, x: nn.dense(scope, x, 3), normal(4, 2)),
        as_function(lambda scope, x: nn.dense(scope, x, 1, bias=False), normal(1, 5)),
    ],
    "conv": [
        as_function(_conv(3, (4, 4), 2, 1), normal(2, 2, 6, 4)),
        as_function(_conv(1, (2, 3)), normal(2, 5, 2, 3)),
        as_function(lambda scope, x: nn.conv(scope, x, 4, (2, 2), groups=2), normal(2, 6, 3, 2)),
        as_function(_conv(2, (5, 1), 3, 2), normal(1, 1, 5, 4)),
    ],
    "up_conv": [
        as_function(_up_conv(2, (3, 2)), normal(3, 4, 1, 1)),
        as_function(_up_conv(3, (4, 4), 2, 1), normal(2, 2, 2, 3)),
        as_function(_up_conv(1, (5, 5), 3, 1), normal(1, 5, 2, 2)),
    ],
    "scores": [
        as_function(lambda scope, x: nn.scores(scope, x, nn.conv, (2, 3)), normal(3, 2, 2, 3)),
        as_function(lambda scope, x: nn.scores(scope, x, nn.conv, (1, 1)), normal(2, 2, 2, 2)),
        as_function(lambda scope, x: nn.scores(scope, x, nn.dense), normal(3, 4)),
        as_function(lambda scope, x: nn.scores(scope, x, nn.dense, logits=2), normal(3, 4)),
    ],
    "add_bias": [as_function(lambda scope, x: nn.add_bias(scope, x, 4), normal(2, 3, 2, 2))],
    "plain_batch_norm": [
        as_function(normalization.plain_batch_norm, normal(4, 3)),
        as_function(normalization.plain_batch_norm, normal(2, 3, 3, 2)),
        as_function(normalization.plain_batch_norm, normal(2, 3, 3, 2), training=False),
    ],
    "norm": [
        as_function(nn.norm, normal(4, 3)),
        as_function(nn.norm, normal(3, 2, 2, 1)),
    ],
    "class_batch_norm": [
        as_function(normalization.class_batch_norm, normal(4, 3), np.eye(2)[[0, 1, 1, 0]]),
        as_function(normalization.class_batch_norm, normal(3, 2, 2, 2), np.eye(3)[[2, 0, 1]]),
    ],
    "instance_norm": [
        as_function(lambda scope, x: normalization.instance_norm(x), normal(2, 2, 3, 2)),
    ],
    "layer_norm": [
        as_function(normalization.layer_norm, normal(4, 3)),
        as_function(normalization.layer_norm, normal(2, 3, 2, 2)),
    ],
    "rms_norm": [
        as_function(normalization.rms_norm, normal(4, 3)),
        as_function(normalization.rms_norm, normal(2, 3, 2, 2)),
    ],
    "smooth": [as_function(lambda scope, x: nn.smooth(x), normal(2, 2, 3, 2))],
    "upsample": [as_function(lambda scope, x: nn.upsample(x), normal(2, 2, 2, 3))],
    "downsample": [as_function(lambda scope, x: nn.downsample(x), normal(2, 2, 4, 2))],
    "softmax": [as_function(lambda scope, x: nn.softmax(x), normal(2, 3, 4))],
    "self_attention": [
        as_function(nn.self_attention, normal(2, 2, 4, 2)),
        as_function(nn.self_attention, normal(2, 3, 3, 2)),
    ],
    "minibatch_deviation": [
        as_function(lambda scope, x: normalization.minibatch_deviation(x), normal(6, 2, 2, 1)),
        as_function(lambda scope, x: normalization.minibatch_deviation(x), normal(8, 1, 1, 2)),
        as_function(lambda scope, x: normalization.minibatch_deviation(x), normal(6, 3)),
    ],
    "batch_norm": [
        as_function(normalization.batch_norm, normal(4, 3)),
        as_function(normalization.batch_norm, normal(2, 3, 3, 2)),
        as_function(normalization.batch_norm, normal(1, 2, 2, 3)),
        as_function(normalization.batch_norm, normal(5, 1, 1, 1)),
        as_function(normalization.batch_norm, normal(4, 2), training=False),
        as_function(normalization.batch_norm, normal(2, 2, 2, 3), training=False),
        as_function(normalization.batch_norm, normal(1, 3, 1, 1), training=False),
    ],
}
ALL = [
    pytest.param(case, id=f"{name}-{i}")
    for name, cases in LAYERS.items()
    for i, case in enumerate(cases)
]


def test_every_layer_is_covered():
    found = {
        name
        for module in (layers, attention, normalization)
        for name, item in vars(module).items()
        if inspect.isfunction(item) and item.__module__ == module.__name__ and name[0] != "_"
        if next(iter(inspect.signature(item).parameters)) in ("scope", "x")
    }
    # No gradient flows through the vectors of the power iteration: differences do not apply.
    composed = {"normalise_batch", "normalise"}
    # These return what they are given.
    assert found - {"spectral_norm", *composed, "features", "unchanged"} == LAYERS.keys()


@pytest.mark.parametrize("case", ALL)
def test_gradients_equal_finite_differences_twice(case):
    check_gradients(*case, tolerance=1e-6)


@pytest.mark.parametrize("case", ALL)
def test_engines_agree_in_float64(case, other_engine):
    assert_engines_agree(other_engine, *case, relative=1e-10)


@pytest.mark.parametrize("case", ALL)
def test_engines_agree_in_float32(case, any_engine32):
    assert_engines_agree(any_engine32, *case, relative=1e-4)


def test_smooth_resizes_with_a_binomial_filter():
    """Upwards: zeros between pixels, then [1, 2, 1] / 2; downwards: [1, 2, 1] / 4, every second."""
    x = normal(2, 3, 6, 4)

    def filtered(x, axis, scale):
        before = np.take(np.pad(x, [(2 * (i == axis), 0) for i in range(4)]), [0], axis) * 0
        padded = np.concatenate([before, before, x], axis)
        n = x.shape[axis]
        one, two, three = (np.take(padded, range(i, i + n), axis) for i in range(3))
        return (one + 2 * two + three) * scale

    between = np.zeros((2, 3, 12, 8))
    between[:, :, ::2, ::2] = x
    expected = filtered(filtered(between, 2, 0.5), 3, 0.5)
    assert_allclose(nn.smooth(nn.upsample(x)), expected, atol=1e-14)
    ahead = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    expected = filtered(filtered(ahead, 2, 0.25), 3, 0.25)[:, :, 1::2, 1::2]
    assert_allclose(nn.downsample(nn.smooth(x)), expected, atol=1e-14)


# --- batch norm -------------------------------------------------------------------------------

# The last one is large enough to be cut into blocks of 128k numbers.
COMPOSED = inspect.unwrap(normalization.normalise_batch)
NORMALISED = [(4, 3), (4, 3, 5, 2), (1, 2, 3, 3), (3, 1, 4, 4), (6, 2, 1, 1), (30, 3, 48, 50)]


def _fused(engine):
    return engine.FUSED.get("batch_norm") or pytest.skip(f"{engine.name} has no form of its own")


def _running(engine, channels: int) -> list:
    average, variance = normal(channels, seed=5), positive(channels, seed=6)
    return [engine.from_numpy(average), engine.from_numpy(variance)]


def _normalising(engine, rule, channels: int):
    """Return batch norm by `rule` as a function of images, weight and bias alone."""
    running = _running(engine, channels)
    return lambda x, weight, bias: rule(x, weight, bias, *running, 0.1, 1e-5)[0]


@pytest.mark.parametrize("shape", NORMALISED)
def test_fused_batch_norm_equals_the_composed_one_twice(shape, any_engine):
    channels = shape[1]
    arrays = normal(*shape) * 2 + 1, positive(channels), normal(channels)
    forms = (_fused(any_engine), COMPOSED)
    found, expected = (
        outcomes(any_engine, _normalising(any_engine, rule, channels), arrays) for rule in forms
    )
    for fused, composed in zip(found, expected, strict=True):
        assert_close(fused, composed, 1e-10)


def test_fused_batch_norm_is_twice_differentiable_in_the_images_alone(any_engine):
    """With constant weights: only the images tell that this gradient will be differentiated."""
    weight, bias = any_engine.from_numpy(positive(3)), any_engine.from_numpy(normal(3))
    forms = (_fused(any_engine), COMPOSED)
    found, expected = (
        outcomes(
            any_engine,
            lambda x, rule=rule: _normalising(any_engine, rule, 3)(x, weight, bias),
            [normal(4, 3, 2, 2)],
        )
        for rule in forms
    )
    for fused, composed in zip(found, expected, strict=True):
        assert_close(fused, composed, 1e-10)


@pytest.mark.parametrize("shape", NORMALISED)
def test_running_statistics_are_pytorchs(shape, any_engine):
    """They move a tenth of the way to the batch's mean and its unbiased variance."""
    x, channels = normal(*shape) * 2 + 1, shape[1]
    axes = (0, *range(2, len(shape)))
    before = [ops.to_numpy(r) for r in _running(any_engine, channels)]
    expected = [
        0.9 * before[0] + 0.1 * x.mean(axis=axes),
        0.9 * before[1] + 0.1 * x.var(axis=axes, ddof=1),
    ]
    for rule in (_fused(any_engine), COMPOSED):
        tensors = map(any_engine.from_numpy, (x, positive(channels), normal(channels)))
        _, *after = rule(*tensors, *_running(any_engine, channels), 0.1, 1e-5)
        for found, wanted in zip(after, expected, strict=True):
            assert_allclose(ops.to_numpy(found), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [40, 4000])
def test_a_large_mean_and_a_small_deviation_cost_no_accuracy(count, any_engine32):
    """In float32, where mean(x²) - mean(x)² would be wrong by a hundred times the variance.

    A float32 near 1000 is good to 3e-5, so with a deviation of 0.1 to 3e-4 of it: a few times that
    much error in the mean, and no more, is what the batch itself is worth (of the largest entry the
    NumPy engine errs by 6e-4 at most, PyTorch, on one thread, by 1.1e-3).
    """
    x = (1e3 + 0.1 * normal(count, 2, 4, 5)).astype(np.float32)
    arrays = [x, np.ones(2), np.zeros(2)]
    found = outcomes(any_engine32, _normalising(any_engine32, _fused(any_engine32), 2), arrays, 1)
    exact = [array.astype(np.float64) for array in arrays]
    expected = outcomes(NUMPY64, _normalising(NUMPY64, COMPOSED, 2), exact, 1)
    assert_close(found[0], expected[0], 2e-3)
    assert_close(found[1], expected[1], 4e-3)
    tensors = [any_engine32.from_numpy(array) for array in arrays]
    running = [any_engine32.from_numpy(np.zeros(2)) for _ in range(2)]
    _, average, variance = _fused(any_engine32)(*tensors, *running, 1.0, 1e-5)
    assert_allclose(ops.to_numpy(average), exact[0].mean(axis=(0, 2, 3)), rtol=1e-6)
    assert_allclose(ops.to_numpy(variance), exact[0].var(axis=(0, 2, 3), ddof=1), rtol=2e-3)


def test_batch_norm_layer_is_pytorchs(any_engine):
    """Two training passes and one in inference, against torch.nn.BatchNorm2d."""
    torch = pytest.importorskip("torch")
    weight, bias = positive(3), normal(3)
    theirs = torch.nn.BatchNorm2d(3, dtype=torch.float64)
    theirs.weight.data, theirs.bias.data = torch.tensor(weight), torch.tensor(bias)
    parameters = {"weight": any_engine.from_numpy(weight), "bias": any_engine.from_numpy(bias)}
    buffers = {
        "running_mean": any_engine.from_numpy(np.zeros(3)),
        "running_var": any_engine.from_numpy(np.ones(3)),
    }
    for seed, training in enumerate([True, True, False]):
        x = normal(4, 3, 2, 5, seed=seed)
        y, buffers = nn.apply(
            normalization.batch_norm,
            parameters,
            buffers,
            any_engine.from_numpy(x),
            training=training,
        )
        wanted = theirs.train(training)(torch.tensor(x)).detach().numpy()
        assert_allclose(ops.to_numpy(y), wanted, rtol=0, atol=1e-12)
        for name in buffers:
            found, wanted = ops.to_numpy(buffers[name]), theirs.get_buffer(name).numpy()
            assert_allclose(found, wanted, rtol=0, atol=1e-12)


# --- scopes, first values, tracing ------------------------------------------------------------


def _two_layers(scope: nn.Scope, x: ops.Tensor) -> ops.Tensor:
    """A network for the tests: convolution, batch norm, a layer named below another."""
    x = nn.conv(scope.child("body").child("conv"), x, 4, (3, 3), padding=1)
    x = ops.leaky_relu(normalization.batch_norm(scope.child("body.norm"), x), 0.2)
    return nn.dense(scope.child("head"), ops.reshape(x, (x.shape[0], -1)), 1)


NAMES = ["body.conv.weight", "body.norm.weight", "body.norm.bias", "head.weight", "head.bias"]
BUFFERS = ["body.norm.running_mean", "body.norm.running_var"]


def _first(
    seed: int = 0,
    initialisation: Initialisation = DCGAN,
    prefix: str = "",
):
    how = {"seed": seed, "initialisation": initialisation, "prefix": prefix}
    return nn.initialise(_two_layers, (2, 3, 5, 4), **how)


def test_parameters_are_named_by_the_path_of_their_layer():
    parameters, buffers = _first()
    assert list(parameters) == NAMES
    assert list(buffers) == BUFFERS
    assert [p.shape for p in parameters.values()] == [(4, 3, 3, 3), (4,), (4,), (1, 80), (1,)]
    assert {a.dtype for a in (*parameters.values(), *buffers.values())} == {np.dtype("float32")}
    assert nn.parameter_count(parameters) == 108 + 4 + 4 + 80 + 1


def test_first_values_follow_their_kind():
    parameters, buffers = _first(initialisation=SPREAD)
    assert abs(parameters["head.weight"].std() - 1) < 0.2
    assert abs(parameters["body.conv.weight"].mean()) < 0.3
    assert (parameters["body.norm.weight"] != 1).all()
    assert (buffers["body.norm.running_var"] == 1).all()
    dcgan, _ = _first()
    assert abs(dcgan["head.weight"].std() - 0.02) < 0.005
    assert abs(dcgan["body.norm.weight"].mean() - 1) < 0.05
    assert (dcgan["body.norm.bias"] == 0).all()


def test_an_unknown_kind_of_parameter_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="'closed'.*bias, offset, scale, weight, zero"):
        DCGAN.values(0, "gamma", "closed", (1,))


def test_first_values_depend_on_seed_and_name_alone():
    again, other, prefixed = _first()[0], _first(seed=1)[0], _first(prefix="generator.")[0]
    for name, values in _first()[0].items():
        assert_array_equal(again[name], values)
        if not name.endswith("bias"):
            assert (other[name] != values).any()
            assert (prefixed[name] != values).any()


def test_first_values_are_drawn_as_documented():
    """docs/randomness.md: normal numbers of (seed, "weights", CRC-32 of the name)."""
    parameters, _ = _first(seed=7, prefix="generator.")
    rules = {"body.conv.weight": (0, 0.02), "body.norm.weight": (1, 0.02), "head.weight": (0, 0.02)}
    for name, (mean, deviation) in rules.items():
        values = parameters[name]
        index = zlib.crc32(f"generator.{name}".encode())
        drawn = randomness.normal(7, "weights", index, values.size)
        assert_allclose(values.ravel(), mean + deviation * drawn, rtol=1e-6)


def test_only_training_moves_the_running_statistics(any_engine32):
    """Sampling and scoring disturb nothing: the same buffers come back, to the bit."""
    parameters, buffers = (
        {name: any_engine32.from_numpy(a) for name, a in group.items()} for group in _first()
    )
    before = {name: ops.to_numpy(b).copy() for name, b in buffers.items()}
    x = any_engine32.from_numpy(normal(6, 3, 5, 4) + 3)
    first, same = nn.apply(_two_layers, parameters, buffers, x, training=False)
    again, _ = nn.apply(_two_layers, parameters, same, x, training=False)
    _, moved = nn.apply(_two_layers, parameters, buffers, x, training=True)
    for name in BUFFERS:
        assert_array_equal(ops.to_numpy(same[name]), before[name])
        assert_array_equal(ops.to_numpy(buffers[name]), before[name])
        assert (ops.to_numpy(moved[name]) != before[name]).any()
    assert_array_equal(ops.to_numpy(first), ops.to_numpy(again))


def test_in_inference_an_image_does_not_depend_on_its_batch():
    parameters, buffers = _first()
    x = NUMPY32.from_numpy(normal(6, 3, 5, 4))
    together, _ = nn.apply(_two_layers, parameters, buffers, x, training=False)
    alone, _ = nn.apply(_two_layers, parameters, buffers, x[2:3], training=False)
    assert_allclose(together[2:3], alone, rtol=0, atol=1e-6)


def test_buffers_carry_no_gradient(any_engine):
    """Its new buffers are values, also within a gradient; composed ones are made of operations."""

    def network(scope, x):
        scope.buffer("average", (), 0.0)
        y = x * scope.parameter("weight", (3,), "weight")
        scope.update("average", ops.mean(y))
        return normalization.batch_norm(scope.child("norm"), y)

    parameters = {"weight": normal(3), "norm.weight": positive(3), "norm.bias": normal(3)}
    buffers = {"average": np.zeros(()), "norm.running_mean": np.zeros(3)}
    buffers["norm.running_var"] = np.ones(3)
    given, running = (
        {name: any_engine.from_numpy(array) for name, array in group.items()}
        for group in (parameters, buffers)
    )
    x = any_engine.from_numpy(normal(4, 3))

    def loss(p):
        _, moved = nn.apply(network, p, running, x, training=True)
        assert moved.keys() == buffers.keys()
        return ops.sum(ops.concat([ops.reshape(b, (-1,)) for b in moved.values()])), None

    _, _, gradients = ops.value_and_grad(loss, given)
    for slope in gradients.values():
        assert (ops.to_numpy(slope) == 0).all()


def test_tracing_counts_multiplications():
    shape, records = nn.trace(_two_layers, (2, 3, 5, 4))
    assert shape == (2, 1)
    macs = {r.operation: r.macs for r in records if r.macs}
    assert macs == {"conv2d": 2 * 5 * 4 * 4 * 3 * 9, "matmul": 2 * 80}
    named = [name for record in records if record.fed for name in record.parameters]
    assert named == NAMES


# --- hooks ------------------------------------------------------------------------------------


def test_spectral_norm_finds_the_largest_singular_value(any_engine):
    """Each kind of layer, after passes enough for the power iteration to settle."""

    def network(scope, x):
        x = nn.conv(scope.child("down"), x, 5, (3, 3), padding=1)
        x = nn.up_conv(scope.child("up"), x, 4, (2, 2), stride=2)
        return nn.dense(scope.child("flat"), ops.reshape(x, (x.shape[0], -1)), 3, bias=False)

    x = normal(2, 2, 4, 4)
    parameters, buffers = nn.initialise(
        normalization.with_spectral_norm(network), x.shape, seed=0, initialisation=SPREAD
    )
    assert sorted(buffers) == ["down.left", "flat.left", "up.left"]
    tensors = {n: any_engine.from_numpy(p) for n, p in parameters.items()}
    running = {n: any_engine.from_numpy(b) for n, b in buffers.items()}
    image = any_engine.from_numpy(x)
    for _ in range(300):
        found, running = nn.apply(
            normalization.with_spectral_norm(network), tensors, running, image, training=True
        )
    rows = {"down.weight": (0, 1, 2, 3), "up.weight": (1, 0, 2, 3), "flat.weight": (0, 1)}
    for name, axes in rows.items():
        matrix = parameters[name].transpose(axes).reshape(parameters[name].shape[axes[0]], -1)
        largest = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)[0]
        parameters[name] = parameters[name] / largest
    plain = {n: any_engine.from_numpy(p) for n, p in parameters.items()}
    expected, _ = nn.apply(network, plain, {}, image, training=True)
    assert_allclose(ops.to_numpy(found), ops.to_numpy(expected), rtol=1e-4, atol=1e-6)


def test_minibatch_deviation_by_hand():
    """Six images: groups of three (four does not divide six), image i in group i mod 2."""
    x = normal(6, 2, 3, 1)
    found = normalization.minibatch_deviation(x)
    assert_allclose(found[:, :2], x)
    for i in range(6):
        expected = np.sqrt(x[i % 2 :: 2].var(axis=0) + 1e-8).mean()
        assert_allclose(found[i, 2], np.full((3, 1), expected))
    pooled = normalization.minibatch_deviation(x[:, :, 0, 0])
    assert_allclose(pooled, normalization.minibatch_deviation(x[:, :, :1])[:, :, 0, 0])


def test_a_weight_of_zero_has_a_finite_gradient_and_keeps_its_vector(every_engine):
    """Its singular value counts as 0.01, so the gradient is a hundred times that of the weight."""

    def network(scope, x):
        return nn.dense(scope, x, 3, bias=False)

    x, wrapped = every_engine.from_numpy(normal(4, 2)), normalization.with_spectral_norm(network)
    weight = {"weight": every_engine.from_numpy(np.zeros((3, 2)))}
    before = {"left": every_engine.from_numpy(np.array([[2.0, 0.0, 0.0]]))}

    def loss(parameters, network=wrapped):
        y, after = nn.apply(network, parameters, before, x, training=True)
        return ops.sum(y), after

    value, after, gradients = ops.value_and_grad(loss, weight)
    _, _, plain = ops.value_and_grad(lambda p: loss(p, network), weight)
    assert ops.to_numpy(value) == 0
    expected = 100 * ops.to_numpy(plain["weight"])
    assert_allclose(ops.to_numpy(gradients["weight"]), expected, rtol=1e-12)
    assert_allclose(ops.to_numpy(after["left"]), [[1, 0, 0]], atol=1e-9)


def test_hooks_of_two_wrappers_are_both_applied_the_inner_one_first():
    def network(scope, x):
        x = nn.norm(scope.child("norm"), nn.dense(scope.child("dense"), x, 2, bias=False))
        return nn.scores(scope, nn.features(scope, x), nn.dense, bias=False)

    def wrapped(network, add, times):
        def affine(y):
            return y * times + add

        hooks = {
            "weight": lambda scope, weight, outputs: affine(weight),
            "norm": lambda scope, x, norm: affine(norm(scope, x)),
            "features": affine,
            "score": lambda scores, last, logits: affine(scores()),
            "intercept": lambda scope, compute, x: affine(compute(x)),
        }
        return lambda scope, x: network(scope.using(**hooks), x)

    def both(y):  # the inner wrapper, then the outer one
        return (y * 2.0 + 3.0) * 5.0 + 7.0

    x, first, last = normal(3, 4), normal(2, 4), normal(1, 2)
    parameters = {"dense.weight": first, "score.dense.weight": last}
    norms = {"norm.weight": np.ones(2), "norm.bias": np.zeros(2)}
    statistics = {"norm.running_mean": np.zeros(2), "norm.running_var": np.ones(2)}
    nested = wrapped(wrapped(network, 3.0, 2.0), 7.0, 5.0)
    found, _ = nn.apply(nested, {**parameters, **norms}, statistics, x, training=False)
    features = both(x @ both(first).T)
    features = both(both(both(features / np.sqrt(1 + 1e-5))))  # norm, its layer, then features
    assert_allclose(found, both(both(features @ both(last).T))[:, 0], rtol=1e-12)


def test_names_of_the_last_layer_do_not_depend_on_its_function():
    def network(scope, x, name=""):
        def own(scope, x, count):
            return nn.dense(scope, x, count, bias=False)

        return nn.scores(scope, x, own, name=name)

    for name, expected in (("", "score.layer.weight"), ("head", "score.head.weight")):
        made, _ = nn.initialise(
            lambda scope, x, name=name: network(scope, x, name),
            (2, 3),
            seed=0,
            initialisation=DCGAN,
        )
        assert list(made) == [expected]
