"""Flags made from the fields of Config, and configurations built from a command line."""

from __future__ import annotations

import dataclasses
from argparse import SUPPRESS, BooleanOptionalAction
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganbaru import config as settings
from ganbaru import data, registry
from ganbaru.cli.parser import PLACEHOLDERS, Parser, add_trust
from ganbaru.cli.translation import Sentence
from ganbaru.config import Config, flag
from ganbaru.engines.requirements import LIBRARIES
from ganbaru.errors import InputError
from ganbaru.formatting import say
from ganbaru.gan import recommendation
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.optimizers import OPTIMIZERS
from ganbaru.gan.penalties import PENALTIES
from ganbaru.gan.schedules import SCHEDULES
from ganbaru.gan.transforms import TRANSFORMS
from ganbaru.nn.initializers import INITIALISATIONS
from ganbaru.presets import PRESETS
from ganbaru.training import starting_point
from ganbaru.training.run_folder import existing

DEFAULT_PRESET = "digits"

# Headings of the help page, by the option that follows.
HEADINGS = {
    "data": "training data",
    "network": "networks",
    "objective": "objective and optimiser",
    "engine": "engine and device",
    "steps": "length, in totals of the whole run (the first one reached ends it)",
    "run": "run folder, logging, checkpoints and evaluation",
}
_PRESET = "the preset to start from"
_OR_PATH = f"{_PRESET}; or a folder, archive or other set of your own pictures"
_PRESETS = (
    f"Presets: {{presets}}. Without one: {DEFAULT_PRESET}. In brackets: the values of the preset "
    "named before --help."
)
_FILES = "a state dict, .pth, .pt or .safetensors"


def config(
    command: str, description: str, arguments: Sequence[str], only: Collection[str] = ()
) -> Config:
    """Build the configuration of a command that takes a preset or pictures, and fields as flags.

    A preset's fields (or those of the run to resume) come first, then the file of --config,
    then flags; `only` names the flags of a command that does not take them all.
    """
    return explained(command, description, arguments, only)[0]


def explained(
    command: str,
    description: str,
    arguments: Sequence[str],
    only: Collection[str] = (),
    own: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Config, list[str], dict[str, bool]]:
    """Build a configuration as `config`, and lines on what was chosen for pictures and why.

    `own` are switches of the command itself with their sentences; the third result are their
    values.
    """
    parser = _parser(command, description)
    parser.add_positional("preset", _OR_PATH, required=False)
    for name, sentence in own.items():
        parser.option(flag(name), sentence, of=bool)
    made, switches, lines = _configured(parser, arguments, only, own)
    if made.preset in arguments and Path(made.preset).exists():
        lines = [f"{made.preset} is the preset. For the path of this name: ./{made.preset}"]
    return made, lines, switches


def given(
    parser: Parser, arguments: Sequence[str], only: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse arguments: the fields among `only` that were given, typed, and all other arguments."""
    for field in dataclasses.fields(Config):
        if field.name in only:
            _add(parser, field)
    found = vars(parser.parse_args(arguments))
    fields = {name: settings.typed(name, found.pop(name)) for name in only if name in found}
    return fields, found


def importing(description: str, arguments: Sequence[str]) -> tuple[Config, dict[str, str]]:
    """Build the configuration of `import`, whose positional arguments are weight files.

    Returns those files by player, too; the preset is the flag --preset.
    """
    without = ("resume", "start_from")
    only = [field.name for field in dataclasses.fields(Config) if field.name not in without]
    parser = _parser("import", description)
    parser.add_positional("generator", f"the generator's weights: {_FILES}")
    other = "the discriminator's; without them it is initialised"
    parser.add_positional("discriminator", other, required=False)
    parser.add_argument("--preset", metavar="PRESET", default=SUPPRESS, help=_PRESET)
    return _configured(parser, arguments, only, ("generator", "discriminator"))[:2]


def _configured(
    parser: Parser, arguments: Sequence[str], only: Collection[str], others: Collection[str] = ()
) -> tuple[Config, dict[str, Any], list[str]]:
    """Parse a configuration, those arguments `others` that are no part of it, and lines on it."""
    file = "a YAML file of fields that replace the preset's, such as a run's config.yaml"
    parser.option("--config", file, metavar="FILE")
    parser.option(
        "--print-config --print_config", "print the configuration as YAML and exit", of=bool
    )
    add_trust(parser)
    for field in dataclasses.fields(Config):
        if field.name != "preset" and (not only or field.name in only):
            _add(parser, field)
    presets = [word for word in arguments if word in PRESETS]
    pictures = arguments and data.exists(arguments[0])
    default = recommendation.BASE if pictures else DEFAULT_PRESET
    parser.defaults = vars(settings.from_preset(presets[0] if presets else default))
    found = vars(parser.parse_args(arguments))
    pictures = _named_pictures(found)
    apart = {name: found.pop(name) for name in others if name in found}
    path, printing = found.pop("config"), found.pop("print_config")
    trusted = found.pop("trust")
    from_file = settings.load_yaml(Path(path)) if path else {}
    start, begun, chosen = _start(found, from_file, pictures)
    read = " or ".join(str(file) for file in (begun, path) if file)
    # A flag's value is the user's own word, beside a file too.
    own = found.keys() & {*registry.FIELDS}
    trust = registry.trusting(read, trusted, *own) if read else None
    made = settings.from_fields(settings.merged(settings.merged(start, from_file), found), trust)
    if printing:
        say(*settings.to_yaml(made).splitlines())
        raise SystemExit(0)
    return made, apart, chosen.lines(made) if chosen else []


def _named_pictures(found: dict[str, Any]) -> bool:
    """Make a path in the preset's place the value of --data; return whether there was one."""
    if "preset" not in found or not recommendation.is_data(found["preset"]):
        return False
    path = found.pop("preset")
    if found.setdefault("data", path) != path:
        raise InputError(
            f"{path} and --data {found['data']} both name the pictures to train on: give one of "
            f"them."
        )
    return True


def _parser(command: str, description: str) -> Parser:
    parser = Parser(command, description, Sentence(_PRESETS, presets=", ".join(PRESETS)))
    parser.headings = HEADINGS
    return parser


def _add(parser: Parser, field: dataclasses.Field[Any]) -> None:
    """Add a field's flag; its text becomes a value where the configuration is built."""
    of, _ = settings.kind(field.name)
    sentence = Sentence(field.metadata["help"], known=", ".join(known(field.name)))
    how: dict[str, Any] = {"default": SUPPRESS, "help": sentence}
    if of is bool:  # a preset or a run may have set it, so --no-... unsets it
        parser.add_argument(flag(field.name), action=BooleanOptionalAction, **how)
        return
    how["metavar"] = PLACEHOLDERS.get(of, field.name.rpartition("_")[2].upper())
    if of == tuple[float, float]:
        how["nargs"] = 2
    parser.add_argument(flag(field.name), **how)


_KNOWN: dict[str, Callable[[], Collection[str]]] = {
    "data": lambda: registry.names("data"),
    "network": lambda: registry.names("networks"),
    "objective": lambda: [*OBJECTIVES, *registry.plugin_names("objectives", (*OBJECTIVES,))],
    "initialisation": lambda: INITIALISATIONS,
    "penalty": lambda: [*PENALTIES, *registry.plugin_names("penalties", (*PENALTIES,))],
    "augment": lambda: TRANSFORMS,
    "schedule": lambda: SCHEDULES,
    "optimiser": lambda: OPTIMIZERS,
    "engine": lambda: LIBRARIES,
}


def known(name: str) -> list[str]:
    """List the names that a field may have; empty if there is no such list."""
    return list(_KNOWN.get(name, list)())


Started = tuple[dict[str, Any], Path | None, recommendation.Recommendation | None]


def _start(given: dict[str, Any], from_file: dict[str, Any], pictures: bool) -> Started:
    """Return the fields below file and flags: the preset's, or those of the run to resume.

    For `pictures` the preset's fields are those recommended for them. A model to start from
    replaces networks and image size by its own. The file of the run or the model comes second.
    """
    preset = given.get("preset", from_file.get("preset"))
    if given.get("resume") and given.get("run"):
        return (*_resumed(given["run"], preset), None)
    path, own, chosen = None, dict[str, Any](), None
    if model := given.get("start_from", from_file.get("start_from")):
        path, own = starting_point.architecture(model)
    if pictures:
        chosen = recommendation.recommend(settings.merged({**own, **from_file}, given))
    fields = chosen.fields if chosen else settings.preset_fields(preset or DEFAULT_PRESET)
    if chosen and chosen.fields["conditioning"] == "none":  # a model's classes may be dropped
        own.pop("conditioning", None)
    return {**fields, **own}, path, chosen


def _resumed(name: str, preset: str | None) -> tuple[dict[str, Any], Path]:
    """Return the fields of the run to resume, and its file; a preset must be the run's."""
    run = existing(name)
    fields = settings.load_yaml(run.config)
    if preset not in (None, fields.get("preset")):
        raise InputError(
            f"The run {run.path} started from the preset {fields.get('preset')!r}, not {preset!r}. "
            f"Leave the preset out to resume it, or choose another --run."
        )
    # Runs from before there was a choice drew uniform labels.
    return {"fake_labels": "uniform", **fields, "overwrite": False}, run.config
