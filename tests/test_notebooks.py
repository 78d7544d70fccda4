"""Objects are shown briefly by Python and with pictures in notebooks; progress is shown in both."""

from __future__ import annotations

import base64
import io
import sys
import types

import numpy as np
import pytest
from PIL import Image
from train_helpers import tiny

import ganbaru
from ganbaru import callbacks, comparison, data, formatting, metrics
from ganbaru.comparison.standings import standings
from ganbaru.metrics.passport import Evaluation, Passport, Score


class Cell:
    """The outputs of a cell, as a kernel keeps them: `display` and `update` by handle."""

    def __init__(self):
        self.outputs, self.updates = [], 0

    def display(self, content, *, raw, display_id):
        assert raw and display_id
        place = len(self.outputs)
        self.outputs.append(content)
        cell = self

        class Handle:
            def update(self, content, *, raw):
                assert raw
                cell.updates += 1
                cell.outputs[place] = content

        return Handle()


@pytest.fixture
def kernel(monkeypatch):
    """Stand in for IPython in a kernel, which our code asks for two functions."""
    cell = Cell()
    package, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    package.version_info = (9, 0)  # which matplotlib looks at
    package.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    display.display = cell.display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return cell


def _check(outputs):
    """No text is long, and every picture is one."""
    for content in outputs:
        assert 0 < len(content["text/plain"]) < 500
        if "image/png" in content:
            with Image.open(io.BytesIO(base64.b64decode(content["image/png"]))) as image:
                image.load()


def test_training_shows_a_bar_a_grid_and_curves_in_a_notebook(kernel, tmp_path, capsys):
    config = tiny(tmp_path, steps=4, log_every=8)
    ganbaru.train(config)
    _check(kernel.outputs)
    kinds = [key for content in kernel.outputs for key in content if key != "text/plain"]
    # At most one output each, however long the run is: they are replaced.
    assert kinds.count("image/png") == 1 and len(kernel.outputs) <= 5 and kernel.updates
    assert any("<svg" in content.get("text/html", "") for content in kernel.outputs)
    assert any("done" in content["text/plain"] for content in kernel.outputs)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_if_it_is_not_wanted(kernel, tmp_path, capsys):
    ganbaru.train(tiny(tmp_path, steps=1), progress=False)
    assert kernel.outputs == [] and capsys.readouterr() == ("", "")


def test_outside_of_a_kernel_and_a_terminal_nothing_is_shown(tmp_path, capsys):
    assert callbacks.live() == []
    with data.shown(True) as report:
        report(1, 2, "x")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    (display,) = callbacks.live()
    assert isinstance(display, callbacks.Display) and callbacks.live(False) == []


def test_progress_of_data_and_scores_is_one_output(kernel):
    with data.shown(True) as report:
        for i in range(1, 101):
            report(i, 100, "decoding <b>")
    assert len(kernel.outputs) == 1 and "&lt;b&gt;" in kernel.outputs[0]["text/html"]
    assert "100 of 100" in kernel.outputs[0]["text/plain"]
    calls = []
    with data.shown(lambda *each: calls.append(each)) as report:
        report(1, 1, "x")
    assert calls == [(1, 1, "x")]


@pytest.fixture
def evaluation():
    words = dict.fromkeys(("scorer", "scorer_hash", "data", "fingerprint", "reference"), "x" * 90)
    more = {"floor": "f", "resize": "r", "interval": "i", "cas": "c", "scorer_accuracy": None}
    passport = Passport(**words, **more, reals=9, fakes=9, seed=0)
    scores = {name: Score(1.5, 1.0, 2.0, 0.1) for name in metrics.METRICS}
    return Evaluation("<run>" * 80, {}, passport, scores, {str(i): (0.1, 0.1) for i in range(99)})


def test_objects_are_shown_briefly_and_with_tables_and_pictures(trained_run, evaluation, tmp_path):
    generator = ganbaru.load(trained_run())
    source = data.in_memory("x", np.zeros((60, 8, 8, 1), np.uint8))
    scores = {f"contestant {i}" * 9: np.array([1.0 + i, 2.0 + i]) for i in range(9)}
    result = comparison.Result(tmp_path, standings(scores), {n: [] for n in scores}, ["c"] * 99)
    config = ganbaru.Config(data="x" * 2000)
    shown = [generator, evaluation, evaluation.passport, source, data.inspect(source), result]
    for each in (*shown, config, ganbaru.from_preset("mnist", lr=0.01)):
        assert repr(each).startswith(("from_preset", type(each).__name__))
        assert len(repr(each)) < 500, type(each)
    with Image.open(io.BytesIO(generator._repr_png_())) as image:
        assert image.format == "PNG" and max(image.size) < 1024
    for each in (evaluation, config):
        assert "<table>" in each._repr_html_() and "<run>" not in each._repr_html_()


@pytest.mark.parametrize("options", [{}, {"lr": 0.01, "betas": (0.1, 0.9)}, {"steps": 7}])
def test_the_text_of_a_configuration_makes_it_again(options):
    names = {"from_preset": ganbaru.from_preset, "Config": ganbaru.Config}
    for made in (ganbaru.from_preset("mnist", **options), ganbaru.Config(**options)):
        assert eval(repr(made), names) == made


def test_tables_escape_their_cells():
    text = formatting.html_table(("<a>",), [("<script>",), ("\x1b[0m",)])
    assert "<script>" not in text and "<a>" not in text and "\x1b" not in text


CELLS = [
    # Processor time from here to the first output: the clock's would be that of a busy machine.
    """
import time, ganbaru
from ganbaru.metrics import scorer
scorer.RECIPE, scorer.RANDOM = scorer.Recipe(width=4, shown=2_560), 2
display, times = get_ipython().display_pub, []
publish = display.publish
def timed(*content, **how):
    times.append(time.process_time())
    return publish(*content, **how)
display.publish = timed
times.append(time.process_time())
""",
    "config = ganbaru.from_preset('digits', images=640, width=4, log_every=256)\n"
    "run = ganbaru.train(config)",
    "print(times[1] - times[0])",
    "found = ganbaru.evaluate(run, number=100)\nfound",
    "ganbaru.load(run)",
]


@pytest.mark.extended
def test_a_kernel_shows_training_scores_and_a_generator(tmp_path):
    """In a real kernel, as Jupyter has it: 10 s of processor time."""
    nbclient, nbformat = (pytest.importorskip(each) for each in ("nbclient", "nbformat"))
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    how = {"resources": {"metadata": {"path": str(tmp_path)}}}
    nbclient.NotebookClient(book, timeout=300, **how).execute()
    _, training, first, scores, generator = (cell.outputs for cell in book.cells)
    assert 0 <= float(first[0].text) < 5
    for outputs in (training, scores, generator):
        for output in outputs:
            assert output.output_type in ("display_data", "execute_result"), output
            assert len(output.data["text/plain"].encode()) < 2000
    for outputs in (training, generator):
        assert any("image/png" in output.data for output in outputs)
    assert len(training) <= 5 and any("<svg" in str(each.data) for each in training)
    assert "<table>" in scores[-1].data["text/html"]
