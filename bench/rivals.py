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

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ganbaru import config, data, engines, files
from ganbaru.gan.dataset import load_data
from ganbaru.sampling import generators, image_io
from ganbaru.training import setup
from ganbaru.training.loop import loop

from . import reporting
from .picture_scores import Judge
from .pictures import FIRST_SEED, Result, cell

EXAMPLE, EXAMPLE_SIZE, EXAMPLE_WIDTH, EXAMPLE_BATCH = "pytorch-example", 64, 64, 64
# The presets' own sizes are kept, since they are part of what a user would run.
SETTINGS: dict[str, Any] = {"engine": "numpy", "held_out": 0, "overwrite": True, "minutes": None}


def contestant(text: str) -> tuple[str, dict[str, Any]]:
    """Parse NAME or NAME={options}."""
    name, _, options = text.partition("=")
    return name, {"preset": name, **(yaml.safe_load(options) if options else {})}


def preset(options: dict[str, Any], seconds: float, seed: int, run: Path, count: int) -> Result:
    """Train a preset; return its images (N, H, W, C) and how many it has seen."""
    name = options["preset"]
    own = {key: value for key, value in options.items() if key != "preset"}
    settings = config.from_preset(
        name, **{**own, **SETTINGS}, run=str(run), seed=seed, images=10**9, epochs=None
    )
    made = setup.build(settings)
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
                    parts = [g(pytorch.latent(n)) for n in _parts(count, EXAMPLE_BATCH)]
                fakes = (torch.cat(parts).permute(0, 2, 3, 1) * 127.5 + 127.5).round()
                return {"fakes": fakes.to(torch.uint8).numpy(), "images": seen, "steps": steps}
            real = images[rows].to(torch.float32) / 127.5 - 1
            pytorch_example.update(at, real, pytorch.latent(len(real)))
            seen, steps = seen + len(real), steps + 1


def _parts(count: int, size: int) -> list[int]:
    return [size] * (count // size) + ([count % size] if count % size else [])


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Average blocks of pixels of images (N, H, W, C) until a side has `size`."""
    n, side, _, channels = images.shape
    k = side // size
    return images.reshape(n, size, k, size, k, channels).mean((2, 4)).round().astype(np.uint8)


def result(train: Callable[[], Result], judge: Judge, size: int, folder: Path) -> Result:
    """Train and score a contestant, or read the result of a finished run."""
    path = folder / "result.json"
    if not path.exists():
        began = time.process_time()
        found = train()
        found["seconds"] = time.process_time() - began
        fakes = shrunk(found.pop("fakes"), size)
        folder.mkdir(parents=True, exist_ok=True)
        image_io.save_png(folder / "grid.png", image_io.enlarge(image_io.grid(fakes[:64], 8)))
        found |= judge.scores(fakes)
        files.write_text(path, json.dumps(found))
    read: Result = json.loads(path.read_text(encoding="utf-8"))
    return read


def table(results: Mapping[str, Sequence[Result]]) -> str:
    """Return Markdown: medians over seeds with minimum and maximum."""
    titles = ["contestant", "seeds", "images", "updates", "KID", "MIND", "power", "excess"]
    keys = ("images", "steps", "kid", "mind", "power", "excess")
    rows = [
        [n, str(len(of)), *(cell([x[key] for x in of]) for key in keys)]
        for n, of in results.items()
    ]
    return reporting.grid(titles, rows)


def main() -> None:
    """Train and score what is missing, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("contestants", nargs="*", type=contestant, metavar="CONTESTANT")
    parser.add_argument("-o", "--output", required=True, type=Path, help="the folder for runs")
    parser.add_argument("--data", default="cat-faces")
    parser.add_argument("--size", type=int, default=64, help="a side of the scored images")
    parser.add_argument("--seconds", type=float, default=300, help="of the processor")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--fakes", type=int, default=2_000, help="images that are scored")
    given = parser.parse_args()
    chosen = dict(given.contestants) or dict(map(contestant, ("small", EXAMPLE, "dcgan-cats")))
    engines.configure_process(engines.load("numpy"))
    given.output.mkdir(parents=True, exist_ok=True)

    def loaded(size: int) -> data.Source:
        return load_data(config.from_preset("small", data=given.data, image_size=str(size)))

    judge, reals = Judge(loaded(given.size), given.output), loaded(EXAMPLE_SIZE).images
    results: dict[str, list[Result]] = {name: [] for name in chosen}
    for seed in range(given.seeds):
        for name, options in chosen.items():
            folder = given.output / f"{name.replace(' ', '-')}-{seed}"

            def train(name: str = name, options: Any = options, folder: Path = folder) -> Result:
                if name == EXAMPLE:
                    return example(reals, given.seconds, seed, given.fakes)  # noqa: B023
                of = {"data": given.data, **options}
                return preset(of, given.seconds, seed, folder, given.fakes)  # noqa: B023

            results[name].append(result(train, judge, given.size, folder))
            print(table({n: of for n, of in results.items() if of}), flush=True)


if __name__ == "__main__":
    main()
