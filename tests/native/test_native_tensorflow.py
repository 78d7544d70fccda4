"""Trained networks as TensorFlow modules: typical uses."""

from __future__ import annotations

import numpy as np
import pytest
from native_helpers import PLAYERS, expected, inputs, save
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import newest

from ganbaru import InputError, engines, native
from ganbaru.training import loop

if "tensorflow" not in engines.available():
    pytest.skip("needs tensorflow, which is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> loop.Run:
    """Return a run with labels."""
    return save(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def tf():
    """Return TensorFlow, whose log the engine silences."""
    import ganbaru.engines.tensorflow  # noqa: F401, I001
    import tensorflow

    return tensorflow


def tf_module(run: loop.Run, player: str = "generator"):
    from ganbaru.native import tensorflow as shells

    return shells.module(run.folder.path, player)


@pytest.mark.parametrize("player", PLAYERS)
def test_variables_are_the_checkpoints(player, one, tf):
    found, groups = tf_module(one, player), newest(one.folder.path)[0]
    group, _ = native.PLAYERS[player]
    assert isinstance(found, tf.Module)
    assert {v.name.partition(":")[0] for v in found.trainable_variables} == groups[group].keys()
    names = {v.name.partition(":")[0] for v in found.non_trainable_variables}
    assert names == groups[f"{group}_buffers"].keys()


@pytest.mark.parametrize(
    "player", ["generator", pytest.param("discriminator", marks=pytest.mark.compiled)]
)
def test_functions_and_gradients(player, one, tf):
    """Inside and outside tf.function; running statistics agree with the NumPy engine."""
    given = [tf.constant(x) for x in inputs(one, player)]
    for mode in (False, True):
        slopes = []
        for wrap in (lambda call: call, tf.function):
            found = tf_module(one, player)
            call = wrap(found)
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(call(*given, training=mode) ** 2)
            slopes.append(tape.gradient(loss, found.trainable_variables))
            assert len(found.trainable_variables) == len(slopes[-1])
            state = {name: v.numpy() for name, v in found.buffers.items()}
            wanted = expected(one, player, *inputs(one, player), training=mode)[1]
            for name, array in wanted.items():
                assert_allclose(state[name], array, atol=1e-5)
        for eager, graph in zip(*slopes, strict=True):
            scale = max(1.0, np.abs(eager).max())
            assert_allclose(graph, eager, atol=1e-5 * scale)
            assert np.abs(eager).max() > 0


def test_trains_in_a_plain_loop(one, tf):
    found = tf_module(one, "discriminator")
    given = [tf.constant(x) for x in inputs(one, "discriminator")]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.math.softplus(-found(*given, training=True)))
        for variable, slope in zip(
            found.trainable_variables, tape.gradient(loss, found.trainable_variables), strict=True
        ):
            variable.assign_sub(0.01 * slope)
        return loss

    losses = [float(step()) for _ in range(5)]
    assert losses[-1] < losses[0]


@pytest.mark.filterwarnings("ignore")  # TensorFlow's own, of its writers
def test_saved_model_and_checkpoint_can_be_loaded(one, tf, tmp_path):
    found, (latents, labels) = tf_module(one), map(tf.constant, inputs(one, "generator"))
    wanted = found(latents, labels).numpy()
    specs = tf.TensorSpec((5, 8), name="latents"), tf.TensorSpec((5,), tf.int64, name="labels")
    signature = tf.function(found).get_concrete_function(*specs)
    tf.saved_model.save(found, str(tmp_path / "saved"), signatures=signature)
    again = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    (images,) = again(latents=latents, labels=labels).values()
    assert_allclose(images.numpy(), wanted, atol=1e-6)
    path = tf.train.Checkpoint(found).write(str(tmp_path / "checkpoint"))
    other = tf_module(one)
    for variable in other.variables:
        variable.assign(variable * 0)
    tf.train.Checkpoint(other).read(path).assert_consumed()
    assert_array_equal(other(latents, labels).numpy(), wanted)


def test_open_batch_size_is_refused(one, tf):
    specs = tf.TensorSpec((None, 8)), tf.TensorSpec((None,), tf.int64)
    with pytest.raises(InputError, match=r"use tf.TensorSpec with a number, such as \(64, ...\)"):
        tf.function(tf_module(one), autograph=False).get_concrete_function(*specs)
