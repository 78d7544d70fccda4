"""Size and structure of the source: files, lines, functions, layers and import cycles.

    python -m bench.size

`tests/test_layers.py` asserts what this prints.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "ganbaru"
# A package imports only from those before it. `ganbaru` itself holds the version and lazy names.
LAYERS = [
    "ganbaru",
    "errors",
    "formatting",
    "files",
    "records",
    "randomness",
    "registry",
    "coerce",
    "presets",
    "config",
    "ops",
    "ranks",
    "engines",
    "nn",
    "networks",
    "data",
    "gan",
    "training",
    "sampling",
    "native",
    "metrics",
    "report",
    "callbacks",
    "export",
    "latents",
    "comparison",
    "conformance",
    "serve",
    "planning",
    "labs",
    "cli",
    "api",
]


@cache
def modules() -> dict[str, list[ast.AST]]:
    """Return every module's syntax nodes by its dotted name; a package's are its `__init__`'s."""
    found = {}
    gc.disable()  # of a million objects none is garbage: a third of the time, in tests two thirds
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    gc.enable()
    return found


def names(name: str) -> set[str]:
    """Return the absolute names that a module imports anywhere, in functions too."""
    package = name if (SOURCE.parent / name.replace(".", "/")).is_dir() else name.rpartition(".")[0]
    found = set()
    for node in modules()[name]:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            home = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{home}.{alias.name}" for alias in node.names}
    return found


@cache
def graph() -> dict[str, set[str]]:
    """Return the modules of ours that each one imports."""
    return {name: _imported(name) for name in modules()}


def _imported(name: str) -> set[str]:
    ours = modules()
    found = {full if full in ours else full.rpartition(".")[0] for full in names(name)}
    return {each for each in found if each in ours} - {name}


def layer(name: str) -> int:
    """Return the place of a module's package in `LAYERS`."""
    return LAYERS.index(name.split(".")[1] if "." in name else name)


def violations(graph: dict[str, set[str]]) -> list[str]:
    """List the imports from a later layer."""
    return [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in sorted(others)
        if name != "ganbaru.__main__" and layer(other) > layer(name)
    ]


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """List the groups of modules that import each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            place = stack.index(name)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for name in graph:
        if name not in index:
            visit(name)
    return found


def functions() -> Iterator[tuple[int, str]]:
    """Yield the length in lines and the name of every function."""
    for name, nodes in modules().items():
        for node in nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{name}.{node.name}"


def lines(folder: Path) -> dict[Path, int]:
    """Return the number of lines of each Python file below a folder."""
    return {path: path.read_text(encoding="utf-8").count("\n") for path in folder.rglob("*.py")}


def report() -> str:
    """Return the size report."""
    source, tests = lines(SOURCE), lines(ROOT / "tests")
    longest = max(source, key=lambda path: source[path])
    top = len(list(SOURCE.glob("*.py")))
    skips = sum(path.read_text(encoding="utf-8").count("# fmt: ") for path in source)
    length, name = max(functions())
    return f"""\
source: {len(source)} files, {sum(source.values()):,} lines; {top} files at the top
tests: {len(tests)} files, {sum(tests.values()):,} lines
longest file: {longest.relative_to(SOURCE)}, {source[longest]} lines
longest function: {name}, {length} lines
formatter switched off: {skips} times
import cycles: {len(cycles(graph()))}
imports against the layers: {len(violations(graph()))}"""


if __name__ == "__main__":
    print(report())
