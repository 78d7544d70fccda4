"""Every operation: gradients by finite differences, twice; all engines; the tracer's shapes."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from helpers import (
    NUMPY64,
    assert_engines_agree,
    away_from_zero,
    check_gradients,
    convolutions,
    normal,
    outcomes,
    positive,
)
from hypothesis import assume, given
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import engines, ops
from ganbaru.engines import trace

LABELS = np.array([2, 0, 2, 1])
OFFSETS = np.array([[1, -2], [-1, 0], [0, 9]])


def _conv(stride: int, padding: int, groups: int = 1):
    return lambda x, w: ops.conv2d(x, w, stride=stride, padding=padding, groups=groups)


def _up(stride: int, padding: int, output_padding: int = 0):
    how = {"stride": stride, "padding": padding, "output_padding": output_padding}
    return lambda x, w: ops.conv_transpose2d(x, w, **how)


# For each operation: functions of tensors, each with the arrays that it is tried on. Gradients
# are taken in all floating arrays.
CASES = {
    "matmul": [
        (ops.matmul, normal(3, 4), normal(4, 2)),
        (ops.matmul, normal(1, 5), normal(5, 1)),
        (lambda x: ops.matmul(x, ops.transpose(x, (1, 0))), normal(3, 2)),
        (ops.matmul, normal(2, 3, 4), normal(2, 4, 2)),
        (ops.matmul, normal(2, 1, 2, 3), normal(3, 3, 2)),
        (ops.matmul, normal(2, 3, 2), normal(2, 3)),
    ],
    # images (N, C, H, W) and kernels (O, C, KH, KW); remainders, one channel, many, one pixel
    "conv2d": [
        (_conv(1, 0), normal(2, 3, 4, 5), normal(2, 3, 1, 1)),
        (_conv(1, 1), normal(2, 1, 4, 3), normal(3, 1, 3, 3)),
        (_conv(2, 1), normal(2, 2, 6, 4), normal(3, 2, 4, 4)),
        (_conv(2, 1), normal(1, 6, 5, 6), normal(2, 6, 3, 2)),
        (_conv(3, 2), normal(2, 2, 7, 5), normal(1, 2, 5, 5)),
        (_conv(2, 0), normal(2, 5, 3, 4), normal(2, 5, 1, 2)),
        (_conv(3, 0), normal(1, 1, 6, 7), normal(2, 1, 2, 3)),
        (_conv(1, 0), normal(2, 3, 4, 4), normal(5, 3, 4, 4)),
        (_conv(1, 0), normal(2, 3, 1, 1), normal(2, 3, 1, 1)),
        (_conv(3, 1), normal(2, 2, 3, 3), normal(2, 2, 3, 3)),
        (_conv(1, 1, 3), normal(2, 3, 4, 5), normal(3, 1, 3, 3)),
        (_conv(2, 1, 2), normal(2, 2, 5, 4), normal(6, 1, 3, 2)),
        (_conv(1, 0, 2), normal(2, 6, 3, 4), normal(4, 3, 2, 3)),
        (_conv(2, 2, 3), normal(1, 6, 4, 4), normal(3, 2, 3, 3)),
    ],
    "conv_transpose2d": [
        (_up(1, 0), normal(2, 3, 1, 1), normal(3, 2, 4, 3)),
        (_up(1, 0), normal(1, 1, 3, 4), normal(1, 2, 1, 1)),
        (_up(2, 1), normal(2, 2, 3, 2), normal(2, 3, 4, 4)),
        (_up(2, 1, 1), normal(2, 6, 2, 3), normal(6, 1, 3, 3)),
        (_up(3, 0, 2), normal(1, 2, 2, 2), normal(2, 2, 2, 3)),
        (_up(3, 2), normal(2, 1, 3, 2), normal(1, 6, 5, 5)),
        (_up(1, 1), normal(2, 2, 3, 3), normal(2, 2, 3, 3)),
        (_up(3, 1), normal(2, 2, 1, 1), normal(2, 3, 5, 5)),
    ],
    "reshape": [
        (lambda x: ops.reshape(x, (4, -1)), normal(2, 6)),
        (lambda x: ops.reshape(x, (-1,)), normal(2, 3, 2, 2)),
        (lambda x: ops.reshape(x, (2, 3, 1, 1)), normal(2, 3)),
    ],
    "transpose": [
        (lambda x: ops.transpose(x, (1, 0)), normal(2, 3)),
        (lambda x: ops.transpose(x, (2, 0, 3, 1)), normal(2, 3, 2, 4)),
    ],
    "broadcast_to": [
        (lambda x: ops.broadcast_to(x, (2, 3, 2, 2)), normal(2, 3, 1, 1)),
        (lambda x: ops.broadcast_to(x, (4, 3)), normal(3)),
        (lambda x: ops.broadcast_to(x, (2, 2)), normal()),
    ],
    "concat": [
        (lambda x, y: ops.concat([x, y], axis=1), normal(2, 3), normal(2, 1)),
        (lambda x, y: ops.concat([x, y, x], axis=-1), normal(2, 1, 3), normal(2, 1, 2)),
        (lambda x, y: ops.concat([x, y], axis=1), normal(2, 1, 3, 2), normal(2, 2, 3, 2)),
        (lambda x, y: ops.concat([x, y]), normal(2), normal(3)),
    ],
    "pad": [
        (lambda x: ops.pad(x, [(0, 1), (2, 0)]), normal(2, 3)),
        (lambda x: ops.pad(x, [(0, 0), (0, 0), (1, 2), (0, 3)]), normal(2, 2, 3, 2)),
    ],
    "sum": [
        (ops.sum, normal(2, 3)),
        (lambda x: ops.sum(x, axis=1), normal(2, 3)),
        (lambda x: ops.sum(x, axis=(0, 2, 3)), normal(2, 3, 2, 2)),
        (lambda x: ops.sum(x, axis=(0, -1), keepdims=True), normal(2, 3, 2)),
    ],
    "mean": [
        (ops.mean, normal(2, 3)),
        (lambda x: ops.mean(x, axis=0), normal(2, 3)),
        (lambda x: ops.mean(x, axis=(1, 2, 3), keepdims=True), normal(2, 3, 2, 2)),
        (ops.mean, normal()),
    ],
    "max": [
        (ops.max, normal(2, 3)),
        (lambda x: ops.max(x, axis=1), normal(3, 4)),
        (lambda x: ops.max(x, axis=(0, 2, 3), keepdims=True), normal(2, 3, 2, 2)),
        (lambda x: ops.max(x * x, axis=-1, keepdims=True), normal(2, 3)),
        (ops.max, normal()),
    ],
    "slice": [
        (lambda x: ops.slice(x, (1,), (3,)), normal(4)),
        (lambda x: ops.slice(x, (0, 1, 0, 2), (2, 3, 3, 4)), normal(2, 3, 3, 4)),
    ],
    "translate": [
        (ops.translate, normal(3, 2, 3, 4), OFFSETS),
        (lambda x, d: ops.translate(x * x, d), normal(3, 1, 2, 2), OFFSETS),
    ],
    "maximum": [
        (ops.maximum, normal(3, 4), away_from_zero(3, 4) + normal(3, 4)),
        (ops.maximum, away_from_zero(2, 3) + normal(3), normal(3)),
        (lambda x: ops.maximum(x, 0.0), away_from_zero(3, 4)),
    ],
    "exp": [(ops.exp, normal(2, 3)), (ops.exp, normal())],
    "log": [(ops.log, positive(2, 3))],
    "sqrt": [(ops.sqrt, positive(2, 3)), (ops.sqrt, positive(2, 3, 2, 2))],
    "tanh": [(ops.tanh, normal(2, 3)), (ops.tanh, normal(2, 3, 2, 2)), (ops.tanh, normal())],
    "sigmoid": [(ops.sigmoid, normal(2, 3)), (ops.sigmoid, normal())],
    "softplus": [(ops.softplus, away_from_zero(2, 3)), (ops.softplus, away_from_zero())],
    "leaky_relu": [
        (ops.leaky_relu, away_from_zero(3, 4)),
        (lambda x: ops.leaky_relu(x, 0.2), away_from_zero(2, 3, 2, 2)),
        (lambda x: ops.leaky_relu(x * x - 0.5, 0.2), away_from_zero(2, 3, least=1.0)),
        (lambda x: ops.leaky_relu(x, 1.0), away_from_zero(4)),
    ],
}
# Operators, the vocabulary's arithmetic: broadcast, with numbers, and a plain tensor on the left.
OPERATORS = {
    "x + y": [(lambda x, y: x + y, normal(2, 3), normal(3))],
    "x + 1": [(lambda x: (1 + x) * (x + 1.5), normal(3))],
    "x - y": [(lambda x, y: x - y, normal(2, 1), normal(1, 3))],
    "1 - x": [(lambda x: (1 - x) * (x - 0.5), normal(2, 3))],
    "x * y": [(lambda x, y: x * y, normal(2, 3, 2, 2), normal(1, 3, 1, 1))],
    "2 * x": [(lambda x: 2 * x * x * 0.5, normal(2, 3))],
    "x / y": [(lambda x, y: x / y, normal(2, 3), away_from_zero(3, least=0.5))],
    "1 / x": [(lambda x: 1 / x + x / 2.0, away_from_zero(2, 3, least=0.5))],
    "-x": [(lambda x: -x * x, normal(2, 3))],
    "x ** 2": [(lambda x: x**2, normal(2, 3))],
    "x ** 3": [(lambda x: x**3, normal(2, 3))],
    "x ** -0.5": [(lambda x: x**-0.5, positive(2, 3))],
    "x used again": [(lambda x: x * ops.tanh(x) + ops.exp(x) * x, normal(2, 3))],
}
# What gives no gradient of its own, and the test below that is about it.
NOT_DIFFERENTIATED = {
    "composed": "test_a_composed_operation_is_computed_by_the_engines_form_or_its_own",
    "dispatch": "test_another_engine_takes_the_place_of_a_librarys_own",
    "dispatching": "test_another_engine_takes_the_place_of_a_librarys_own",
    "one_hot": "test_one_hot",
    "stop_gradient": "test_no_gradient_flows_through_stop_gradient",
    "value_and_grad": "test_value_and_grad_returns_plain_values_and_what_goes_along",
    "grad": "test_grad_of_grad",
    "to_numpy": "test_values_go_to_an_engine_and_back",
    "engine": "test_engine_is_found_from_the_tensor",
}

ALL = [
    pytest.param(case, id=f"{name}-{i}")
    for name, cases in {**CASES, **OPERATORS}.items()
    for i, case in enumerate(cases)
]


def test_every_operation_is_covered():
    public = {
        name
        for name, item in vars(ops).items()
        if inspect.isfunction(item) and item.__module__ == ops.__name__ and name[0] != "_"
    }
    assert public == CASES.keys() | NOT_DIFFERENTIATED.keys()
    assert all(name in globals() for name in NOT_DIFFERENTIATED.values())


@pytest.mark.parametrize("case", ALL)
def test_gradients_equal_finite_differences_twice(case):
    check_gradients(*case)


@pytest.mark.parametrize("case", ALL)
def test_engines_agree_in_float64(case, other_engine):
    assert_engines_agree(other_engine, *case, relative=1e-10)


@pytest.mark.parametrize("case", ALL)
def test_engines_agree_in_float32(case, any_engine32):
    assert_engines_agree(any_engine32, *case, relative=1e-4)


@pytest.mark.parametrize("case", ALL)
def test_the_tracer_knows_the_shape(case):
    function, *arrays = case
    tape = trace.Tape()
    shapes = [trace.Shape(x.shape, tape) if x.dtype.kind == "f" else x for x in arrays]
    (value,) = outcomes(NUMPY64, function, arrays, orders=0)
    assert function(*shapes).shape == value.shape


# --- convolutions -----------------------------------------------------------------------------


def _by_definition(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Convolve by the definition: one product of a patch and the kernels for each place."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    (kh, kw), (height, width) = w.shape[2:], x.shape[2:]
    rows = range(0, height - kh + 1, stride)
    columns = range(0, width - kw + 1, stride)
    patches = [[x[:, :, i : i + kh, j : j + kw] for j in columns] for i in rows]
    return np.einsum("ijncuv,ocuv->noij", np.array(patches), w)


@given(case=convolutions())
def test_conv2d_is_its_definition(any_engine, case):
    (x, w, _), how = case
    found = ops.conv2d(any_engine.from_numpy(x), any_engine.from_numpy(w), **how)
    assert_allclose(any_engine.to_numpy(found), _by_definition(x, w, **how), atol=1e-12)


@given(case=convolutions())
def test_transposed_convolution_is_the_adjoint(any_engine, case):
    """<conv2d(x, w), g> = <x, conv_transpose2d(g, w)>: `w` (O, C) is a kernel from O to C there."""
    (x, w, g), how = case
    rests = {
        (side + 2 * how["padding"] - kernel) % how["stride"]
        for side, kernel in zip(x.shape[2:], w.shape[2:], strict=True)
    }
    assume(len(rests) == 1)  # one output_padding serves both sides
    images, kernels, scores = (any_engine.from_numpy(array) for array in (x, w, g))
    forward = ops.conv2d(images, kernels, **how)
    back = ops.conv_transpose2d(scores, kernels, output_padding=rests.pop(), **how)
    products = [np.vdot(ops.to_numpy(forward), g), np.vdot(x, ops.to_numpy(back))]
    assert_allclose(*products, rtol=0, atol=1e-10)


@given(case=convolutions())
def test_a_grouped_convolution_convolves_each_group_by_itself(any_engine, case):
    (x, w, _), how = case
    joined = np.concatenate([x, x[:, ::-1]], axis=1), np.concatenate([w, w[::-1] * 2])
    found = ops.conv2d(*map(any_engine.from_numpy, joined), **how, groups=2)
    parts = _by_definition(x, w, **how), _by_definition(x[:, ::-1], w[::-1] * 2, **how)
    assert_allclose(any_engine.to_numpy(found), np.concatenate(parts, axis=1), atol=1e-11)


def test_translation_moves_pixels_down_and_right_and_zeros_enter(every_engine):
    x = np.arange(1.0, 5.0).reshape(1, 1, 2, 2)
    for offset, expected in (((1, 0), [[0, 0], [1, 2]]), ((0, -1), [[2, 0], [4, 0]]),
                             ((-1, 1), [[0, 3], [0, 0]]), ((5, 0), [[0, 0], [0, 0]])):  # fmt: skip
        moved = ops.translate(*map(every_engine.from_numpy, (x, np.array([offset]))))
        assert_array_equal(ops.to_numpy(moved)[0, 0], expected)


def test_equal_largest_entries_share_the_gradient(every_engine):
    x = every_engine.from_numpy(np.array([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]]))
    slope = ops.grad(lambda t: ops.sum(ops.max(t, axis=1)), x)
    assert_allclose(ops.to_numpy(slope), [[0.5, 0, 0.5], [1 / 3] * 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, w: ops.conv2d(x, w),
         "conv2d: weight (8, 3, 4, 4) does not fit images (2, 5, 16, 16), in up1.conv"),
        (lambda x, w: ops.conv_transpose2d(x, w),
         "conv_transpose2d: weight (8, 3, 4, 4) does not fit images (2, 5, 16, 16), in up1.conv"),
        (lambda x, w: ops.matmul(ops.tanh(w), x),
         "matmul: (8, 3, 4, 4) does not fit (2, 5, 16, 16), in up1.conv"),
        (lambda x, w: x + ops.tanh(x + ops.reshape(ops.sum(w, (1, 2, 3)), (1, 2, 4))),
         "arithmetic: shapes (2, 5, 16, 16) and (1, 2, 4) do not broadcast, in up1.conv"),
        (lambda x, w: ops.reshape(x + ops.sum(w), (3, -1)),
         "reshape: (2, 5, 16, 16) cannot become (3, -1), after up1.conv"),
        (lambda x, w: ops.slice(x, (0, 0, 0, 0), (2, 6, 1, 1)),
         "slice: (0, 0, 0, 0) to (2, 6, 1, 1) is outside of (2, 5, 16, 16)"),
        (lambda x, w: ops.concat([x, w]),
         "concat: (2, 5, 16, 16) and (8, 3, 4, 4) do not join along axis 0, in up1.conv"),
    ],
)  # fmt: skip
def test_a_shape_error_names_operation_shapes_and_layer(function, message):
    tape = trace.Tape()
    x = trace.Shape((2, 5, 16, 16), tape, fed=True)
    weight = trace.Shape((8, 3, 4, 4), tape, name="up1.conv.weight")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(x, weight)


# --- what has no gradient of its own ----------------------------------------------------------


def test_one_hot(every_engine, every_engine32):
    like = every_engine32.from_numpy(np.zeros(1))
    rows = ops.to_numpy(ops.one_hot(every_engine32.from_numpy(LABELS), 4, like=like))
    assert_array_equal(rows, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]])
    assert rows.dtype == np.float32


def test_no_gradient_flows_through_stop_gradient(every_engine):
    x = normal(2, 3)
    found = ops.grad(lambda t: ops.sum(t * ops.stop_gradient(t)), every_engine.from_numpy(x))
    assert_array_equal(ops.to_numpy(found), x)


def test_value_and_grad_returns_plain_values_and_what_goes_along(every_engine):
    x, y = normal(3), normal(2)
    tensors = {"x": every_engine.from_numpy(x), "y": every_engine.from_numpy(y)}

    def function(p):
        doubled = p["x"] * 2.0
        return ops.sum(doubled * doubled), {"doubled": [doubled, (ops.exp(p["y"]), None)]}

    value, along, gradients = ops.value_and_grad(function, tensors)
    assert_allclose(ops.to_numpy(value), 4 * (x * x).sum())
    assert_allclose(ops.to_numpy(along["doubled"][0]), 2 * x)
    assert_allclose(ops.to_numpy(along["doubled"][1][0]), np.exp(y))
    assert_allclose(ops.to_numpy(gradients["x"]), 8 * x)
    assert_array_equal(ops.to_numpy(gradients["y"]), np.zeros(2))
    given_back = [value, along["doubled"][0], along["doubled"][1][0], *gradients.values()]
    assert {type(t) for t in given_back} <= {type(tensors["x"]), np.float64}
    assert not any(getattr(t, "requires_grad", False) for t in given_back)


def test_a_constant_has_gradient_zero(every_engine):
    tensors = {"x": every_engine.from_numpy(normal(3)), "y": every_engine.from_numpy(normal(2, 2))}
    constant = every_engine.from_numpy(np.array(2.5))
    value, along, gradients = ops.value_and_grad(lambda p: (constant * 1.0, p["x"]), tensors)
    assert ops.to_numpy(value) == 2.5
    assert type(along) is type(tensors["x"])
    assert_array_equal(ops.to_numpy(gradients["x"]), np.zeros(3))
    assert_array_equal(ops.to_numpy(gradients["y"]), np.zeros((2, 2)))
    twice = ops.grad(lambda x: ops.sum(ops.grad(ops.sum, x)), tensors["x"])
    assert_array_equal(ops.to_numpy(twice), np.zeros(3))


def test_grad_of_grad(every_engine):
    """Three times through the sum of x⁴ leaves 24 x."""
    tensor = every_engine.from_numpy(normal(4))
    squares = _summed_gradient(_summed_gradient(lambda x: ops.sum(x**4)))
    assert_allclose(ops.to_numpy(ops.grad(squares, tensor)), 24 * normal(4))


def _summed_gradient(function):
    return lambda x: ops.sum(ops.grad(function, x))


def test_grad_counts_its_argument_alone(every_engine):
    """In d/dy <x, y> at y = x, the x outside is a constant: the slope of <x, x> is then 2 x."""

    def function(x):
        return ops.sum(x * ops.grad(lambda y: ops.sum(x * y), x))

    x = normal(4)
    assert_allclose(ops.to_numpy(ops.grad(function, every_engine.from_numpy(x))), 2 * x)


def test_in_a_tie_the_gradient_of_maximum_goes_to_the_first(every_engine):
    x, y = (every_engine.from_numpy(np.array(row)) for row in ([1.0, 2.0, 3.0], [1.0, 5.0, 0.0]))
    of_x = ops.grad(lambda t: ops.sum(ops.maximum(t, y)), x)
    of_y = ops.grad(lambda t: ops.sum(ops.maximum(x, t)), y)
    assert_array_equal(ops.to_numpy(of_x), [1, 0, 1])
    assert_array_equal(ops.to_numpy(of_y), [0, 1, 0])


@pytest.mark.parametrize("function", [ops.sigmoid, ops.softplus, ops.tanh])
def test_extreme_numbers_neither_overflow_nor_lose_their_gradient(function, any_engine32):
    x = np.array([-1e4, -100.0, 0.0, 100.0, 1e4])
    value, slopes = outcomes(any_engine32, function, [x], orders=1)
    expected = {
        "sigmoid": ([0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
        "softplus": ([0, 0, np.log(2), 100, 1e4], [0, 0, 0.5, 1, 1]),
        "tanh": ([-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
    }[function.__name__]
    assert_allclose(value, expected[0], atol=1e-6)
    direction = normal(5, seed=2)
    assert_allclose(slopes, direction * expected[1], atol=1e-6)


def test_comparisons_give_truth_values(every_engine):
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])

    def compared(p):
        truths = [p["x"] > y_, p["x"] < y_, p["x"] >= y_, p["x"] <= 2.0]
        return ops.sum(p["x"]), truths

    y_ = every_engine.from_numpy(y)
    _, truths, _ = ops.value_and_grad(compared, {"x": every_engine.from_numpy(x)})
    expected = [x > y, x < y, x >= y, x <= y]
    for found, truth in zip(truths, expected, strict=True):
        assert_array_equal(ops.to_numpy(found), truth)


@pytest.mark.parametrize(
    "array",
    [normal(), normal(3), normal(2, 3, 4, 5), normal(2, 3, 4, 5).transpose(0, 2, 3, 1), LABELS],
    ids=["number", "vector", "images", "transposed images", "labels"],
)
def test_values_go_to_an_engine_and_back(array, any_engine, any_engine32):
    back = ops.to_numpy(any_engine.from_numpy(array))
    assert_array_equal(back, array)
    assert back.dtype == array.dtype
    single = ops.to_numpy(any_engine32.from_numpy(array))
    assert single.dtype == (np.float32 if array.dtype.kind == "f" else array.dtype)


def test_an_engine_copies_what_it_is_given(every_engine):
    array = normal(2, 3, 4, 4)
    tensor = every_engine.from_numpy(array)
    array[:] = 0
    assert_array_equal(ops.to_numpy(tensor), normal(2, 3, 4, 4))


def test_engine_is_found_from_the_tensor(every_engine):
    tensor = every_engine.from_numpy(normal(2))
    assert ops.engine(tensor) is type(every_engine)
    inside = []
    ops.grad(lambda x: (inside.append(ops.engine(x)), ops.sum(x))[1], tensor)
    # On CuPy's arrays it is the NumPy engine's tensor, of which both have the functions.
    assert [found.value_and_grad for found in inside] == [every_engine.value_and_grad]
    assert ops.engine(trace.Shape((2,), trace.Tape())) is trace.Tracer


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="builtins.list is not a tensor"):
        ops.exp([1.0, 2.0])


def test_a_composed_operation_is_computed_by_the_engines_form_or_its_own(every_engine, monkeypatch):
    x = every_engine.from_numpy(normal(2))
    monkeypatch.delitem(ops.COMPOSED, "tripled", raising=False)
    tripled = ops.composed("tripled")(lambda x, times: x * times)
    assert ops.COMPOSED["tripled"] is tripled
    assert_allclose(ops.to_numpy(tripled(x, 3.0)), normal(2) * 3)
    monkeypatch.setattr(type(every_engine), "FUSED", {"tripled": lambda x, times: x * 0.0})
    assert_array_equal(ops.to_numpy(tripled({"a": x}["a"], times=3.0)), [0, 0])
    del ops.COMPOSED["tripled"]


def test_another_engine_takes_the_place_of_a_librarys_own():
    """Inside, and no longer, whatever error ends it."""

    class Other(type(NUMPY64)):
        @staticmethod
        def exp(x):
            return x * 3.0

    x = NUMPY64.from_numpy(normal(2, 3))
    with pytest.raises(KeyError), ops.dispatching(Other, Other.TENSOR_MODULES):
        assert ops.engine(x) is Other
        assert_array_equal(ops.exp(x), x * 3.0)
        raise KeyError
    assert ops.engine(x) is type(NUMPY64)
    assert_array_equal(ops.exp(x), np.exp(x))


def test_an_engine_that_lacks_an_operation_cannot_be_made():
    class Partial(engines.Engine):
        @staticmethod
        def exp(x):
            return x

    assert {"tanh", "conv2d", "value_and_grad", "copy_to_device"} <= Partial.__abstractmethods__
    assert "exp" not in Partial.__abstractmethods__
    with pytest.raises(TypeError, match="abstract"):
        Partial("partial", "cpu")
