"""Faster training: steps recorded as CUDA graphs, images in GPU memory, products in bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ganbaru import ranks
from ganbaru.engines.base import ExtraPrecision

from . import cuda_graph, indexing, linear_ops

Tensor = torch.Tensor


def compile_step(function: Callable, device: str, precision: str, fast: bool) -> Callable:
    """Return the fastest form of a step ``train_step(state, *inputs)``, which consumes the state.

    In bf16 its products are computed in bfloat16. If `fast`, on NVIDIA's GPUs, it is recorded as a
    CUDA graph (see `Recorder`), float32 products keep TF32's 10 bits, and algorithms are chosen by
    trying them.
    """
    step = linear_ops.using(ARITHMETIC[precision](device))(function)
    if not on_cuda(device):
        return step
    step = indexing.keeping({})(step)
    if not fast:
        return cuda_graph.exact(step)
    if ranks.world().size > 1:  # recorded exchanges of NCCL have not been tried on a machine
        loose = cuda_graph.loose(step)
        loose.notes = [NOT_RECORDED]  # type: ignore[attr-defined]
        return loose
    return cuda_graph.Recorder(cuda_graph.loose(step))


NOT_RECORDED = "On several processes training steps run without a CUDA graph, which takes longer."


def on_cuda(device: str) -> bool:
    """Return whether a device is a GPU of NVIDIA (or of AMD, which PyTorch calls the same)."""
    return device.partition(":")[0] == "cuda"


def device_dataset(images: np.ndarray, device: str) -> Callable[[Tensor], Tensor] | None:
    """Copy bytes (N, H, W, C) to a GPU; return a function from indices to those images as float32.

    Returns None on other devices, and where they would take more than a quarter of what is free.
    """
    if not on_cuda(device) or images.nbytes > torch.cuda.mem_get_info(device)[0] / 4:
        return None
    return selector(torch.tensor(images, device=device))


def selector(images: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function from indices (N,) to those images as float32."""
    return lambda chosen: images.index_select(0, chosen).float()


# --- bfloat16 ---------------------------------------------------------------------------------


def lacks_bf16(device: str) -> str:
    """Return why a device cannot multiply in bfloat16, "" if it can."""
    if device == "cpu":
        return ""
    if not on_cuda(device):
        return "it is for cpu and cuda"
    major, minor = torch.cuda.get_device_capability(device)
    lacking = f"a GPU of compute capability 8.0 has it, this one is of {major}.{minor}"
    return "" if major >= 8 else lacking


def bf16_notes(device: str) -> tuple[str, ...]:
    """Return what to know before training in bfloat16 on a device."""
    if device != "cpu" or _cpu_has_bf16():
        return ()
    return (
        "This processor has no bfloat16 instructions: products are computed in float32 and rounded "
        "to bf16, which takes as long as --precision float32.",
    )


def _cpu_has_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _bf16_on(device: str) -> linear_ops.Arithmetic:
    slow = device == "cpu" and not _cpu_has_bf16()
    return linear_ops.rounded if slow else linear_ops.in_bf16


def lacks_float64(device: str) -> str:
    """Return why a device cannot compute in float64, "" if it can."""
    return "Apple's GPUs compute in float32 at most" if device.startswith("mps") else ""


LIMITS = {"float64": lacks_float64}
EXTRA_PRECISIONS = {"bf16": ExtraPrecision(lacks_bf16, bf16_notes)}
# The arithmetic of a step's products, by precision and device.
ARITHMETIC: dict[str, Callable[[str], linear_ops.Arithmetic]] = {
    "float32": lambda device: linear_ops.as_they_are,
    "float64": lambda device: linear_ops.as_they_are,
    "bf16": _bf16_on,
}
