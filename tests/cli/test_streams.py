"""Terminals and pipes: what cannot be written never ends a run, and is never taken for success."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import subprocess

import pytest
from data_helpers import picture_files, random_images, write_folder
from train_helpers import command, needs_posix, newest, process, tiny, words

from ganbaru.cli import main, streams
from ganbaru.config import to_yaml

NAME = "bilder-猫-é-😀"
TINY = ["--image-size", 16, "--width", 4, "--latent", 8, "--batch", 8, "--steps", 1]


def run_command(arguments, out, err) -> int:
    path = list(main.sys.path)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return main.main([str(each) for each in arguments])
    finally:
        main.sys.path[:] = path


# --- encodings --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A folder with a set of images and a run, whose names and classes are not ASCII."""
    place = tmp_path_factory.mktemp("named")
    write_folder(place / NAME, picture_files(random_images(24, 16, 16, 1), ("é", "猫", "😀")))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        assert command("train", "digits", "--data", NAME, "--run", NAME, *TINY).code == 0
    return place


COMMANDS = {
    "train": ["digits", "--data", NAME, "--run", f"{NAME}2", "--overwrite", *TINY],
    "data": [NAME, "-o", "x.png"],
    "generate": [NAME, "--label", "猫", "-n", 4, "-o", f"{NAME}.png", "--overwrite"],
    "morph": [NAME, "--frames", 2, "-o", f"{NAME}.gif", "--overwrite"],
    "report": [NAME],
    "export": [NAME, "-o", f"{NAME}-out"],
    "presets": ["digits"],
    "describe": ["digits", "--data", NAME],
    "evaluate": [NAME, "-n", 7],  # refused, with the name in the message
    "project": [NAME, f"{NAME}/samples/absent.png"],
    "directions": [f"{NAME}-absent"],
    "edit": [f"{NAME}-absent", "--along", "a=1"],
    "anomaly": [NAME, f"{NAME}/samples/absent.png"],
    "embed": [NAME, "--by", "é"],
    "authenticity": [f"{NAME}-absent"],
    "compare": ["absent-é", "-o", NAME],
    "import": ["absent-é.pth"],
    "conformance": ["--engines", "é"],
    "engines": ["é"],
    "serve": [f"{NAME}-absent"],
    "hub": ["push", f"{NAME}-absent", "user/x", "--dry-run"],
    "doctor": [f"{NAME}-absent"],
    "utility": [f"{NAME}-absent"],
    "plan": [f"./{NAME}-absent"],
    "lab": ["é"],
    "explain": ["é"],
}


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "latin-1"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_encoding_ends_a_command(named, monkeypatch, name, encoding):
    """Characters that the terminal lacks are escaped; the exit code is that of UTF-8."""
    assert COMMANDS.keys() == main.COMMANDS.keys()
    monkeypatch.chdir(named)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    code = run_command([name, *COMMANDS[name]], out, err)
    names = list(COMMANDS)
    assert code == (2 if names.index(name) >= names.index("evaluate") else 0)
    said = b"".join(each.buffer.getvalue() for each in (out, err)).decode(encoding)
    if name not in ("presets", "describe"):
        assert ("\\u732b" in said or "\\u00e9" in said) or "猫" in said or "é" in said


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp932"])
def test_json_is_json_in_every_encoding(encoding):
    """Also where it is not printed by `say`."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print(json.dumps([NAME], ensure_ascii=False), file=streams.Output(out), flush=True)
    assert json.loads(out.buffer.getvalue().decode(encoding)) == [NAME]


@needs_posix
def test_a_locale_without_utf8(named):
    """Folders and files are named as under any other locale."""
    how = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    arguments = ["train", "digits", "--data", NAME, "--run", f"{NAME}3", *TINY]
    said = process(*arguments, cwd=named, env={**os.environ, **how})
    assert (said.code, said.err) == (0, "") and "\\u732b" in said.out
    assert {path.stem for path in (named / "runs" / f"{NAME}3" / "timelapse").iterdir()} >= {"1-猫"}


# --- streams that fail ------------------------------------------------------------------------


class Failing(io.StringIO):
    """A stream of which every write fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


FAILURES = {"pipe": errno.EPIPE, "disk": errno.ENOSPC, "terminal": errno.EIO, "closed": 0}


def failing(name):
    return Failing(FAILURES[name]) if FAILURES[name] else None


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize(
    "arguments", [["presets"], ["--help"], ["--version"], ["train", "--help"], ["describe"]]
)
def test_a_command_whose_output_is_lost_has_not_succeeded(name, arguments):
    err = io.StringIO()
    code = run_command(arguments, failing(name), err)
    assert code == (141 if name == "pipe" else 1)
    assert err.getvalue().count("\n") == (name != "pipe")


@pytest.mark.parametrize("name", FAILURES)
def test_training_goes_on_without_its_output(tmp_path, name):
    (tmp_path / "c.yaml").write_text(to_yaml(tiny(tmp_path, steps=2)))
    err = io.StringIO()
    assert run_command(["train", "--config", tmp_path / "c.yaml"], failing(name), err) == 0
    assert newest(tmp_path / "run")[1].step == 2 and (tmp_path / "run" / "report.html").exists()
    assert err.getvalue().count("\n") == 1  # that it goes on


@pytest.mark.parametrize("name", FAILURES)
def test_an_error_keeps_its_exit_code_without_streams(name):
    assert run_command(["describe", "absent"], failing(name), failing(name)) == 2


def test_a_comparison_whose_results_are_lost_has_not_succeeded(monkeypatch):
    def compare(arguments):
        print("results")
        return len(arguments)

    monkeypatch.setattr("ganbaru.cli.compare.compare", compare)
    assert run_command(["compare"], Failing(errno.ENOSPC), io.StringIO()) == 1
    assert run_command(["compare"], io.StringIO(), io.StringIO()) == 0
    assert run_command(["compare", "x", "y"], Failing(errno.ENOSPC), io.StringIO()) == 2


@needs_posix
@pytest.mark.parametrize(("sink", "code"), [("| head -c 0", 141), (">&-", 1), ("> /dev/full", 1)])
def test_a_real_sink(tmp_path, sink, code):
    (tmp_path / "c.yaml").write_text(to_yaml(tiny(tmp_path, steps=1)))
    for arguments, expected in ((["presets"], code), (["train", "--config", "c.yaml"], 0)):
        if arguments[0] == "train" and sink != ">&-":
            continue  # the parts are tried above
        line = f"({' '.join(words(*arguments))}; echo $? > code) {sink}"
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, timeout=300)
        assert int((tmp_path / "code").read_text()) == expected, done.stderr
        assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    assert sink != ">&-" or newest(tmp_path / "run")[1].step == 1
