"""Pages as programs: their blocks, run in order in an empty folder, with the outputs they show.

A fenced block marked `sh` is run by bash, one marked `python` by Python in one namespace for the
page. A `text` block after either is its output: `...` stands for anything. `<!-- skip: REASON -->`
before a block leaves it out, and `<!-- run: COMMANDS -->` holds commands that readers need not see.
`<!-- short: train: --images 320; compare -o: --seeds 2 -->` before a block shortens it: these
options are added to its lines that begin with `ganbaru train` and `ganbaru compare -o`.
Other blocks are not run.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PART = re.compile(
    r"^<!-- (?P<comment>skip|run|short): (?P<said>.*?) -->$"
    r"|^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
KINDS = ("sh", "python")


@dataclass
class Block:
    """A block of code: its language, text and line, why it is not run or how it is shortened."""

    language: str
    text: str
    line: int
    skip: str = ""
    short: str = ""
    output: str | None = None  # that the page shows

    @property
    def command(self) -> str:
        """The text as it is run: in each line the options of the first fitting prefix are added."""
        added = [part.strip().split(": ", 1) for part in self.short.split(";") if part]
        lines = []
        for line in self.text.splitlines():
            code, space, comment = re.fullmatch(r"(.*?)(?:(\s+)(#.*))?", line).groups("")  # type: ignore[union-attr]
            fitting = (more for start, more in added if code.startswith(f"ganbaru {start}"))
            lines.append(" ".join([code, *list(fitting)[:1]]) + space + comment)
        return "\n".join(lines) + "\n"


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page's text, hidden commands among them."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    before = None
    for part in _PART.finditer(page):
        line = page.count("\n", 0, part.start()) + 1
        if part["comment"] == "run":
            found.append(Block("sh", part["said"] + "\n", line))
        elif part["comment"]:
            marks[part["comment"]] = part["said"]
        elif part["language"] == "text" and before is not None:
            before.output, before = part["text"], None
        else:
            before = Block(part["language"], part["text"], line, **marks)
            found.append(before)
            marks, before = {}, before if before.language in KINDS else None
    return found


@dataclass
class Ran:
    """A block that was run: its seconds, its output, and what is wrong with it ("": nothing)."""

    block: Block
    seconds: float
    output: str
    fault: str = ""


def run(page: Path, folder: Path) -> Iterator[Ran]:
    """Run a page's blocks in `folder`, until one fails."""
    names: dict[str, Any] = {"__name__": "__main__"}
    environment = _environment(folder)
    with contextlib.chdir(folder):
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.skip or block.language not in KINDS:
                continue
            start = time.monotonic()
            try:
                if block.language == "sh":
                    output, fault = _shell(block.command, environment)
                else:
                    output, fault = _python(block.text, names)
            except Exception as error:  # of a page's Python
                output, fault = "", f"{type(error).__name__}: {error}"
            if not fault and block.output is not None and not same(block.output, output):
                fault = f"the page shows\n{block.output}but it printed\n{output}"
            yield Ran(block, time.monotonic() - start, output, fault)
            if fault:
                return


def same(shown: str, printed: str) -> bool:
    """Whether a page's output is what was printed; `...` stands for anything, spaces are equal."""
    return doctest.OutputChecker().check_output(shown, printed, _FLAGS)


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `ganbaru` is this one."""
    tools = folder / ".tools"
    tools.mkdir()
    for name, module in {"ganbaru": "-m ganbaru", "python": ""}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (tools / name).chmod(0o755)
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")))
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": paths, "COLUMNS": "100", "GANBARU_LANG": "en"}
    return {**os.environ, **own}


def _shell(text: str, environment: dict[str, str]) -> tuple[str, str]:
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(["bash", "-e", "-c", text], env=environment, **how)  # type: ignore[call-overload]
    output = re.sub(r"\S*python\S* -m ganbaru", "ganbaru", done.stdout)
    return output, f"exit code {done.returncode}\n{output}" if done.returncode else ""


def _python(text: str, names: dict[str, Any]) -> tuple[str, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "<page>", "exec"), names)
    return out.getvalue(), ""
