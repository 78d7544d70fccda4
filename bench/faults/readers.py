"""What reads files: each reader is an action for a path, and the files it may write."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .child import Action, ganbaru
from .material import COMPARE, RUN, TINY, TRAIN

OUTPUTS = ("out*", "cache", "cache/*")


@dataclass(frozen=True)
class Reader:
    """An action made for the path of a file below the case's folder."""

    action: Callable[[str], Action]
    writes: tuple[str, ...] = ()  # patterns of what it may create or change, beside OUTPUTS

    def may_write(self, name: str) -> bool:
        return any(fnmatch.fnmatch(name, each) for each in (*OUTPUTS, *self.writes))


def command(*words: object, writes: tuple[str, ...] = ()) -> Reader:
    """Return the reader of a command; PATH in a word stands for the path."""

    def action(path: str) -> Action:
        return ganbaru(*(str(word).replace(PATH, path) for word in words))

    return Reader(action, writes)


PATH = "PATH"


def _load(path: str) -> Action:
    """Load a checkpoint in Python and make an image."""

    def load() -> None:
        import ganbaru

        ganbaru.load(path).sample(1, seed=0)

    return load


def _pretrained(path: str) -> Action:
    def load() -> None:
        import ganbaru

        ganbaru.from_pretrained("hub").sample(1, seed=0)

    return load


def _pages(*folders: str) -> int:
    """Serve runs in this process and request their pages and an image; 70 after a 500."""
    from starlette.testclient import TestClient

    from ganbaru.serve import app, catalog
    from ganbaru.serve.limits import Limits
    from ganbaru.serve.service import Service

    application = app.application(Service(catalog.load(list(folders)), Limits()))
    with TestClient(application, base_url="http://127.0.0.1") as client:
        paths = ["/", *(f"/runs/{Path(name).name}" for name in folders)]
        answers = [client.get(path) for path in paths]
    return 70 if any(answer.status_code == 500 for answer in answers) else 0


def _labels(path: str) -> Action:
    """Load the folder of a damaged label file, without naming that file."""
    return ganbaru("data", str(Path(path).parent), "-o", "out.png")


def _served(path: str) -> Action:
    return lambda: _pages(RUN)


def _watched(path: str) -> Action:
    """Load a run before the file was damaged, then follow it: the service must go on."""

    def follow() -> Any:
        from ganbaru.serve import catalog

        aside, good = f"{path}.damaged", Path(f"{path}.good")
        os.rename(path, aside)
        if good.exists():
            os.rename(good, path)
        served = catalog.load([RUN])["r"]
        served.watched().status()
        os.rename(aside, path)
        served.refresh()
        return served.watched().status()

    return follow


_ALL_OF_RUN = ("r", "r/*")
DIRECTIONS = ("r", "r/directions*")
RESUME = command("train", "--run", RUN, "--resume", "--steps", 14, writes=_ALL_OF_RUN)
CHEAP = ("--image-size", 16, "--channels", 1, "--conditioning", "none")

READERS: dict[str, Reader] = {
    "generate": command("generate", RUN, "-n", 4, "-o", "out.png"),
    "generate FILE": command("generate", PATH, "-n", 4, "-o", "out.npz"),
    "generate best": command("generate", RUN, "-n", 4, "--checkpoint", "best", "-o", "out.png"),
    "generate all": command("generate", RUN, "-n", 4, "--checkpoint", "all", "-o", "out/x.png"),
    "load": Reader(_load),
    "morph": command("morph", RUN, "--frames", 4, "-o", "out.gif"),
    "export page": command("export", RUN, "-o", "out.html"),
    "export onnx": command("export", RUN, "-o", "out.onnx"),
    "export weights": command("export", PATH, "-o", "out.safetensors"),
    "export folder": command("export", RUN, "-o", "out"),
    "evaluate": command("evaluate", RUN, "-n", 50, "--json", writes=("r/scores.json",)),
    "evaluate FILE": command("evaluate", PATH, "--data", "pics.npz", "-n", 50, "--json",
                             writes=("scores.json",)),
    "authenticity": command("authenticity", RUN, "-n", 100, "--json", "-o", "out"),
    "directions": command("directions", RUN, "--components", 1, writes=DIRECTIONS),
    "edit": command("edit", RUN, "--along", "main-1=1", "-o", "out.png"),
    "answers": command("directions", RUN, "--name", "x", "--answers", PATH, writes=DIRECTIONS),
    "resume": RESUME,
    "report": command("report", RUN, writes=("r/report.html",)),
    "serve": Reader(_served),
    "watch": Reader(_watched, ("r/*",)),
    "describe": command("describe", "--config", PATH),
    "print": command("train", "--config", PATH, "--print-config"),
    "train config": command("train", "--config", PATH, "--data", "pics.npz", "--run", "./out",
                            "--steps", 1, *TINY, *CHEAP),
    "compare": command("compare", "-o", "cmp", writes=("cmp", "cmp/*")),
    "compare again": command(*COMPARE, writes=("cmp", "cmp/*")),
    "from_pretrained": Reader(_pretrained),
    "import": command("import", PATH, "--data", "pics.npz", *TINY, "--run", "./out"),
    "data": command("data", PATH, "-o", "out.png"),
    "data size": command("data", PATH, "--image-size", 8, "-o", "out.png"),
    "labels": Reader(_labels),
    "labels named": command("data", "tables/list-txt", "--label-file", PATH, "-o", "out.png"),
    "train data": command("train", "digits", "--data", PATH, *TINY, *CHEAP, "--steps", 1,
                          "--run", "./out"),
    # A bare name would be that of a new run below runs/.
    "train run": command(*TRAIN, "--steps", 1, "--run", f"./{PATH}"),
}  # fmt: skip
