"""`ganbaru --print-completion SHELL`: the completion of commands, options and names, by shtab."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping
from typing import Any

from ganbaru.cli import options
from ganbaru.cli.parser import Parser, captured
from ganbaru.errors import missing_extra, pick
from ganbaru.formatting import say
from ganbaru.presets import PRESETS

# Arguments that are files or folders, or may be.
FILES = {"run", "runs", "what", "data", "data_dir", "start_from", "label_file", "config", "output"}
FILES |= {"generator", "discriminator", "weights", "key_file"}
_PRESETS = "_ganbaru_presets"
_PREAMBLE = {
    "bash": f"{_PRESETS}() {{ compgen -W '{{0}}' -- $1; compgen -f -- $1; }}",
    "zsh": f"{_PRESETS}() {{ _alternative 'presets:preset:({{0}})' 'files:file:_files' }}",
}


def show(shell: str, commands: Mapping[str, str], modules: Mapping[str, str]) -> None:
    """Print the script for a shell; `commands` have sentences, `modules` their other names."""
    try:
        import shtab
    except ImportError as error:
        raise missing_extra("--print-completion needs shtab", "completion") from error
    pick("shell", shell, dict.fromkeys(shtab.SUPPORTED_SHELLS))
    root = argparse.ArgumentParser("ganbaru")
    group = root.add_subparsers()
    for name, sentence in commands.items():
        module = modules.get(name, name)
        parser = captured(getattr(importlib.import_module(f"ganbaru.cli.{module}"), module))
        _describe(parser, shtab.FILE)
        group.add_parser(name, help=sentence, parents=[parser], add_help=False)
    presets = " ".join(PRESETS)
    preamble = _PREAMBLE.get(shell, "").replace("{0}", presets)
    say(*shtab.complete(root, shell, preamble=preamble).split("\n"))


def _describe(parser: Parser, file: Mapping[str, Any]) -> None:
    """Add to each argument what completes it: known names, presets, or files."""
    for action in parser._actions:
        if action.dest in ("preset", "contestants"):
            action.complete = dict.fromkeys(_PREAMBLE, _PRESETS)  # type: ignore[attr-defined]
        elif names := options.known(action.dest):
            action.choices = names
        elif action.dest in FILES:
            action.complete = file  # type: ignore[attr-defined]
