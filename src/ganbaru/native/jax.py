"""Trained networks in JAX: a pure function and a pytree of its variables."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import native, nn
from ganbaru.sampling.players import load_player

try:
    # First: it silences JAX's log.
    import ganbaru.engines.jax  # noqa: F401, I001
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise native.missing("jax") from error

Variables = dict[str, dict[str, jax.Array]]  # "parameters" and "buffers", by name


def function(
    run: str | Path,
    player: str = "generator",
    which: str = "auto",
    *,
    trust: Collection[str] = (),
) -> tuple[Callable, Variables]:
    """Load a run's network as ``(apply, variables)``, named as in the checkpoint.

    ``apply(variables, x, labels=None)`` maps latents (N, Z) to images (N, C, H, W) in [-1, 1], or
    images to scores; labels are integers (N,) or class weights (N, classes). With
    ``training=True`` (static under `jax.jit`) batch norm uses the batch's statistics, and
    ``(result, variables)`` with updated running statistics is returned. `run`, `which` and `trust`
    are as in `ganbaru.load`; `player` is one of `ganbaru.native.PLAYERS`. Float64 needs
    `jax_enable_x64`. Raises InputError for an unknown player or a missing or damaged checkpoint.
    """
    found = load_player(run, which, player, trust)
    variables = {"parameters": found.parameters, "buffers": found.buffers}

    def apply(variables: Variables, x: Any, labels: Any = None, *, training: bool = False) -> Any:
        x = jnp.asarray(x)
        shape = None if labels is None else np.shape(labels)
        traced = labels is None or isinstance(labels, jax.core.Tracer)
        native.check_inputs(found, x.shape, shape, None if traced else np.asarray(labels))
        arrays = jax.tree.map(jnp.asarray, variables)
        inputs = [x] if labels is None else [x, jnp.asarray(labels)]
        result, buffers = nn.apply(
            found.network, arrays["parameters"], arrays["buffers"], *inputs, training=training
        )
        return (result, {**arrays, "buffers": buffers}) if training else result

    return apply, jax.tree.map(jnp.asarray, variables)
