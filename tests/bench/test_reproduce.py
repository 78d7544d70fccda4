"""The reproduction book: descriptions that can be run, verdicts from seeds, pages from both."""

from __future__ import annotations

import dataclasses
import json
import shlex

import pytest
import yaml
from bench import claims, reproduce
from bench.claims import SUPPORTED, UNSUPPORTED, UNTESTABLE, Claim, Measurement, Statement, Tiny
from bench.docs.reference import command_parser
from train_helpers import pictures

from ganbaru import Config, InputError
from ganbaru.cli import compare
from ganbaru.comparison import contestants
from ganbaru.config import from_fields, preset_fields

LOSS, SHARE = Statement("a", "b", "frechet"), Statement("a", "b", "coverage")
RISING = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def claim(*statements: Statement, **options) -> Claim:
    tiny = Tiny({"a": "digits", "b": "mnist"}, "", 64, list(statements), **options)
    return Claim("title", "claim", "source", "ganbaru train digits", "1", "much", tiny=tiny)


def measured(a: list, b: list) -> Measurement:
    scores = {name: {"frechet": x, "coverage": x} for name, x in (("a", a), ("b", b))}
    return Measurement("2026-01-01", "abc", 2, 1.0, "ganbaru compare", 64, scores)


@pytest.mark.parametrize("name", claims.names())
def test_every_contestant_of_a_claim_is_a_configuration(name):
    tiny = claims.read(name).tiny
    words = claims.command(name, tiny)
    fields, others = compare.options.given(compare._parser(), words[1:], contestants.FREE)
    assert others["contestants"] == list(tiny.contestants.values()) and len(tiny.contestants) > 1
    made = [compare._entry(text, contestants.FREE) for text in others["contestants"]]
    configs = [from_fields({**preset_fields(x["preset"]), **fields, **x}, None) for x in made]
    assert all(isinstance(one, Config) for one in configs)
    assert len({repr(dataclasses.replace(one, preset="")) for one in configs}) == len(configs)


@pytest.mark.parametrize("name", claims.names())
def test_the_commands_of_the_full_scale_are_right(name):
    for line in claims.read(name).full.splitlines():
        program, command, *words = shlex.split(line)
        assert program == "ganbaru"
        if command == "compare":
            _, others = compare.options.given(compare._parser(), words, contestants.FREE)
            assert [compare._entry(text, contestants.FREE) for text in others["contestants"]]
        elif command == "train":
            assert compare.options.config("train", "", words).data
        else:
            assert command_parser(command).parse_args(words)


def test_pages_are_those_of_descriptions_and_measurements():
    written = {path.name: path.read_text("utf-8") for path in reproduce.PAGES.glob("*.md")}
    assert written == reproduce.pages()


BETTER, WORSE = [2.0] * 6, [9.0] * 6


@pytest.mark.parametrize(
    "statements, a, b, verdict, said",
    [
        ([LOSS], BETTER, RISING, SUPPORTED, ["supported"]),  # a lower distance is better
        ([SHARE], BETTER, RISING, UNSUPPORTED, ["contradicted"]),  # a lower coverage is worse
        ([SHARE], WORSE, RISING, SUPPORTED, ["supported"]),
        ([LOSS], [1.0, 9.0] * 3, RISING, UNSUPPORTED, ["open"]),
        ([LOSS], BETTER[:5], RISING[:5], UNTESTABLE, ["open"]),  # 5 seeds reach p = 0.0625
        ([LOSS], [None, *BETTER[1:]], RISING, UNSUPPORTED, ["open: a run failed"]),
        ([LOSS, SHARE], BETTER, RISING, UNSUPPORTED, ["supported", "contradicted"]),
        ([Statement("b", 2.5, "coverage")], BETTER, RISING, SUPPORTED, ["supported"]),
        ([Statement(2.5, "b", "frechet")], BETTER, RISING, SUPPORTED, ["supported"]),
        ([Statement("b", 9.0, "coverage")], BETTER, RISING, UNSUPPORTED, ["contradicted"]),
        ([], BETTER, RISING, UNTESTABLE, []),
    ],
)
def test_a_verdict_is_no_stronger_than_its_seeds(statements, a, b, verdict, said):
    one, found = claim(*statements), measured(a, b)
    assert [each.verdict for each in claims.judge(one.tiny, found)] == said
    assert claims.verdict(one, found) == verdict
    assert f"**Verdict: {verdict}.**" in reproduce.page("one", one, found)


@pytest.mark.parametrize(
    "statement, words",
    [
        (Statement("a", "b", "frechet"), "a better than b: Fréchet distance"),
        (Statement("a", 3, "frechet"), "a: Fréchet distance below 3"),
        (Statement(100, "b", "modes"), "b: classes made below 100"),
        (Statement("a", 0.1, "coverage"), "a: coverage above 0.1"),
        (Statement(0.5, "b", "frechet"), "b: Fréchet distance above 0.5"),
    ],
)
def test_a_statement_in_words(statement, words):
    assert str(statement) == words


def test_p_is_adjusted_for_all_statements_of_a_claim():
    """Six seeds of one sign give 2 / 2^6 alone; beside an even pair they may give no less."""
    noise = [*RISING[:3], *RISING[:3]]
    alone, beside = (
        claims.judge(claim(*some).tiny, measured([2.0, 2.0, 2.0, 2.0, 2.0, 3.9], noise))[0].p
        for some in ([LOSS], [LOSS, dataclasses.replace(LOSS, than=3.5)])
    )
    assert alone == pytest.approx(2 / 2**6) and beside >= alone


WHOLE = dataclasses.asdict(claim(LOSS))


@pytest.mark.parametrize(
    "place, value, named",
    [
        (("statements", 0, "than"), "c", "'c'"),
        (("statements", 0, "score"), "beauty", "frechet"),
        (("seeds",), "six", "'six'"),
        (("images",), None, "images"),
        (("contestants",), ["digits"], "contestants"),
    ],
)
def test_a_description_that_cannot_be_tested_is_refused(tmp_path, place, value, named):
    content = json.loads(json.dumps(WHOLE))
    at = content["tiny"]
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as error:
        claims.read("one", tmp_path)
    assert named in str(error.value) and "one.yaml" in str(error.value)


def test_a_measurement_of_another_command_does_not_count(tmp_path):
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(WHOLE))
    now = claims.quoted("ganbaru", *claims.command("one", claim(LOSS).tiny))
    for command, counts in ((now, True), (now.replace("64", "65"), False)):
        one = dataclasses.replace(measured(BETTER, RISING), command=command)
        (tmp_path / "one.json").write_text(json.dumps(dataclasses.asdict(one)))
        assert (claims.measurement("one", tmp_path) == one) is counts


def test_a_claim_is_measured_and_its_page_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(claims, "CLAIMS", tmp_path)
    monkeypatch.setattr(reproduce, "CLAIMS", tmp_path)
    monkeypatch.setattr(reproduce, "PAGES", tmp_path)
    pictures(tmp_path / "pictures.npz", count=240, classes=0)
    one = claim(LOSS, seeds=1, evaluate_images=50)
    options = "--data pictures.npz --image-size 16 --network dcgan --width 4 --latent 8 --batch 8"
    tiny = dataclasses.replace(
        one.tiny, contestants={"a": "small", "b": "small --lr 1e-4"}, options=options, images=16
    )
    content = dataclasses.asdict(dataclasses.replace(one, tiny=tiny))
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    assert reproduce.main(["one"]) == 0
    found = claims.measurement("one", tmp_path)
    results = json.loads((tmp_path / "runs/reproduce/one/results.json").read_text())["runs"]
    runs = dict(zip("ab", results.values(), strict=True))
    assert found.scores == {
        name: {"frechet": [run["scores"]["frechet"] for run in each]} for name, each in runs.items()
    }
    assert f"**Verdict: {UNTESTABLE}.**" in (tmp_path / "one.md").read_text("utf-8")
    assert "1e-4" in (tmp_path / "one.md").read_text("utf-8")
    assert UNTESTABLE in capsys.readouterr().out.splitlines()[-1]
