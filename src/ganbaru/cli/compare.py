"""The command that holds a tournament."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbaru import config
from ganbaru.cli import options
from ganbaru.cli.tables import show
from ganbaru.errors import InputError

if TYPE_CHECKING:
    from ganbaru.comparison import Result

_DESCRIPTION = """Hold a tournament of presets or options under equal conditions: the same images,
seeds, first weights, batches, latents and budget. Name presets, in quotes with options of their own
as `train` takes them, such as "mnist --objective hinge"; or vary an option. The folder of a
tournament that was stopped goes on: ganbaru compare -o FOLDER."""

BUDGET = ("images", "seconds", "evaluate_every", "evaluate_images")


def _parser() -> options.Parser:
    parser = options.Parser("compare", _DESCRIPTION)
    parser.headings = {**options.HEADINGS, "data": "for all contestants: what they learn from"}
    parser.add_argument("contestants", type=str, nargs="*", default=None,
                        help="presets, in quotes with options of their own")  # fmt: skip
    parser.add_argument("--vary", type=str, action="append", default=None, metavar="KEY=V1,V2",
                        help="let an option have each of these values; may be given again, for all "
                        "combinations")  # fmt: skip
    parser.add_argument("--seeds", type=options.whole("--seeds"), default=None, metavar="N",
                        help="runs of each contestant, 5 if not given; more may be added "
                        "later")  # fmt: skip
    parser.add_argument("--images", type=options.whole("--images"), default=None, metavar="N",
                        help="the budget of a run: real images shown to D")  # fmt: skip
    parser.add_argument("--seconds", type=_seconds, default=None, metavar="X",
                        help="or seconds of training")  # fmt: skip
    parser.add_argument("-o", "--output", type=str, default=None, metavar="FOLDER",
                        help="where it goes; else a new folder below runs/")  # fmt: skip
    parser.add_argument("--workers", type=options.whole("--workers"), default=1, metavar="N",
                        help="runs at a time, each with its share of the cores; one run uses all, "
                        "so more pay from about 4 cores on")  # fmt: skip
    parser.add_argument("--evaluate-every", type=options.whole("--evaluate-every"), default=None,
                        metavar="N", help="images between two scorings; a tenth of --images if not "
                        "given, or 10,000")  # fmt: skip
    parser.add_argument("--evaluate-images", type=options.whole("--evaluate-images"), default=2000,
                        metavar="N", help="images that a run is scored by, at most")  # fmt: skip
    return parser


def compare(arguments: Sequence[str]) -> int:
    """Hold a tournament, or go on with one; print its table."""
    from ganbaru import callbacks, comparison, data
    from ganbaru.comparison import contestants
    from ganbaru.comparison import tournament as comparing
    from ganbaru.training import signals

    fields, wanted = options.given(_parser(), arguments, contestants.FREE)
    if wanted["workers"] < 1:
        raise InputError(f"--workers {wanted['workers']} is out of range: give 1 or more.")
    with data.progress_bar() as progress:
        plan = comparison.plan_tournament(
            [_entry(word, contestants.FREE) for word in wanted["contestants"] or ()],
            _varied(wanted["vary"] or ()),
            fields,
            comparison.Budget(**{name: wanted[name] for name in BUDGET}),
            wanted["seeds"],
            wanted["output"],
            progress,
        )
    runs = len(plan.configs) * plan.seeds
    print(f"{len(plan.configs)} contestants with {plan.seeds} seeds each, {runs} runs: "
          f"{plan.folder}", flush=True)  # fmt: skip
    live = callbacks.Display if sys.stdout.isatty() and wanted["workers"] == 1 else None
    with signals.graceful_stop() as interrupted:
        result = comparing.run(
            plan, interrupted, workers=wanted["workers"], tell=_say, display=live
        )
    if result is None:
        _say(f"Stopped and saved. Go on with:\n  {_again(plan.folder)}")
        return interrupted.exit_code
    _report(result)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _again(folder: Path) -> str:
    return f"ganbaru compare -o {shlex.quote(str(folder))}"


def _report(result: Result) -> None:
    from rich.table import Table

    from ganbaru.comparison import results

    headings, cells = results.rows(result)
    table = Table(*headings, box=None, padding=(0, 2, 0, 0))
    for row in cells:
        table.add_row(*row)
    print("\n".join(["", *result.conditions, ""]))
    show(table)
    print("\n".join(["", *results.reading(result), ""]))
    print("\n".join(str(path) for path in result.files))
    print(f"More seeds:  {_again(result.folder)} --seeds N")


def _seconds(text: str) -> float:
    from ganbaru import coerce

    found: float = coerce.convert(float, "--seconds", text)
    if found <= 0:
        raise InputError(f"--seconds {text} is out of range: give a number above 0.")
    return found


def _entry(word: str, free: Sequence[str]) -> dict[str, Any]:
    """Read a contestant: a preset, and options of its own as `train` takes them."""
    try:
        preset, *arguments = shlex.split(word)
    except ValueError as error:
        raise InputError(f"Cannot read the contestant {word!r}: {error}.") from error
    config.preset_fields(preset)  # or an error with the near matches
    parser = options.Parser("train", "")
    fields, _ = options.given(parser, arguments, free)
    return {"preset": preset, **fields}


def _varied(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Read what to vary; ``key=number`` after a comma belongs to the value before it."""
    found: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, rest = text.partition("=")
        field = key.strip().removeprefix("--").replace("-", "_")
        if not equals or not rest:
            raise InputError(f"--vary {text} cannot be read: write it as KEY=VALUE,VALUE.")
        found[field] = [_value(field, one) for one in _listed(rest)]
    return found


def _listed(text: str) -> list[str]:
    parts: list[str] = []
    for part in text.split(","):
        name, equals, _ = part.partition("=")
        if parts and equals and name.strip().isidentifier():
            parts[-1] += f",{part}"
        else:
            parts.append(part.strip())
    return parts


def _value(field: str, text: str) -> Any:
    of, _ = config.kind(field)
    if of is bool:
        if text not in ("true", "false"):
            raise InputError(f"--vary {field}={text} is neither true nor false.")
        return text == "true"
    return config.typed(field, text.split() if of == tuple[float, float] else text)
