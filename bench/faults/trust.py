"""Names in files that would import or call code: every field, in everything that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import material
from .child import attempt, ganbaru
from .findings import Finding, Findings
from .material import RUN
from .mutations import MODULE, described, unpacked
from .readers import READERS, Reader, command

# Values of the fields that take a dotted path. Modules of Python's own that act when imported or
# called are among them: they are installed, so that only a rule can refuse them.
FIELDS = {
    "network": (MODULE, "antigravity", "idlelib.idle"),
    "objective": (f"{MODULE}.thing", "os.system", "subprocess.Popen"),
    "penalty": (f"{MODULE}.thing", f"r1+{MODULE}.thing", "shutil.rmtree", "os.system"),
    "engine": (MODULE, "idlelib.idle"),
    "data": (MODULE, "idlelib.idle"),
}


def _python(code: str) -> Reader:
    """Return the reader of a line of Python."""
    return Reader(lambda path: lambda: exec(code, {"path": path}))


WAYS: dict[str, Reader] = {
    **{name: READERS[name] for name in (
        "generate", "generate FILE", "generate best", "generate all", "load", "morph",
        "export page", "export onnx", "export weights", "export folder", "evaluate",
        "authenticity", "resume", "report", "serve", "describe", "train config", "compare",
        "from_pretrained")},
    "import config": command("import", "gen.safetensors", "--config", "r/config.yaml",
                             "--data", "pics.npz", "--run", "./out"),
    "compare config": command("compare", "digits", "digits --lr 0.002", "--data", "pics.npz",
                              "-o", "cmp"),
    "conformance": command("conformance", "--run", RUN, "--engines", "numpy"),
    "export discriminator": command("export", RUN, "--player", "discriminator", "-o", "out.onnx"),
    "ganbaru.evaluate": _python("import ganbaru; ganbaru.evaluate('r', number=50)"),
    "ganbaru.authenticity": _python("import ganbaru; ganbaru.authenticity('r', number=100)"),
    "ganbaru.save_pretrained": _python("import ganbaru; ganbaru.save_pretrained('r', 'out')"),
    "ganbaru.compare": _python("import ganbaru; ganbaru.compare(folder='cmp')"),
    "native.load_player": _python("from ganbaru import native; native.load_player('r')"),
}  # fmt: skip
_BY_CONFIG = ("describe", "train config", "import config")
_BY_TOURNAMENT = ("compare", "compare config", "ganbaru.compare")


@dataclass(frozen=True)
class Trial:
    """A field with a value, in the files that a way reads."""

    way: str
    field: str
    value: str
    trusted: bool = False

    @property
    def name(self) -> str:
        return f"{self.way}, {self.field}: {self.value}" + ", --trust" * self.trusted


def trials() -> Iterator[Trial]:
    """Yield all trials, the first value of each field first, and the ways in turn."""
    for place in range(max(map(len, FIELDS.values()))):
        for way in WAYS:
            for field, values in FIELDS.items():
                if place < len(values):
                    yield Trial(way, field, values[place])


def poison(case: Path, field: str, value: str) -> None:
    """Write a value into a field of every file that has a configuration."""
    for path in case.rglob("*.safetensors"):
        data = path.read_bytes()
        about = json.loads(unpacked(data)[0].get("__metadata__", {}).get("ganbaru", "{}"))
        if "config" in about:
            about["config"][field] = value
            path.write_bytes(described(data, json.dumps(about)))
    for path in case.rglob("config.yaml"):
        lines = path.read_text().splitlines()
        changed = [f"{field}: {value}" if line.startswith(f"{field}:") else line for line in lines]
        path.write_text("\n".join(changed) + "\n")
    tournament = case / "cmp" / "tournament.json"
    if tournament.exists():
        plan = json.loads(tournament.read_text())
        for one in plan["contestants"].values():
            one[field] = value
        tournament.write_text(json.dumps(plan))
    _shared(case / "hub", field, value)


def _shared(hub: Path, field: str, value: str) -> None:
    """Give a shared folder's config.json the value, and the changed weights' hash."""
    import hashlib

    if not hub.exists():
        return
    facts = json.loads((hub / "config.json").read_text())
    if field in facts:
        facts[field] = value
    facts["file_sha256"] = hashlib.sha256((hub / "model.safetensors").read_bytes()).hexdigest()
    (hub / "config.json").write_text(json.dumps(facts))


def attempted(trial: Trial, base: Path, case: Path) -> Finding:
    """Let a command read the poisoned files."""
    hub = trial.way == "from_pretrained"
    needs = ("hub",) if hub else ("cmp",) if trial.way in _BY_TOURNAMENT else ("r",)
    material.fresh(base, case, f"{MODULE}.py", "pics.npz", "cache", "gen.safetensors", *needs)
    poison(case, trial.field, trial.value)
    path = "r/config.yaml" if trial.way in _BY_CONFIG else "r/checkpoints/0000000096.safetensors"
    outcome = attempt(WAYS[trial.way].action(path), case)
    return Finding("trust", trial.name, f"exit code {outcome.code}", outcome.problem,
                   outcome.err[-1500:])  # fmt: skip


def trusting(base: Path, case: Path) -> Iterator[Finding]:
    """Try that the same files are taken with --trust: a run of the user's own modules."""
    for field, value in (("network", MODULE), ("objective", f"{MODULE}.thing")):
        material.fresh(base, case, f"{MODULE}.py", "pics.npz", "cache", "r")
        poison(case, field, value)
        words = ("train", "--run", RUN, "--resume", "--steps", 14, "--trust", MODULE)
        outcome = attempt(ganbaru(*words), case)
        reached = any("marker" in event for event in outcome.events)
        problem = "" if reached else f"not imported: {outcome.err[-200:]}"
        yield Finding("trust", f"resume --trust, {field}", f"exit code {outcome.code}", problem)


def run(base: Path, findings: Findings, seed: int, count: int, only: str = "") -> None:
    """Try all fields and ways, or the first `count`."""
    case = base.parent / "case"
    for number, trial in enumerate(trials()):
        if number < count and (not only or only == trial.name):
            findings.add(attempted(trial, base, case))
    if not only and count > len(WAYS):
        for finding in trusting(base, case):
            findings.add(finding)
