"""Run the code of the documentation's pages: python -m bench.docs [--quick | --all | PAGE ...].

`--quick`, the default, runs the pages that take a minute in all. `notebooks [NAME ...]` makes the
notebooks, `pictures` the curves of the objectives.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.docs import pages

# A minute of the processor on two cores in all; the other pages run every night.
QUICK = tuple(
    f"docs/{name}.md"
    for name in (
        *("index", "gallery", "exporting", "randomness", "explanation/one-step"),
        *("tutorials/first-gan", "tutorials/sharing", "how-to/kinds-of-images"),
    )
)
EXECUTED = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md")
# The Japanese pages have the code of the English ones, which a test compares, and `make reproduce`
# runs what the reproductions show.
ELSEWHERE = ("README.ja.md", "docs/ja", "docs/reproductions")


def executed() -> list[Path]:
    """Return every page that has code to run."""
    there = [path for pattern in EXECUTED for path in sorted(pages.ROOT.glob(pattern))]
    others = [pages.ROOT / name for name in ELSEWHERE]
    return [
        path
        for path in there
        if not any(path.is_relative_to(other) for other in others)
        and any(block.language in pages.KINDS for block in pages.blocks(path.read_text("utf-8")))
    ]


def main(arguments: list[str]) -> int:
    """Run pages and print the seconds of each; the exit code is 1 if one fails."""
    if arguments[:1] == ["notebooks"]:
        from bench.docs import notebooks

        return notebooks.write(arguments[1:])
    if arguments[:1] == ["pictures"]:
        from bench.docs import curves

        return curves.write()
    chosen = executed() if arguments == ["--all"] else [pages.ROOT / name for name in QUICK]
    if arguments and not arguments[0].startswith("--"):
        chosen = [Path(name).resolve() for name in arguments]
    failed, seconds, count = 0, 0.0, 0
    for page in chosen:
        with tempfile.TemporaryDirectory() as folder:
            ran = list(pages.run(page, Path(folder)))
        took = sum(each.seconds for each in ran)
        faults = [each for each in ran if each.fault]
        print(f"{page.name:32} {len(ran):3} blocks {took:7.1f} s", "FAILED" if faults else "")
        for each in faults:
            print(f"  line {each.block.line}: {each.fault}")
        failed, seconds, count = failed + len(faults), seconds + took, count + len(ran)
    print(f"{len(chosen)} pages, {count} blocks, {seconds:.1f} s, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
