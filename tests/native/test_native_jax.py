"""Trained networks as JAX functions: typical uses."""

from __future__ import annotations

import numpy as np
import pytest
from native_helpers import inputs, save
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import newest

from ganbaru import engines, native
from ganbaru.training import loop

if "jax" not in engines.available():
    pytest.skip("needs jax, which is not installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def imported():
    """Import JAX where a test runs, not in each process that collects them (1.3 s)."""
    global jax
    import ganbaru.engines.jax  # noqa: F401, I001  silences JAX's log, so it is first
    import jax


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> loop.Run:
    """Return a run with labels."""
    return save(tmp_path_factory.mktemp("one"))


def jax_function(run: loop.Run, player: str = "generator"):
    from ganbaru.native import jax as shells

    return shells.function(run.folder.path, player)


@pytest.mark.parametrize(
    "player", ["generator", pytest.param("discriminator", marks=pytest.mark.compiled)]
)
def test_jit_and_grad(player, one):
    apply, variables = jax_function(one, player)
    given = inputs(one, player)
    groups, group = newest(one.folder.path)[0], native.PLAYERS[player][0]
    assert variables["parameters"].keys() == groups[group].keys()
    assert variables["buffers"].keys() == groups[f"{group}_buffers"].keys()
    wanted = apply(variables, *given)
    assert_allclose(jax.jit(apply)(variables, *given), wanted, atol=1e-5)
    trained = jax.jit(apply, static_argnames="training")(variables, *given, training=True)
    for found, plain in zip(
        jax.tree.leaves(trained), jax.tree.leaves(apply(variables, *given, training=True)),
        strict=True,
    ):  # fmt: skip
        assert_allclose(found, plain, atol=1e-5, rtol=1e-5)

    def loss(parameters):
        return (apply({**variables, "parameters": parameters}, *given) ** 2).sum()

    # Central differences along a direction, in float32.
    parameters = variables["parameters"]
    slopes = jax.jit(jax.grad(loss))(parameters)
    ahead, behind = (
        float(jax.jit(loss)(jax.tree.map(lambda p, s, e=e: p + e * s, parameters, slopes)))
        for e in (1e-4, -1e-4)
    )
    square = sum(float((s**2).sum()) for s in slopes.values())
    assert (ahead - behind) / 2e-4 == pytest.approx(square, rel=0.02)


def test_vmap_and_numpy_trees(one):
    """One latent at a time or all at once; several sets of variables; NumPy variables."""
    apply, variables = jax_function(one)
    latents, labels = inputs(one, "generator")
    wanted = apply(variables, latents, labels)
    single = jax.vmap(lambda z, y: apply(variables, z[None], y[None])[0])
    assert_allclose(jax.jit(single)(latents, labels), wanted, atol=1e-5)
    two = jax.tree.map(lambda x: np.stack([x, 2 * x]), variables)
    pair = jax.jit(jax.vmap(apply, in_axes=(0, None, None)))(two, latents, labels)
    assert_allclose(pair[0], wanted, atol=1e-5)
    assert np.abs(np.asarray(pair[1] - wanted)).max() > 1e-2
    arrays = jax.tree.map(np.asarray, variables)
    assert_allclose(apply(arrays, latents, labels.tolist()), wanted, atol=1e-6)


def test_is_pure(one):
    apply, variables = jax_function(one)
    before = {name: np.array(x) for name, x in variables["buffers"].items()}
    _, moved = apply(variables, *inputs(one, "generator"), training=True)
    for name, array in before.items():
        assert_array_equal(variables["buffers"][name], array)
        assert (np.asarray(moved["buffers"][name]) != array).any()
