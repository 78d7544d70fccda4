"""`ganbaru engines`: the engines, their versions and devices, and what `--engine auto` chooses."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ganbaru import engines as family
from ganbaru.cli.parser import Parser
from ganbaru.cli.tables import show_rows
from ganbaru.engines import RULES, Rule, gpu_driver, requirements
from ganbaru.errors import InputError
from ganbaru.formatting import say, say_json

KINDS = {"cuda": "an NVIDIA GPU", "mps": "an Apple GPU", "cpu": "a CPU"}
HEADINGS = ("engine", "library", "installed", "devices", "takes", "to install or update")


@dataclass(frozen=True)
class Found:
    """An engine on this computer; `takes` is its default device, `problem` why it cannot run."""

    engine: str
    library: str
    needs: str
    version: str | None
    devices: tuple[str, ...]
    takes: str | None
    problem: str
    pip: str


def engines(arguments: Sequence[str]) -> None:
    """List the engines with versions and devices, and which one "auto" chooses and why."""
    parser = Parser("engines", "List the engines: versions, devices, the choice of auto.")
    parser.option("--json", "print as JSON", of=bool)
    args = parser.parse_args(arguments)
    found = [look(name) for name in family.LIBRARIES]
    (_print_json if args.json else _print)(found)


def look(name: str) -> Found:
    """Inspect an engine, importing its library if it is installed and new enough."""
    library = family.LIBRARIES[name]
    about = (name, library.module, library.least)
    try:
        found = family.imported(name)
    except InputError as error:
        version = requirements.version(library) if requirements.installed(library) else None
        return Found(*about, version, (), None, str(error), library.pip)
    devices, default = _devices(found), found.default_device()
    takes = default if default in devices or f"{default}:0" in devices else None
    problem = "" if takes else f"The {name} engine found no device to compute on."
    return Found(*about, requirements.version(library), devices, takes, problem, library.pip)


def _devices(engine: type[family.Engine]) -> tuple[str, ...]:
    """List the devices that an engine can use, by checking each."""
    default = engine.default_device()
    numbered = [f"cuda:{i}" for i in range(gpu_driver.count())]
    candidates = dict.fromkeys(("cpu", *numbered, "mps", default))
    usable = [device for device in candidates if _works(engine, device)]
    return tuple(d for d in usable if f"{d}:0" not in usable)  # "cuda" is the first of them


def _works(engine: type[family.Engine], device: str) -> bool:
    try:
        engine.check_device(device)
    except ValueError:
        return False
    return True


def _auto() -> dict[str, Rule | None]:
    """Return what "auto" chooses by itself, and for each kind of device."""
    found: dict[str, Rule | None] = {}
    for kind in ("auto", *RULES):
        try:
            found[kind] = family.choose(kind)
        except InputError:
            found[kind] = None
    return found


def _print_json(found: Sequence[Found]) -> None:
    content = {
        "engines": [dataclasses.asdict(one) for one in found],
        "gpus": gpu_driver.count(),
        "auto": {kind: rule and rule._asdict() for kind, rule in _auto().items()},
        "rules": {kind: [rule._asdict() for rule in rules] for kind, rules in RULES.items()},
    }
    say_json(content)


def _print(found: Sequence[Found]) -> None:
    show_rows(HEADINGS, _rows(found))
    problems = [one.problem for one in found if one.problem and one.version]
    say(*problems)  # not wrapped: each ends with a command to paste
    say(*_rules())


def _rows(found: Sequence[Found]) -> Iterator[Sequence[str]]:
    for one in found:
        library = f"{one.library} {one.needs} or newer"
        version, pip = one.version or "not installed", one.pip if one.problem else ""
        yield one.engine, library, version, ", ".join(one.devices), one.takes or "", pip


def _rules() -> list[str]:
    """Return what "auto" chooses here, and by which rule."""
    auto = _auto()
    assert auto["auto"] is not None  # the NumPy engine is always installed
    lines = [
        f"--engine auto takes {auto['auto'].engine} here: the first of these that is installed and "
        f"supports the device:"
    ]
    for kind, rules in RULES.items():
        taken = auto[kind]
        lines += [f"on {KINDS[kind]} ({f'{taken.engine} here' if taken else 'none here'}):"]
        for rule in rules:
            first, *rest = textwrap.wrap(rule.reason, 82)
            lines += [f"  {rule.engine:12}{first}", *(f"{'':14}{line}" for line in rest)]
    return lines
