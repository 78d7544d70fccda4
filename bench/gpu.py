"""One call on a machine with a GPU: is everything right on it, how fast, and how good how soon?

python -m bench.gpu                          all of it, in under nine minutes on an H200
python -m bench.gpu --device cpu --quick     the same on a CPU in a minute, to see that it runs

Checks: each engine plays a small game of every network beside the NumPy engine on the CPU (outputs
and gradients in float32, three steps in float32 and float64), and PyTorch's fast steps play
seven games beside NumPy's, in float64, float32 and bf16. Speed: a 64x64 step of width 64, grey, by
plain PyTorch and by ours in every way, at batch 64 and larger, beside the GPU's ceilings. Quality:
a timed run of a preset whose data is here, with scores over seconds. What fails is told, and the
rest goes on. Writes gpu.json and gpu.md after each part; exits 1 if something disagrees or
failed, 2 if there is no such device.
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

# Or the first of JAX and PyTorch would take most of the GPU's memory from the other.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from ganbaru import engines, registry  # noqa: E402
from ganbaru.errors import InputError  # noqa: E402

from . import gpu_checks, gpu_speed  # noqa: E402
from .gpu_speed import BEST, WAYS  # noqa: E402
from .scale import Size  # noqa: E402
from .telling import markdown  # noqa: E402

Row = dict[str, Any]


@dataclass
class Findings:
    """What has been found so far; `write` puts it into files, so that a stopped call has told."""

    out: Path
    deadline: float
    about: list[str] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    failed: list[Row] = field(default_factory=list)

    def add(self, table: str, work: Callable[[], Any]) -> Any:
        """Do a piece of work and keep its row, or why it failed; skip it if time is up."""
        if time.monotonic() > self.deadline:
            self.failed.append({"": table, "why": "time was up before it began"})
            return None
        try:
            row = work()
        except Exception as error:  # whatever a driver says: the rest has to be told too
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
        told = {"engines": self.about, "failed": self.failed, **self.tables}
        (self.out / "gpu.json").write_text(json.dumps(told, indent=2), encoding="utf-8")
        parts = [f"## {name}\n\n{markdown(rows)}" for name, rows in self.tables.items()]
        parts += [f"## failed\n\n{markdown(self.failed)}"] if self.failed else []
        text = "\n\n".join(["; ".join(self.about), *parts])
        (self.out / "gpu.md").write_text(f"{text}\n", encoding="utf-8")

    @property
    def right(self) -> bool:
        """Whether all agreed and nothing failed."""
        rows = [row for each in self.tables.values() for row in each]
        return not self.failed and all(row.get("agrees", True) for row in rows)


# --- parts ------------------------------------------------------------------------------------


def checks(findings: Findings, names: Sequence[str], wanted: argparse.Namespace) -> None:
    """Compare engines with NumPy; those that compile for long in one network alone."""
    if "torch" in names:
        games = list(gpu_checks.GAMES)[:2] if wanted.quick else list(gpu_checks.GAMES)
        for precision in gpu_checks.APART:
            for what in games:
                findings.add("fast steps", partial(gpu_checks.check_fast, wanted.device, what,
                                                   precision))  # fmt: skip
    for name in names:
        for network in wanted.networks if name == "torch" else wanted.networks[:1]:
            findings.add("checks", partial(gpu_checks.check, name, wanted.device, network))


def speeds(findings: Findings, names: Sequence[str], wanted: argparse.Namespace) -> None:
    """Time plain code and ours at batch 64, then our best way at growing batches."""
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
    """Train a preset for the seconds that are left, at most those wanted."""
    from . import gpu_quality

    preset = "digits" if wanted.quick else gpu_quality.found(wanted.presets)
    options = {"width": 4, "batch": 16} if wanted.quick else {}
    images, epochs = (64, 1) if wanted.quick else (10_000, 3)
    left = findings.deadline - time.monotonic() - 60  # to load, to train the judge and to score
    seconds = 1.5 if wanted.quick else min(wanted.seconds, left)
    rows: list[Row] = []
    how = (rows, preset, wanted.device, seconds, images, epochs)
    if seconds > 1:
        findings.add("run", partial(gpu_quality.curve, *how, **options))
        findings.tables["quality"] = rows


# --- told -------------------------------------------------------------------------------------


def usable(device: str, wanted: Sequence[str]) -> list[str]:
    """Return which engines compute on a device; says why the others do not."""
    found = []
    for name in wanted:
        try:
            print(engines.load(name, device).describe(), flush=True)
            found.append(name)
        except InputError as refused:
            print(f"without {name}: {refused}", flush=True)
    return found


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
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
    """Do all parts, and tell."""
    wanted = parser().parse_args(arguments)
    names = usable(wanted.device, wanted.engines)
    if not names:
        print(f"No engine computes on {wanted.device!r} here: nothing to check or to time.")
        return 2
    if wanted.quick:
        wanted.batches = [4, 8]
    about = [engines.load(name, wanted.device).describe() for name in names]
    findings = Findings(wanted.out, time.monotonic() + wanted.limit, about)
    speeds(findings, names, wanted)  # first, as what a GPU is there for
    findings.deadline -= 0 if wanted.quick else wanted.seconds + 60  # kept for the timed run
    checks(findings, names, wanted)
    findings.deadline += 0 if wanted.quick else wanted.seconds + 60
    if "torch" in names:
        quality(findings, wanted)
    findings.write()
    return 0 if findings.right else 1


if __name__ == "__main__":
    sys.exit(main())
