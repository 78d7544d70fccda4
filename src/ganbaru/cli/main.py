"""The command line: a table of commands, each in a function; flags and help come from Config."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ganbaru.errors import InputError, RunError, unknown

Command = Callable[[Sequence[str]], "int | None"]


def _lazily(function: str, home: str) -> Command:
    """Return a command that is imported when it is called: `--help` stays quick."""

    def call(arguments: Sequence[str]) -> int | None:
        command: Command = getattr(importlib.import_module(f"ganbaru.cli.{home}"), function)
        return command(arguments)

    return call


COMMANDS: dict[str, tuple[str, Command]] = {
    "train": ("train a GAN; everything lands in a run's folder", _lazily("train", "commands")),
    "generate": ("make images with a trained generator", _lazily("generate", "sampling")),
    "morph": ("make a film from picture to picture", _lazily("morph", "sampling")),
    "evaluate": (
        "score a run or images, each number with an interval",
        _lazily("evaluate", "evaluate"),
    ),
    "compare": (
        "hold a tournament: which preset or option is better, and how sure that is",
        _lazily("compare", "compare"),
    ),
    "authenticity": (
        "look for copies of training images",
        _lazily("examine", "authenticity"),
    ),
    "report": (
        "write a run's report: one HTML file, for any browser",
        _lazily("report", "report"),
    ),
    "export": (
        "take a trained network elsewhere: an ONNX model, a page that draws, weights, or a folder",
        _lazily("export", "export"),
    ),
    "serve": (
        "serve pictures over HTTP, a playground, and live pages of runs that learn",
        _lazily("serve", "serve"),
    ),
    "import": (
        "begin a run with the weights of a PyTorch DCGAN",
        _lazily("import_weights", "commands"),
    ),
    "presets": ("list the presets", _lazily("presets", "commands")),
    "describe": ("show a preset's networks, layer by layer", _lazily("describe", "commands")),
    "data": ("look at a data set before training on it", _lazily("data", "commands")),
    "engines": ("list what there is to compute with", _lazily("engines", "engines")),
    "conformance": (
        "check the engines against each other",
        _lazily("conformance", "conformance"),
    ),
}


def usage() -> str:
    """Return the help page of the command itself."""
    rows = "\n".join(f"  {name:12} {text}" for name, (text, _) in COMMANDS.items())
    return (
        "ganbaru: write a GAN once, run it on any array engine, and trust what comes out\n\n"
        f"usage: ganbaru COMMAND ...\n\n{rows}\n\n"
        "`ganbaru COMMAND --help` tells a command's options. Begin with: ganbaru train digits\n\n"
        "exit codes: 0 done, 1 the run failed, 2 the input was wrong; 130 stopped by Ctrl-C and\n"
        "143 by SIGTERM, a run having saved itself first"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where modules of the user's own are looked for
    try:
        code = _run(arguments)
        sys.stdout.flush()  # here, where it is known what to do when nobody reads any more
    except InputError as error:
        return _fail(error, 2)
    except RunError as error:
        return _fail(error, 1)
    except MemoryError as error:
        return _fail(f"Out of memory ({error}). Try a smaller --batch, --width or --image-size.", 1)
    except KeyboardInterrupt:
        return _fail("Stopped at once.", 130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help") or list(arguments) == ["help"]:
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        from ganbaru import __version__

        print(f"ganbaru {__version__}")
        return 0
    if arguments[0] == "help":
        arguments = [arguments[1], "--help"]
    if arguments[0] not in COMMANDS:
        raise unknown("command", arguments[0], COMMANDS, "See: ganbaru --help.")
    importlib.import_module("ganbaru.engines").own_process()
    try:
        return COMMANDS[arguments[0]][1](arguments[1:]) or 0
    except SystemExit as stop:  # after printing help
        return int(stop.code or 0)


def _fail(message: Any, code: int) -> int:
    print(f"ganbaru: {message}", file=sys.stderr)
    return code
