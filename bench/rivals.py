"""What else a user could run on pictures: scores after the same processor seconds.

python -m bench.rivals -o runs/rivals                              cat faces, 300 s, one seed
python -m bench.rivals -o runs/rivals --seconds 1200 small pytorch-example dcgan-cats --seeds 3
python -m bench.rivals -o runs/c --data cifar10 --size 32 'wide={preset: cifar10, width: 64}'

A contestant is a preset, NAME={options} with a `preset` among them, or `pytorch-example`: network,
settings and step of the official PyTorch DCGAN example at 64x64, width 64, in batches of 64, in
eager PyTorch without an average of its weights. Presets run on the NumPy engine. All
train on one thread; seconds are of the processor, without the loading of data and the scores. The
scores are those of `bench.pictures`: KID and MIND of 2,000 images at --size pixels a side, to which
larger ones are shrunk, against 4,000 reals. A run that is there is not trained again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ganbaru import config, data, engines
from ganbaru.callbacks import AdaptiveAugmentation
from ganbaru.gan.dataset import load_data
from ganbaru.sampling import generators, image_io
from ganbaru.training import setup
from ganbaru.training.loop import loop

from . import pictures, reporting
from .picture_scores import Judge
from .pictures import FIRST_SEED, Result

EXAMPLE, EXAMPLE_SIZE, EXAMPLE_WIDTH, EXAMPLE_BATCH = "pytorch-example", 64, 64, 64
# The presets' own sizes are kept, since they are part of what a user would run.
SETTINGS: dict[str, Any] = {"engine": "numpy", "held_out": 0, "overwrite": True}
SETTINGS |= {**dict.fromkeys(config.TOTALS), "images": 10**9}  # seconds end a run


def contestant(text: str) -> tuple[str, dict[str, Any]]:
    """Parse NAME or NAME={options}."""
    name, _, options = text.partition("=")
    return name, {"preset": name, **(yaml.safe_load(options) if options else {})}


def preset(options: dict[str, Any], seconds: float, seed: int, run: Path, count: int) -> Result:
    """Train a preset; return its images (N, H, W, C) and how many it has seen."""
    own = {name: value for name, value in options.items() if name != "preset"}
    settings = config.from_preset(options["preset"], **{**own, **SETTINGS}, run=str(run), seed=seed)
    made = setup.build(settings, [AdaptiveAugmentation()])
    began = time.process_time()
    loop(made, lambda: time.process_time() - began > seconds)
    sampled = generators.from_run(made).sample(count, FIRST_SEED)
    return {"fakes": sampled, "images": made.images, "steps": made.step}


def example(reals: np.ndarray, seconds: float, seed: int, count: int) -> Result:
    """Train the PyTorch example on reals (N, H, W, C); return as `preset` does.

    It generates in training mode, with the statistics of a batch, as its own script does.
    """
    import torch

    from .plain import pytorch, pytorch_example

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    channels = reals.shape[3]
    g, d = pytorch.networks(EXAMPLE_SIZE, channels, EXAMPLE_WIDTH)
    d.append(torch.nn.Sigmoid())
    at = pytorch.players(g.apply(pytorch_example.start), d.apply(pytorch_example.start))
    images = torch.from_numpy(np.array(reals)).permute(0, 3, 1, 2)
    seen, steps, began = 0, 0, time.process_time()
    while True:
        for rows in torch.split(torch.randperm(len(images)), EXAMPLE_BATCH):
            if time.process_time() - began > seconds:
                with torch.no_grad():
                    parts = [g(x) for x in torch.split(pytorch.latent(count), EXAMPLE_BATCH)]
                fakes = (torch.cat(parts).permute(0, 2, 3, 1) * 127.5 + 127.5).round()
                return {"fakes": fakes.to(torch.uint8).numpy(), "images": seen, "steps": steps}
            real = images[rows].to(torch.float32) / 127.5 - 1
            pytorch_example.update(at, real, pytorch.latent(len(real)))
            seen, steps = seen + len(real), steps + 1


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Average blocks of pixels of images (N, H, W, C) until a side has `size`."""
    n, side, _, channels = images.shape
    k = side // size
    return images.reshape(n, size, k, size, k, channels).mean((2, 4)).round().astype(np.uint8)


def table(results: Mapping[str, Sequence[Result]]) -> str:
    """Return Markdown: medians over seeds with minimum and maximum."""
    titles = ["contestant", "seeds", "images", "updates", "KID", "MIND", "power", "excess"]
    keys = ("images", "steps", "kid", "mind", "power", "excess")
    rows = [
        [name, str(len(of)), *(reporting.spread([one[key] for one in of]) for key in keys)]
        for name, of in results.items()
    ]
    return reporting.grid(titles, rows)


def main() -> None:
    """Train and score what is missing, and print the table."""
    parser = pictures.parser(__doc__, contestant)
    parser.add_argument("--size", type=int, default=64, help="a side of the scored images")
    parser.add_argument("--seconds", type=float, default=300, help="of the processor")
    given = parser.parse_args()
    chosen = dict(given.contestants) or dict(map(contestant, ("small", EXAMPLE, "dcgan-cats")))
    engines.configure_process(engines.load("numpy"))
    given.output.mkdir(parents=True, exist_ok=True)

    def loaded(size: int) -> data.Source:
        return load_data(config.from_preset("small", data=given.data, image_size=str(size)))

    judge = Judge(loaded(given.size), given.output)

    def result(name: str, seed: int, run: Path) -> Result:
        if name == EXAMPLE:
            found = example(loaded(EXAMPLE_SIZE).images, given.seconds, seed, given.fakes)
        else:
            options = {"data": given.data, **chosen[name]}
            found = preset(options, given.seconds, seed, run, given.fakes)
        fakes = shrunk(found.pop("fakes"), given.size)
        run.mkdir(parents=True, exist_ok=True)
        image_io.save_png(run / "grid.png", image_io.enlarge(image_io.grid(fakes[:64], 8)))
        return found | judge.scores(fakes)

    pictures.compare(chosen, given.seeds, given.output, result, table)


if __name__ == "__main__":
    main()
