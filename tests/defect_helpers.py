"""What the tests of known defects share: games and runs that tell what goes on in them."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from helpers import TrainingCase
from train_helpers import ROOT

from ganbaru import ops
from ganbaru.gan.batches import to_range
from ganbaru.training.run import Run


class Call(NamedTuple):
    """What a network was given, an image or a latent and perhaps a label, and what it made."""

    player: str
    x: Any
    label: Any
    y: Any


def watched(gan: TrainingCase) -> list[Call]:
    """Let both networks of a game note every call."""
    calls: list[Call] = []

    def telling(player: str, network):
        def call(scope, x, *label):
            y = network(scope, x, *label)
            seen = [ops.stop_gradient(each) for each in (x, *label, y)]
            calls.append(Call(player, seen[0], seen[1] if label else None, seen[-1]))
            return y

        return call

    gan.gan = dataclasses.replace(
        gan.gan,
        generator=telling("generator", gan.gan.generator),
        discriminator=telling("discriminator", gan.gan.discriminator),
    )
    return calls


def shown(run: Run, turn: int) -> list[int]:
    """Return the numbers of the images that D's update number `turn` of a run sees."""
    known = {image.tobytes(): i for i, image in enumerate(to_range(run.source.images))}
    return [known[image.tobytes()] for image in ops.to_numpy(run.sampler.step(turn).d[0].real)]


# --- documents --------------------------------------------------------------------------------

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for of, block in found if of == language]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `ganbaru` of each command line in the fenced blocks."""
    for line in "\n".join(blocks(text)).splitlines():
        if found := re.match(r"(?:\S*/)?ganbaru (.+?)(?:\s+#.*)?$", line):
            yield shlex.split(found.group(1))


def links(document: Path) -> list[Path]:
    """Return the files that a document links to or shows."""
    found = re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text(encoding="utf-8"))
    return [document.parent / name for name in found]
