"""The report of a run: one HTML file that holds everything, for any browser, without a network.

No script is in it, and no address: pictures and style are inside, so it can be sent to anybody.
"""

from __future__ import annotations

from pathlib import Path

from ganbaru import files
from ganbaru.report import facts, page
from ganbaru.training.run_folder import Folder


def write(folder: Folder) -> Path:
    """Write a run's report from what is in its folder, and return where it is.

    Raises InputError when a file that it is made of is damaged.
    """
    text = page.page(facts.read(folder))
    files.write_text(folder.report, text)
    return folder.report
