"""The command line of the campaign."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

# Before NumPy is imported: children of a process with BLAS threads would wait for them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from bench import faults, reporting

from . import child, fuzz, kills, material, outputs, terminal, trust
from .findings import Findings

Part = Callable[[Path, Findings, int, int, str], None]
PARTS: dict[str, Part] = {
    "trust": trust.run,
    "outputs": outputs.run,
    "terminal": terminal.run,
    "kills": kills.run,
    "fuzz": fuzz.run,  # last: it loads PyTorch
}
FULL = {"fuzz": 5000, "kills": 200}
QUICK = {"trust": 8, "outputs": 6, "terminal": 6, "kills": 6, "fuzz": 24}
ALL = 10**6


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; exits on an invalid option."""
    reader = argparse.ArgumentParser(
        "python -m bench.faults", description=faults.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    reader.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    reader.add_argument("--quick", action="store_true", help="a part of each, within a minute")
    reader.add_argument("--seed", type=int, default=0, help="of all trials [0]")
    reader.add_argument("--trials", type=int, help="how many of each part")
    reader.add_argument("--only", default="", metavar="TRIAL", help="a kind, or a kind and number")
    reader.add_argument(
        "-o",
        "--output",
        type=Path,
        help="a JSON file of all failures; the "
        "same command again tries only what is not in its .jsonl beside it",
    )
    given = reader.parse_args(arguments)
    if unknown := [name for name in given.parts if name not in PARTS]:
        reader.error(f"unknown part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; return 1 if a promise was broken."""
    given = parsed(arguments)
    names = given.parts or list(PARTS)
    child.preload(full=not given.quick)
    material.small_scorers()
    about = reporting.about(["numpy"], " ".join(["python -m bench.faults", *sys.argv[1:]]))
    form = f".{'quick-' * given.quick}{given.seed}.jsonl"
    found = Findings(journal=given.output and given.output.with_suffix(form))
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        base = material.write(Path(place), full=not given.quick)
        for name in [name for name in PARTS if name in names]:
            count = given.trials or (QUICK if given.quick else FULL).get(name, ALL)
            PARTS[name](base, found, given.seed, count, given.only)
            if given.output:
                found.write(given.output, about)
    print(found.table(), *([dict(found.notes)] if found.notes else []), sep="\n")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
