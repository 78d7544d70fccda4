"""Benchmarks against plain framework code: steps, sampling, loading, start-up, and memory.

python -m bench                        all cases, about an hour on 2 cores
python -m bench --quick                all of them at small sizes, within a minute
python -m bench step sampling          only these cases
python -m bench -o FOLDER              also writes results.md, results.json and plots

Our engines and plain framework code run in interleaved turns, each in its own process, so that a
busy machine slows all of them alike; results are medians, quartiles and ratios of medians. The same
turns measure the machine's ceilings (roofline): a matrix product and a copy. The cost of a step is
counted (`bench/flops.py`) and compared with what the ceilings reached.

Ratios are valid only on an idle machine: PyTorch's threads wait for each other, and where another
process used one of two cores, a small step of plain code took ten times as long.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from ganbaru import engines

from . import plots, reporting
from .cases import CASES, CEILINGS
from .interleaved import Bench, Table
from .scale import FULL, QUICK
from .step import PLAIN


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    cases = "\n".join(f"  {name:10}{case.summary}" for name, case in CASES.items())
    found = argparse.ArgumentParser(
        "python -m bench", description=__doc__, epilog=f"cases:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    found.add_argument("cases", nargs="*", metavar="CASE", help="cases; all if none is given")
    found.add_argument("--quick", action="store_true", help="small sizes, within a minute")
    found.add_argument("--rounds", type=int, help="measured turns of each contestant")
    found.add_argument("--engines", nargs="+", choices=PLAIN, metavar="ENGINE",
                       default=["numpy", "torch"], help=f"of {', '.join(PLAIN)}")  # fmt: skip
    found.add_argument("-o", "--output", type=Path, help="a folder for results and plots")
    return found


def parsed(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Bench]:
    """Parse the command line; exits on an invalid option."""
    reader = parser()
    wanted = reader.parse_args(arguments)
    if unknown := [name for name in wanted.cases if name not in CASES]:
        reader.error(f"unknown case {unknown[0]!r}: choose from {', '.join(CASES)}")
    if wanted.rounds is not None and wanted.rounds < 1:
        reader.error(f"--rounds {wanted.rounds} is out of range: give a whole number from 1")
    scale = QUICK if wanted.quick else FULL
    scale = dataclasses.replace(scale, rounds=wanted.rounds or scale.rounds)
    here = [name for name in wanted.engines if name in engines.available()]
    if not here:
        reader.error(f"no library of {', '.join(wanted.engines)} is installed")
    return wanted, Bench(scale, here)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen cases, print each as it ends, and write all."""
    wanted, bench = parsed(arguments)
    command = " ".join(["python -m bench", *(sys.argv[1:] if arguments is None else arguments)])
    facts = reporting.about(bench.libraries, command)
    print(reporting.heading(facts), flush=True)
    tables: dict[str, list[Table]] = {}
    chosen = {"ceilings": CEILINGS, **{name: CASES[name] for name in wanted.cases or CASES}}
    with contextlib.closing(bench):
        for name, case in chosen.items():
            tables[name] = case.measure(bench)
            print(*map(reporting.section, tables[name]), sep="\n", flush=True)
            if wanted.output:
                write(wanted.output, facts, tables)


def write(folder: Path, facts: dict, tables: dict[str, list[Table]]) -> None:
    """Write the results so far, so that a call that is stopped leaves some."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [table for each in tables.values() for table in each]
    (folder / "results.md").write_text(reporting.page(facts, written), encoding="utf-8")
    (folder / "results.json").write_text(reporting.as_json(facts, written), encoding="utf-8")
    for table in written:
        if table.over:
            plots.save(table, folder / f"{table.over}.png")


if __name__ == "__main__":
    main()
