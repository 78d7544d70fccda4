"""The JAX engine: each operation by JAX's functions; a compiled step is one XLA program."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import files, ranks
from ganbaru.engines import base, sizes
from ganbaru.errors import InputError

# On a machine with a GPU but without JAX's part for it, JAX warns that it takes the CPU; the
# device that computes is named by `describe` instead.
logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)

import jax  # noqa: E402
import jax.experimental  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec  # noqa: E402

from ganbaru.engines.jax import linear_ops  # noqa: E402

Tensor = jax.Array


class Engine(base.Engine):
    """The JAX engine."""

    TENSOR_MODULES = ("jax", "jaxlib")
    MESH = True

    # --- devices ------------------------------------------------------------------------------

    @classmethod
    def default_device(cls) -> str:
        return {"gpu": "cuda", "tpu": "tpu"}.get(jax.default_backend(), "cpu")

    @classmethod
    def check_device(cls, device: str) -> None:
        try:
            _find(device)
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(f"JAX has here: {', '.join(_devices())}") from error

    @classmethod
    def describe_device(cls, device: str) -> str:
        return f"JAX {jax.__version__}, {_find(device).device_kind}"

    def configure_process(self) -> None:
        # On a GPU float32 products would keep 10 bits of 23 (TF32): those of a fast step alone do.
        jax.config.update("jax_default_matmul_precision", "highest")
        if self.precision == "float64":
            jax.config.update("jax_enable_x64", True)
        _cache_programs(files.cache() / "programs" / "jax")

    def stored_programs(self) -> int:
        folder = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
        return len(list(Path(folder).glob("*"))) if folder else 0

    def over(self, devices: int) -> Engine:
        """Return the engine over several devices: XLA divides batches and exchanges what it must.

        A step stays one program of the whole batch. Raises InputError if there are fewer.
        """
        kind, own = self.device.partition(":")[0], _own(self.device)
        if len(own) < devices:
            flag = f"XLA_FLAGS=--xla_force_host_platform_device_count={devices}"
            fix = f", or set {flag} before JAX is imported" if kind == "cpu" else ""
            raise InputError(
                f"--devices {devices} is more than JAX has here: {', '.join(_devices())}. Give a "
                f"number from 1 to {len(own)}{fix}."
            )
        return dataclasses.replace(self, devices=devices * _processes())

    def copy_to_device(self, array: np.ndarray, rows: int = 0) -> Tensor:
        with self._mode():
            if self.devices == 1:
                return jnp.array(array, device=_find(self.device))
            # Without an exchange: each process copies what its own devices have.
            place = self._place(rows)
            return jax.make_array_from_callback(array.shape, place, array.__getitem__)

    def batch_from_numpy(self, array: Any) -> Tensor:
        """Divide the rows of an array over the devices, or copy it to all, if they do not divide.

        Such an array is one row for all images.
        """
        array = self.cast(array)
        return self.copy_to_device(array, len(array))

    def _place(self, rows: int = 0) -> NamedSharding:
        """Return where an array is: whole on each device, or its rows divided over them."""
        mesh = _mesh(self.device.partition(":")[0], self.devices, _processes())
        divided = rows and not rows % self.devices
        return NamedSharding(mesh, PartitionSpec(*["batch"] * bool(divided)))

    @staticmethod
    def to_numpy(x: Tensor) -> np.ndarray:
        return np.asarray(x)

    def compile_function(self, function: Callable) -> Callable:
        """Return the function as an XLA program for each set of shapes; numbers are inputs."""
        if self.devices == 1:
            return self._compiled(function, "highest")
        program = self._compiled(function, "highest")
        # On the first device alone: what is not training has no batch to divide.
        return lambda *inputs: program(*jax.tree.map(_on_first, inputs))

    def compile_step(self, function: Callable) -> Callable:
        """Compile a training step; if `fast`, float32 products on a GPU keep TF32's 10 bits."""
        how = "tensorfloat32" if self.runs_async else "highest", (0,)
        if self.devices == 1:
            return self._compiled(function, *how)
        whole = self._place()

        def divided(*inputs: Any) -> Any:
            return lax.with_sharding_constraint(function(*inputs), whole)

        return self._compiled(divided, *how)

    def _compiled(self, function: Callable, precision: str, donated: tuple = ()) -> Callable:
        program = jax.jit(function, donate_argnums=donated)

        def run(*inputs: Any) -> Any:
            with self._mode(), jax.default_matmul_precision(precision):
                result = program(*inputs)
            # A program on the CPU takes all cores, so running ahead of it gains nothing, and 32
            # steps of a second each would be under way when Ctrl-C comes.
            return jax.block_until_ready(result) if self.device == "cpu" else result

        return run

    def _mode(self) -> contextlib.AbstractContextManager:
        """Permit float64 inside, for an engine of that precision: JAX rounds it elsewhere."""
        return _x64(True) if self.precision == "float64" else contextlib.nullcontext()

    def synchronise(self) -> None:
        jax.effects_barrier()

    # --- operations ---------------------------------------------------------------------------

    exp, log, sqrt, tanh = base.statics(jnp.exp, jnp.log, jnp.sqrt, jnp.tanh)
    sigmoid, softplus = base.statics(jax.nn.sigmoid, jax.nn.softplus)
    sum, mean, max, matmul = base.statics(jnp.sum, jnp.mean, jnp.max, jnp.matmul)
    reshape, transpose, pad = base.statics(jnp.reshape, jnp.transpose, jnp.pad)
    broadcast_to, concat = base.statics(jnp.broadcast_to, jnp.concatenate)
    slice, stop_gradient = base.statics(lax.slice, lax.stop_gradient)

    @staticmethod
    def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
        return jnp.where(x > 0, x, x * slope)

    @staticmethod
    def maximum(x: Tensor, y: Any) -> Tensor:
        return jnp.where(x >= y, x, y)

    @staticmethod
    def one_hot(labels: Any, classes: int, like: Tensor) -> Tensor:
        return jax.nn.one_hot(jnp.asarray(labels), classes, dtype=like.dtype)

    @staticmethod
    def translate(images: Tensor, offsets: Tensor) -> Tensor:
        return linear_ops.translate(images, offsets)

    @staticmethod
    def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
        return linear_ops.correlate(x, w, (stride, padding, groups))

    @staticmethod
    def conv_transpose2d(
        x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
    ) -> Tensor:
        sides = sizes.conv_transpose_sides(x, w, stride, padding, output_padding)
        return linear_ops.spread(x, w, (stride, padding, 1), tuple(sides))

    @staticmethod
    def value_and_grad(
        function: Callable, parameters: dict[str, Tensor]
    ) -> tuple[Tensor, Any, dict[str, Tensor]]:
        (value, auxiliary), gradients = jax.value_and_grad(function, has_aux=True)(parameters)
        return value, auxiliary, gradients


def _x64(on: bool) -> contextlib.AbstractContextManager:
    """Switch 64-bit types on inside, in this thread alone."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(on)
    return jax.experimental.enable_x64(on)  # type: ignore[attr-defined]  # before JAX 0.8


def _cache_programs(folder: Path) -> None:
    """Store compiled programs, for CPUs like this one, in a folder: the same ones start at once.

    A small GAN takes 6 s to compile and half a second to read. A folder that the user has chosen
    stays; where nothing can be written, nothing is stored.
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
    """Return this CPU's features, where the system lists them: a program for others may crash."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _find(device: str) -> Any:
    """Return JAX's own object for "cpu", "cuda", "cuda:1" or "tpu"."""
    kind, _, index = device.partition(":")
    return _own(kind)[int(index or 0)]


def _own(device: str) -> list[Any]:
    """Return this process's devices of a kind."""
    found: list[Any] = jax.local_devices(backend=device.partition(":")[0])
    return found


def _processes() -> int:
    """Return the number of processes whose devices divide a batch."""
    return ranks.world().size if ranks.world().mesh else 1


@functools.cache
def _mesh(kind: str, count: int, processes: int) -> Mesh:
    """Return `count` devices of a kind, as many of each process."""
    own = [[x for x in jax.devices(kind) if x.process_index == i] for i in range(processes)]
    each = own if processes > 1 else [_own(kind)]
    return Mesh(np.array([x for some in each for x in some[: count // processes]]), ("batch",))


def _on_first(x: Any) -> Any:
    return x.addressable_data(0) if isinstance(x, jax.Array) else x


def _devices() -> list[str]:
    found = ["cpu"]
    for kind in ("cuda", "tpu"):
        try:
            found += [f"{kind}:{i}" for i, _ in enumerate(_own(kind))]
        except RuntimeError:  # none of that kind
            continue
    return found
