"""Errors name options as the reader gives them: flags in a command, keyword arguments in Python."""

from __future__ import annotations

import ast
import dataclasses
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ganbaru
from ganbaru import errors
from ganbaru.config import Config, flag, kind
from ganbaru.errors import InputError, RunError

FLAG = re.compile(r"(?<![\w./=-])(--[a-z]|-[no]\b(?!-))")
COMMANDS = re.compile(r"\b(ganbaru|pip) [a-z]+")
FIELDS = [field.name for field in dataclasses.fields(Config)]


@pytest.fixture(autouse=True)
def in_python(monkeypatch):
    """Write messages as a program sees them, whatever the other tests do."""
    monkeypatch.setattr(errors._Terms, "flags", False)


def _messages():
    """Return the texts of all errors in the source, with a word in place of each expression."""
    found = {}
    for path in sorted(Path(ganbaru.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Error") and node.args and "cli" not in path.parts:
                found[f"{path.name}:{node.lineno}"] = _text(node.args[0])
    return found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return str(node.value) if isinstance(node, ast.Constant) else "7"


def test_no_message_of_the_source_shows_python_a_flag():
    messages = _messages()
    written = [text for text in messages.values() if FLAG.search(text)]
    assert len(messages) > 200 and len(written) > 60  # of which many name flags
    for place, text in messages.items():
        shown = str(InputError(text))
        rest = re.sub(errors._COMMAND, "", shown)  # commands to type, in a shell
        assert not FLAG.search(rest), (place, shown)
        with errors.as_flags():
            assert str(InputError(text)) == text


@pytest.mark.parametrize("field", [name for name in FIELDS if kind(name)[0] is not str])
def test_a_wrong_field_is_named_as_python_names_it(field):
    with pytest.raises(InputError) as found:
        Config(**{field: "wrong"})
    assert field in str(found.value) and not FLAG.search(str(found.value))
    with errors.as_flags():
        assert flag(field) in str(found.value)  # the same error, in a command


@given(st.sampled_from(FIELDS), st.integers(-(10**6), 10**6))
def test_a_flag_with_a_number_is_a_keyword_argument(field, number):
    text = errors.in_terms(f"{flag(field)} {number} is wrong: give another {flag(field)}.")
    switch = kind(field)[0] is bool
    named = f"{field}=True {number}" if switch else f"{field}={number}"
    again = f"{field}=True" if switch else field
    assert text == f"{named} is wrong: give another {again}."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a penalty such as --penalty r1.", "a penalty such as penalty='r1'."),
        ("Take --norm layer or none.", "Take norm='layer' or none."),
        ("--resume and --no-fast differ.", "resume=True and fast=False differ."),
        ("give --range LOW:HIGH, such as", "give range='LOW:HIGH', such as"),
        ("give --trust own.nets.", "give trust=['own.nets']."),
        ("give -n from 50.", "give number from 50."),
        ("Type ganbaru compare -o a/b --x 1, or", "Type ganbaru compare -o a/b --x 1, or"),
        ("pip install 'x[y]' (or --scorer auto).", "pip install 'x[y]' (or scorer='auto')."),
        ("The file a/--b/--c is", "The file a/--b/--c is"),
        ("1-n - 2 -- 3 --- x", "1-n - 2 -- 3 --- x"),
    ],
)
def test_flags_become_keyword_arguments(message, shown):
    assert errors.in_terms(message) == shown
    with errors.as_flags():
        assert errors.in_terms(message) == message


def test_arguments_of_another_name_than_the_flag():
    with pytest.raises(InputError, match="against=X") as found:
        ganbaru.evaluate(np.zeros((60, 8, 8, 1), np.uint8))
    with pytest.raises(InputError, match="newest, which="):

        @errors.keywords(checkpoint="which")
        def load():
            raise InputError("Give newest, --checkpoint 100.")

        load()
    again = pickle.loads(pickle.dumps(found.value))
    assert str(again) == str(found.value) and isinstance(again, ValueError)


def test_switches_are_the_fields_that_take_no_value():
    assert {name for name in FIELDS if kind(name)[0] is bool} <= errors.SWITCHES
    assert not {name for name in FIELDS if kind(name)[0] is not bool} & errors.SWITCHES


def test_terms_end_with_the_command():
    with pytest.raises(RunError), errors.as_flags():
        raise RunError("--lr")
    assert errors.in_terms("--lr") == "lr"


@pytest.mark.parametrize("near", ["--overwrit", "--overwritee", "overwrit"])
def test_what_deletes_is_never_suggested(near):
    choices = ["--overwrite", "--output", "overwrite", "output"]
    assert "overwrite" not in errors.did_you_mean(near, choices)
