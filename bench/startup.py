"""Start-up times, each the median of several fresh processes: python -m bench.startup"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CASES = {
    "python -c pass": ["-c", "pass"],
    "import ganbaru": ["-c", "import ganbaru"],
    "ganbaru --help": ["-m", "ganbaru", "--help"],
    "ganbaru train --help": ["-m", "ganbaru", "train", "--help"],
    "ganbaru presets": ["-m", "ganbaru", "presets"],
}


def seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(9):
        for name, arguments in CASES.items():
            times[name].append(seconds(arguments))
    for name, each in times.items():
        print(f"{name:24}{statistics.median(each):7.3f} s")


if __name__ == "__main__":
    main()
