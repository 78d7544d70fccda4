"""Notebooks of the tutorials, executed: examples/notebooks/*.ipynb with the outputs they printed.

A cell for each block: shell commands in a `%%bash` cell, Python as it is; prose in between.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.docs import pages

NOTEBOOKS = ("first-gan", "own-pictures", "by-class", "sharing")
FOLDER = pages.ROOT / "examples" / "notebooks"
DOCS = "../../docs/"  # from FOLDER


def cells(page: Path, ran: list[pages.Ran], folder: Path) -> list[dict[str, Any]]:
    """Return a page's cells, with the outputs of the blocks that were run."""
    outputs = {each.block.text: each.output for each in ran}
    text = page.read_text(encoding="utf-8")
    found: list[dict[str, Any]] = []
    for part in re.split(r"(^```\w+\n.*?^```$)", text, flags=re.MULTILINE | re.DOTALL):
        block = re.fullmatch(r"```(\w+)\n(.*?)```", part, re.DOTALL)
        if block is None or block[1] not in (*pages.KINDS, "text"):
            prose = re.sub(r"<!--.*?-->\n?", "", _linked(part, page.parent)).strip()
            if prose:
                found.append({"cell_type": "markdown", "metadata": {}, "source": prose})
        elif block[1] in pages.KINDS:
            found.append(_code(block[1], block[2], outputs.get(block[2]), folder))
    for number, cell in enumerate(found):
        cell["id"] = f"cell-{number}"
    return found


def _linked(prose: str, folder: Path) -> str:
    """Lead relative links to the pages in this repository; the outputs replace pictures."""
    prose = re.sub(r"^!\[.*?\]\(.*?\)$", "", prose, flags=re.MULTILINE)
    docs = pages.ROOT / "docs"

    def link(found: re.Match[str]) -> str:
        path, _, anchor = found[1].partition("#")
        place = (folder / path).resolve()
        inside = place.relative_to(docs) if place.is_relative_to(docs) else f"../{place.name}"
        return f"]({DOCS}{inside}{'#' + anchor if anchor else ''})"

    return re.sub(r"\]\((?![a-z]+:|#)([^)\s]+)\)", link, prose)


def _code(language: str, text: str, output: str | None, folder: Path) -> dict[str, Any]:
    shown = f"%%bash\n{text}" if language == "sh" else text
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": shown.rstrip()}
    cell |= {"execution_count": None, "outputs": []}
    if output:
        plain = output.replace(f"{folder}/", "")  # no path of this machine
        stream = {"output_type": "stream", "name": "stdout", "text": plain}
        cell["outputs"].append(stream)
    for name in re.findall(r"-o (\S+\.png)", text) if output is not None else ():
        if (folder / name).exists():
            data = base64.b64encode((folder / name).read_bytes()).decode()
            picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": data}}
            cell["outputs"].append(picture)
    return cell


def notebook(page: Path) -> dict[str, Any]:
    """Run a page and return it as a notebook; raises SystemExit if a block fails."""
    with tempfile.TemporaryDirectory() as name:
        ran = list(pages.run(page, Path(name)))
        for each in ran:
            if each.fault:
                raise SystemExit(f"{page.name}, line {each.block.line}: {each.fault}")
        made = cells(page, ran, Path(name))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def write(names: Sequence[str] = NOTEBOOKS) -> int:
    """Run the tutorials and write their notebooks."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or NOTEBOOKS:
        made = notebook(pages.ROOT / "docs" / "tutorials" / f"{name}.md")
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.ipynb").write_text(text, encoding="utf-8")
        print(f"{name}.ipynb")
    return 0
