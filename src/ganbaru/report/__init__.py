"""The report of a run: one self-contained HTML file, without scripts or links."""

from __future__ import annotations

from pathlib import Path

from ganbaru import files
from ganbaru.report import facts, page
from ganbaru.training.run_folder import Folder


def write(folder: Folder, warn: facts.Warn = lambda text: None) -> Path:
    """Write a run's report from the files in its folder and return its path.

    Raises InputError if a file is damaged; `warn` is as in `facts.read`.
    """
    text = page.page(facts.read(folder, warn))
    files.write_text(folder.report, text)
    return folder.report
