"""Text from files where it is shown: terminals, reports, pages, cards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from . import material
from .child import Outcome, attempt, ganbaru
from .findings import Finding, Findings
from .material import RUN, TINY
from .mutations import described, unpacked

# Escape sequences, C1 codes, a bell, a carriage return, text that turns around, markup.
NAMES = {
    "escape": "x\x1b]0;title\x07\x1b[31mred\x1b[0m",
    "C1": "x\x9b31m\x9d0;t\x9c",
    "return": "real\r\x1b[Kfake",
    "newline": "a\nganbaru: done",
    "bidi": "a\u202egnp.exe\u2066b",
    "rich": "[bold red]x[/] [link=http://a.b]y[/link]",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "markdown": "a](http://evil.example) | `b` <script>alert(1)</script>\n---\n# Title",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

Words = tuple
SHOWN: dict[str, Words] = {
    "generate": ("generate", RUN, "-n", 4, "-o", "out.png"),
    "generate --label": ("generate", RUN, "--label", "nothing"),
    "morph": ("morph", RUN, "--path", "classes", "--frames", 4, "-o", "out.gif"),
    "report": ("report", RUN),
    "export page": ("export", RUN, "-o", "out.html"),
    "export onnx": ("export", RUN, "-o", "out.onnx"),
    "export folder": ("export", RUN, "-o", "hub"),
    "evaluate": ("evaluate", RUN, "-n", 50),
    "authenticity": ("authenticity", RUN, "-n", 100, "-o", "out"),
    "resume": ("train", "--run", RUN, "--resume", "--steps", 14),
    "describe": ("describe", "--config", "r/config.yaml"),
    "conformance": ("conformance", "--run", RUN, "--engines", "numpy"),
}


def poison(case: Path, text: str) -> None:
    """Put a text where names are: classes, the data set, the preset, the version, the engine."""
    names = [text, f"{text} 2", f"{text} 3"]
    for path in (case / "r" / "checkpoints").glob("*.safetensors"):
        data = path.read_bytes()
        about = json.loads(unpacked(data)[0]["__metadata__"]["ganbaru"])
        about["data"].update(classes=names, name=text)
        about["config"]["preset"] = text
        about["version"] = text
        path.write_bytes(described(data, json.dumps(about)))
    about_run = case / "r" / "about.json"
    facts = json.loads(about_run.read_text())
    facts["data"].update(classes=names, name=text)
    facts["made"].update(engine=text, system=text)
    about_run.write_text(json.dumps(facts))


def judged(case: Path, done: Outcome) -> str:
    """Return what was shown that should not be."""
    if found := _CONTROL.search(done.out + done.err):
        return f"printed {found.group()!r}"
    if "ganbaru: done" in [line.strip() for line in (done.out + done.err).splitlines()]:
        return "printed a forged line"
    for path in [*case.glob("*.html"), *case.glob("r/*.html"), *case.glob("hub/*.md")]:
        text = path.read_text(encoding="utf-8")
        if re.search(r"(?<!\\)<(script>alert|img src=x)", text):  # Markdown escapes by backslash
            return f"unescaped markup in {path.name}"
        if path.suffix == ".md" and ("](http://evil" in text or "\n# Title" in text):
            return f"unescaped Markdown in {path.name}"
    return ""


def run(base: Path, findings: Findings, seed: int, count: int, only: str = "") -> None:
    """Show every text with every command, then messages about what a user names."""
    case = base.parent / "case"
    number = 0
    for kind, text in NAMES.items():
        for name, words in SHOWN.items():
            number += 1
            if number > count or (only and only != f"{name}, {kind}"):
                continue
            material.fresh(base, case, "r", "pics.npz", "cache")
            poison(case, text)
            findings.add(_finding(f"{name}, {kind}", case, words))
    for kind, make in _NAMED.items():
        if only or number > count:
            continue
        material.fresh(base, case, "r", "pics.npz", "cache", "folder")
        findings.add(_finding(kind, case, make(case)))


def _finding(title: str, case: Path, words: Words) -> Finding:
    done = attempt(ganbaru(*words), case)
    problem = done.problem or judged(case, done)
    return Finding("terminal", title, f"exit code {done.code}", problem, done.err[-500:])


_BAD = "x\x1b[31m\x9b\u202e"


def _folder(case: Path) -> Words:
    (case / "folder" / _BAD).mkdir()
    (case / "folder" / "a" / "00.png").rename(case / "folder" / _BAD / f"{_BAD}.png")
    (case / "folder" / _BAD / "broken.png").write_bytes(b"no picture")
    return "data", "folder", "-o", "out.png"


def _yaml(case: Path) -> Words:
    (case / "bad.yaml").write_text('"\\x1b[31m": 1\n')
    return "train", "--config", "bad.yaml"


def _run_folder(case: Path) -> Words:
    (case / "r").rename(case / _BAD)
    return "generate", f"./{_BAD}", "-n", 4, "-o", f"out{_BAD}.png"


# Each makes files with such names and returns the command that shows them.
_NAMED: dict[str, Callable[[Path], Words]] = {
    "folder with such names": _folder,
    "YAML with such a key": _yaml,
    "run of such a name": _run_folder,
    "no such run": lambda case: ("generate", _BAD),
    "no such command": lambda case: (_BAD,),
    "no such option": lambda case: ("generate", RUN, f"--{_BAD}"),
    "no such data": lambda case: ("train", "--data", _BAD, *TINY, "--steps", 1),
    "a new run of such a name": lambda case: (*material.TRAIN, "--steps", 1, "--run", f"./{_BAD}"),
}
