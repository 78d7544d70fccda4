"""`ganbaru plan`: how long a training takes, how much memory and disk, before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import options
from ganbaru.config import Config
from ganbaru.formatting import say, say_json


def plan(arguments: Sequence[str]) -> None:
    """Time ten seconds of the real training and print what the whole takes."""
    description = (
        "Plan a training: time ten seconds of its real steps, and print time, memory and disk."
    )
    as_json = {"json": "print JSON"}
    config, chosen, own = options.explained("plan", description, arguments, own=as_json)
    if not own["json"]:
        say(*chosen)
    show(config, as_json=own["json"])


def show(config: Config, *, as_json: bool) -> None:
    """Print the plan of a configuration."""
    from ganbaru.planning.plan import plan as planned

    found = planned(config)
    if as_json:
        say_json(found.to_json())
    else:
        say(*found.lines())
