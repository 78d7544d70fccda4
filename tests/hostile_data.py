"""Loads hostile image sets, each named as an argument, in a process of limited memory."""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from pathlib import Path

import hostile_archives  # noqa: F401
import hostile_arrays  # noqa: F401
import hostile_pictures  # noqa: F401
from data_helpers import picture_files, write_folder
from hostile_helpers import CASES, IMAGES

from ganbaru import data
from ganbaru.errors import InputError

PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
MEMORY = 400 * 2**20  # bytes beyond what the program takes itself
started: list[str] = []


def outcome(name: str, folder: Path) -> dict[str, object]:
    """Load a hostile set; return what came of it, seconds of processor time and megabytes."""
    made = CASES[name](folder)
    before, start = peak(), time.process_time()
    try:
        source = data.load(made, image_size=(4, 4))
        found = {"result": "left out" if source.broken else "read", "text": str(source.notes)}
    except InputError as error:
        found = {"result": "refused", "text": str(error)}
    except Exception as error:
        found = {"result": "failed", "text": repr(error)}
    used = {"seconds": time.process_time() - start, "megabytes": peak() - before}
    return {"name": name, **found, **used, "started": [*started]}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main(root: Path, names: list[str]) -> None:
    """Print the outcome of each named set as a line of JSON; killed at one that never ends."""
    sys.addaudithook(lambda event, _: started.append(event) if event in PROCESSES else None)
    files = {f"first/{name}": content for name, content in picture_files(IMAGES).items()}
    data.load(write_folder(root, files))  # imports what is imported once
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    for name in names:
        signal.setitimer(signal.ITIMER_PROF, 10)  # of processor time
        signal.alarm(60)
        started.clear()
        (root / name).mkdir()
        print(json.dumps(outcome(name, root / name)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
