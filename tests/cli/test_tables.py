"""Tables as files: CSV in full, LaTeX with the digits that the interval supports."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from train_helpers import command

from ganbaru import metrics
from ganbaru.formatting import csv_table, latex_table, with_interval
from ganbaru.metrics.passport import Evaluation, Passport, Score

NUMBER = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(NUMBER, st.floats(1e-6, 1e6), st.floats(0, 1))
def test_digits_end_where_the_interval_has_two(value, width, place):
    low, high = value - place * width, value + (1 - place) * width
    assume(high > low)
    texts = re.findall(r"-?\d+(?:\.\d+)?", with_interval(value, low, high))
    half = (high - low) / 2
    (places,) = {len(text.partition(".")[2]) for text in texts}
    step = 10.0**-places
    assert [float(text) for text in texts] == pytest.approx([value, low, high], abs=0.51 * step)
    # Two digits of the half width, or whole numbers.
    assert not places or 10 * (1 - 1e-9) <= half / step < 100 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((11.4925, 8.5999, 14.3852), "11.5 [8.6, 14.4]"),
        ((0.3015, 0.1819, 0.4211), "0.30 [0.18, 0.42]"),
        ((12345.6, 12000.0, 12700.0), "12346 [12000, 12700]"),
        ((10.0, None, None), "10"),
        ((1.0, 1.0, 1.0), "1"),
    ],
)
def test_with_interval(numbers, text):
    assert with_interval(*numbers) == text


@given(st.lists(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))))
def test_tables_hold_any_text(cells):
    rows = list(csv.reader(io.StringIO(csv_table(["a"], [[each] for each in cells]))))
    assert [row[0] if row else "" for row in rows] == ["a", *cells]
    lines = latex_table(["a"], [[each] for each in cells]).splitlines()
    inner = [line.removesuffix(r" \\") for line in lines[2:-1] if line != r"\hline"]
    assert len(inner) == 1 + len(cells)
    for line in inner:  # no sign of LaTeX's own is left bare
        assert not re.search(r"(?<!\\)[&%#_^~]", line)


@pytest.fixture
def found(monkeypatch):
    """`evaluate` without its minute of computing."""
    words = dict.fromkeys(("scorer", "scorer_hash", "data", "fingerprint", "reference", "floor",
                           "resize", "interval", "cas"), "x")  # fmt: skip
    passport = Passport(**words, scorer_accuracy=None, reals=9, fakes=9, seed=0)
    scores = {"frechet": Score(11.4925, 8.5999, 14.3852, 1.7442),
              "c2st": Score(0.85, 0.79, 0.91, 0.5067, p=1e-19),
              "classes": Score(10.0, None, None, 10.0)}  # fmt: skip
    scores = {name: score for name, score in scores.items() if name in metrics.METRICS}
    evaluation = Evaluation("run", {}, passport, scores, {})
    monkeypatch.setattr(metrics, "evaluate", lambda *_, **__: evaluation)
    return scores


def test_evaluate_writes_csv_and_latex(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "t.tex"):
        assert command("evaluate", "run", "-o", name).code == 0
        assert command("evaluate", "run", "-o", name).code == 0  # its own file is replaced
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert {row["score"]: float(row["value"]) for row in rows} == {
        name: score.value for name, score in found.items()
    }
    assert float(rows[0]["low"]) == found["frechet"].low
    assert "11.5 [8.6, 14.4]" in (tmp_path / "t.tex").read_text()
    (tmp_path / "own.csv").write_text("mine,1\n")
    assert command("evaluate", "run", "-o", "own.csv").code == 2
    assert (tmp_path / "own.csv").read_text() == "mine,1\n"
    said = command("evaluate", "run", "-o", "t.xls")
    assert said.code == 2 and ".csv" in said.err and ".tex" in said.err
