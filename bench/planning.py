"""Plans against the truth: what `ganbaru plan` says of a run, and what the run took.

python -m bench.planning -o runs/planning --minutes 0.5

Each case is planned, trained for the images that the plan has, and planned again, each in a process
of its own: the plan's figures are means of both plans, so that a machine whose load changes counts
less. Prints the quotients truth / plan of seconds, memory and disk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from ganbaru.training import run_folder, run_log

CASES = {
    "digits, numpy": ["digits"],
    "digits, torch": ["digits", "--engine", "torch"],
    "digits, jax": ["digits", "--engine", "jax"],
    "mnist, numpy": ["mnist"],
    "mnist, torch": ["mnist", "--engine", "torch"],
    "fashion-mnist, numpy": ["fashion-mnist"],
    "small on MNIST, numpy": ["small", "--data", "mnist", "--image-size", "32"],
    "dcgan-cats, width 8, torch": ["dcgan-cats", "--width", "8", "--engine", "torch"],
    "wgan-gp-mnist, width 8, numpy": [
        *("wgan-gp-mnist", "--width", "8", "--image-size", "32", "--engine", "numpy"),
    ],
}


def _ganbaru(*words: str) -> tuple[str, int]:
    """Run a command; return its output and its largest memory in bytes."""
    code = (
        "import resource, sys; from ganbaru.cli.main import main; code = main(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, int(done.stderr.split()[-1]) * 1024


def _plan(words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_ganbaru("plan", *words, "--json")[0])
    return found


def compare(words: list[str], minutes: float, folder: Path) -> list[float]:
    """Return seconds, memory and disk: of the plan, then of the run."""
    first = _plan([*words, "--minutes", str(minutes)])
    total = ["--images", str(first["images"])]
    _, memory = _ganbaru("train", *words, *total, "--run", str(folder), "--overwrite")
    plans = [first, _plan([*words, *total])]
    seconds = run_log.read_log(run_folder.Folder(folder))[-1]["seconds"]
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    said = [statistics.mean(plan[name] for plan in plans) for name in ("seconds", "memory", "disk")]
    return [*said, seconds, memory, disk]


def main() -> None:
    """Print a row for each case as it is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    given = parser.parse_args()
    print("| case | seconds: plan, run | MiB of memory: plan, run | MiB of disk: plan, run |")
    print("|---|---|---|---|")
    for name in given.only:
        figures = compare(CASES[name], given.minutes, given.output / name)
        said, true = figures[:3], figures[3:]
        scales = (1, 2**20, 2**20)
        cells = [
            f"{a / s:.3g}, {b / s:.3g} ({b / a - 1:+.0%})"
            for a, b, s in zip(said, true, scales, strict=True)
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
