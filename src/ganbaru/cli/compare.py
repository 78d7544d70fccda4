"""`ganbaru compare`: compare presets or options, each over several seeds, under equal conditions.

Comparisons are called tournaments in messages, and what they compare contestants.
"""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ganbaru import coerce, config
from ganbaru.cli import options, run_summary
from ganbaru.cli.parser import Parser, add_trust
from ganbaru.cli.tables import show_rows
from ganbaru.errors import InputError, command_line
from ganbaru.formatting import Verbosity, say

if TYPE_CHECKING:
    from ganbaru.comparison import Result
    from ganbaru.comparison.tournament import Plan

_DESCRIPTION = """Compare presets or options in a tournament under equal conditions: the same
images, seeds, initial weights, batches, latents and budget. Name presets, in quotes with options of
their own as `train` takes them, such as "mnist --objective hinge"; or vary an option. To resume a
stopped tournament: `ganbaru compare -o FOLDER`."""

BUDGET = ("images", "seconds", "evaluate_every", "evaluate_images")


def _parser() -> Parser:
    parser = Parser("compare", " ".join(_DESCRIPTION.split()))
    parser.headings = {**options.HEADINGS, "data": "training data, the same for all contestants"}
    contestants = "presets, in quotes with options of their own"
    parser.add_argument("contestants", nargs="*", default=None, help=contestants)
    vary = "give an option each of these values; repeat it for all combinations"
    parser.add_argument("--vary", action="append", metavar="KEY=V1,V2", help=vary)
    option = parser.option
    option(
        "--seeds",
        "runs of each contestant, 8 if not given, 6 at least for a claim; more can be added later",
        of=int,
    )
    option("--images", "the budget of a run: real images shown to D", of=int)
    option("--seconds", "or seconds of training", of=_seconds, metavar="X")
    option("-o --output", "where it is written; else a new folder below runs/", metavar="FOLDER")
    workers = (
        "runs in parallel, each with its share of the cores; one run uses all cores, so more than "
        "one pays from about 4 cores on"
    )
    option("--workers", workers, 1, int, within=(1, math.inf))
    every = "images between two evaluations; if not given, a tenth of --images, or 10,000"
    option("--evaluate-every", every, of=int)
    option("--evaluate-images", "number of images to score a run by, at most", 2000, int)
    add_trust(parser)
    return parser


def compare(arguments: Sequence[str]) -> int:
    """Run a tournament, or resume one; print its table."""
    from ganbaru import callbacks
    from ganbaru.comparison import contestants, tournament
    from ganbaru.training import signals

    fields, others = options.given(_parser(), arguments, contestants.FREE)
    args = argparse.Namespace(**others)
    plan = _plan(args, fields, contestants.FREE)
    runs = len(plan.configs) * plan.seeds
    say(f"{len(plan.configs)} contestants with {plan.seeds} seeds each, {runs} runs: {plan.folder}")
    live = callbacks.Display if sys.stdout.isatty() and args.workers == 1 else None
    with signals.graceful_stop() as interrupted:
        result = tournament.run(plan, interrupted, workers=args.workers, tell=_tell, display=live)
    if result is None:
        say("Stopped and saved. Resume with:", f"  {_again(plan)}")
        return interrupted.exit_code
    _show(result, plan)
    return 0


def _tell(text: str) -> None:
    if not Verbosity.quiet:
        say(text)


def _plan(args: argparse.Namespace, fields: dict[str, Any], free: Sequence[str]) -> Plan:
    from ganbaru import comparison, data

    with data.progress_bar() as progress:
        return comparison.plan_tournament(
            [_entry(text, free) for text in args.contestants or ()],
            _varied(args.vary or ()),
            fields,
            comparison.Budget(**{name: getattr(args, name) for name in BUDGET}),
            args.seeds,
            args.output,
            progress,
            args.trust,
        )


def _again(plan: Plan) -> str:
    trusted = dict.fromkeys(run_summary.trusted(config) for config in plan.configs.values())
    return f"{command_line('compare', '-o', plan.folder)}{''.join(trusted)}"


def _show(result: Result, plan: Plan) -> None:
    from ganbaru.comparison import results

    say("", *result.conditions, "")
    show_rows(*results.rows(result))
    say("", *results.reading(result), "")
    say(*map(str, result.files))
    say(f"More seeds:  {_again(plan)} --seeds {2 * plan.seeds}")


def _seconds(text: str) -> float:
    found: float = coerce.convert(float, "--seconds", text)
    if found <= 0:
        raise InputError(f"--seconds {text} is out of range: give a number above 0.")
    return found


def _entry(text: str, free: Sequence[str]) -> dict[str, Any]:
    """Parse a contestant: a preset, and options of its own as `train` takes them."""
    try:
        preset, *arguments = shlex.split(text)
    except ValueError as error:
        raise InputError(f"Cannot read the contestant {text!r}: {error}.") from error
    config.preset_fields(preset)  # or the error with near matches
    fields, _ = options.given(Parser("train", ""), arguments, free)
    return {"preset": preset, **fields}


def _varied(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parse --vary; ``key=number`` after a comma belongs to the value before it."""
    found: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, rest = text.partition("=")
        field = key.strip().removeprefix("--").replace("-", "_")
        if not equals or not rest:
            raise InputError(f"--vary {text} cannot be read: write it as KEY=VALUE,VALUE.")
        values = re.split(r",(?!\s*[^\W\d]\w*\s*=)", rest)
        found[field] = [_value(field, one.strip()) for one in values]
    return found


def _value(field: str, text: str) -> Any:
    of, _ = config.kind(field)
    if of is bool:
        return config.typed(field, {"true": True, "false": False}.get(text, text))
    return config.typed(field, text.split() if of == tuple[float, float] else text)
