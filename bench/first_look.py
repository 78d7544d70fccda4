"""Time and memory of the first look at a folder of many tiny pictures.

    python -m bench.first_look [COUNT]

Writes COUNT PNG files (200,000) of 32x32 into a temporary folder and prints what `ganbaru data`
takes, decoding included, and then again from the cache.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ganbaru.sampling import png

CLASSES = 10


def write(folder: Path, count: int) -> None:
    """Write pictures of random blocks into a folder for each class."""
    rng = np.random.default_rng(0)
    for k in range(CLASSES):
        (folder / f"class{k}").mkdir()
    for i in range(count):
        blocks = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = blocks.repeat(4, axis=0).repeat(4, axis=1)
        (folder / f"class{i % CLASSES}" / f"{i:06}.png").write_bytes(png.encoded(image))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "set")
        folder.mkdir()
        write(folder, count)
        environment = {**os.environ, "GANBARU_CACHE": str(Path(place, "cache"))}
        for what in ("first", "again"):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            words = [sys.executable, "-m", "ganbaru", "data", str(folder), "--json"]
            subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            most = after.ru_maxrss / 1024
            print(f"{what}: {count:,} files, {seconds:.1f} s ({cpu:.1f} s CPU), {most:.0f} MiB")


if __name__ == "__main__":
    main()
