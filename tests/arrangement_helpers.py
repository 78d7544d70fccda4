"""Names of files as a set of pictures, and what a set is said to hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from data_helpers import write_folder, write_tar, write_zip

from ganbaru.data import Source
from ganbaru.data.formats.arrangement import Arrangement, arrange
from ganbaru.data.formats.names import parts

WRITERS = {"folder": write_folder, "zip": write_zip, "tar": write_tar}


def arranged(names: list[str], split="auto", **how) -> Arrangement:
    return arrange(Path("x"), {name: parts(name) for name in names}, split, **how)


def used(names: list[str], split="auto", **how) -> list[str]:
    return sorted(arranged(names, split, **how).pictures)


def several(*folders: str, count: int = 4) -> list[str]:
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


def kinds(source: Source) -> dict[str, int]:
    counts = Counter()
    for each in source.left_out:
        counts[each.kind] += each.count
    return dict(counts)


def sizes(source: Source) -> dict[str, int]:
    return dict(zip(source.classes, np.bincount(source.labels).tolist(), strict=True))
