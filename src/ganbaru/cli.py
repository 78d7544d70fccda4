"""The command line: a table of commands, each in a function; flags and help come from Config."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from ganbaru.errors import InputError, RunError, unknown

Command = Callable[[Sequence[str]], None]


def _lazily(module: str, function: str) -> Command:
    """Return a command that is imported when it is called: `--help` stays quick."""

    def call(arguments: Sequence[str]) -> None:
        import importlib

        getattr(importlib.import_module(f"ganbaru.{module}"), function)(arguments)

    return call


COMMANDS: dict[str, tuple[str, Command]] = {
    "train": ("train a GAN; everything lands in a run's folder", _lazily("commands", "train")),
    "generate": ("make images with a trained generator", _lazily("commands", "generate")),
    "presets": ("list the presets", _lazily("commands", "presets")),
    "describe": ("show a preset's networks, layer by layer", _lazily("commands", "describe")),
    "data": ("look at a data set before training on it", _lazily("commands", "data")),
}


def usage() -> str:
    """Return the help page of the command itself."""
    rows = "\n".join(f"  {name:10} {text}" for name, (text, _) in COMMANDS.items())
    return (
        "ganbaru: write a GAN once, run it on any array engine, and trust what comes out\n\n"
        f"usage: ganbaru COMMAND ...\n\n{rows}\n\n"
        "`ganbaru COMMAND --help` tells a command's options. Begin with: ganbaru train digits"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 the run failed, 2 the input was wrong."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        from ganbaru import __version__

        print(f"ganbaru {__version__}")
        return 0
    try:
        if arguments[0] not in COMMANDS:
            raise unknown("command", arguments[0], COMMANDS, "See: ganbaru --help.")
        COMMANDS[arguments[0]][1](arguments[1:])
    except InputError as error:
        return _fail(error, 2)
    except RunError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("Stopped.", 130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
    return 0


def _fail(message: Any, code: int) -> int:
    print(f"ganbaru: {message}", file=sys.stderr)
    return code
