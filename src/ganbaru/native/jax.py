"""JAX shells: a trained network as a pure function and a tree of its variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import native, nn
from ganbaru.sampling.players import load_player

try:
    # First, since it keeps JAX quiet.
    import ganbaru.engines.jax  # noqa: F401, I001
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise native.missing("jax") from error

Variables = dict[str, dict[str, jax.Array]]  # "parameters" and "buffers", by name


def function(
    run: str | Path, player: str = "generator", which: str = "newest"
) -> tuple[Callable, Variables]:
    """Load a run's network as ``(apply, variables)``; names are the checkpoint's.

    ``apply(variables, x, labels=None)`` turns latents (N, Z) into images (N, C, H, W) in [-1, 1],
    or images into scores; labels are whole numbers (N,) or weights of the classes (N, classes).
    With ``training=True`` (static under `jax.jit`) it uses the batch's statistics and returns
    ``(result, variables)``, the running ones moved. `run` and `which` are as in `ganbaru.load`;
    `player` is one of `ganbaru.native.PLAYERS`. Raises InputError for what is unknown, missing or
    damaged. Numbers are float64 only where `jax_enable_x64` is on.
    """
    found = load_player(run, which, player)
    variables = {"parameters": found.parameters, "buffers": found.buffers}

    def apply(variables: Variables, x: Any, labels: Any = None, *, training: bool = False) -> Any:
        x = jnp.asarray(x)
        shape = None if labels is None else np.shape(labels)
        traced = labels is None or isinstance(labels, jax.core.Tracer)
        native.check_inputs(found, x.shape, shape, None if traced else np.asarray(labels))
        held = jax.tree.map(jnp.asarray, variables)
        result, moved = nn.apply(
            found.network, held["parameters"], held["buffers"],
            *([x] if labels is None else [x, jnp.asarray(labels)]), training=training,
        )  # fmt: skip
        return (result, {**held, "buffers": moved}) if training else result

    return apply, jax.tree.map(jnp.asarray, variables)
