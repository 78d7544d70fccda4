"""Time, memory and figures of scoring: python -m bench.scores [NAME ...]

Each case runs in its own process, the first two with an empty cache, so that they train the scorer.
The others use the user's cache; the first run of a case also computes its baselines, so the second
is reported. Needs MNIST and Fashion-MNIST (see --data).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

import ganbaru
from ganbaru import data, metrics

NAMES = ("frechet", "precision", "recall", "coverage", "label_accuracy", "cas", "modes", "class_kl")


def scorer(name: str) -> str:
    """Train a scorer in an empty cache."""
    from ganbaru.metrics.scorer import classifier_scorer

    source = data.load(name)
    with tempfile.TemporaryDirectory() as empty:
        os.environ["XDG_CACHE_HOME"] = empty
        found = classifier_scorer(source, data.silent)
    return f"accuracy {found.info.accuracy:.2%}"


def described(found: metrics.Evaluation) -> str:
    scores = {name: one for name, one in found.scores.items() if name in NAMES}
    return ", ".join(f"{name} {one.value:.4g} ({one.floor:.4g})" for name, one in scores.items())


def test_images(scorer: str = "auto") -> str:
    """Score the 10,000 test images of MNIST, with their labels for CAS."""
    test = data.load("mnist", split="test")
    with tempfile.TemporaryDirectory() as place:
        path = f"{place}/test.npz"
        np.savez(path, images=test.images, labels=test.labels)
        return described(ganbaru.evaluate(path, "mnist", scorer=scorer))


def random() -> str:
    return test_images("random")


def fifty_thousand() -> str:
    """Score 50,000 training images with noise on them."""
    images = data.load("mnist").images[:50_000]
    noise = np.random.default_rng(0).normal(0, 20, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype(np.uint8)
    return described(ganbaru.evaluate(noisy, "mnist", number=50_000))


def stacked() -> str:
    return described(
        ganbaru.evaluate(data.load("stacked-mnist", split="test").images, "stacked-mnist")
    )


def copies() -> str:
    """Look for copies among 1,000 test images of MNIST, in its 60,000 training images."""
    with tempfile.TemporaryDirectory() as place:
        fresh = data.load("mnist", split="test").images[:1000]
        return ganbaru.authenticity(fresh, "mnist", output=place).verdict()


CASES: dict[str, Callable[[], str]] = {
    "scorer of MNIST": lambda: scorer("mnist"),
    "scorer of Fashion-MNIST": lambda: scorer("fashion-mnist"),
    "10,000 images": test_images,
    "10,000, random networks": random,
    "50,000 images": fifty_thousand,
    "26,000 of Stacked-MNIST": stacked,
    "authenticity, 60,000": copies,
}
TWICE = [name for name in CASES if "scorer" not in name]


def measure(name: str) -> None:
    """Run one case in this process and print its time and memory."""
    began, processor = time.perf_counter(), time.process_time()
    result = CASES[name]()
    wall, used = time.perf_counter() - began, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:26}{wall:7.1f} s{used:8.1f} s CPU{peak:8.0f} MiB  {result}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--one", action="store_true", help="in this process")
    wanted = parser.parse_args()
    for name in wanted.names or CASES:
        if wanted.one:
            measure(name)
            continue
        command = [sys.executable, "-m", "bench.scores", "--one", name]
        if name in TWICE:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
