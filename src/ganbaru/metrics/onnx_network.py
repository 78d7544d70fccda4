"""A scorer by a feature network in an ONNX file of the user's, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import Progress, Source
from ganbaru.engines.numpy.parallel import thread_count
from ganbaru.errors import InputError, missing_extra
from ganbaru.metrics import scorer
from ganbaru.metrics.classifier import Images
from ganbaru.metrics.network_scorer import Batch, FeatureNetwork, network_scorer
from ganbaru.metrics.scorer import Scorer

SUFFIX, RUNTIME = ".onnx", "onnxruntime"
BATCH = 64
LONGEST = 128  # side of the input of a network that takes any
WANTED = (
    "A feature network has one input of float32 (0 to 1) or uint8 (0 to 255), images (N, C, H, W) "
    "of 1, 3 or 4 channels, and one output of floats, features (N, D) or (N, C, H, W), of which "
    "the mean over positions is taken."
)


def onnx_scorer(file: str | Path, source: Source, progress: Progress) -> Scorer:
    """Return the scorer of a file's network. Raises InputError if it is no feature network."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"There is no network at {path}: give the path of an ONNX file.")
    if not importlib.util.find_spec(RUNTIME):
        what = f"--scorer {file} needs ONNX Runtime"
        raise missing_extra(what, "onnx", "--scorer auto needs no package.")
    network = _network(path, source.images)
    first = network.features(source.images[:1], lambda *_: None)
    if not np.isfinite(first).all():
        raise InputError(f"{path} gives features that are not finite (NaN): take another network.")
    return network_scorer(network, source, progress)


def _network(path: Path, images: Images) -> FeatureNetwork:
    content = path.read_bytes()
    session = _session(path, content)
    given, made = session.get_inputs(), session.get_outputs()
    if len(given) != 1 or len(made) != 1 or given[0].type not in _TYPES or len(given[0].shape) != 4:
        raise InputError(f"{path} has {_described(given)} in and {_described(made)} out. {WANTED}")
    count, channels, *sides = (x if isinstance(x, int) else None for x in given[0].shape)
    own = images.shape[3]
    channels = channels or own
    if channels not in (own, 3):
        raise InputError(
            f"{path} takes images of {channels} channels ({_described(given)}), and the data's "
            f"have {own}: grey images fit networks of 1 or 3 channels, "
            f"colour images those of 3, and those with transparency (over white there) of 3 or 4."
        )
    size = images.shape[1], images.shape[2]
    free = scorer.scaled(*size, min(LONGEST, max(size)))
    height, width = (fixed or side for fixed, side in zip(sides, free, strict=True))
    kind, high = _TYPES[given[0].type]

    def compute(batch: Batch) -> NDArray[np.floating]:
        try:
            found = session.run(None, {given[0].name: (batch * (high / 255)).astype(kind)})[0]
        except Exception as error:  # ONNX Runtime's own classes, and those of its bindings
            raise InputError(_failed(path, "computed", error)) from error
        if found.dtype.kind != "f" or found.ndim not in (2, 4) or len(found) != len(batch):
            raise InputError(
                f"{path} gives {found.dtype} of shape {found.shape} for {len(batch)} images. "
                f"{WANTED}"
            )
        return found if found.ndim == 2 else found.mean(axis=(2, 3))

    digest = hashlib.sha256(content).hexdigest()
    shape = (height, width, channels)
    return FeatureNetwork("onnx", 1, digest, shape, count or BATCH, f"0 to {high}", compute)


_TYPES: dict[str, tuple[type, int]] = {
    "tensor(float)": (np.float32, 1),
    "tensor(uint8)": (np.uint8, 255),
}


def _session(path: Path, content: bytes) -> Any:
    """Load the bytes that the hash is of; weights in files beside it are refused by that."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, thread_count()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes, and those of its bindings
        raise InputError(_failed(path, "loaded", error)) from error


def _failed(path: Path, done: str, error: Exception) -> str:
    reason = str(error).splitlines()[0][:120].rstrip(". ")
    return (
        f"{path} cannot be {done} by ONNX Runtime ({reason}): give one file that holds its weights."
    )


def _described(nodes: Any) -> str:
    found = [f"{node.name!r}, {node.type} {node.shape}" for node in nodes]
    return "; ".join(found) or "nothing"
