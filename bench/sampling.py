"""Sampling: images generated in memory and written to files (untrained, which is as fast)."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
from pathlib import Path

import ganbaru
from ganbaru import engines
from ganbaru.gan import models
from ganbaru.sampling.generators import Generator
from ganbaru.training import checkpoint

from . import flops
from .interleaved import Bench, Contestant, Entry, Row, Table
from .scale import Size
from .step import PLAIN
from .worker import Turn, Worker


def ours(engine: str, size: int, channels: int, width: int, batch: int, number: int) -> Turn:
    """Return a turn that generates images as bytes in memory, in our own batches."""
    machine = engines.load(engine, "cpu")
    about, shape = flops.config(Size(size, channels, width, batch)), (size, size, channels)
    first = models.initial_parameters(about, shape, 0)
    parameters, buffers = (
        {name: machine.from_numpy(array) for name, array in first[group].items()}
        for group in ("generator", "generator_buffers")
    )
    network = models.networks(about, shape, 0)[0]
    generator = Generator(machine, network, parameters, buffers, about.latent, ())

    def turn() -> dict[str, float]:
        return {"images": sum(len(images) for images, _ in generator.batches(range(number)))}

    return turn


def plain(size: int, channels: int, width: int, batch: int, number: int) -> Turn:
    """Return the same turn in plain PyTorch."""
    import torch

    from .plain.pytorch import latent, networks

    generator = networks(size, channels, width)[0].eval()

    @torch.no_grad()
    def turn() -> dict[str, float]:
        made = 0
        for start in range(0, number, batch):
            floats = generator(latent(min(batch, number - start)))
            made += len((floats * 127.5 + 128).clamp(0, 255).to(torch.uint8).numpy())
        return {"images": made}

    return turn


def command(run: str, number: int, output: str) -> Turn:
    """Return a turn that calls `ganbaru generate` without its output."""
    from ganbaru.cli import main

    def turn() -> dict[str, float]:
        with contextlib.redirect_stdout(io.StringIO()):
            main.main(["generate", run, "-n", str(number), "-o", output])
        return {}

    return turn


CONTESTANTS = {
    "plain PyTorch": Contestant("torch", "bench.sampling:plain"),
    **{
        f"{engine} engine": Contestant(
            engine, "bench.sampling:ours", {"engine": engine}, ("plain PyTorch",)
        )
        for engine in PLAIN
    },
}


def sampling(bench: Bench) -> list[Table]:
    """Time sampling in memory, then write few and many images and measure peak memory."""
    size, number = bench.scale.sampled, bench.scale.few
    # As if all batches were full: the last, short one changes little.
    batches = flops.sampling(size)
    cost = batches._replace(flops=batches.flops * number // size.batch,
                            bytes=batches.bytes * number // size.batch)  # fmt: skip
    names = ("plain PyTorch", *(f"{engine} engine" for engine in bench.ours))
    wanted = bench.entrants({name: CONTESTANTS[name] for name in names})
    entries = {
        name: Entry(one, {**size._asdict(), "number": number}, cost, number)
        for name, one in wanted.items()
    }
    race = bench.race(entries, fresh=True)
    title = f"Sampling, {size.size}x{size.size}x{size.channels}, width {size.width}"
    with tempfile.TemporaryDirectory() as folder:
        run = untrained(size, Path(folder))
        rows = [_written(run, number, kind, size)
                for kind in KINDS for number in (bench.scale.few, bench.scale.many)]  # fmt: skip
    return [
        Table(f"{title}, {number:,} images in memory", race.rows(), race.absent()),
        Table(f"{title}, ganbaru generate on the NumPy engine", rows),
    ]


KINDS = {"an npz file": "images.npz", "a folder of PNGs": "images"}


def untrained(size: Size, folder: Path) -> Path:
    """Write the checkpoint of an untrained run."""
    config, shape = flops.config(size), (size.size, size.size, size.channels)
    first = models.initial_parameters(config, shape, 0)
    header = checkpoint.Header(
        version=ganbaru.__version__, config=dataclasses.asdict(config), step=0, images=0,
        seconds=0.0, data={"name": "none", "fingerprint": "", "classes": [], "shape": list(shape)},
        callbacks={},
    )  # fmt: skip
    path = folder / "first.safetensors"
    groups = {"ema": first["generator"], "ema_buffers": first["generator_buffers"]}
    checkpoint.save(path, groups, header)
    return path


def _written(run: Path, number: int, kind: str, size: Size) -> Row:
    """Run the command once in its own process."""
    worker = Worker()
    output = run.parent / str(number) / KINDS[kind]
    settings = {"run": str(run), "number": number, "output": str(output)}
    worker.make("bench.sampling:command", settings)
    worker.receive()
    seconds = worker.turn()["seconds"]
    count = flops.sampling(size).flops / size.batch * number
    return {"": f"{number:,} images in {kind}", "seconds": seconds, "images/s": number / seconds,
            "GFLOP/s": count / seconds / 1e9, "MiB": worker.close()}  # fmt: skip
