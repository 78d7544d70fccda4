"""Help in Japanese: complete, the same in names and numbers, of the width of the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import japanese
import pytest
from bench.docs.reference import command_line, command_parser
from hypothesis import given
from hypothesis import strategies as st

from ganbaru.cli import help_page, main, translation

LOCALES = ("GANBARU_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
# Words that Japanese has in Latin letters where English has none.
LATIN = {"D", "G", "GAN", "ONNX", "HTML", "URL", "zip", "npz", "on", "SIGTERM", "PNG", "Hub"}


@pytest.fixture
def locale(monkeypatch):
    """Return the function that sets the variables of the language, and no other."""

    def choose(**values: str) -> None:
        for name in LOCALES:
            monkeypatch.delenv(name, raising=False)
            if name in values:
                monkeypatch.setenv(name, values[name])

    return choose


def texts() -> Iterator[str]:
    """Yield every text of help, templates for those that are filled."""
    yield from (main.ABOUT, main.START, main.COMPLETION, main.EXIT_CODES)
    yield from ("usage: {}", "environment", *main.COMMANDS.values(), *main.ENVIRONMENT.values())
    for name in main.COMMANDS:
        found = command_parser(name)
        for text in (
            *found.paragraphs,
            *found.headings.values(),
            *(a.help for a in found._actions),
        ):
            yield str(getattr(text, "template", text))


def test_every_text_of_help_has_a_translation_and_none_is_left_over():
    assert set(texts()) == translation.catalogue().keys()
    assert not japanese.faults("\n".join(translation.catalogue().values()))


def names(text: str) -> list[str]:
    """Return flags, placeholders, variables, code and file endings of a text."""
    return sorted(
        re.findall(r"(?<!\w)--?[a-z][\w-]*|\{\w*\}|\$\w+|`.*?`|\B\.[a-z]\w+|\bzoo:\w*", text)
    )


def differences(english: str, japanese: str) -> Iterator[object]:
    """Yield what names, words and numbers of two texts differ in."""
    if names(english) != names(japanese):
        yield names(english), names(japanese)
    words, given = ({*re.findall(r"[A-Za-z][\w-]*", text)} for text in (japanese, english))
    yield from words - given - LATIN
    numbers, same = ({*re.findall(r"\d+", text)} for text in (english, japanese))
    yield from numbers - same


def test_names_and_numbers_are_the_same_in_both():
    pairs = translation.catalogue().items()
    assert not {pair: found for pair in pairs if (found := [*differences(*pair)])}
    assert [*differences("give --lr 3", "--beta 4")] == [(["--lr"], ["--beta"]), "beta", "3"]


@pytest.mark.parametrize(
    "values, expected",
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LANG": "java"}, "en"),
        ({"LANG": "ja_JP.eucJP"}, "en"),
        ({"LC_MESSAGES": "ja_JP.utf8", "LANG": "de_DE.UTF-8"}, "ja"),
        ({"LC_ALL": "C", "LC_MESSAGES": "ja_JP.utf8"}, "en"),
        ({"LC_ALL": "", "LANG": "ja_JP"}, "ja"),
        ({"GANBARU_LANG": "en", "LC_ALL": "ja_JP.UTF-8"}, "en"),
        ({"GANBARU_LANG": "ja", "LC_ALL": "de_DE.UTF-8"}, "ja"),
        ({"GANBARU_LANG": "", "LANG": "ja_JP.UTF-8"}, "ja"),
    ],
)
def test_the_variable_and_then_the_locale_choose_the_language(locale, values, expected):
    locale(**values)
    assert translation.language() == expected


@pytest.mark.parametrize("words", [[], ["train", "--help"], ["help"]])
def test_an_unknown_language_is_one_message_with_the_choices(locale, capsys, words):
    locale(GANBARU_LANG="tlh")
    assert main.main(words) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1
    assert all(each in err for each in ("GANBARU_LANG", "tlh", "en", "ja"))


@pytest.mark.parametrize("command", ["", *main.COMMANDS])
def test_japanese_pages_fit_the_terminal_and_have_every_option(
    locale, monkeypatch, capsys, command
):
    pages = {}
    for language in translation.LANGUAGES:
        locale(GANBARU_LANG=language)
        monkeypatch.setenv("COLUMNS", "80")
        assert main.main([command, "--help"] if command else []) == 0
        pages[language] = capsys.readouterr().out
    flags, heads = (
        re.findall(r"^  (?:-\S.*?|\S+)(?=  |$)", page, re.M) for page in (pages["en"], pages["ja"])
    )
    assert flags == heads and len(flags) > 3
    values = [re.findall(r"\[([\w.]+)\]$", page, re.M) for page in pages.values()]
    assert values[0] == values[1]
    widest = 80 if command else 100
    assert max(help_page.cells(line) for line in pages["ja"].splitlines()) <= widest
    assert not japanese.faults(pages["ja"].partition("\n\n")[2])


def test_messages_stay_english(locale, capsys):
    locale(GANBARU_LANG="ja")
    assert main.main(["generate"]) == 2 and main.main(["train", "--lr"]) == 2
    said = capsys.readouterr().err
    assert said.isascii() and said.count("\n") == 2


@given(st.text("あン漢。、（）「」ーっ aZ-9", max_size=60), st.integers(8, 40))
def test_wrapping_loses_nothing_and_fits(text, width):
    lines = help_page.wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert help_page.cells(line) <= width or not re.search(r"\s", line)
    assert not any(line[:1] in ("。", "、", "）") for line in lines[1:]) or re.search(
        r"[ ][。、）]", text
    )


def test_the_reference_exists_in_both_languages():
    english, japanese = command_line(), command_line("ja")
    assert re.findall(r"`-.*?`", english) == re.findall(r"`-.*?`", japanese)
    assert english.count("\n## ") == japanese.count("\n## ")
