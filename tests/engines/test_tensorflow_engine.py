"""The TensorFlow engine's own promises: exact float32, but in fast steps."""

from __future__ import annotations

import pytest
from helpers import normal

from ganbaru import engines, ops

if "tensorflow" not in engines.available():
    pytest.skip("needs tensorflow, which is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def tf():
    """Return TensorFlow, whose log the engine silences."""
    import ganbaru.engines.tensorflow  # noqa: F401, I001
    import tensorflow

    return tensorflow


@pytest.mark.parametrize("fast", [False, True])
def test_float32_keeps_ten_bits_in_a_fast_step_alone(tf, fast):
    """TensorFlow reads the switch where a program is compiled and where it runs."""
    tf32 = tf.config.experimental
    tf32.enable_tensor_float_32_execution(True)  # as it is by default
    engine = engines.load.__wrapped__("tensorflow", "cpu", "float32", fast)
    assert not tf32.tensor_float_32_execution_enabled()  # of a command or a training
    seen = []

    def function(x):
        seen.append(tf32.tensor_float_32_execution_enabled())  # as it is compiled
        return ops.matmul(x, x)

    def failing(x):
        function(x)
        raise ValueError("a fault of the user's")

    x = engine.from_numpy(normal(3, 3))
    engine.compile(function)(x)
    engine.compile(function, consumes=True)(x)
    with pytest.raises(ValueError):
        engine.compile(failing, consumes=True)(x)
    assert seen == [False, fast, fast]
    assert not tf32.tensor_float_32_execution_enabled()


def test_a_function_is_exact_in_a_process_that_is_not_ours(tf):
    """And leaves the process's own switch as it is."""
    tf32, seen = tf.config.experimental, []
    engine = engines.load("tensorflow", "cpu")
    tf32.enable_tensor_float_32_execution(True)

    def function(x):
        seen.append(tf32.tensor_float_32_execution_enabled())
        return x

    engine.compile(function)(engine.from_numpy(normal(2)))
    assert seen == [False] and tf32.tensor_float_32_execution_enabled()
    tf32.enable_tensor_float_32_execution(False)
