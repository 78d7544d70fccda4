"""The ONNX engine: each operation in ONNX Runtime against the NumPy engine, and what is folded."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_close, convolutions, normal, positive
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import ops
from ganbaru.engines import onnx as engine

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from export_helpers import exported, operations, run  # noqa: E402


def assert_same(function, x: np.ndarray, relative: float = 1e-5) -> bytes:
    """Compare a function's model with the NumPy engine; return the model."""
    model = exported(function, *x.shape[1:])
    assert_close(run(model, x=x.astype(np.float32)), ops.to_numpy(function(x)), relative)
    return model


# --- the vocabulary ---------------------------------------------------------------------------

X = normal(3, 4, 6, 2)
W = normal(6, 5)
MATRIX = normal(3, 6)
SHAPED = st.tuples(*[st.integers(1, 4)] * 3)

CASES = {
    "matmul": (lambda x: ops.matmul(x, W), MATRIX),
    "conv2d": (lambda x: ops.conv2d(x, normal(5, 4, 3, 2), stride=2, padding=1), X),
    "conv_transpose2d": (lambda x: ops.conv_transpose2d(x, normal(4, 5, 3, 2), stride=2), X),
    "reshape": (lambda x: ops.reshape(x, (-1, 2, 24)), X),
    "transpose": (lambda x: ops.transpose(x, (0, 3, 1, 2)), X),
    "broadcast_to": (lambda x: ops.broadcast_to(x, (x.shape[0], 5, 6)), normal(3, 1, 6)),
    "concat": (lambda x: ops.concat([x, x * 2.0], axis=1), X),
    "pad": (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3), (1, 0))), X),
    "sum": (lambda x: ops.sum(x, axis=(1, -1)), X),
    "mean": (lambda x: ops.mean(x, axis=2, keepdims=True), X),
    "maximum": (lambda x: ops.maximum(ops.maximum(x, 0.2), -x), X),
    "max": (lambda x: ops.max(x, axis=(1, -1), keepdims=True), X),
    "slice": (lambda x: ops.slice(x, (0, 1, 2, 0), (x.shape[0], 3, 5, 2)), X),
    "batched matmul": (lambda x: ops.matmul(x, normal(4, 2, 5)), X),
    "grouped conv2d": (lambda x: ops.conv2d(x, normal(6, 2, 3, 2), padding=1, groups=2), X),
    "depthwise conv2d": (lambda x: ops.conv2d(x, normal(4, 1, 3, 3), padding=1, groups=4), X),
    "exp": (ops.exp, X),
    "log": (ops.log, positive(3, 5)),
    "sqrt": (ops.sqrt, positive(3, 5)),
    "tanh": (ops.tanh, X),
    "sigmoid": (ops.sigmoid, 30 * X),
    "softplus": (ops.softplus, 30 * X),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.2) + ops.leaky_relu(x), X),
    "one_hot": (lambda x: x * ops.one_hot([1], 6, x), MATRIX),
    "stop_gradient": (lambda x: ops.stop_gradient(x) * 2.0, X),
    "arithmetic": (lambda x: (1.5 - x) / (2.0 + x * x) + (-x) ** 2 - 3.0 / (x * x + 1.0), X),
    "all axes": (lambda x: x * ops.mean(x) + ops.sum(x, keepdims=True), X),
}
# Of training alone.
ELSEWHERE = {"value_and_grad", "to_numpy", "translate"}


def test_every_operation_of_a_generator_is_tried():
    wanted = set(ops.OPERATIONS) - ELSEWHERE
    assert wanted <= CASES.keys() and all(hasattr(engine.Grapher, name) for name in wanted)


@pytest.mark.parametrize("name", CASES)
def test_an_operation(name):
    assert_same(*CASES[name])


@pytest.mark.parametrize("name", [n for n in CASES if n != "arithmetic"])
def test_an_operation_on_constants_is_done_at_once(name):
    function, x = CASES[name]
    found = function(engine.constant(x, "layer.weight"))
    assert found.value is not None and found.name in ("layer.weight", "")
    assert_close(found.value, ops.to_numpy(function(x)), 1e-12)


@given(convolutions(), st.booleans())
def test_convolutions_of_every_kind(drawn, transposed):
    (x, w, y), how = drawn
    if transposed:
        assert_same(lambda x: ops.conv_transpose2d(x, w, **how), y)
    else:
        assert_same(lambda x: ops.conv2d(x, w, **how), x)


@given(st.integers(2, 3), st.integers(2, 5), st.integers(0, 2))
def test_output_padding(stride, kernel, padding):
    w = normal(2, 3, kernel, kernel)
    how = {"stride": stride, "padding": min(padding, kernel - 1), "output_padding": stride - 1}
    assert_same(lambda x: ops.conv_transpose2d(x, w, **how), normal(2, 2, 4, 3))


@given(SHAPED, st.permutations(range(1, 4)), st.sets(st.integers(1, 3), min_size=1), st.booleans())
def test_shapes_and_sums(shape, order, axes, keepdims):
    def function(x):
        turned = ops.transpose(x, (0, *order))
        flat = ops.reshape(turned, (x.shape[0], 1, -1))
        spread = ops.broadcast_to(flat, (x.shape[0], 2, flat.shape[2]))
        return ops.sum(spread) + ops.mean(turned, axis=tuple(axes), keepdims=keepdims)

    assert_same(function, normal(3, *shape))


# --- the number of images ---------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 6))
def test_the_largest_divisor(count, most):
    expected = max(size for size in range(1, most + 1) if count % size == 0)

    def function(x):
        size = x.shape[0].largest_divisor(most)
        grouped = ops.reshape(x, (size, x.shape[0] // size, 1))
        return ops.mean(grouped, axis=1) * 0.0 + ops.sum(grouped * 0.0 + 1.0, axis=1)

    found = run(exported(function, 1), x=np.zeros((count, 1), np.float32))
    assert_array_equal(found, np.full((expected, 1), count // expected))


def test_a_constant_is_repeated_for_every_image():
    first = normal(1, 2, 3)
    found = run(exported(lambda x: x + ops.broadcast_to(engine.constant(first), x.shape), 2, 3),
                x=np.zeros((4, 2, 3), np.float32))  # fmt: skip
    assert_allclose(found, np.repeat(first, 4, axis=0), rtol=1e-6)


@pytest.mark.parametrize("function", [
    lambda x: ops.reshape(x, (x.shape[0] // 2, -1)), lambda x: ops.concat([x, x]),
    lambda x: range(x.shape[0]), lambda x: x.shape[0] % 2, lambda x: x.shape[0] * 2,
    lambda x: min(x.shape[0], 3), lambda x: x + normal(2, 3), lambda x: x.shape[0] == 1,
    lambda x: x.shape == (1, 3),
], ids=["part", "joined", "range", "modulo", "product", "least", "constant", "one",
        "shape"])  # fmt: skip
def test_what_cannot_be_left_open_is_refused(function):
    with pytest.raises(ValueError):
        function(engine.batch("x", (3,)))


# --- folding ----------------------------------------------------------------------------------

PARTS = st.sampled_from(["add", "left", "sub", "minus", "mul", "div", "number"])


def affine(x, parts: list[str], shape: tuple[int, ...]):
    """Apply affine maps with constants of a shape, one after the other."""
    for i, part in enumerate(parts):
        c = positive(*shape, seed=i)
        x = {
            "add": lambda x, c: x + c, "left": lambda x, c: c + x, "sub": lambda x, c: x - c,
            "minus": lambda x, c: c - x, "mul": lambda x, c: x * c, "div": lambda x, c: x / c,
            "number": lambda x, c: 2.0 - 3.0 * x,
        }[part](x, c)  # fmt: skip
    return x


LAYERS = {
    "Conv": (lambda x: ops.conv2d(x, normal(5, 2, 3, 3), padding=1), (2, 4, 3), (1, 5, 1, 1)),
    "ConvTranspose": (lambda x: ops.conv_transpose2d(x, normal(2, 5, 3, 3), stride=2), (2, 4, 3),
                      (1, 5, 1, 1)),
    "Gemm": (lambda x: ops.matmul(x, normal(4, 6)), (4,), (1, 6)),
    "Reshape": (lambda x: ops.reshape(ops.matmul(x, normal(4, 24)), (-1, 2, 3, 4)), (4,),
                (1, 2, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
@given(parts=st.lists(PARTS, min_size=1, max_size=6))
def test_affine_maps_cost_nothing_after_a_layer(layer, parts):
    first, shape, per_channel = LAYERS[layer]
    model = assert_same(lambda x: affine(first(x), parts, per_channel), normal(3, *shape))
    found = operations(model)
    assert found.total() == 1 + (layer == "Reshape")


@given(parts=st.lists(PARTS, min_size=1, max_size=6))
def test_affine_maps_alone_are_two_operations_at_most(parts):
    model = assert_same(lambda x: affine(x, parts, (1, 3, 1)), normal(2, 3, 4))
    assert operations(model).keys() <= {"Mul", "Add"} and operations(model).total() <= 2


@pytest.mark.parametrize("layer", LAYERS)
def test_a_result_that_is_used_twice_keeps_its_layer(layer):
    first, shape, per_channel = LAYERS[layer]

    def function(x):
        y = first(x)
        return ops.tanh(y) + affine(y, ["mul", "add"], per_channel)

    model = assert_same(function, normal(3, *shape))
    kind = {"Reshape": "Gemm"}.get(layer, layer)
    assert operations(model)[kind] == 1 and {"Mul", "Add"} <= operations(model).keys()


def test_maps_that_differ_by_place_stay_outside():
    model = assert_same(
        lambda x: ops.conv2d(x, normal(3, 2, 1, 1)) * normal(1, 3, 4, 5), normal(2, 2, 4, 5)
    )
    assert operations(model) == {"Conv": 1, "Mul": 1}


def test_rows_of_constants_are_multiplied_now():
    labels = engine.Tensor("Input", (), {}, engine.batch("x", ()).shape, "int", name="labels")
    rows = ops.one_hot(labels, 3, labels)
    table = ops.matmul(rows, engine.constant(W[:3]))
    assert (table.operation, table.shape[1]) == ("Gather", 5)
    assert_allclose(table.inputs[0].value, W[:3])
