"""`ganbaru engines`: what there is to compute with, and which one `--engine auto` takes."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganbaru import engines as family
from ganbaru.cli import options
from ganbaru.cli.tables import show
from ganbaru.engines import RULES, Rule, gpu_driver, requirements
from ganbaru.errors import InputError

KINDS = {"cuda": "an NVIDIA GPU", "mps": "an Apple GPU", "cpu": "a CPU"}


@dataclass(frozen=True)
class Found:
    """What was found of an engine: `takes` is its device without --device, `problem` a sentence."""

    engine: str
    library: str
    needs: str
    version: str | None
    devices: tuple[str, ...]
    takes: str | None
    problem: str
    pip: str


def engines(arguments: Sequence[str]) -> None:
    """List the engines with versions and devices, and say which one "auto" takes and why."""
    parser = options.Parser("engines", "List the engines: versions, devices, what auto takes.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    wanted = parser.parse_args(list(arguments))
    found = [look(name) for name in family.LIBRARIES]
    (_print_json if wanted.json else _print)(found)


def look(name: str) -> Found:
    """Find out about an engine, importing its library if it is installed and new enough."""
    library = family.LIBRARIES[name]
    about = {"engine": name, "library": library.module, "needs": library.least}
    try:
        found = family.imported(name)
    except InputError as error:
        version = requirements.version(library) if requirements.installed(library) else None
        return Found(**about, version=version, devices=(), takes=None, problem=str(error),
                     pip=library.pip)  # fmt: skip
    devices, default = _devices(found), found.default_device()
    takes = default if default in devices or f"{default}:0" in devices else None
    problem = "" if takes else f"The {name} engine found no device to compute on."
    return Found(**about, version=requirements.version(library), devices=devices, takes=takes,
                 problem=problem, pip=library.pip)  # fmt: skip


def _devices(engine: type[family.Engine]) -> tuple[str, ...]:
    """List the devices that an engine can use, by asking it to."""
    default = engine.default_device()
    numbered = [f"cuda:{i}" for i in range(gpu_driver.count())]
    asked = dict.fromkeys(("cpu", *numbered, default))
    usable = [device for device in asked if _works(engine, device)]
    return tuple(d for d in usable if f"{d}:0" not in usable)  # "cuda" is the first of them


def _works(engine: type[family.Engine], device: str) -> bool:
    try:
        engine.check_device(device)
    except ValueError:
        return False
    return True


def _auto() -> dict[str, Rule | None]:
    """Return what "auto" takes by itself, and for each kind of device."""
    found: dict[str, Rule | None] = {}
    for kind in ("auto", *RULES):
        try:
            found[kind] = family.choose(kind)
        except InputError:
            found[kind] = None
    return found


def _print_json(found: Sequence[Found]) -> None:
    def plain(rules: Sequence[Rule]) -> list[dict[str, Any]]:
        return [rule._asdict() for rule in rules]

    told = {
        "engines": [dataclasses.asdict(one) for one in found],
        "gpus": gpu_driver.count(),
        "auto": {kind: rule and rule._asdict() for kind, rule in _auto().items()},
        "rules": {kind: plain(rules) for kind, rules in RULES.items()},
    }
    print(json.dumps(told, indent=2))


def _print(found: Sequence[Found]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("engine", "library", "installed", "devices", "takes", "to install or update",
                  box=None, padding=(0, 2, 0, 0))  # fmt: skip
    for one in found:
        row = (one.version or "not installed", ", ".join(one.devices), one.takes or "",
               escape(one.pip) if one.problem else "")  # fmt: skip
        table.add_row(one.engine, f"{one.library} {one.needs} or newer", *row)
    show(table)
    problems = [one.problem for one in found if one.problem and one.version]
    print("\n".join(textwrap.fill(problem, 96) for problem in problems))
    print("\n".join(_rules()))


def _rules() -> list[str]:
    """Say what "auto" takes here, and by which rule."""
    auto = _auto()
    assert auto["auto"] is not None  # the NumPy engine is always there
    lines = [f"--engine auto takes {auto['auto'].engine} here. It takes the first of these that is "
             f"installed and computes on the device:"]  # fmt: skip
    for kind, rules in RULES.items():
        taken = auto[kind]
        lines += [f"on {KINDS[kind]} ({f'{taken.engine} here' if taken else 'none here'}):"]
        for rule in rules:
            first, *rest = textwrap.wrap(rule.reason, 82)
            lines += [f"  {rule.engine:12}{first}", *(f"{'':14}{line}" for line in rest)]
    return lines
