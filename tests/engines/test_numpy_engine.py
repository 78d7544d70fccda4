"""The NumPy engine's own promises: adjoint convolutions, blocks and threads that change nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import NUMPY32, NUMPY64, assert_close, convolutions, is_channels_last, normal
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from ganbaru import engines, ops
from ganbaru.engines.numpy import parallel
from ganbaru.engines.numpy.conv import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from ganbaru.errors import InputError

pytestmark = pytest.mark.usefixtures("several_threads")


def _assert_adjoint(x, w, g, stride, padding, tolerance):
    how = {"stride": stride, "padding": padding}
    products = [
        np.vdot(conv2d(x, w, **how), g),
        np.vdot(x, conv2d_input_gradient(g, w, size=x.shape[2:], **how)),
        np.vdot(w, conv2d_weight_gradient(x, g, kernel=w.shape[2:], **how)),
    ]
    assert_allclose(products, products[0], rtol=0, atol=tolerance)


@given(convolutions())
def test_the_three_convolutions_are_adjoint(case):
    """<conv2d(x, w), g> = <x, its input gradient of g, w> = <w, its weight gradient of x, g>."""
    (x, w, g), how = case
    _assert_adjoint(x, w, g, **how, tolerance=1e-10)


# Sizes at which the work is cut into several blocks, by images and by rows of the kernel.
LARGE = {
    "many images": ((300, 8, 8, 8), (8, 8, 4, 4), 2, 1),
    "large images": ((3, 1, 200, 180), (16, 1, 4, 4), 2, 1),
    "many weights": ((20, 64, 8, 8), (128, 64, 4, 4), 2, 1),
    "one channel out": ((90, 64, 4, 4), (1, 64, 4, 4), 1, 0),
    "colours in": ((40, 3, 32, 32), (24, 3, 5, 5), 3, 2),
}


@pytest.mark.parametrize("sizes", LARGE.values(), ids=LARGE)
def test_large_convolutions_are_adjoint_too(sizes):
    shape, kernels, stride, padding = sizes
    x, w = NUMPY64.from_numpy(normal(*shape)), NUMPY64.from_numpy(normal(*kernels))
    g = conv2d(x, w, stride=stride, padding=padding)
    _assert_adjoint(x, w, g, stride, padding, tolerance=1e-9 * np.vdot(g, g))


@pytest.mark.parametrize("name", ["tanh", "leaky_relu"])
def test_an_operation_in_blocks_equals_the_whole(name):
    """At three blocks of 128k numbers and a rest, on threads."""
    x = normal(50, 3, 53, 50)
    assert x.size > 3 * parallel.BLOCK
    how = {"leaky_relu": {"slope": 0.2}}.get(name, {})
    expected = {"tanh": np.tanh, "leaky_relu": lambda t: np.where(t > 0, t, 0.2 * t)}[name]
    found = getattr(ops, name)(NUMPY64.from_numpy(x), **how)
    assert_allclose(found, expected(x), rtol=1e-14)


def test_results_do_not_depend_on_the_memory_layout():
    x, w = normal(3, 2, 6, 5), normal(4, 2, 3, 3)
    last = ops.conv2d(NUMPY64.from_numpy(x), NUMPY64.from_numpy(w), stride=2, padding=1)
    assert_array_equal(ops.conv2d(x, w, stride=2, padding=1), last)
    turned = x.transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2)
    assert_array_equal(ops.conv2d(turned, w, stride=2, padding=1), last)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 1, 4, 5), (2, 3, 1, 1), (1, 6, 2, 2)])
def test_padding_keeps_images_channels_last(shape):
    x = NUMPY32.from_numpy(normal(*shape))
    padded = ops.pad(x, [(0, 0), (0, 0), (1, 2), (3, 0)])
    assert is_channels_last(x)
    assert is_channels_last(padded)
    assert_array_equal(
        padded, np.pad(normal(*shape).astype(np.float32), [(0, 0), (0, 0), (1, 2), (3, 0)])
    )


def test_nothing_is_recorded_outside_a_gradient():
    x = NUMPY64.from_numpy(normal(2, 3))
    assert type(ops.tanh(x * 2.0 + 1.0)) is np.ndarray
    assert type(ops.grad(lambda t: ops.sum(ops.exp(t)), x)) is np.ndarray


def test_an_operation_leaves_what_it_is_given_alone():
    """Rules may not write into the gradient or the values that others still need."""
    arrays = [NUMPY64.from_numpy(normal(2, 3, 4, 4)), NUMPY64.from_numpy(normal(4, 3, 3, 3))]
    for array in arrays:
        array.flags.writeable = False

    def function(p):
        y = ops.leaky_relu(ops.conv2d(p["x"], p["w"], padding=1), 0.2)
        rule = NUMPY64.FUSED["batch_norm"]
        zeros, ones = np.zeros(4), np.ones(4)
        normalised, _, _ = rule(y, ones, zeros, zeros, ones, 0.1, 1e-5)
        return ops.sum(ops.tanh(normalised) * y + y * 2.0), y

    parameters = dict(zip("xw", arrays, strict=True))
    first = ops.value_and_grad(function, parameters)[2]
    again = ops.value_and_grad(function, parameters)[2]
    for name in "xw":
        assert_array_equal(first[name], again[name])


UPDATES = """
import hashlib, sys
import numpy as np
sys.path.insert(0, {folder!r})
from helpers import NUMPY32, table
game = table(NUMPY32, batch=48, width=24, conditioning="projection", penalty="r1")
for number in range(2):
    game.step(number)
state = game.arrays()
digest = hashlib.sha256()
for group in sorted(state):
    for name in sorted(state[group]):
        digest.update(np.ascontiguousarray(state[group][name]))
print(digest.hexdigest())
"""


def _digest(threads: int) -> str:
    """Return the digest of a state after two steps, computed in a process with so many threads."""
    folder = str(Path(__file__).parents[1])
    environment = {**os.environ, "GANBARU_THREADS": str(threads)}
    command = [sys.executable, "-W", "error", "-c", UPDATES.format(folder=folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_number_of_threads_changes_no_bit():
    one = _digest(1)
    assert len(one) == hashlib.sha256().digest_size * 2
    assert {_digest(2), _digest(3)} == {one}


@pytest.mark.parametrize("length,size,target", [(10, 3, 9), (7, 100, 10), (5, 1, 5), (1, 1, 100)])
def test_blocks_cover_everything_once(length, size, target):
    covered = [i for block in parallel.blocks(length, size, target) for i in range(length)[block]]
    assert covered == list(range(length))


@pytest.mark.parametrize("n,k,m", [(300, 70, 200), (64, 110, 3136), (3136, 64, 110), (2, 3, 1),
                                   (0, 4, 3), (5, 0, 3)])  # fmt: skip
def test_products_in_blocks_equal_the_whole(n, k, m):
    x, y = normal(n, k), normal(k, m)
    assert_allclose(ops.matmul(x, y), x @ y, rtol=0, atol=1e-12 * max(1, k))
    turned = ops.matmul(np.asfortranarray(x), np.asfortranarray(y)[:, ::-1])
    assert_allclose(turned, (x @ y)[:, ::-1], rtol=0, atol=1e-12 * max(1, k))


def _blas_threads() -> set[int]:
    return {lib.num_threads for lib in parallel._blas().lib_controllers if lib.user_api == "blas"}


def test_blas_has_one_thread_within_the_engine_and_its_own_number_after():
    with threadpool_limits(2, user_api="blas"):
        seen = parallel.run(lambda i: _blas_threads(), [0]) + parallel.run(
            lambda i: parallel.run(lambda j: _blas_threads(), [0, 1]), [0, 1, 2]
        )
        within = NUMPY32.compile(lambda: (_blas_threads(), ops.matmul(normal(2, 2), normal(2, 2))))
        assert seen == [{1}] + 3 * [[{1}, {1}]] and within()[0] == {1}
        with pytest.raises(ZeroDivisionError):
            parallel.run(lambda i: 1 // i, [0, 1])
        assert _blas_threads() == {2}


def test_a_failure_on_a_thread_is_not_lost():
    def task(item):
        raise ZeroDivisionError(item)

    with pytest.raises(ZeroDivisionError):
        parallel.run(task, [1, 2, 3])
    # It is that of a helper, too: the caller waits for one to be on another thread.
    caller, both = threading.get_ident(), threading.Barrier(2, timeout=60)

    def fails_elsewhere(item):
        both.wait()
        return 1 // (threading.get_ident() == caller)

    with pytest.raises(ZeroDivisionError):
        parallel.run(fails_elsewhere, [1, 2])


def test_a_device_it_does_not_have_is_refused():
    with pytest.raises(InputError, match="cuda.*computes on 'cpu'"):
        engines.load("numpy", device="cuda")


def test_float32_stays_close_to_float64():
    x, w = normal(8, 16, 9, 9), normal(32, 16, 4, 4)
    single = [NUMPY32.from_numpy(a) for a in (x, w)]
    assert_close(
        ops.conv2d(*single, stride=2, padding=1), ops.conv2d(x, w, stride=2, padding=1), 1e-6
    )
