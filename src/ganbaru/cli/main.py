"""The `ganbaru` command: it chooses the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ganbaru import registry
from ganbaru.cli import logs, streams, translation
from ganbaru.errors import InputError, RunError, as_flags, command_line, started_as, unknown
from ganbaru.formatting import LOG, say

# Each command is a function of the same name in a module of that name; it is imported when called.
COMMANDS = {
    "train": "train a GAN, a preset's or on a folder of your own pictures",
    "plan": "plan a training: time, memory and disk, by ten seconds of it",
    "generate": "generate images with a trained generator",
    "morph": "make a film that interpolates between images",
    "project": "find the latents whose images are nearest to your pictures",
    "directions": "find, name and list directions of the latent space, such as smiling",
    "edit": "move images along named directions of the latent space",
    "anomaly": "score pictures by how badly a generator reconstructs them",
    "embed": "map generated images beside real ones in two dimensions",
    "evaluate": "score a run or images, each number with an interval",
    "compare": "compare presets or options in a tournament, with significance",
    "authenticity": "test for memorization: copies of training images",
    "utility": "test whether generated images help a classifier of real ones",
    "doctor": "examine a run's training: what is wrong with it, and what to try",
    "lab": "provoke a disease of training, see what the doctor finds, and cure it",
    "explain": "show one training step of a ten-parameter GAN, with every number",
    "report": "write a run's report: one HTML file, for any browser",
    "export": "export a trained network: an ONNX model, a web page, weights, or a folder",
    "hub": "push a generator and its card, or its page, to the Hugging Face hub",
    "serve": "serve images over HTTP, a playground, and live pages of runs in training",
    "import": "start a run from the weights of a PyTorch DCGAN",
    "presets": "list the presets",
    "describe": "show a preset's networks, layer by layer",
    "data": "check a data set before training on it",
    "engines": "list the engines and their devices",
    "conformance": "check the engines against each other",
}
ENVIRONMENT = {
    "GANBARU_DATA": "a folder where named data sets are searched",
    "GANBARU_CACHE": "the folder of decoded images, downloads and scorers, which can be made again",
    "GANBARU_MIRROR": "the server that data sets are downloaded from, in place of their own",
    "GANBARU_SHARDS_GIB": "GiB of the cache that copies of shards at URLs may take; else 32",
    "GANBARU_THREADS": "threads of the NumPy engine; else as many as there are cores",
    "GANBARU_TIMEOUT": "seconds that a process of a distributed run waits for the others: 1800",
    "GANBARU_KEY": "the key that `ganbaru serve` requires of requests",
    translation.VARIABLE: "the language of help: en or ja; else the locale's, if it is Japanese",
}
# The other lines of the help page.
ABOUT = "write a GAN once, run it on any array engine, and trust what comes out"
START = "`ganbaru COMMAND --help` shows a command's options. Start with: ganbaru train digits"
COMPLETION = 'completion: eval "$(ganbaru --print-completion bash)" (bash, zsh or tcsh)'
EXIT_CODES = (
    "exit codes: 0 success, 1 the run failed, 2 the input was invalid; 130 stopped by Ctrl-C\n"
    "and 143 by SIGTERM, after saving the run; 141 the reader of the output has exited"
)
_MODULES = {"import": "import_weights"}  # a keyword of Python


def usage(language: str = "en") -> str:
    """Return the help page of the command itself."""
    into = translation.translator(language)
    return "\n".join(
        [
            f"ganbaru: {into(ABOUT)}\n\n{into('usage: {}').format('ganbaru COMMAND ...')}\n",
            *(f"  {name:12} {into(text)}" for name, text in COMMANDS.items()),
            f"\n{into(START)}\n\n{into('environment')}:",
            *(f"  ${name:18} {into(text)}" for name, text in ENVIRONMENT.items()),
            f"\n{into(COMPLETION)}\n\n{into(EXIT_CODES)}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    if arguments is None:
        streams.use_utf8()
        started_as(sys.argv[0])
        arguments = sys.argv[1:]
    registry.search_current_folder()
    helping = not arguments or {"-h", "--help"} & {*arguments}
    with as_flags(), logs.configured(), streams.safe("help" if helping else arguments[0]) as out:
        try:
            code = _guarded(arguments)
            out.flush()
        except SystemExit as stop:  # the output is lost
            return int(stop.code or 0)
    if out.error and arguments[:1] == ["compare"]:  # what is printed is its result, too
        return code or streams.exit_code(out.error)
    return code


def _guarded(arguments: Sequence[str]) -> int:
    try:
        return _run(arguments)
    except InputError as error:
        return _fail(str(error), 2)
    except RunError as error:
        return _fail(str(error), 1)
    except MemoryError as error:
        return _fail(f"Out of memory ({error}). Try a smaller --batch, --width or --image-size.", 1)
    except OSError as error:  # of the system, such as a disk that fails
        return _fail(f"{error}.", 1)
    except KeyboardInterrupt:
        return _fail("Stopped at once.", 130)


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help") or list(arguments) == ["help"]:
        say(*usage(translation.language()).split("\n"))
        return 0
    if arguments[0] in ("-V", "--version"):
        from ganbaru import __version__

        say(f"ganbaru {__version__}")
        return 0
    if arguments[0] == "--print-completion":
        completion = importlib.import_module("ganbaru.cli.completion")
        completion.show(*(arguments[1:2] or ["bash"]), COMMANDS, _MODULES)
        return 0
    if arguments[0] == "help":
        arguments = [arguments[1], "--help"]
    if arguments[0] not in COMMANDS:
        raise unknown("command", arguments[0], COMMANDS, f"See: {command_line('--help')}")
    if not {"-h", "--help"} & {*arguments}:  # help stays quick: engines import NumPy
        importlib.import_module("ganbaru.engines").own_process()
    name = _MODULES.get(arguments[0], arguments[0])
    command = getattr(importlib.import_module(f"ganbaru.cli.{name}"), name)
    try:
        return int(command(arguments[1:]) or 0)
    except SystemExit as stop:  # after printing help
        return int(stop.code or 0)


def _fail(message: str, code: int) -> int:
    LOG.error("%s", message)
    return code
