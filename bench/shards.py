"""Memory of training on shards larger than it: `python -m bench.shards` (about 5 minutes, 4 GB).

A set of tar shards is generated, indexed and trained on, with at most LIMIT bytes of anonymous
memory (RLIMIT_DATA), and the peaks of anonymous and resident memory are printed. The same set is
then decoded once, as a folder. Everything is deleted at the end.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

EACH = 1000  # pictures in a shard
DISTINCT = 50  # pictures that are drawn; a text in each file makes them differ


def write(folder: Path, gigabytes: float, side: int = 256) -> int:
    """Write shards of JPEG files of about 100 KB with labels; return the number of pictures."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(DISTINCT):
        stream = io.BytesIO()
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize((side, side))
        noise = rng.integers(-48, 48, (side, side, 3))
        noisy = (np.asarray(coarse, np.int16) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(stream, "JPEG", quality=95)
        files.append(stream.getvalue())
    total = count = 0
    while total < gigabytes * 1e9:
        with tarfile.open(folder / f"s-{count // EACH:04}.tar", "w") as archive:
            for number in range(count, count + EACH):
                text = b"\xff\xfe\x00\x0a%08d" % number  # a comment, after the mark of the start
                data = files[number % DISTINCT]
                for name, content in (
                    (f"{number:08}.jpg", data[:2] + text + data[2:]),
                    (f"{number:08}.cls", b"%d" % (number % 10)),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                    total += len(content)
        count += EACH
    return count


def memory() -> tuple[int, int]:
    """Return this process's anonymous and resident memory in bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, resident = (int(lines[key].split()[0]) * 1024 for key in ("RssAnon", "VmRSS"))
    return anonymous, resident


def child(arguments: list[str]) -> None:
    """Train under the limit and print the peaks as JSON; runs in a process of its own."""
    limit = int(arguments[0])
    peaks = [0, 0]

    def watch() -> None:
        while True:
            for place, value in enumerate(memory()):
                peaks[place] = max(peaks[place], value)
            time.sleep(0.01)

    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    threading.stack_size(2**19)  # those of threads count too, 8 MB each, used or not
    threading.Thread(target=watch, daemon=True).start()
    from ganbaru.cli import main

    began = time.perf_counter()
    code = main.main(["train", *arguments[1:]])
    seconds = time.perf_counter() - began
    print(json.dumps({"code": code, "peaks": peaks, "seconds": seconds}))


def measured(limit: int, data: str, folder: Path, name: str, steps: int) -> dict[str, float]:
    """Train on `data` in a process of limited memory; return what it printed."""
    how = f"--batch 32 --width 8 --image-size 64 --conditioning none --steps {steps} --held-out 0"
    words = ["--data", data, *how.split(), "--augment", "none", "--run", str(folder / name)]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GANBARU_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "bench.shards", "--child", str(limit), "dcgan", *words],
        env=os.environ | one | {"GANBARU_CACHE": str(folder / "cache")} | {"MALLOC_ARENA_MAX": "2"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measure and print one line for each way of reading and each size of the set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.2, 4.0])
    parser.add_argument("--limit", type=int, default=500, help="of anonymous memory, in 10^6 bytes")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="for the shards, where there is room")
    options = parser.parse_args()
    for gigabytes in options.gigabytes:
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            (folder / "set").mkdir()
            count = write(folder / "set", gigabytes)
            last = count // EACH - 1
            sets = {
                "streamed": str(folder / "set" / f"s-{{0000..{last:04}}}.tar"),
                "decoded once": str(folder / "set"),
            }
            for name, data in sets.items():
                for again in ("first", "second"):
                    steps = options.steps if again == "first" else 2 * options.steps
                    run = f"{name}-{again}".replace(" ", "-")
                    found = measured(options.limit * 10**6, data, folder, run, steps)
                    anonymous, resident = (peak / 1e6 for peak in found["peaks"])
                    print(
                        f"{gigabytes:4} GB, {count:,} pictures, {name}, {again} run of {steps} "
                        f"steps: exit {found['code']}, {anonymous:.0f} MB anonymous, "
                        f"{resident:.0f} MB resident, {found['seconds']:.0f} s",
                        flush=True,
                    )
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    child(sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main()
