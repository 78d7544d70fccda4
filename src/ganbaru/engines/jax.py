"""The JAX engine: the vocabulary in JAX's functions; a compiled step is one XLA program."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# On a machine with a GPU but without JAX's part for it, JAX warns that it takes the CPU; the
# device that computes is named by `describe` instead.
logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

Tensor = jax.Array
How = tuple[int, int, int]  # stride, padding, groups of a convolution

exp, log, sqrt, tanh = jnp.exp, jnp.log, jnp.sqrt, jnp.tanh
sigmoid, softplus, matmul = jax.nn.sigmoid, jax.nn.softplus, jnp.matmul
reshape, transpose, broadcast_to = jnp.reshape, jnp.transpose, jnp.broadcast_to
stop_gradient = lax.stop_gradient
FUSED: dict[str, Callable] = {}  # XLA fuses the composed forms by itself


def describe(device: str) -> str:
    """Say what computes: the library's version and the device's name."""
    return f"JAX {jax.__version__}, {_find(device).device_kind}"


def prepare(device: str) -> None:
    """Make the device ready; raises ValueError for one that this JAX does not have."""
    # A program on the CPU takes all cores, so running ahead of it gains nothing, and 32 steps of a
    # second each would be under way when Ctrl-C comes.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    # On a GPU float32 products would keep 10 bits of 23 (TF32): those of a fast step alone do.
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        _find(device)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(f"JAX has here: {', '.join(_devices())}") from error


def keep_programs(folder: Path) -> None:
    """Keep compiled programs, for CPUs like this one, in a folder: the same ones start at once.

    A small game takes 6 s to compile and half a second to read. A folder of the user's own stays;
    where nothing can be written, nothing is kept.
    """
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return
    cpu = hashlib.sha256(f"{platform.machine()} {_flags()}".encode()).hexdigest()[:8]
    with contextlib.suppress(OSError):
        (folder / cpu).mkdir(parents=True, exist_ok=True)
    if os.access(folder / cpu, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder / cpu))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _flags() -> str:
    """Return what this CPU can do, where the system tells: programs for another one may crash."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _find(device: str) -> Any:
    """Return JAX's own object for "cpu", "cuda", "cuda:1" or "tpu"."""
    kind, _, index = device.partition(":")
    return jax.devices(kind)[int(index or 0)]


def _devices() -> list[str]:
    found = ["cpu"]
    for kind in ("cuda", "tpu"):
        try:
            found += [f"{kind}:{i}" for i, _ in enumerate(jax.devices(kind))]
        except RuntimeError:  # none of that kind
            continue
    return found


def default_device() -> str:
    """Return the device taken when none is asked for: a GPU or TPU where there is one."""
    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def from_numpy(array: np.ndarray, device: str = "cpu") -> Tensor:
    """Copy an array to the device; the first float64 one switches JAX's 64-bit mode on."""
    if array.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    return jnp.array(array, device=_find(device))


def to_numpy(x: Tensor) -> np.ndarray:
    """Fetch the values of a tensor."""
    return np.asarray(x)


def compile(function: Callable, consumes: bool = False) -> Callable:
    """Return the function as an XLA program for each set of shapes it is called with.

    Numbers among its arguments are inputs. `consumes`: its first argument is never used again.
    """
    return jax.jit(function, donate_argnums=(0,) if consumes else ())


def compile_step(function: Callable, device: str, precision: str, fast: bool) -> Callable:
    """Compile a training step, whose first argument is never used again.

    If `fast`, float32 products on a GPU keep TF32's 10 bits.
    """

    def loose(*inputs: Any) -> Any:
        with jax.default_matmul_precision("tensorfloat32"):
            return function(*inputs)

    return compile(loose if fast and device != "cpu" else function, consumes=True)


def synchronise() -> None:
    """Wait until the devices have done their work."""
    jax.effects_barrier()


def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an axis."""
    return jnp.concatenate(tensors, axis)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Surround `x` with zeros: (before, after) for each axis."""
    return jnp.pad(x, widths)


def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Add up over `axis` (all axes by default)."""
    return jnp.sum(x, axis, keepdims=keepdims)


def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Average over `axis` (all axes by default)."""
    return jnp.mean(x, axis, keepdims=keepdims)


def max(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Return the largest entry over `axis` (all axes by default); ties share the gradient."""
    return jnp.max(x, axis, keepdims=keepdims)


def slice(x: Tensor, starts: Sequence[int], stops: Sequence[int]) -> Tensor:
    """Return entries from `starts` up to `stops` on each axis."""
    return lax.slice(x, starts, stops)


@jax.custom_vjp
def translate(images: Tensor, offsets: Tensor) -> Tensor:
    """Move images (N, C, H, W) by whole pixels `offsets` (N, 2), down and right; zeros enter."""
    _, channels, *sides = images.shape
    around = [(0, 0), (0, 0), *((side, side) for side in sides)]

    def moved(image: Tensor, move: Tensor) -> Tensor:
        starts = [jnp.clip(side - d, 0, 2 * side) for side, d in zip(sides, move, strict=True)]
        return lax.dynamic_slice(image, (0, *starts), (channels, *sides))

    return jax.vmap(moved)(jnp.pad(images, around), offsets)


translate.defvjp(
    lambda images, offsets: (translate(images, offsets), offsets),
    lambda offsets, slope: (translate(slope, -offsets), None),
)


def maximum(x: Tensor, y: Any) -> Tensor:
    """Take the larger of two; in a tie the gradient goes to the first."""
    return jnp.where(x >= y, x, y)


def one_hot(labels: Any, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,) as rows (N, classes) of zeros with a one, in the type of `like`."""
    return jax.nn.one_hot(jnp.asarray(labels), classes, dtype=like.dtype)


def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Return `x` where positive and ``slope * x`` elsewhere."""
    return jnp.where(x > 0, x, x * slope)


# --- convolution: three operations, each the derivative of the others --------------------------
# JAX's own rule for the kernel of a transposed convolution takes 1 to 4 seconds where these take
# 0.07 (64 images, 16x16 to 32x32, 128 to 64 channels, 2 cores).


def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """Correlate images (N, C, H, W) with kernels (O, C / groups, KH, KW)."""
    return _correlate(x, w, (stride, padding, groups))


def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW)."""
    grown = output_padding - 2 * padding
    sides = ((n - 1) * stride + k + grown for n, k in zip(x.shape[2:], w.shape[2:], strict=True))
    return _spread(x, w, (stride, padding, 1), tuple(sides))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x: Tensor, w: Tensor, how: How) -> Tensor:
    return _plain(x, w, how)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _spread(y: Tensor, w: Tensor, how: How, sides: tuple[int, int]) -> Tensor:
    """Return the adjoint of `conv2d` in its images, which have these sides."""
    images = jax.ShapeDtypeStruct((y.shape[0], w.shape[1] * how[2], *sides), y.dtype)
    return jax.linear_transpose(lambda x: _plain(x, w, how), images)(y)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _meet(x: Tensor, y: Tensor, how: How, kernel: tuple[int, int]) -> Tensor:
    """Return the adjoint of `conv2d` in its kernels, which have this size."""
    kernels = jax.ShapeDtypeStruct((y.shape[1], x.shape[1] // how[2], *kernel), x.dtype)
    return jax.linear_transpose(lambda w: _plain(x, w, how), kernels)(y)[0]


def _plain(x: Tensor, w: Tensor, how: How) -> Tensor:
    stride, padding, groups = how
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=groups,
    )


def _saving(rule: Callable) -> Callable:
    """Return the forward pass of a rule, which saves its two tensors for the backward pass."""
    return lambda a, b, *how: (rule(a, b, *how), (a, b))


def _correlate_back(how: How, saved: tuple, slope: Tensor) -> tuple[Tensor, Tensor]:
    x, w = saved
    return _spread(slope, w, how, x.shape[2:]), _meet(x, slope, how, w.shape[2:])


def _spread_back(how: How, _: tuple, saved: tuple, slope: Tensor) -> tuple[Tensor, Tensor]:
    y, w = saved
    return _correlate(slope, w, how), _meet(slope, y, how, w.shape[2:])


def _meet_back(how: How, _: tuple, saved: tuple, slope: Tensor) -> tuple[Tensor, Tensor]:
    x, y = saved
    return _spread(y, slope, how, x.shape[2:]), _correlate(x, slope, how)


_correlate.defvjp(_saving(_correlate), _correlate_back)
_spread.defvjp(_saving(_spread), _spread_back)
_meet.defvjp(_saving(_meet), _meet_back)


def value_and_grad(function: Callable, parameters: dict[str, Tensor]) -> tuple[Tensor, Any, dict]:
    """Return (value, auxiliary, gradients) of ``function(parameters) -> (value, auxiliary)``."""
    (value, auxiliary), gradients = jax.value_and_grad(function, has_aux=True)(parameters)
    return value, auxiliary, gradients


def grad(function: Callable, x: Tensor) -> Tensor:
    """Return the gradient of the scalar ``function(x)`` at `x`, itself differentiable."""
    return jax.grad(function)(x)
