"""All checks and measurements on a machine with a GPU: correctness, speed and quality over time.

python -m bench.gpu                          everything, in under nine minutes on an H200
python -m bench.gpu --device cpu --quick     the same on a CPU in a minute, as a smoke test

Checks: each engine is compared with the NumPy engine on the CPU on a small GAN of every network
(outputs and gradients in float32, three steps in float32 and float64), and PyTorch's fast steps on
seven GANs, in float64, float32 and bf16. Faults: steps that cannot be recorded leave stream,
allocator and random numbers as they were; float32 products are exact outside fast steps; constants
of a recording live; 2,000 recorded steps take no more memory than 200. Speed: a 64x64 step of
width 64, grey, by plain PyTorch and by ours in every way, at batch 64 and larger, with the GPU's
ceilings. Quality: a timed run of a preset whose data is available, with scores over seconds. A
failure is reported and the rest continues. Writes gpu.json and gpu.md after each part; exits with 1
if something disagrees or failed, 2 if there is no such device.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

# Otherwise the first of JAX and PyTorch reserves most of the GPU's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from ganbaru import engines, registry  # noqa: E402
from ganbaru.errors import InputError  # noqa: E402

from . import gpu_checks, gpu_speed  # noqa: E402
from .gpu_speed import BEST, WAYS  # noqa: E402
from .reporting import markdown  # noqa: E402
from .scale import Size  # noqa: E402

Row = dict[str, Any]


@dataclass
class Findings:
    """The results so far; `write` saves them, so that a stopped call leaves some."""

    out: Path
    deadline: float
    about: list[str] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    failed: list[Row] = field(default_factory=list)

    def add(self, table: str, work: Callable[[], Any]) -> Any:
        """Call `work` and store its row or its error; skip it after the deadline."""
        if time.monotonic() > self.deadline:
            self.failed.append({"": table, "why": "not started before the deadline"})
            return None
        try:
            row = work()
        except Exception as error:  # drivers raise anything, and the rest must run
            why = f"{type(error).__name__}: {str(error).strip()[:300]}".replace("\n", " ")
            self.failed.append({"": table, "why": why})
            print(f"failed: {table}: {why}", flush=True)
            return None
        self.tables.setdefault(table, []).append(row)
        print(f"{table}: {markdown([row]).splitlines()[-1]}", flush=True)
        self.write()
        return row

    def write(self) -> None:
        """Write gpu.json and gpu.md."""
        self.out.mkdir(parents=True, exist_ok=True)
        results = {"engines": self.about, "failed": self.failed, **self.tables}
        (self.out / "gpu.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
        parts = [f"## {name}\n\n{markdown(rows)}" for name, rows in self.tables.items()]
        parts += [f"## failed\n\n{markdown(self.failed)}"] if self.failed else []
        text = "\n\n".join(["; ".join(self.about), *parts])
        (self.out / "gpu.md").write_text(f"{text}\n", encoding="utf-8")

    @property
    def succeeded(self) -> bool:
        """Whether all agree and nothing failed."""
        rows = [row for each in self.tables.values() for row in each]
        return not self.failed and all(row.get("agrees", True) for row in rows)


# --- parts ------------------------------------------------------------------------------------


def checks(findings: Findings, names: Sequence[str], wanted: argparse.Namespace) -> None:
    """Compare engines with NumPy; those with long compile times on one network only."""
    if "torch" in names:
        games = list(gpu_checks.GAMES)[:2] if wanted.quick else list(gpu_checks.GAMES)
        for precision in gpu_checks.APART:
            for what in games:
                findings.add("fast steps", partial(gpu_checks.check_fast, wanted.device, what,
                                                   precision))  # fmt: skip
    for name in names:
        for network in wanted.networks if name == "torch" else wanted.networks[:1]:
            findings.add("checks", partial(gpu_checks.check, name, wanted.device, network))


def faults(findings: Findings, names: Sequence[str], wanted: argparse.Namespace) -> None:
    """Check what goes wrong on a GPU alone, with PyTorch installed; about 40 seconds."""
    from . import gpu_faults

    few, many = (12, 30) if wanted.quick else (300, 2000)
    for name in names:
        findings.add("TF32", partial(gpu_faults.tf32, name, wanted.device))
    for where in gpu_faults.REFUSED:
        findings.add("refusals", partial(gpu_faults.refusal, wanted.device, where, few))
    findings.add("constants", partial(gpu_faults.constants, wanted.device))
    findings.add("endurance", partial(gpu_faults.endurance, wanted.device, many))


def speeds(findings: Findings, names: Sequence[str], wanted: argparse.Namespace) -> None:
    """Time plain code and ours at batch 64, then our fastest way at larger batches."""
    side, megabytes, width, seconds = (128, 8, 4, 0.05) if wanted.quick else (8192, 2048, 64, 3.0)
    size = Size(64, 1, width, wanted.batches[0])
    ceiling = partial(gpu_speed.ceilings, wanted.device, side, megabytes)
    limits = findings.add("ceilings", ceiling) if "torch" in names else None
    if limits is None:
        limits = dict.fromkeys(("float32", "TF32", "bf16", "copy"), float("nan"))
    how = (wanted.device, size, limits, seconds)
    for name in ("pytorch_example", "pytorch_tuned") if "torch" in names else ():
        findings.add("speed", partial(gpu_speed.plain_speed, name, *how))
    for name, way in WAYS.items():
        if way.engine in names:
            findings.add("speed", partial(gpu_speed.speed, name, *how))
    for batch in wanted.batches[1:] if "torch" in names else ():
        larger = (wanted.device, size._replace(batch=batch), limits, seconds)
        findings.add("speed", partial(gpu_speed.speed, BEST, *larger))
        findings.add("speed", partial(gpu_speed.plain_speed, "pytorch_tuned", *larger))


def quality(findings: Findings, wanted: argparse.Namespace) -> None:
    """Train a preset for the remaining seconds, at most `wanted.seconds`."""
    from . import gpu_quality

    preset = "digits" if wanted.quick else gpu_quality.found(wanted.presets)
    options = {"width": 4, "batch": 16} if wanted.quick else {}
    images, epochs = (64, 1) if wanted.quick else (10_000, 3)
    left = findings.deadline - time.monotonic() - 60  # to load, train the classifier and score
    seconds = 1.5 if wanted.quick else min(wanted.seconds, left)
    rows: list[Row] = []
    how = (rows, preset, wanted.device, seconds, images, epochs)
    if seconds > 1:
        findings.add("run", partial(gpu_quality.curve, *how, **options))
        findings.tables["quality"] = rows


# --- command ----------------------------------------------------------------------------------


def usable(device: str, wanted: Sequence[str]) -> list[str]:
    """Return the engines that support a device; prints why the others do not."""
    found = []
    for name in wanted:
        try:
            print(engines.load(name, device).describe(), flush=True)
            found.append(name)
        except InputError as refused:
            print(f"without {name}: {refused}", flush=True)
    return found


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        "python -m bench.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    found.add_argument("--device", default="cuda")
    found.add_argument("--engines", nargs="+", default=["torch", "jax", "cupy", "tensorflow"])
    found.add_argument("--networks", nargs="+", default=registry.names("networks"))
    found.add_argument("--batches", nargs="+", type=int, default=[64, 256, 1024, 4096])
    found.add_argument("--presets", nargs="+", default=["mnist", "fashion-mnist"])
    found.add_argument("--seconds", type=float, default=150, help="of training in the timed run")
    found.add_argument("--limit", type=float, default=510, help="seconds of the whole call")
    found.add_argument("--quick", action="store_true", help="small sizes: a minute on a CPU")
    found.add_argument("--out", type=Path, default=Path("."))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts and write the results."""
    wanted = parser().parse_args(arguments)
    engines.own_process()  # exact float32 and JAX's float64, outside compiled functions too
    names = usable(wanted.device, wanted.engines)
    if not names:
        print(f"No engine computes on {wanted.device!r} here: nothing to check or time.")
        return 2
    if wanted.quick:
        wanted.batches = [4, 8]
    about = [engines.load(name, wanted.device).describe() for name in names]
    findings = Findings(wanted.out, time.monotonic() + wanted.limit, about)
    speeds(findings, names, wanted)  # first, as the most important part
    findings.deadline -= 0 if wanted.quick else wanted.seconds + 60  # reserved for the timed run
    if "torch" in names:
        faults(findings, names, wanted)
    checks(findings, names, wanted)
    findings.deadline += 0 if wanted.quick else wanted.seconds + 60
    if "torch" in names:
        quality(findings, wanted)
    findings.write()
    return 0 if findings.succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
