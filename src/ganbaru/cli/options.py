"""Flags made from the fields of Config, and configurations built from a command line."""

from __future__ import annotations

import dataclasses
from argparse import SUPPRESS, BooleanOptionalAction
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from ganbaru import config as settings
from ganbaru import registry
from ganbaru.cli.parser import PLACEHOLDERS, Parser, add_trust
from ganbaru.config import Config, flag
from ganbaru.engines.requirements import LIBRARIES
from ganbaru.errors import InputError
from ganbaru.formatting import say
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
_FILES = "a state dict, .pth, .pt or .safetensors"


def config(
    command: str, description: str, arguments: Sequence[str], only: Collection[str] = ()
) -> Config:
    """Build the configuration of a command that takes a preset and fields as flags.

    A preset's fields (or those of the run to resume) come first, then the file of --config,
    then flags; `only` names the flags of a command that does not take them all.
    """
    parser = _parser(command, description)
    parser.add_positional("preset", _PRESET, required=False)
    return _configured(parser, arguments, only)[0]


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
    return _configured(parser, arguments, only, ("generator", "discriminator"))


def _configured(
    parser: Parser, arguments: Sequence[str], only: Collection[str], others: Collection[str] = ()
) -> tuple[Config, dict[str, str]]:
    """Parse a configuration, and those arguments `others` that are no part of it."""
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
    parser.defaults = vars(settings.from_preset(presets[0] if presets else DEFAULT_PRESET))
    found = vars(parser.parse_args(arguments))
    apart = {name: found.pop(name) for name in others if name in found}
    path, printing = found.pop("config"), found.pop("print_config")
    trusted = found.pop("trust")
    from_file = settings.load_yaml(Path(path)) if path else {}
    start, begun = _start(found, from_file)
    read = " or ".join(str(file) for file in (begun, path) if file)
    # A flag's value is the user's own word, beside a file too.
    own = found.keys() & {*registry.FIELDS}
    trust = registry.trusting(read, trusted, *own) if read else None
    made = settings.from_fields(settings.merged(settings.merged(start, from_file), found), trust)
    if printing:
        say(*settings.to_yaml(made).splitlines())
        raise SystemExit(0)
    return made, apart


def _parser(command: str, description: str) -> Parser:
    about = f"{description}\nPresets: {', '.join(PRESETS)}. Without one: {DEFAULT_PRESET}."
    parser = Parser(command, f"{about} In brackets: the values of the preset named before --help.")
    parser.headings = HEADINGS
    return parser


def _add(parser: Parser, field: dataclasses.Field[Any]) -> None:
    """Add a field's flag; its text becomes a value where the configuration is built."""
    of, _ = settings.kind(field.name)
    sentence = field.metadata["help"].replace("{known}", ", ".join(known(field.name)))
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


def _start(given: dict[str, Any], from_file: dict[str, Any]) -> tuple[dict[str, Any], Path | None]:
    """Return the fields below file and flags: the preset's, or those of the run to resume.

    A model to start from replaces the preset's networks and image size by its own. The file of the
    run or the model comes second.
    """
    preset = given.get("preset", from_file.get("preset"))
    if not (given.get("resume") and given.get("run")):
        fields = settings.preset_fields(preset or DEFAULT_PRESET)
        if model := given.get("start_from", from_file.get("start_from")):
            path, own = starting_point.architecture(model)
            return {**fields, **own}, path
        return fields, None
    run = existing(given["run"])
    fields = settings.load_yaml(run.config)
    if preset not in (None, fields.get("preset")):
        raise InputError(
            f"The run {run.path} started from the preset {fields.get('preset')!r}, not {preset!r}. "
            f"Leave the preset out to resume it, or choose another --run."
        )
    # Runs from before there was a choice drew uniform labels.
    return {"fake_labels": "uniform", **fields, "overwrite": False}, run.config
